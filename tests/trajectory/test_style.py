"""The style of a prompt: the rule of the tools, and what data and exports recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftagent.mix.recipe import Recipe
from swiftagent.trajectory.prompts import is_flat, react_prompt, split_prompt, style_for
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.style import exported_style, prompt_style
from swiftagent.trajectory.types import Answer, Call, Question, Tool, Trajectory

PLAIN = {"type": "object", "properties": {"city": {"type": "string", "description": "of it"}}, "required": ["city"]}
TYPED = {"type": "object", "properties": {"days": {"type": "integer"}}}


def tool(schema: dict[str, Any], name: str = "t") -> Tool:
    return Tool(name, "about", schema)


@pytest.mark.parametrize(
    ("parameter", "flat"),
    [
        ({}, True),
        ({"description": "a"}, True),
        ({"type": "string"}, True),
        ({"type": "integer"}, False),
        ({"type": ["string", "null"]}, False),
        ({"type": "string", "enum": ["a"]}, False),
        ({"type": "string", "default": None}, False),
        ({"type": "string", "nullable": True}, False),
        ({"type": "string", "format": "date"}, False),
        ({"anyOf": [{"type": "string"}]}, False),
        ({"type": "object", "properties": {"a": {}}}, False),
        (True, False),
    ],
)
def test_a_parameter_that_the_list_holds_whole_is_flat(parameter: Any, flat: bool):
    assert is_flat(tool({"type": "object", "properties": {"a": parameter}})) is flat


def test_one_tool_that_needs_its_schema_gives_all_of_a_prompt_theirs():
    assert style_for((tool(PLAIN), tool(PLAIN, "u"))) == "ms-agent"
    assert style_for((tool(PLAIN), tool(TYPED, "u"))) == "schema"
    assert style_for((tool(TYPED),), "ms-agent") == "ms-agent"


def test_schemas_that_no_list_can_hold_are_not_flat():
    for schema in (
        {"$defs": {}},
        {"type": "array"},
        {"required": ["a"]},
        {"additionalProperties": {"type": "integer"}},
    ):
        assert not is_flat(tool(schema)), schema


_LEAF = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "boolean", "array", ["string", "null"]]),
        "description": st.text(min_size=1, max_size=8),
        "enum": st.lists(st.text(max_size=3), min_size=1, max_size=3),
        "default": st.none() | st.integers() | st.text(max_size=3),
        "items": st.just({"type": "number"}),
    },
)
_PARAMETER = _LEAF | st.builds(
    lambda inner: {"type": "object", "properties": inner}, st.dictionaries(st.text(min_size=1, max_size=4), _LEAF)
)


@given(st.lists(st.dictionaries(st.text(min_size=1, max_size=6), _PARAMETER, max_size=4), min_size=1, max_size=3))
def test_no_type_enum_default_or_inner_field_is_lost_by_auto(all_properties: list[dict[str, Any]]):
    tools = tuple(
        tool({"type": "object", "properties": properties}, f"t{number}")
        for number, properties in enumerate(all_properties)
    )
    read = split_prompt(react_prompt(tools, "auto", "en"))
    assert read is not None
    for given_tool, known in zip(tools, read[1], strict=True):
        plain = {"type": "string"}  # an untyped parameter and a plain string are shown alike
        shown = {name: plain | value for name, value in known.parameters["properties"].items()}
        assert shown == {name: plain | value for name, value in given_tool.parameters["properties"].items()}


def _file(path: Path, *schemas: dict[str, Any]) -> str:
    rows = [Trajectory((Question("a"), Call("t", {}, "c0"), Answer("b")), (tool(schema),), "r") for schema in schemas]
    path.write_text("".join(json.dumps(to_record(row)) + "\n" for row in rows))
    return str(path)


def test_the_style_of_data_is_the_one_it_has_or_the_rule_where_it_has_both(tmp_path: Path):
    assert prompt_style([_file(tmp_path / "a.jsonl", PLAIN, PLAIN)]) == "ms-agent"
    assert prompt_style([_file(tmp_path / "b.jsonl", TYPED)]) == "schema"
    assert prompt_style([_file(tmp_path / "c.jsonl", PLAIN, TYPED)]) == "auto"
    assert prompt_style([]) is None


def test_an_export_says_in_which_style_it_was_trained(tmp_path: Path):
    (tmp_path / "export.json").write_text('{"prompt": {"style": "schema", "language": "en"}}')
    assert exported_style(tmp_path) == "schema"
    assert exported_style(tmp_path / "nowhere") is None


def test_a_mix_writes_prompts_by_the_rule_unless_it_names_a_style():
    assert Recipe(()).prompt == "auto"
