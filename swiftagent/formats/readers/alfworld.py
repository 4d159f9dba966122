"""ALFWorld text: `> think: ...` and `> go to desk 1`, each followed by what the room answers; `OK.` answers a
thought."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder
from swiftagent.trajectory.types import Trajectory

ABOUT = "ALFWorld text with `> think:` and `> action` lines; an action becomes a call with its words as input"
SAMPLE = {
    "text": "You are in a room.\nYour task is to: put a pen on a desk.\n> think: I take it.\nOK.\n> take pen "
    "1\nYou pick it up."
}
_KEYS = ("text", "trajectory", "traj", "prompt", "content", "output", "input", "example", "instruction")
_ASKING = ("instruction", "prompt", "input")
_THINKS = ("> think:", "> Think:")

KEYS = frozenset(_KEYS)


def looks_like(row: Any) -> bool:
    return _texts_of(row) is not None


def _texts_of(row: Any) -> tuple[str, str] | None:
    """(what was asked, the steps); the first part of the steps is part of the question."""
    if isinstance(row, str):
        return ("", row) if "\n> think:" in row or "\n>think:" in row else None
    if type(row) is not dict:
        return None
    found = [(key, row[key]) for key in _KEYS if isinstance(row.get(key), str) and ">" in row[key]]
    for key, text in found:
        if text.startswith(_THINKS):
            asked = next(
                (row[other] for other in _ASKING if isinstance(row.get(other), str) and row[other] and other != key), ""
            )
            return asked, text
    text = next((text for _, text in found if "\n> " in text and any(think in text for think in _THINKS)), None)
    return None if text is None else ("", text)


def parse(row: Any) -> Trajectory:
    texts = _texts_of(row)
    if texts is None:
        raise RowError("not-a-conversation", "no `> think:` text")
    parts = ("\n" + texts[1]).split("\n>")
    builder = Builder()
    builder.question(f"{texts[0]}\n{parts[0]}".strip())
    for part in parts[1:]:
        said, _, answered = part.partition("\n")
        said, answered = said.strip(), answered.strip()
        if said.lower().startswith("think:"):
            if part is parts[-1] and not answered and len(parts) > 2:
                builder.repairs.append("cut-thought")
                continue
            builder.thought(said[len("think:") :].strip())
            if answered and answered != "OK.":
                builder.repairs.append("result-of-thought")
        elif said.startswith("ActionPath:"):  # KnowAgent: the model repeats the path so far
            builder.thought(said)
        elif said:
            builder.repairs.append("text-action")
            builder.call("act", {"input": said})
            if answered:
                builder.result(answered)
    if isinstance(row, dict) and row.get("result") is False:
        builder.repairs.append("failed-row")
    return builder.build(row.get("id") if isinstance(row, dict) else "")
