"""The copy that a run trains, through ms-swift's own template: weights and cuts change no token, nothing is deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from swiftagent.jsonl import read_lines, write_lines
from swiftagent.mask import COUNTS
from swiftagent.mask_weights import Weights
from swiftagent.record import to_record
from swiftagent.trajectory import Answer, Call, Observation, Question, Thought, Tool, Trajectory
from tests.strategies import random_trajectory

pytestmark = pytest.mark.needs_swift


def long_row(number: int) -> Trajectory:
    result = f"line {number}: 中文 and <|im_end|> words\n" * 200
    call, answer = Call("read", {"n": number}, "c0"), Answer("done")
    events = (Question(f"q{number}"), Thought("look"), call, Observation(result, "c0"), answer)
    return Trajectory(events, (Tool("read", "Read a file"),), str(number), f"x:{number}")


@pytest.mark.parametrize("tokenizer", ["qwen2_5", "qwen3"])
def test_a_fitted_and_weighed_copy_is_clean(tmp_path: Path, shared: Path, tokenizer: str):
    from swiftagent.backend.labels import check_labels
    from swiftagent.backend.prepared_rows import prepare_rows

    source, target, model = tmp_path / "rows.jsonl", tmp_path / "copy.jsonl", str(shared / "tokenizers" / tokenizer)
    rows = [long_row(1), long_row(2), *(random_trajectory(seed, masked=False) for seed in range(60))]
    write_lines(source, map(to_record, rows))
    done = prepare_rows(
        source, target, model, train_on="last_turn", weights=Weights(thought=0.5, call=1, arguments=2, answer=1), max_length=1000
    )
    assert (done.rows_in, done.rows_out + len(done.too_long)) == (62, 62)
    assert done.results_shortened >= 2 and done.fitted >= 2
    found = check_labels(target, model, settings={**done.options, "max_length": 1000}, processes=1).as_dict()
    assert {name: found[name] for name in COUNTS if found[name]} == {}
    assert found["rows"] == done.rows_out


def test_nothing_asked_for_is_nothing_changed(tmp_path: Path):
    from swiftagent.backend.prepared_rows import prepare_rows

    source, target = tmp_path / "rows.jsonl", tmp_path / "copy.jsonl"
    write_lines(source, [to_record(random_trajectory(seed)) for seed in range(20)])
    done = prepare_rows(source, target, "unused/model")
    assert not done.changed
    assert [row.value for row in read_lines(target)] == [row.value for row in read_lines(source)]
