"""ALFWorld text: `> think: ...` and `> go to desk 1`, each followed by what the room answers; `OK.` answers a thought."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.build import Builder
from swiftagent.trajectory import Trajectory

ABOUT = "ALFWorld text with `> think:` and `> action` lines; an action becomes a call with its words as input"
SAMPLE = {
    "text": "You are in a room.\nYour task is to: put a pen on a desk.\n> think: I take it.\nOK.\n> take pen 1\nYou pick it up."
}
_KEYS = ("text", "trajectory", "prompt", "content", "output", "input", "example", "instruction")

KEYS = frozenset(_KEYS)


def looks_like(row: Any) -> bool:
    return _text_of(row) is not None


def _text_of(row: Any) -> str | None:
    if isinstance(row, str):
        return row if "\n> think:" in row or "\n>think:" in row else None
    if type(row) is not dict:
        return None
    found = [row[key] for key in _KEYS if isinstance(row.get(key), str) and ">" in row[key]]
    text = next((value for value in found if "\n> " in value and "> think:" in value or value.startswith("> think:")), None)
    if text is not None and text.startswith("> "):
        asked = next(
            (row[key] for key in ("instruction", "prompt", "input") if isinstance(row.get(key), str) and row[key] != text), ""
        )
        return f"{asked}\n{text}"
    return text


def parse(row: Any) -> Trajectory:
    text = _text_of(row)
    if text is None:
        raise RowError("not-a-conversation", "no `> think:` text")
    parts = ("\n" + text).split("\n>")
    builder = Builder()
    builder.question(parts[0].strip())
    for part in parts[1:]:
        said, _, answered = part.partition("\n")
        said, answered = said.strip(), answered.strip()
        if said.lower().startswith("think:"):
            builder.thought(said[len("think:") :].strip())
            if answered and answered != "OK.":
                builder.repairs.append("result-of-thought")
        elif said:
            builder.repairs.append("text-action")
            builder.call("act", {"input": said})
            if answered:
                builder.result(answered)
    return builder.build(row.get("id") if isinstance(row, dict) else "")
