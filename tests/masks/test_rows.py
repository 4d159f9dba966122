"""What a run trains of its rows, through ms-swift's own template: weights and cuts change no token, nothing is
deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from strategies import random_trajectory

from swiftagent.io.jsonl import write_lines
from swiftagent.masks.fit import fit
from swiftagent.masks.pieces import COUNTS
from swiftagent.masks.weights import Weights, normalised, train_only, weigh
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Thought, Tool, Trajectory

pytestmark = pytest.mark.needs_swift


def long_row(number: int) -> Trajectory:
    result = f"line {number}: 中文 and <|im_end|> words\n" * 200
    call, answer = Call("read", {"n": number}, "c0"), Answer("done")
    events = (Question(f"q{number}"), Thought("look"), call, Observation(result, "c0"), answer)
    return Trajectory(events, (Tool("read", "Read a file"),), str(number), f"x:{number}")


@pytest.mark.parametrize("tokenizer", ["qwen2_5", "qwen3"])
def test_fitted_and_weighed_rows_are_clean(tmp_path: Path, shared: Path, tokenizer: str):
    from swiftagent.backend.labels import check_labels
    from swiftagent.backend.template import open_trainer

    model, path = str(shared / "tokenizers" / tokenizer), tmp_path / "rows.jsonl"
    rows = [long_row(1), long_row(2), *(random_trajectory(seed, masked=False) for seed in range(60))]
    records = [train_only(to_record(row), "last_turn") for row in rows]
    weights = normalised(Weights(thought=0.5, call=1, arguments=2, answer=1), records)
    with open_trainer(model) as trainer:
        trainer.template.max_length = None

        def length(messages: list[dict[str, Any]]) -> int:
            return len(trainer.template.encode({"messages": messages})["input_ids"])

        fitted = [fit(record, 1000, length) for record in records]
    kept = [record for record in fitted if record is not None]
    assert all("characters left out" in str(record) for record in kept[:2])
    assert len(kept) == len(records)
    write_lines(path, (weigh(record, weights) for record in kept))
    settings = {"is_binary_loss_scale": False, "max_length": 1000}
    found = check_labels(path, model, settings=settings, processes=1).as_dict()
    assert {name: found[name] for name in COUNTS if found[name]} == {}
    assert found["rows"] == len(kept)
