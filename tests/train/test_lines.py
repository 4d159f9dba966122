"""The lines of a run: all that is asked for stands in each, and nothing that is not known."""

from __future__ import annotations

from swiftagent.train.lines import loaded_line, metric_line


def test_the_score_of_calls_is_a_line_of_its_own():
    line = {"step": 5, "max_steps": 7, "eval_call_exact": 0.625, "epoch": 1.0}
    assert metric_line(line) == "step 5/7  62.5% of held-out calls exact"


def test_a_step_tells_loss_channels_speed_memory_and_time_left():
    line = {"step": 10, "max_steps": 70, "loss": 1.5, "loss_agent": 1.25, "tokens_per_second": 1234.5}
    assert metric_line({**line, "seconds_per_step": 2.0, "memory_gib": 17.21}) == (
        "step 10/70  loss 1.5000  agent 1.2500  1,234 tokens/s  17.2 GiB  2m00s left"
    )
    assert metric_line(line) == "step 10/70  loss 1.5000  agent 1.2500  1,234 tokens/s"


def test_an_evaluation_is_told_without_the_time_left():
    line = {"step": 5, "max_steps": 7, "eval_loss": 6.0721, "eval_loss_agent": 5.887, "seconds_per_step": 1.0}
    assert metric_line(line) == "step 5/7  eval_loss 6.0721  agent 5.8870"


def test_a_streaming_run_does_not_say_that_nothing_was_loaded():
    loaded = {"rows": 1200, "tokens": 90_000, "val_rows": 12, "max_steps": 75, "sequences_per_step": 16}
    assert loaded_line(loaded) == "1,200 rows loaded, 90,000 tokens, 12 validation rows, 75 steps of 16 sequences"
    streamed = {**loaded, "rows": 0, "tokens": 0, "val_rows": 0}
    assert loaded_line(streamed) == "rows are read as they come, 75 steps of 16 sequences"
