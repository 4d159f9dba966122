"""MOSS plugin conversations: several commands in a turn, their results apart, tools out of the instruction."""

from __future__ import annotations

from typing import Any

from swiftagent.convert.reading import Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Tool, Trajectory

META = (
    "You are MOSS.\nCapabilities and tools that MOSS can possess.\n- Inner thoughts: enabled.\n"
    "- Web search: enabled. API: Search(query)\n- Calculator: disabled.\n"
)
SEARCH = Tool(
    "Search", "Web search", {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
)


def turn(asked: str, thought: str, commands: str, results: str, answer: str) -> dict[str, str]:
    return {
        "Human": f"<|Human|>: {asked}<eoh>\n",
        "Inner Thoughts": f"<|Inner Thoughts|>: {thought}<eot>\n",
        "Commands": f"<|Commands|>: {commands}<eoc>\n",
        "Tool Responses": f"<|Results|>:\n{results}\n<eor>\n",
        "MOSS": f"<|MOSS|>: {answer}<eom>\n",
    }


def read(**turns: dict[str, str]) -> Trajectory:
    row: dict[str, Any] = {"conversation_id": 1, "meta_instruction": META, "chat": turns}
    (found,) = read_trajectories([Row(row, "x:1")], Policy())
    return found


def test_several_commands_and_a_turn_without() -> None:
    results = "Search(\"a, b\") =>\n<|1|>: 'x'\nSearch(\"c\") =>\n<|2|>: 'y'"
    found = read(
        turn_1=turn("q", "I search.", 'Search("a, b"), Search("c")', results, "xy"),
        turn_2=turn("thanks", "None", "None", "None", "Welcome."),
    )
    assert found.tools == (SEARCH,)
    assert found.events == (
        *(System("You are MOSS."), Question("q"), Thought("I search.")),
        *(Call("Search", {"query": "a, b"}, "c0"), Call("Search", {"query": "c"}, "c1")),
        *(Observation("<|1|>: 'x'", "c0"), Observation("<|2|>: 'y'", "c1"), Answer("xy")),
        *(Question("thanks"), Answer("Welcome.")),
    )


def test_a_result_that_does_not_name_its_command() -> None:
    found = read(turn_1=turn("q", "None", 'Search("a")', "Nothing found.", "Sorry."))
    assert found.events[2:] == (
        Call("Search", {"query": "a"}, "c0"),
        Observation("Nothing found.", "c0"),
        Answer("Sorry."),
    )
