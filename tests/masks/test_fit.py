"""Long rows made to fit: what goes first, what stays, and that nothing is lost in silence."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import trajectories

from swiftagent.masks.check import check_record
from swiftagent.masks.fit import fit, shorten
from swiftagent.masks.pieces import Totals
from swiftagent.trajectory.record import Message, Record, from_record, to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory

TOOLS = (Tool("read", "Read a file"),)


def words(messages: list[Message]) -> int:
    """A measure for these tests: characters."""
    return sum(len(message["content"]) for message in messages)


def row(*results: str) -> Record:
    events: list[object] = [Question("old?"), Answer("old " * 30), Question("new?")]
    for number, result in enumerate(results):
        events += [Call("read", {"n": number}, f"c{number}"), Observation(result, f"c{number}")]
    return to_record(Trajectory((*events, Answer("done")), TOOLS))  # type: ignore[arg-type]


def texts(record: Record | None) -> list[str]:
    assert record is not None
    return [message["content"] for message in record["messages"][1:]]


def test_a_row_that_fits_is_left_alone():
    record = row("x" * 100)
    assert fit(record, 10_000, words) == record


def test_the_oldest_exchange_goes_first():
    record = row("x" * 1000)
    assert texts(fit(record, words(record["messages"]) - 100, words)) == [m["content"] for m in record["messages"][3:]]


def test_long_results_are_shortened_alike_before_a_step_goes():
    record = row("a" * 3000, "b" * 500, "c" * 3000)
    limit = words(record["messages"]) - 3500
    shorter = fit(record, limit, words)
    assert len(texts(shorter)) == 8
    assert limit - 64 <= words(shorter["messages"]) <= limit  # type: ignore[index]
    results = [text for text in texts(shorter) if text.startswith(" ")]
    assert [len(result) < 3000 for result in results] == [True, True, True]
    assert "characters left out" in results[0] and results[1] == " " + "b" * 500 + "\n"


def test_a_shortened_text_keeps_its_head_and_tail():
    text = " " + "head" * 100 + "tail" * 100 + "\n"
    short = shorten(text, 300)
    assert len(short) == 300
    assert short.startswith(" headhead") and short.endswith("tailtail\n")
    assert "\n[... 502 characters left out ...]\n" in short


def test_last_steps_go_when_nothing_else_helps_and_a_call_is_whole():
    record = row(*["x" * 190] * 20)
    shorter = fit(record, 3000, words)
    assert texts(shorter)[-1].endswith("\nObservation:")
    assert words(shorter["messages"]) <= 3000  # type: ignore[index]


def test_a_row_that_cannot_fit_is_none():
    assert fit(row("x" * 50), 100, words) is None


@settings(max_examples=60, deadline=None)
@given(trajectories(), st.integers(50, 4000))
def test_what_is_left_is_a_clean_record_within_the_limit(trajectory: Trajectory, limit: int):
    shorter = fit(to_record(trajectory), limit, words)
    if shorter is None:
        return
    totals = Totals()
    check_record(shorter, 1, totals)
    assert totals.clean
    assert words(shorter["messages"]) <= limit
    from_record(shorter)
