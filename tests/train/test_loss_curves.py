"""The loss of a run as curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swiftagent.train.loss_curves import averaged, draw, loss_series, plot

LINES = [{"step": step, "loss": 8.0 / step, "loss_agent": 9.0 / step} for step in range(1, 21)]
EVALUATED = [{"step": 10, "eval_loss": 1.0}, {"step": 20, "eval_loss": 0.5}]


def test_the_curve_holds_its_average_channels_and_the_evaluation_in_a_fixed_order():
    drawn = plot(loss_series([*EVALUATED, *LINES]))
    assert drawn is not None and drawn.is_log
    found = [(curve.name, curve.marked) for curve in drawn.curves]
    assert found == [("loss", False), ("average", False), ("agent", False), ("eval", True)]
    assert drawn.curves[3].number == drawn.curves[0].number  # one color
    assert plot(loss_series(LINES[:1])) is None


def test_the_average_has_no_bias_to_the_first_value():
    assert averaged([(1, 3.0), (2, 3.0)]) == [(1, pytest.approx(3.0)), (2, pytest.approx(3.0))]
    # half of what was and half of the new: 0.5 * 0.5 * 4 + 0.5 * 2 = 2, of a weight of 0.75
    assert averaged([(1, 4.0), (2, 2.0)])[1] == (2, pytest.approx(2 / 0.75))


def test_the_average_of_a_short_run_ends_near_its_last_values():
    falling = [(step, 0.3 + 5 * 0.85**step) for step in range(33)]
    assert averaged(falling)[-1][1] == pytest.approx(falling[-1][1], rel=0.05)


def test_the_picture_is_drawn_from_the_metrics_of_a_folder(tmp_path: Path):
    assert draw(tmp_path) is None
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*LINES, *EVALUATED]))
    assert draw(tmp_path) == tmp_path / "loss.png"
    assert (tmp_path / "loss.png").read_bytes()[1:4] == b"PNG"
