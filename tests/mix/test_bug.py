"""An error of this program in one row of a mix: that row is rejected with its traceback, everything else is mixed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mix_data import jsonl

from swiftagent.convert import reading
from swiftagent.errors import RejectsError
from swiftagent.io.outputs import outputs
from swiftagent.io.workers import Workers
from swiftagent.mix.mixing import mix
from swiftagent.mix.plan import MixRun
from swiftagent.mix.recipe import Recipe, Source
from swiftagent.trajectory.types import Question, Trajectory
from swiftagent.trajectory.wellformed import Policy, check


def test_an_error_of_ours_costs_one_row_of_a_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_on_bergen(trajectory: Trajectory, policy: Policy) -> Trajectory:
        if trajectory.events[0] == Question("Bergen?"):
            raise OverflowError("no such thing")
        return check(trajectory, policy)

    monkeypatch.setattr(reading, "check", break_on_bergen)
    answer = {"role": "assistant", "content": "3C."}
    rows = [{"messages": [{"role": "user", "content": place}, answer], "more": 1} for place in ("Oslo?", "Bergen?")]
    (tmp_path / "chat.jsonl").write_bytes(jsonl(rows))
    recipe = Recipe((Source((str(tmp_path / "chat.jsonl"),), channel="general"),), val=0, max_rejects=1)
    with pytest.raises(RejectsError, match="an error of this program in 1 rows"):
        mix(MixRun(recipe, outputs(tmp_path / "mix.jsonl"), Workers(1)), {})
    (reject,) = map(json.loads, (tmp_path / "mix.rejects.jsonl").open())
    assert reject["code"] == "bug" and reject["traceback"].endswith("OverflowError: no such thing\n")
    assert len((tmp_path / "mix.jsonl").read_text().splitlines()) == 1
