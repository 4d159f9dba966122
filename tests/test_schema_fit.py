from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from swiftagent.schema_fit import fits
from swiftagent.trajectory import Tool

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 2.0]), st.sampled_from(["x", "y"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=5
)
TYPES = st.sampled_from(["object", "array", "string", "boolean", "null", "number", "integer"])
SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {}, optional={"type": TYPES, "description": st.just("d"), "enum": st.just(["x", "y"]), "minimum": st.just(1)}
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES,
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "items": inner,
        },
    ),
    max_leaves=6,
)


@given(SCHEMAS, VALUES)
def test_the_quick_check_says_what_jsonschema_says(schema: dict, value: object):
    assert fits(Tool("t", "", schema), value) == Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("schema", [{}, {"type": "no such type"}, {"properties": 3}])
def test_an_empty_or_wrong_schema_fits_everything(schema: dict):
    assert fits(Tool("t", "", schema), {"a": 1})


def test_any_of_and_references_go_to_jsonschema():
    schema = {"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}}}
    assert fits(Tool("t", "", schema), {"a": None})
    assert not fits(Tool("t", "", schema), {"a": "x"})
