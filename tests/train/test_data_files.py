"""A training file is read whole, and the first broken rows are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swiftagent.train.inputs import file_problems, read_file

GOOD = {
    "messages": [{"role": "user", "content": "a", "loss": False}, {"role": "assistant", "content": "b"}],
    "channel": "agent",
}


def problems_of(tmp_path: Path, *lines: str) -> list[str]:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    return [problem.replace(str(path), "a.jsonl") for problem in read_file(path)[1]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "a.jsonl:2: not JSON"),
        ("[]", "a.jsonl:2: a row is a JSON object with `messages`"),
        ('{"text": "x"}', "a.jsonl:2: no `messages`, and no format that is known"),
        ('{"messages": []}', "a.jsonl:2: `messages` is empty"),
        ('{"messages": [{"content": "x"}]}', "a.jsonl:2: message 0 has no role"),
        ('{"messages": [{"role": "user", "content": null}]}', "a.jsonl:2: message 0 (user) has no text"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "a.jsonl:2: no trained message"),
        ('{"messages": [{"role": "assistant", "content": "x", "loss": false}]}', "a.jsonl:2: no trained message"),
    ],
)
def test_a_broken_row_is_named(line: str, said: str, tmp_path: Path):
    (problem,) = problems_of(tmp_path, json.dumps(GOOD), line)
    assert problem.startswith(said)


def test_a_problem_of_many_rows_is_named_once_with_their_number(tmp_path: Path):
    (problem,) = problems_of(tmp_path, *['{"messages": []}'] * 100)
    assert problem.startswith("a.jsonl:1 and 99 more rows: `messages` is empty")


def test_only_the_first_problems_of_a_file_are_named(tmp_path: Path):
    rows = [{"messages": [{"role": "user", "content": "x"}] * number + [{"content": "x"}]} for number in range(9)]
    assert len(problems_of(tmp_path, *map(json.dumps, rows))) == 5


def test_rows_channels_repeats_and_reasoning_are_counted(tmp_path: Path):
    thinking = {"messages": [{"role": "assistant", "content": "<think>a</think>b"}], "channel": "general"}
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (GOOD, GOOD, thinking)))
    facts, problems = read_file(path)
    assert (problems, facts.rows, dict(facts.channels), facts.repeats, facts.thinking) == (
        [], 3, {"agent": 2, "general": 1}, 1, 1,
    )  # fmt: skip


def test_missing_and_empty_files_are_told(tmp_path: Path):
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert file_problems([tmp_path / "no.jsonl", empty, tmp_path], "data", "a.yaml:2") == [
        f"a.yaml:2: data: {tmp_path}/no.jsonl: no such file; `swiftagent mix` or `swiftagent convert` makes one",
        f"a.yaml:2: data: {empty}: empty; no row to train on",
        f"a.yaml:2: data: {tmp_path}: a folder; name the files in it",
    ]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.png", b"\x89PNG", "no kind of file that ms-swift reads"),
        ("a.jsonl", b'\xef\xbb\xbf{"messages": []}\n', "begins with a byte order mark"),
        ("a.jsonl", '{"messages": []}\n'.encode("utf-16"), "begins with a byte order mark"),
        ("a.jsonl", b"", "empty"),
        ("a.jsonl", b'{"messages": []}\n', ""),
        ("a.json", b"[]", ""),
    ],
)
def test_files_that_no_trainer_reads_are_told_before_they_are_read(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    problems = file_problems([tmp_path / name], "data", "x.yaml:2")
    assert len(problems) == bool(told) and (
        not told or (told in problems[0] and problems[0].startswith("x.yaml:2: data: "))
    )
