"""Logged runs of agents: KnowAgent, ALFWorld, ReAct, SWE-agent."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Thought


def read(row: Any) -> tuple[Event, ...]:
    (found,) = read_trajectories([Row(row, "x:1")], Policy())
    return found.events


STEPS = "> Think: I look.\n> ActionPath: Start\n> go to desk 1\nA pen.\n"
STEPS += "> Think: I have it.\n> ActionPath: Start->Goto\n> take pen 1\nOK."
WALK = (
    *(
        Thought("I look.\n\nActionPath: Start"),
        Call("act", {"input": "go to desk 1"}, "c0"),
        Observation("A pen.", "c0"),
    ),
    *(Thought("I have it.\n\nActionPath: Start->Goto"), Call("act", {"input": "take pen 1"}, "c1")),
)


def test_a_walk_through_rooms_is_not_an_answer() -> None:
    asked = "Solve it.\nAn example:\n> Think: x\n> go to bed 1\nA bed.\n\nYour task is to: find a pen.\n"
    assert read({"input": asked, "output": STEPS}) == (Question(asked.strip()), *WALK)


def test_a_walk_told_in_one_text() -> None:
    room = "You are in a room.\nYour task is to: find a pen."
    assert read({"name": "pen", "result": True, "traj": f"{room}\n{STEPS}"}) == (Question(room), *WALK)


def test_a_walk_that_failed_is_not_trained() -> None:
    ledger = Ledger()
    row = {"result": False, "traj": f"You are in a room.\n{STEPS}"}
    assert not list(read_trajectories([Row(row, "x:1")], Policy(), ledger)) and ledger.reasons == {"failed-row": 1}


RUN = (
    "ActionPath 1: Start\nThought 1: I search.\nAction 1: Search[Oslo]\nObservation 1: A city.\n"
    "ActionPath 2: Start->Search[Oslo]\nThought 2: Found.\nAction 2: Finish[a city]\nObservation 2: Answer is CORRECT"
)


@pytest.mark.parametrize(
    "row",
    [
        {"input": "Solve.\nQuestion: What is Oslo?\n", "output": RUN},
        {
            "question": "What is Oslo?",
            "answer": "city",
            "reward": 1,
            "prompt": f"Solve.\nQuestion: What is Oslo?\n{RUN}",
        },
    ],
)
def test_the_way_so_far_is_thought_and_no_result(row: dict[str, Any]) -> None:
    asked, *rest = read(row)
    assert isinstance(asked, Question) and asked.text.strip() == "Solve.\nQuestion: What is Oslo?"
    assert rest == [
        *(
            Thought("ActionPath 1: Start\n\nI search."),
            Call("Search", {"input": "Oslo"}, "c0"),
            Observation("A city.", "c0"),
        ),
        *(Thought("ActionPath 2: Start->Search[Oslo]\n\nFound."), Answer("a city")),
    ]


def test_a_thought_that_the_content_tells_again_stands_once() -> None:
    called = {"id": "t", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
    row = {
        "messages": [
            {"role": "user", "content": "Fix it"},
            {"role": "assistant", "content": "I look.", "thought": "I look.", "action": "ls", "tool_calls": [called]},
            {"role": "tool", "content": [{"type": "text", "text": "a.py"}], "tool_call_ids": ["t"]},
            {"role": "assistant", "content": "Done.\n```\nsubmit\n```", "thought": "Done.\n", "action": "submit"},
        ]
    }
    assert read(row) == (
        *(
            Question("Fix it"),
            Thought("I look.", said=True),
            Call("bash", {"command": "ls"}, "c0"),
            Observation("a.py", "c0"),
        ),
        Answer("Done.\n```\nsubmit\n```"),
    )


def test_a_question_in_the_first_turn_is_no_result() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "Observation:\nBuy a cup"},
            {"role": "assistant", "content": "Thought: I search\nAction: search[cup]"},
            {"role": "user", "content": "Observation:\nA cup"},
            {"role": "assistant", "content": "Thought: this one\nFinal Answer: A cup"},
        ]
    }
    assert read(row) == (
        *(Question("Observation:\nBuy a cup"), Thought("I search"), Call("search", {"input": "cup"}, "c0")),
        *(Observation("\nA cup", "c0"), Thought("this one"), Answer("A cup")),
    )


def acted(*texts: str) -> tuple[Event, ...]:
    turns = [{"from": "human", "value": "Play"}]
    for text in texts:
        turns += [{"from": "gpt", "value": f"Thought: t\nAction:{text}"}, {"from": "human", "value": "seen"}]
    return read({"conversations": [*turns, {"from": "gpt", "value": "Thought: t\nFinal Answer: done"}]})


def test_words_for_a_room_are_no_names_of_tools() -> None:
    calls = [event for event in acted(" look around", "\nb a d l y") if isinstance(event, Call)]
    assert calls == [Call("act", {"input": "look around"}, "c0"), Call("act", {"input": "b a d l y"}, "c1")]


def test_an_action_that_is_fenced_code() -> None:
    calls = [event for event in acted(" ```sql\nSELECT 1;\n```") if isinstance(event, Call)]
    assert calls == [Call("sql", {"input": "SELECT 1;"}, "c0")]


def test_a_log_of_steps() -> None:
    row = {
        "question": "Where is Oslo?",
        "steps": [
            {"thought": "I search.", "action": "search[Oslo]", "observation": "A city."},
            {
                "thought": "And then?",
                "action": {"name": "get_map", "arguments": {"of": "Oslo"}},
                "observation": {"in": "Norway"},
            },
            {"thought": "Found.", "action": "finish[Norway]", "observation": ""},
        ],
        "answer": "Norway",
    }
    assert read(row) == (
        *(
            Question("Where is Oslo?"),
            Thought("I search."),
            Call("search", {"input": "Oslo"}, "c0"),
            Observation("A city.", "c0"),
        ),
        *(Thought("And then?"), Call("get_map", {"of": "Oslo"}, "c1"), Observation('{"in": "Norway"}', "c1")),
        *(Thought("Found."), Answer("Norway")),
    )


def test_what_infer_writes_is_read_with_its_calls() -> None:
    step = {"thought": "", "action": "weather", "action_input": {"city": "Oslo"}, "observation": "3C", "error": None}
    wrong = {**step, "thought": "hm", "action_input": {"city": 3}, "observation": "no", "error": "wrong-type"}
    turns = [
        {"question": "hi", "steps": [], "answer": "Hello.", "stopped_by": "answer"},
        {"question": "Oslo?", "steps": [wrong, step], "answer": "3C.", "stopped_by": "answer"},
    ]
    greeting = (Question("hi"), Answer("Hello."))
    asked = (
        *(Question("Oslo?"), Thought("hm", trained=False), Call("weather", {"city": 3}, "c0", trained=False)),
        *(Observation("no", "c0"), Call("weather", {"city": "Oslo"}, "c1"), Observation("3C", "c1"), Answer("3C.")),
    )
    assert read({"row": 1, "id": "a", "turns": turns}) == (*greeting, *asked)
    first = Call("weather", {"city": "Oslo"}, "c0")
    assert read({"row": 1, "id": "a", **turns[1], "steps": [step]}) == (
        Question("Oslo?"),
        first,
        Observation("3C", "c0"),
        asked[-1],
    )
    assert read(turns[0]) == greeting
