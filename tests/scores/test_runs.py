from __future__ import annotations

from swiftagent.scores.calls import NO_RESULT, Attempt, Replay, run_parts, tasks_of
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory

OSLO, ROME = Call("weather", {"city": "Oslo"}, "c0"), Call("weather", {"city": "Rome"}, "c1")
ROW = Trajectory(
    (
        Question("Oslo, Rome?"),
        OSLO,
        Observation("3C", "c0"),
        ROME,
        Observation("20C", "c1"),
        Answer("3C and 20C"),
        Question("thanks"),
        Answer("you are welcome"),
    ),
    (Tool("weather"),),
    "r",
)
FIRST, SECOND = tasks_of(ROW)
EXACT = (Attempt("weather", {"city": "rome"}), Attempt("weather", {"city": "Oslo"}))


def test_one_task_a_question():
    assert [(task.id, len(task.context), task.calls) for task in (FIRST, SECOND)] == [
        ("r@0", 1, (OSLO, ROME)),
        ("r@1", 7, ()),
    ]
    assert list(tasks_of(Trajectory((Question("hi"), Answer("hi"))))) == []


def test_results_are_replayed_by_what_was_asked():
    replay = Replay(FIRST.calls, FIRST.results)
    assert [replay.call(call).text for call in (ROME, OSLO)] == ["20C", "3C"]
    assert replay.call(ROME).text == "20C"
    assert replay.call(Call("weather", {"city": "Paris"})).text == NO_RESULT


def test_a_run_that_finished():
    assert run_parts(FIRST, EXACT, "3C and 20C", "answer") == {
        "free_finished": (1.0, 1.0),
        "free_calls": (2.0, 2.0),
        "steps_to_finish": (2.0, 1.0),
    }


def test_a_run_that_did_not():
    assert run_parts(FIRST, EXACT[:1] * 3, None, "repeats") == {"free_finished": (0.0, 1.0), "free_calls": (1.0, 2.0)}
    assert run_parts(SECOND, (), "welcome", "answer") == {"free_finished": (1.0, 1.0)}
    assert run_parts(FIRST, (), "at once", "answer") == {"free_finished": (1.0, 1.0), "free_calls": (0.0, 2.0)}
