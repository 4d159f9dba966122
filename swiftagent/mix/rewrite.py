"""`--rewrite-general`: the chat answers of a mix written by the model that will be trained on it.

Such answers are what the model says anyway, so training on them keeps what it knew. Of several turns the last answer
is rewritten and earlier ones are context; an answer that did not end, or is empty, stays as it was. The validation
split is rewritten too: on the answers of the data a model that keeps to its own would seem to forget.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from swiftagent.io.jsonl import encode, read_entries, read_lines, write_lines
from swiftagent.mix.rules import train_only
from swiftagent.mix.sizes import size_of
from swiftagent.trajectory.read_step import split_reasoning
from swiftagent.trajectory.record import Message, from_record, to_record
from swiftagent.trajectory.types import Answer, Question, Thought

COUNTED = 1000  # rows whose tokens are counted together
Prompt = list[Message]
Row = dict[str, Any]
CountLines = Callable[[list[bytes]], list[tuple[int, int]]]  # records as lines -> (tokens, trained tokens)


class Rewriting(NamedTuple):
    """Who writes. identity: all that decides about an answer besides its prompt, so that no other writer's is taken
    for it. write: each key with the text after its prompt as it is there, "" where it did not end."""

    model: str
    identity: str
    write: Callable[[Sequence[tuple[str, Prompt]]], Iterable[tuple[str, str]]]


class _Written(msgspec.Struct):
    prompt: str
    answer: str


def rewrite_general(
    paths: Sequence[Path], how: Rewriting, answers: Path, seen: Callable[[int, int], None], count: CountLines | None
) -> tuple[dict[str, Any], Counter[str]]:
    """Rewrite the rows of JSONL files in place; returns what the manifest says of it, and by how much they grew in
    characters, tokens and trained tokens. Answers are appended to the file `answers` as they come, and one that is
    there is not written again. seen: called with how many are written, and of how many. count: exact tokens."""
    known = {each.prompt: each.answer for each in read_entries(answers, _Written)}
    write_lines(answers, (_Written(*each) for each in known.items()))  # without what a killed run left half
    asked = [prompt for row in _rows(paths) if (prompt := _prompt(row))]
    keys = [_key(how, prompt) for prompt in asked]
    new = {key: prompt for key, prompt in zip(keys, asked, strict=True) if key not in known}
    # Prompts of like length together.
    missing = sorted(new.items(), key=lambda pair: sum(len(message["content"]) for message in pair[1]))
    seen(0, len(missing))
    with answers.open("ab") as out:
        for done, (key, text) in enumerate(how.write(missing), 1):
            known[key] = text if split_reasoning(text)[1].strip() else ""
            out.write(encode(_Written(key, known[key])) + b"\n")
            out.flush()
            seen(done, len(missing))
    growth = Counter({name: -size for name, size in _sizes(paths, count).items()})
    for path in paths:
        write_lines(path, (_rewritten(row, how, known) for row in _rows([path])))
    growth.update(_sizes(paths, count))
    texts = [known[key] for key in keys]
    rewritten = sum(map(bool, texts))
    digest = sha256(encode(texts)).hexdigest()[:32]
    return {"model": how.model, "rows": rewritten, "kept": len(texts) - rewritten, "content": digest}, growth


def _rows(paths: Sequence[Path]) -> Iterator[Row]:
    return (row.value for path in paths for row in read_lines(path))


def _prompt(row: Row) -> Prompt | None:
    """What stands before the last answer of plain chat; None for any other row."""
    messages = row["messages"]
    asked = [message["role"] for message in messages[-2:]] == ["user", "assistant"]
    if not asked or row["channel"] != "general" or from_record(row).is_agentic:
        return None
    return [{"role": message["role"], "content": message["content"]} for message in messages[:-1]]


def _key(how: Rewriting, prompt: Prompt) -> str:
    return sha256(encode([how.identity, prompt])).hexdigest()[:32]


def _rewritten(row: Row, how: Rewriting, known: Mapping[str, str]) -> Row:
    """The row with its last question answered by the model, its reasoning included."""
    prompt = _prompt(row)
    if prompt is None or not (text := known[_key(how, prompt)]):
        return row
    reasoning, answer = split_reasoning(text)
    found = train_only(from_record(row), "last-turn")
    asked = max(number for number, event in enumerate(found.events) if isinstance(event, Question))
    said = (*([Thought(reasoning)] if reasoning else []), Answer(answer.strip()))
    return to_record(msgspec.structs.replace(found, events=(*found.events[: asked + 1], *said)))


def _sizes(paths: Sequence[Path], count: CountLines | None) -> Counter[str]:
    found, rows = Counter[str](), _rows(paths)
    while part := list(islice(rows, COUNTED)):
        sizes = [size_of(row["messages"]) for row in part]
        exact = count([encode(row) for row in part]) if count else [size[1:] for size in sizes]
        for size, (tokens, trained) in zip(sizes, exact, strict=True):
            found.update(characters=size.characters, tokens=tokens, trained_tokens=trained)
    return found
