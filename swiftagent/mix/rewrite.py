"""`--rewrite-general`: the chat answers of a mix written by the model that will be trained on it.

Such answers are what the model says anyway, so training on them keeps what it knew. Of several turns the last answer
is rewritten and earlier ones are context; an answer that did not end, or is empty, stays as it was. The validation
split is left alone: forgetting is measured on the answers of the data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from swiftagent.io.jsonl import decode, encode, read_lines, whole_file, write_lines
from swiftagent.mix.rules import train_only
from swiftagent.mix.sizes import size_of
from swiftagent.trajectory.read_step import split_reasoning
from swiftagent.trajectory.record import Message, from_record, to_record
from swiftagent.trajectory.types import Answer, Question, Thought

BATCH = 16
COUNTED = 1000  # rows whose tokens are counted together
Prompt = list[Message]
Row = dict[str, Any]
CountLines = Callable[[list[bytes]], list[tuple[int, int]]]  # records as lines -> (tokens, trained tokens)


class Rewriting(NamedTuple):
    """Who writes. identity: all that decides about an answer besides its prompt, so that no other writer's is taken
    for it. write: the texts after prompts, "" where one did not end."""

    model: str
    identity: str
    write: Callable[[Sequence[Prompt]], Sequence[str]]


class Rewritten(NamedTuple):
    """What became of a mix: chat answers that are the model's now and those that were kept, by how much it grew in
    characters, tokens and trained tokens, and a hash of its messages."""

    rows: int
    kept: int
    growth: Counter[str]
    content: str


def rewrite_general(
    paths: Sequence[Path], how: Rewriting, answers: Path, seen: Callable[[int, int], None], count: CountLines | None
) -> Rewritten:
    """Rewrite the rows of JSONL files in place. Answers are appended to the file `answers` as they come, and one that
    is there is not written again. seen: called with how many are written, and of how many. count: exact tokens."""
    known, missing, chats = _answers_in(answers), dict[str, Prompt](), 0
    for row in chain.from_iterable(map(_rows, paths)):
        if prompt := _prompt(row):
            chats += 1
            if (key := _key(how, prompt)) not in known:
                missing[key] = prompt
    # Prompts of like length together.
    keys = sorted(missing, key=lambda key: sum(len(message["content"]) for message in missing[key]))
    seen(0, len(keys))
    for start in range(0, len(keys), BATCH):
        part = keys[start : start + BATCH]
        with answers.open("ab") as out:
            for key, answer in zip(part, how.write([missing[key] for key in part]), strict=True):
                known[key] = answer
                out.write(encode({"prompt": key, "answer": answer}) + b"\n")
        seen(start + len(part), len(keys))
    rewritten, growth, content = 0, Counter[str](), sha256()
    for path in paths:
        with whole_file(path) as out:
            rows = _rows(path)
            while old := list(islice(rows, COUNTED)):
                new = [_rewritten(row, how, known) for row in old]
                out.writelines(encode(row) + b"\n" for row in new)
                content.update(encode([row["messages"] for row in new]))
                changed = [pair for pair in zip(old, new, strict=True) if pair[0] is not pair[1]]
                rewritten += len(changed)
                growth.subtract(_sizes([row for row, _ in changed], count))
                growth.update(_sizes([row for _, row in changed], count))
    return Rewritten(rewritten, chats - rewritten, growth, content.hexdigest()[:32])


def _answers_in(path: Path) -> dict[str, str]:
    """What earlier runs wrote, without the half line that a killed one left."""
    known: dict[str, str] = {}
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with suppress(ValueError):
            row = decode(line)
            known[row["prompt"]] = row["answer"]
    write_lines(path, ({"prompt": key, "answer": answer} for key, answer in known.items()))
    return known


def _rows(path: Path) -> Iterator[Row]:
    return (row.value for row in read_lines(path))


def _prompt(row: Row) -> Prompt | None:
    """What stands before the last answer of plain chat; None for any other row."""
    messages = row["messages"]
    asked = [message["role"] for message in messages[-2:]] == ["user", "assistant"]
    if not asked or row["channel"] != "general" or from_record(row).is_agentic:
        return None
    return [{"role": message["role"], "content": message["content"]} for message in messages[:-1]]


def _key(how: Rewriting, prompt: Prompt) -> str:
    return sha256(encode([how.identity, prompt])).hexdigest()[:32]


def _with_answer(row: Row, text: str) -> Row | None:
    """The row with its last question answered by a text and its reasoning; None where the text holds no answer."""
    reasoning, answer = split_reasoning(text)
    if not answer.strip():
        return None
    found = train_only(from_record(row), "last-turn")
    asked = max(number for number, event in enumerate(found.events) if isinstance(event, Question))
    said = (*([Thought(reasoning)] if reasoning else []), Answer(answer.strip()))
    return to_record(msgspec.structs.replace(found, events=(*found.events[: asked + 1], *said)))


def _rewritten(row: Row, how: Rewriting, known: Mapping[str, str]) -> Row:
    prompt = _prompt(row)
    return row if prompt is None else _with_answer(row, known[_key(how, prompt)]) or row


def _sizes(rows: list[Row], count: CountLines | None) -> Counter[str]:
    sizes, found = [size_of(row["messages"]) for row in rows], Counter[str]()
    exact = count([encode(row) for row in rows]) if count and rows else [size[1:] for size in sizes]
    for size, (tokens, trained) in zip(sizes, exact, strict=True):
        found.update(characters=size.characters, tokens=tokens, trained_tokens=trained)
    return found
