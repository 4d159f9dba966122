"""Tools in every spelling, as JSON Schema."""

from __future__ import annotations

import json

import pytest

from swiftagent.errors import RowError
from swiftagent.formats.reading.tools import read_tools
from swiftagent.trajectory.types import Tool

CITY = {"type": "object", "properties": {"city": {"type": "string", "description": "a city"}}, "required": ["city"]}
WEATHER = Tool("weather", "tells it", CITY)
BARE = {"name": "weather", "description": "tells it", "parameters": CITY}


@pytest.mark.parametrize(
    "raw",
    [
        [BARE],
        [{"type": "function", "function": BARE}],
        json.dumps([BARE]),
        str([BARE]),
        json.dumps(json.dumps([BARE])),
        json.dumps(BARE),
        [json.dumps(BARE)],
        [{"name": "weather", "description": "tells it", "input_schema": CITY}],
        [{"name": "weather", "description": "tells it", "inputSchema": CITY}],
        [{"name": "weather", "description": "tells it", "parameters": json.dumps(CITY)}],
        [{"function_declarations": [BARE]}],
        {"weather": {"description": "tells it", "parameters": CITY}},
        {"tools": [{"toolSpec": {"name": "weather", "description": "tells it", "inputSchema": {"json": CITY}}}]},
    ],
)
def test_a_spelling_of_one_tool(raw: object) -> None:
    assert read_tools(raw)[0] == (WEATHER,)


def test_objects_one_after_another_are_several_tools() -> None:
    two = {**BARE, "name": "two"}
    assert [tool.name for tool in read_tools(json.dumps(BARE, indent=1) + "\n\n" + json.dumps(two))[0]] == [
        "weather",
        "two",
    ]


def test_names_alone_are_tools_of_which_nothing_is_known() -> None:
    assert read_tools(["a", "b"]) == ((Tool("a"), Tool("b")), ())


def test_dialect_types_are_normalised_and_counted() -> None:
    given = {
        "type": "dict",
        "properties": {"a": {"type": "str, optional"}, "b": {"type": "list(str)"}, "c": {"type": "STRING"}},
    }
    tools, repairs = read_tools([{"name": "t", "parameters": given}])
    assert tools[0].parameters["properties"] == {
        "a": {"type": "string"},
        "b": {"type": "array", "items": {"type": "string"}},
        "c": {"type": "string"},
    }
    assert tools[0].parameters["type"] == "object" and repairs.count("type-normalised") == 4


def test_a_bare_map_of_parameters_is_a_schema() -> None:
    given = {
        "type": {"type": "str", "description": "a kind"},
        "items": {"type": "int", "description": "how many", "required": True},
    }
    tools, repairs = read_tools([{"name": "t", "parameters": given}])
    assert tools[0].parameters == {
        "type": "object",
        "properties": {
            "type": {"type": "string", "description": "a kind"},
            "items": {"type": "integer", "description": "how many"},
        },
        "required": ["items"],
    }
    assert "bare-parameters" in repairs


def test_properties_named_like_keywords_stay() -> None:
    given = {
        "type": "object",
        "properties": {"type": {"type": "string"}, "properties": {"type": "object"}, "if": {"type": "string"}},
    }
    assert read_tools([{"name": "t", "parameters": given}])[0][0].parameters == given


@pytest.mark.parametrize("raw", ["no tools here", [1], [{"description": "nameless"}]])
def test_what_is_no_tool_is_refused(raw: object) -> None:
    with pytest.raises(RowError) as told:
        read_tools(raw)
    assert told.value.code == "bad-tools"
