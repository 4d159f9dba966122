from __future__ import annotations

from swiftagent.scores.calls import Attempt, Predicted, steps_of
from swiftagent.scores.groups import grouped, number_range
from swiftagent.scores.metrics import score_step
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory


def row(tool: str, question: str, name: str) -> Trajectory:
    events = (Question(question), Call(tool, {"a": 1}, "c0"), Observation("r", "c0"), Answer("done"))
    return Trajectory(events, (Tool("old"), Tool("new")), name)


def test_groups():
    right, wrong = Predicted((Attempt("old", {"a": 1}),)), Predicted((Attempt("old", {"a": 2}),))
    pairs = [(row("old", "Oslo?", "r0"), right), (row("new", "奥斯陆天气怎么样", "r1"), wrong)]
    scores = [score_step(next(steps_of(gold)), guess) for gold, guess in pairs]
    found = grouped(scores, {"old"})
    values = found.pop("argument")
    assert {name: metrics["argument_values"].value for name, metrics in values.items()} == {"new.a": 0.0, "old.a": 1.0}
    exact = {
        group: {name: metrics["call_exact"].value for name, metrics in parts.items()} for group, parts in found.items()
    }
    assert exact == {
        "tool": {"new": 0.0, "old": 1.0},
        "language": {"en": 1.0, "zh": 0.0},
        "number of tools": {" 2-3": 0.5},
        "number of turns": {" 1": 0.5},
        "call of the row": {" 1": 0.5},
        "tool in training": {"seen": 1.0, "unseen": 0.0},
    }


def test_arguments_are_told_apart():
    events = (Question("q"), Call("old", {"a": 1, "b": 2}, "c0"), Observation("r", "c0"), Answer("done"))
    gold = next(steps_of(Trajectory(events, (Tool("old"),), "r0")))
    guesses = [{"a": 1, "b": 3}, {"a": 1}, {"a": 1, "b": "2"}]
    found = grouped([score_step(gold, Predicted((Attempt("old", guess),))) for guess in guesses])["argument"]
    told = {name: (metrics["argument_values"].value, metrics["argument_values"].n) for name, metrics in found.items()}
    assert told == {"old.a": (1.0, 3), "old.b": (1 / 3, 3)}


def test_ranges_sort_as_numbers_do():
    assert [number_range(n, (1, 3, 6, 10, 20)) for n in (1, 2, 3, 4, 10, 20, 21)] == [
        " 1",
        " 2-3",
        " 2-3",
        " 4-6",
        " 7-10",
        "11-20",
        "21+",
    ]
