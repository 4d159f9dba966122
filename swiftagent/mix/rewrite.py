"""`--rewrite-general`: the chat answers of a mix written by the model that will be trained on it.

Such answers are what the model says anyway, so training on them keeps what it knew. Of several turns the last answer
is rewritten and earlier ones are context; an answer that did not end, or is empty, stays as it was. The validation
split is left alone: forgetting is measured on the answers of the data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.io.jsonl import encode, read_lines, whole_file
from swiftagent.mix.rules import train_only
from swiftagent.trajectory.record import Message, from_record, to_record
from swiftagent.trajectory.types import Answer

BATCH = 16
Prompt = list[Message]
Write = Callable[[Sequence[Prompt]], Sequence[str]]  # "" where an answer did not end


def rewrite_general(
    paths: Sequence[Path], model: str, write: Write, answers: Path, seen: Callable[[int, int], None]
) -> dict[str, Any]:
    """Rewrite the rows of JSONL files in place; returns what the manifest says of it. Answers are appended to the file
    `answers` as they come, and one that is there is not written again. seen: called with how many are written, and of
    how many."""
    known = {row["prompt"]: row["answer"] for row in _rows(answers)} if answers.is_file() else {}
    missing = {key: prompt for path in paths for row in _rows(path) if (prompt := _prompt(row))
               if (key := _key(model, prompt)) not in known}  # fmt: skip
    # Prompts of like length together.
    keys = sorted(missing, key=lambda key: sum(len(message["content"]) for message in missing[key]))
    for start in range(0, len(keys), BATCH):
        part = keys[start : start + BATCH]
        with answers.open("ab") as out:
            for key, answer in zip(part, write([missing[key] for key in part]), strict=True):
                known[key] = answer
                out.write(encode({"prompt": key, "answer": answer}) + b"\n")
        seen(start + len(part), len(keys))
    rewritten = kept = 0
    for path in paths:
        with whole_file(path) as out:
            for row in _rows(path):
                prompt = _prompt(row)
                answer = known[_key(model, prompt)] if prompt else ""
                out.write(encode(_with_answer(row, answer) if answer else row) + b"\n")
                rewritten, kept = rewritten + bool(answer), kept + bool(prompt and not answer)
    return {"model": model, "rows": rewritten, "kept": kept}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    return (row.value for row in read_lines(path))


def _prompt(row: dict[str, Any]) -> Prompt | None:
    """What stands before the last answer of plain chat; None for any other row."""
    messages = row["messages"]
    if row["channel"] != "general" or messages[-1]["role"] != "assistant" or from_record(row).is_agentic:
        return None
    return [{"role": message["role"], "content": message["content"]} for message in messages[:-1]]


def _key(model: str, prompt: Prompt) -> str:
    return sha256(json.dumps([model, prompt]).encode()).hexdigest()[:32]


def _with_answer(row: dict[str, Any], answer: str) -> dict[str, Any]:
    found = train_only(from_record(row), "last-turn")
    return to_record(msgspec.structs.replace(found, events=(*found.events[:-1], Answer(answer))))
