from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from swiftagent.convert.reading import read_trajectories
from swiftagent.improve.asking import NeverAsked, ask, exchanged, wording_of
from swiftagent.io.rows import read_rows
from swiftagent.scores.calls import steps_of
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Thought, Tool, Trajectory

WEATHER = Tool("get_weather", "Weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def row(city: str, text: str = "Is it warm in {}?") -> Trajectory:
    events = (
        Question(text.format(city)),
        Thought(f"I look up {city}."),
        Call("get_weather", {"city": city}, "c0"),
        Observation("7", "c0"),
        Answer(f"It is 7 degrees in {city}."),
    )
    return Trajectory(events, (WEATHER,), city, f"rows:{city}")


@pytest.fixture(scope="module")
def training(root: Path) -> list[Trajectory]:
    files = ("agent_openai.jsonl", "agent_sharegpt.jsonl")
    return [row for name in files for row in read_trajectories(read_rows(str(root / "datasets" / name)))]


@pytest.fixture(scope="module")
def gold(root: Path) -> list[Trajectory]:
    return list(read_trajectories(read_rows(str(root / "datasets" / "heldout.jsonl"))))


def test_values_are_exchanged_everywhere_and_the_row_ends_with_its_calls() -> None:
    rows = [row(city) for city in ("Oslo", "Rome")]
    assert ask(rows, [], 10, 0).rows == []  # each would become the other, which is a training row
    # Rome was never asked for in this wording.
    [asked] = ask([*rows, row("Oslo", "{}: do I need a coat?")], [], 10, 0).rows
    assert asked.events == (
        Question("Rome: do I need a coat?"),
        Thought("I look up Rome."),
        Call("get_weather", {"city": "Rome"}, "c0"),
    )


def test_a_question_is_asked_with_other_tools_that_stood_beside_its_own() -> None:
    tools = {name: msgspec.structs.replace(WEATHER, name=name) for name in ("radio", "alarm", "forecast")}
    cities = ("Oslo", "Rome", "Lima", "Kyiv", "Bonn", "Riga")
    rows = [row(city, f"{{}}: do I need a coat{'?' * n}") for n, city in enumerate(cities)]
    offered = [(WEATHER, tools["radio"]), (tools["alarm"], WEATHER), (WEATHER,)]
    rows = [msgspec.structs.replace(each, tools=offered[n % 3]) for n, each in enumerate(rows)]
    # It stands beside another tool alone: whether it answers these questions too is not known.
    other = (Question("Rain?"), Call("alarm", {"on": "Rain"}, "c0"))
    rows.append(Trajectory(other, (tools["alarm"], tools["forecast"]), "other", "rows:other"))
    asked = ask(rows, [], 40, 0).rows
    seen = {tuple(tool.name for tool in each.tools) for each in asked}
    assert all("get_weather" in names and set(names) <= {"get_weather", "radio", "alarm"} for names in seen)
    assert {("radio", "get_weather"), ("get_weather", "alarm")} <= seen  # both ways round


def test_a_value_inside_another_word_is_left_alone() -> None:
    import random

    source = row("Rome", "Romeo asks: is it warm in {}?")
    [step, *_] = steps_of(source)
    values = {("get_weather", "city", "en"): ["Rome", "Oslo"]}
    varied = exchanged(source, step, values, random.Random(0))
    assert varied is not None
    assert varied.events[0] == Question("Romeo asks: is it warm in Oslo?")


def test_nothing_of_the_evaluation_set_is_asked(training: list[Trajectory], gold: list[Trajectory]) -> None:
    """No question, no call and no wording of the held-out rows of the sample data, over many questions."""
    found = ask(training, gold, 600, 3)
    assert len(found.rows) > 300
    questions = {e.text.casefold() for r in gold for e in r.events if isinstance(e, Question)}
    calls = [(e.tool, e.arguments) for r in gold for e in r.events if isinstance(e, Call) and e.arguments]
    trained = {wording_of(each) for each in training}
    for each in found.rows:
        for event in each.events:
            assert not (isinstance(event, Question) and event.text.casefold() in questions)
            assert not (isinstance(event, Call) and (event.tool, event.arguments) in calls)
        assert wording_of(each) in trained | {wording_of(other) for other in found.rows}
    assert found.left_out["held-out-values"] > 0
    most = Counter(next(e.tool for e in r.events if isinstance(e, Call)) for r in found.rows).most_common(1)[0][1]
    assert most <= 2 * 600 // 15  # no tool fills the questions


def test_own_questions_of_the_evaluation_set_are_refused() -> None:
    held = row("Kyiv", "How cold will {} be?")
    training = [row("Oslo"), row("Rome")]
    own = [row("Kyiv", "How cold will {} be?"), row("Lima", "How cold will {} be?"), row("Kyiv"), row("Paris")]
    found = ask(training, [held], 10, 0, own)
    assert [each.events[0] for each in found.rows] == [Question("Is it warm in Paris?")]
    assert dict(found.left_out) == {"held-out-question": 1, "held-out-wording": 1, "held-out-values": 1}
    assert NeverAsked([held], [*training, row("Oslo", "How cold will {} be?")]).refuses(own[1]) == ""
