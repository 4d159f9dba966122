"""Arguments in every spelling of HARD CASES, as the same JSON value, each mending named."""

from __future__ import annotations

import pytest

from swiftagent.convert.reading import read_trajectories
from swiftagent.errors import RowError
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.read_loose import read_arguments

SPELLINGS = [
    ({"q": "x"}, {"q": "x"}, ()),
    ('{"q": "x"}', {"q": "x"}, ()),
    ('"{\\"q\\": \\"x\\"}"', {"q": "x"}, ("encoded-twice",)),
    ("{'q': 'x'}", {"q": "x"}, ("python-repr",)),
    ("{'q': 'x', 'b': True, 'n': None}", {"q": "x", "b": True, "n": None}, ("python-repr",)),
    ("{'q': \"it's\"}", {"q": "it's"}, ("python-repr",)),
    ("{'a': ('x', 1)}", {"a": ["x", 1]}, ("python-repr",)),
    ("{1: 'x'}", {"1": "x"}, ("python-repr",)),
    ('{"q": "x",}', {"q": "x"}, ("trailing-comma",)),
    ('{"q": "a\nb"}', {"q": "a\nb"}, ("raw-newline",)),
    ("{'q': 'it's'}", {"q": "it's"}, ("mended-json",)),
    ('{"q": "x"} as asked', {"q": "x"}, ("trailing-text",)),
    ('```json\n{"q": "x"}\n```', {"q": "x"}, ()),
    ("", {}, ("empty-arguments",)),
    (None, {}, ("empty-arguments",)),
    ("null", {}, ("empty-arguments",)),
    ("Oslo", {"input": "Oslo"}, ("text-arguments",)),
    ("[1, 2]", [1, 2], ()),
    ('{"n": 18446744073709551617}', {"n": 18446744073709551617}, ()),
    ("{'n': 18446744073709551617}", {"n": 18446744073709551617}, ("python-repr",)),
]


@pytest.mark.parametrize(("raw", "value", "repairs"), SPELLINGS)
def test_a_spelling_reads_as_its_value(raw: object, value: object, repairs: tuple[str, ...]) -> None:
    assert read_arguments(raw) == (value, repairs)


@pytest.mark.parametrize("raw", ['{"artist": "Ed', "{'a': [1, 2", '{"a": {"b": 1}'])
def test_arguments_that_end_in_the_middle_are_refused(raw: str) -> None:
    with pytest.raises(RowError) as told:
        read_arguments(raw)
    assert told.value.code == "cut-arguments"


def test_data_is_never_run() -> None:
    assert read_arguments("{'a': __import__('os').getcwd()}")[0] != {"a": __import__("os").getcwd()}


def test_a_name_with_a_line_break_is_no_tool() -> None:
    turns = [
        {"role": "user", "content": "Oslo?"},
        {"role": "assistant", "tool_calls": [{"name": "a\nAction Input: {", "args": {}}]},
    ]
    rejected: list[dict[str, object]] = []
    assert not list(read_trajectories([Row({"messages": turns}, "x:1")], reject=rejected.append))
    assert rejected[0]["code"] == "broken-call"


def test_an_object_that_nothing_mends_is_a_broken_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **options: object) -> None:
        raise AssertionError

    monkeypatch.setattr("json_repair.repair_json", fails)
    with pytest.raises(RowError) as raised:
        read_arguments("{a: 1, b}")
    assert raised.value.code == "broken-call"


def test_text_that_only_looks_like_python_warns_nobody(recwarn: pytest.WarningsRecorder) -> None:
    assert read_arguments("{'n': 1and 2}")[1] and not recwarn.list
