"""Marks of the author: turns and parts that are not trained, rows whose runs failed."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.formats.reading.training_marks import is_marked_failed, is_trained


@pytest.mark.parametrize(
    "mark",
    [
        *(
            {"success": False},
            {"success": 0},
            {"isSuccess": "False"},
            {"resolved": "no"},
            {"reward": 0.0},
            {"reward": "0"},
        ),
        *(
            {"reward": [0.0]},
            {"reward": -1},
            {"info": {"reward_info": {"reward": 0}}},
            {"metadata": {"passed": "failed"}},
        ),
        *({"correct": "I"}, {"weight": 0}, {"label": False}, {"status": "failed"}, {"is_solved": False}),
        *({"status": "error"}, {"verdict": "Incorrect"}, {"human_feedback": "thumbs_down"}),
    ],
)
def test_a_failed_run(mark: dict[str, Any]) -> None:
    assert is_marked_failed({"messages": [], **mark})


@pytest.mark.parametrize(
    "mark",
    [
        *(
            {"success": True},
            {"reward": 0.4},
            {"reward": "1"},
            {"errors": 0},
            {"note": "0"},
            {"label": 0},
            {"result": "no"},
        ),
        *({"metadata": {"retries": 0, "success": 1}}, {"messages": [{"weight": 0}]}, {"tools": {"success": False}}),
    ],
)
def test_a_run_that_did_not_fail(mark: dict[str, Any]) -> None:
    assert not is_marked_failed(mark)


@pytest.mark.parametrize(
    "mark",
    [
        *(
            {"training": False},
            {"weight": 0},
            {"loss": "false"},
            {"content": [{"type": "text", "text": "x", "train": False}]},
        ),
        *({"content": [{"text": "a", "weight": 1}, {"text": "b", "weight": 0}]}, {"train_detail": [{"train": False}]}),
    ],
)
def test_a_turn_that_is_not_trained(mark: dict[str, Any]) -> None:
    assert not is_trained({"role": "assistant", "content": "x", **mark})


def test_a_turn_that_is_trained() -> None:
    assert is_trained({"role": "assistant", "content": "x"}) and is_trained({"content": "x", "weight": 1, "name": "a"})


@pytest.mark.parametrize("mark", [{"train_on_turn": False}, {"masked": True}, {"ignore": True}, {"no_loss": True}])
def test_a_turn_that_is_left_out(mark: dict[str, Any]) -> None:
    assert not is_trained({"role": "assistant", "content": "x", **mark})
    assert is_trained({"role": "assistant", "content": "x", **{key: not value for key, value in mark.items()}})
