"""The check of arguments: codes for the ledger, sentences for the model, and schemas that would hang a validator."""

from __future__ import annotations

import time
from typing import Any

import pytest

from swiftagent.trajectory.schema import ArgumentFault, faults

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"enum": [1, 2]}}, "required": ["city"]}


def test_each_fault_has_its_code_place_and_sentence():
    assert faults(CITY, {"city": "Oslo"}) == []
    assert faults(CITY, [1]) == [ArgumentFault("wrong-type", "", "the arguments must be one JSON object, not array")]
    assert faults(CITY, {"town": 1, "days": 3}) == [
        ArgumentFault("missing-argument", "city", "missing required parameter 'city'"),
        ArgumentFault("unknown-argument", "town", "unknown parameter 'town', it takes 'city', 'days'"),
        ArgumentFault("bad-enum", "days", "'days' must be one of [1, 2], not 3"),
    ]
    nested = {"properties": {"via": {"type": "array", "items": CITY}}}
    assert faults(nested, {"via": [{"city": None}]}) == [
        ArgumentFault("wrong-type", "via[0].city", "'via[0].city' must be of type string, not null null")
    ]


def test_references_are_followed_within_the_schema_alone():
    local = {"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}
    assert [fault.code for fault in faults(local, {"a": "x"})] == ["wrong-type"]
    assert [fault.code for fault in faults({"$ref": "https://example.com/schema"}, {})] == ["bad-schema"]
    for wrong in ([], ["a"], 3, "a"):
        assert [fault.code for fault in faults({"properties": wrong}, {"a": 1})] == ["bad-schema"]
    tree = {"properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}, "n": {"type": "integer"}}}
    assert [fault.place for fault in faults(tree, {"l": {"r": {"n": "x"}}})] == ["l.r.n"]


def doubling(reference: str, name: str | None) -> dict[str, Any]:
    """40 definitions, each of which refers to the next one twice."""
    defs = {
        f"d{n}": {**({name: f"d{n}"} if name else {}), "allOf": [{"$ref": reference.format(n + 1)}] * 2}
        for n in range(40)
    }
    last = {**({name: "d40"} if name else {}), "type": "object"}
    return {"$defs": {**defs, "d40": last}, "$ref": reference.format(0)}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"pattern": "^(a+)+$"}}},
        {"properties": {"a": {"pattern": "^(?=a)(a|aa)+$(?<!x)"}}},
        doubling("#/$defs/d{}", None),
        doubling("#d{}", "$anchor"),
        doubling("d{}", "$id"),
    ],
)
def test_no_schema_hangs_the_check(schema: dict[str, Any]):
    started = time.monotonic()
    faults(schema, {"a": "a" * 50 + "b", "b": [{"n": n} for n in range(20_000)]})
    assert time.monotonic() - started < 2
