"""One stream of rows: what a format cannot hold, and an error of ours, cost one row and are counted."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from swiftagent.convert import rows as writing
from swiftagent.convert.files import convert_files
from swiftagent.convert.reading import read_trajectories
from swiftagent.convert.rows import Job
from swiftagent.errors import RejectsError
from swiftagent.formats.grouping import Grouping
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.record import from_record, to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Thought, Trajectory
from swiftagent.trajectory.wellformed import last_trained_step

CHAT = [{"role": "user", "content": "Oslo?"}, {"role": "assistant", "content": "It is 3C."}]


def run(thought: bool, call: bool, last: bool, answer: bool) -> Trajectory:
    """A run of two steps, each part of which is trained or not."""
    tide = Call("tide", {"port": "Nes"}, "c0", call)
    steps = (Thought("I look.", True, thought), tide, Observation("LOW 4", "c0"))
    return Trajectory((Question("Tide?"), *steps, Thought("I see.", False, last), Answer("Low.", answer)))


def converted(folder: Path, to: str, *given: Any) -> tuple[dict[str, Any], list[Any], list[Any]]:
    """The report, the rows written and the rejects."""
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))
    job = Job((str(folder / "in.jsonl"),), folder / f"{to}.jsonl", to=to, max_rejects=1)
    report = convert_files(job)
    found = [[json.loads(line) for line in path.open()] for path in (job.output, job.places.rejects)]
    return report, found[0], found[1]


@pytest.mark.parametrize("to", ["native", "openai"])
def test_no_row_that_trains_something_becomes_one_that_trains_nothing(to: str, tmp_path: Path) -> None:
    runs = [run(*flags) for flags in product((True, False), repeat=4)]
    records = [to_record(one) for one in runs if last_trained_step(one.events)]
    report, written, rejects = converted(tmp_path, to, *records)
    assert report["rows_in"] == len(records) == report["rows_out"] + report["rejected"]
    again = [list(read_trajectories([Row(row, "x:1")])) for row in written]
    assert len(again) == report["rows_out"] > 6 and all(again)
    assert {reject["code"] for reject in rejects} == {"nothing-trained"}
    # Each is refused for a step of which a part alone is trained, and the record in the rejects holds its masks.
    for reject in rejects:
        assert any(getattr(event, "trained", False) for event in from_record(reject["row"]).events)


def test_an_error_while_a_row_is_written_or_grouped_costs_that_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_on_bergen(trajectory: Trajectory) -> Any:
        if trajectory.events[0] == Question("Bergen?"):
            raise OverflowError("no such thing")
        return to_record(trajectory), ()

    def break_on_lines(self: Grouping, row: Row) -> list[Row]:
        self._ledger.rows_in += 1
        raise OverflowError("no such group")

    monkeypatch.setattr(writing, "writer_of", lambda *_: break_on_bergen)
    monkeypatch.setattr(Grouping, "take", break_on_lines)
    bergen = [{"role": "user", "content": "Bergen?"}, CHAT[1]]
    with pytest.raises(RejectsError, match="an error of this program in 2 of 3 rows"):
        converted(tmp_path, "react", {"messages": CHAT}, {"messages": bergen}, {"messages": CHAT, "more": 1})
    rejects = [json.loads(line) for line in (tmp_path / "react.rejects.jsonl").open()]
    assert [reject["traceback"].splitlines()[-1] for reject in rejects] == [
        "OverflowError: no such thing",
        "OverflowError: no such group",
    ]
    assert len((tmp_path / "react.jsonl").read_text().splitlines()) == 1
