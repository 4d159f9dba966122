"""What a run says of itself while it goes on."""

from __future__ import annotations

from swiftagent.training_view import loaded_line

LOADED = {"rows": 1200, "tokens": 90_000, "val_rows": 12, "max_steps": 75, "sequences_per_step": 16}


def test_what_was_loaded():
    assert loaded_line(LOADED) == "1,200 rows loaded, 90,000 tokens, 12 validation rows, 75 steps of 16 sequences"


def test_a_streaming_run_does_not_say_that_nothing_was_loaded():
    streamed = {**LOADED, "rows": 0, "tokens": 0, "val_rows": 0}
    assert loaded_line(streamed) == "rows are read as they come, 75 steps of 16 sequences"
