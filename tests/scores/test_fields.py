from __future__ import annotations

import pytest

from swiftagent.scores.fields import ABSENT, Confusion, fields_of, json_answer, score_fields

GOLD = '{"name": "Li", "age": 41, "items": [{"sku": "a", "n": 2}, {"sku": "b", "n": 1}], "tags": ["x"]}'


def test_fields_of_a_nested_value():
    assert list(fields_of(json_answer(GOLD))) == [
        ("name", "Li"),
        ("age", 41),
        ("items[].sku", "a"),
        ("items[].n", 2),
        ("items[].sku", "b"),
        ("items[].n", 1),
        ("tags", ["x"]),
    ]


@pytest.mark.parametrize("text", ['{"a": 1}', 'Here:\n```json\n{"a": 1}\n```', 'It is {"a": 1}.', '\n {"a": 1}\n'])
def test_json_is_found(text: str):
    assert json_answer(text) == {"a": 1}


@pytest.mark.parametrize("text", [None, "", "no", "{a: 1}", '"text"', "3"])
def test_no_json(text: str | None):
    assert json_answer(text) is None


def test_perfect_and_spelt_otherwise():
    found = score_fields([("r", GOLD, GOLD.replace("41", '"41"').replace("Li", "li"))])
    assert {name: estimate.value for name, estimate in found.accuracy.items()} == dict.fromkeys(
        ["(all)", "name", "age", "items[].sku", "items[].n", "tags"], 1.0
    )
    assert found.confusions == []


def test_wrong_absent_and_extra_fields():
    predicted = '{"name": "Wu", "items": [{"sku": "a", "n": 2}], "tags": ["x"], "mood": "good"}'
    found = score_fields([("r1", GOLD, predicted), ("r2", GOLD, predicted)])
    assert {name: estimate.value for name, estimate in found.accuracy.items()} == {
        "(all)": 0.0,
        "name": 0.0,
        "age": 0.0,
        "items[].sku": 0.5,
        "items[].n": 0.5,
        "tags": 1.0,
    }
    assert found.accuracy["items[].n"].n == 4
    assert Confusion("name", '"Li"', '"Wu"', 2) in found.confusions
    assert Confusion("age", "41", ABSENT, 2) in found.confusions
    assert Confusion("mood", ABSENT, '"good"', 2) in found.confusions


def test_what_is_no_json():
    found = score_fields([("r1", GOLD, "I do not know"), ("r2", "plain gold", "{}")])
    assert (found.unreadable, found.accuracy["name"].value, found.accuracy["name"].n) == (1, 0.0, 1)
    assert score_fields([]).accuracy == {}
