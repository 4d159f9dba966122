"""Grammars for other servers, read by llguidance's own readers of both forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swiftagent.agent.sampling import HERMES, REACT_FRAME, CallFrame
from swiftagent.export.grammars import gbnf, structural_tag, write_grammars
from swiftagent.trajectory.react import call_text
from swiftagent.trajectory.types import Call, Tool

llguidance = pytest.importorskip("llguidance", reason="llguidance is not installed (pip install llguidance)")

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FIELDS = {
    "unit": {"enum": ["°C", 'a"b']},
    "days": {"type": "array", "items": {"type": "integer"}},
    "place": PLACE,
    "note": {"type": ["string", "null"]},
    "any": {},
}
WEATHER = Tool("weather", "", {"type": "object", "properties": FIELDS, "required": ["place"]})
CLOCK = Tool("read_clock", "", {"type": "object", "properties": {}})
TOOLS = (WEATHER, CLOCK)
GOOD = [
    Call("weather", {"place": {"city": "Oslo"}}),
    Call("weather", {"unit": 'a"b', "days": [1, -2], "place": {"city": 'Å "x"'}, "note": None, "any": {"a": [1.5e3]}}),
    Call("weather", {"days": [], "place": {"city": ""}, "any": "x"}),
    Call("read_clock", {}),
]
BAD = [
    Call("wether", {"place": {"city": "Oslo"}}),
    Call("weather", {}),
    Call("weather", {"place": {"city": 3}}),
    Call("weather", {"unit": "K", "place": {"city": "Oslo"}}),
    Call("weather", {"place": {"city": "Oslo"}, "more": 1}),
    Call("read_clock", {"now": True}),
]


def reads(grammar: str, text: str) -> bool:
    """Whether a text is one of the grammar, whole."""
    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, grammar)
    assert not matcher.get_error()
    return bool(matcher.consume_tokens(tokenizer.tokenize_str(text)) and matcher.is_accepting())


def text_of(call: Call, frame: CallFrame) -> str:
    if frame == REACT_FRAME:
        return call_text(call)
    return f"{frame.opening}{call.tool}{frame.middle}{json.dumps(call.arguments, ensure_ascii=False)}{frame.closing}"


def as_gbnf(frame: CallFrame) -> str:
    return str(llguidance.gbnf_to_lark.any_to_lark(gbnf(TOOLS, frame)))


def as_tag(frame: CallFrame) -> str:
    tag = structural_tag(TOOLS, frame)
    [trigger] = tag["triggers"]
    spelled: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    tags = [
        llguidance.StructTag(
            trigger=trigger, begin=one["begin"], grammar={**one["schema"], "x-guidance": spelled}, end=one["end"]
        )
        for one in tag["structures"]
    ]
    return str(llguidance.StructTag.to_grammar(tags, assume_special=False))


@pytest.mark.parametrize("frame", [REACT_FRAME, HERMES], ids=["react", "hermes"])
@pytest.mark.parametrize("written", [as_gbnf, as_tag])
def test_declared_calls_are_read_and_others_are_not(written: Any, frame: CallFrame) -> None:
    grammar = written(frame)
    assert [reads(grammar, text_of(call, frame)) for call in GOOD] == [True] * len(GOOD)
    assert [reads(grammar, text_of(call, frame)) for call in BAD] == [False] * len(BAD)


def test_the_files_hold_what_a_request_takes(tmp_path: Path) -> None:
    assert write_grammars(TOOLS, REACT_FRAME, tmp_path)["llama.cpp"] == "llama_cpp.json"
    tag, lazy = (json.loads((tmp_path / name).read_text()) for name in ("structural_tag.json", "llama_cpp.json"))
    assert tag["response_format"]["triggers"] == [lazy["grammar_triggers"][0]["value"]] == ["Action:"]
    assert tag["response_format"]["structures"][1]["begin"] == "Action: read_clock\nAction Input: "
    assert lazy["grammar"].startswith("root ::= ") and lazy["grammar_lazy"]
