"""Calls as single models write them, held against their chat templates: those that ms-swift has, and vLLM's parsers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swiftagent.convert.reading import Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Thought
from tests.support.weather import EVENTS, GIVEN_TEXT, TOOL

MADE = '{"name": "weather", "arguments": ' + GIVEN_TEXT + "}"


def events(said: str, tools: list[Any], results: int = 1) -> tuple[Event, ...]:
    turns = [{"role": "user", "content": "Oslo?"}, {"role": "assistant", "content": said}]
    turns += [{"role": "tool", "content": "3C"}] * results + [{"role": "assistant", "content": "It is 3C."}]
    (found,) = read_trajectories([Row({"messages": turns, "tools": tools}, "x:1")], Policy())
    return found.events


@pytest.mark.parametrize(
    "said",
    [
        f"<|tool_call|>[{MADE}]",  # Granite 3, vLLM's granite_tool_parser
        f"<tool_call>[{MADE}]",
        f"<function_call> {MADE}",  # granite_20b_fc_tool_parser
        f"[{MADE}]",  # xLAM: xlam_tool_parser
        f"```json\n[{MADE}]\n```",
        f"[TOOL_CALLS][{MADE}]",
        f"<tool_call>[{MADE}]</tool_call>",
        f"<longcat_tool_call>{MADE}</longcat_tool_call>",  # longcat_tool_parser
        f"<tool_calls>[{MADE}]</tool_calls>",  # Hunyuan A13B, Jamba
        f"<tool_calls>\n{MADE}\n</tool_calls>",  # MiniMax M1
        f"<answer><tool_calls>[{MADE}]</tool_calls></answer>",
        '<|tool_call_start|>\n```python\nweather(city="Oslo")\n```\n<|tool_call_end|>',  # MiniCPM 4
        '<|python_start|>[weather(city="Oslo")]<|python_end|>',  # llama4_pythonic_tool_parser
        "<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜>"  # step3_tool_parser
        '<steptml:invoke name="weather"><steptml:parameter name="city">Oslo</steptml:parameter></steptml:invoke>'
        "<｜tool_call_end｜><｜tool_calls_end｜>",
        "<start_function_call>call:weather{city:<escape>Oslo<escape>}<end_function_call><start_function_response>",
        '<|tools_prefix|>[{"weather": {"city": "Oslo"}}]<|tools_suffix|>',  # Apertus
    ],
)
def test_a_call_as_the_parser_of_a_model_knows_it(said: str) -> None:
    assert events(said, [TOOL]) == EVENTS


def test_text_in_an_invoke_takes_the_declared_type() -> None:
    parameter = '<parameter name="city">75201</parameter>'
    said = f'<minimax:tool_call>\n<invoke name="weather">\n{parameter}\n</invoke>\n</minimax:tool_call>'
    assert events(said, [TOOL])[1] == Call("weather", {"city": "75201"}, "c0")
    assert events(said, [])[1] == Call("weather", {"city": 75201}, "c0")


@pytest.mark.needs_swift
def test_what_every_agent_template_of_ms_swift_writes_is_read() -> None:
    from swift.agent_template.mapping import agent_template_map

    made = [
        {"name": "weather", "arguments": {"city": "Oslo", "days": 2}},
        {"name": "weather", "arguments": {"city": "Rome"}},
    ]
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    tools = [{"name": "weather", "parameters": schema}]
    calls = [Call("weather", call["arguments"], f"c{number}") for number, call in enumerate(made)]
    given = [Observation("3C", "c0"), Observation("3C", "c1")]
    for name, template in agent_template_map.items():
        turns = [{"role": "tool_call", "content": json.dumps(call)} for call in made]
        # A call of Llama's stands alone, without a word before it.
        lead, thought = ("", ()) if name in ("llama3", "llama4") else ("I look.\n", (Thought("I look.", said=True),))
        one, two = (template()._format_tool_calls(turns[:count]) for count in (1, 2))
        end = Answer("It is 3C.")
        assert events(lead + one, tools) == (Question("Oslo?"), *thought, calls[0], given[0], end), name
        assert events(two, tools, 2) == (Question("Oslo?"), *calls, *given, end), name
