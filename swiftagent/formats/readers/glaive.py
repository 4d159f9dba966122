"""glaive v2 raw: {system, chat}, one text with USER:, ASSISTANT:, FUNCTION RESPONSE: and <functioncall>."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.tags import read_system, read_tag_text
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "glaive v2 raw: {system, chat} with USER:, ASSISTANT:, FUNCTION RESPONSE: and <functioncall>; also such "
    "text in `example`"
)
KEYS = frozenset(("chat", "example"))
SAMPLE = {
    "system": 'SYSTEM: You are helpful with access to functions. Use them if required -\n{"name": "weather", '
    '"description": "", '
    '"parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}\n',
    "chat": 'USER: Oslo\n\n\nASSISTANT: <functioncall> {"name": "weather", "arguments": \'{"city": "Oslo"}\'} '
    "<|endoftext|>\n\n\n"
    "FUNCTION RESPONSE: 3C\n\n\nASSISTANT: It is 3C. <|endoftext|>\n\n\n",
}
_SPEAKER = re.compile(
    r"(?:^|\n)[ \t]*(SYSTEM|USER|HUMAN|ASSISTANT|FUNCTION RESPONSE|FUNCTION CALL|TOOL RESPONSE|TOOL)\s*:[ \t]*"
)
# A chat whose turns stand on one line: the next one begins behind the end mark, or anywhere where there is none.
_INLINE = re.compile(r"(?:^|<\|endoftext\|>|\s)\s*(USER|ASSISTANT|FUNCTION RESPONSE)\s*:[ \t]*")
_MARKS = re.compile(r"\s*<\|endoftext\|>\s*")


def looks_like(row: Any) -> bool:
    text = _text_of(row)
    return text is not None and _SPEAKER.search(text) is not None and "ASSISTANT:" in text


def _text_of(row: Any) -> str | None:
    if type(row) is dict:
        text = row.get("chat") if isinstance(row.get("chat"), str) else row.get("example")
        return text if isinstance(text, str) else None
    if isinstance(row, list) and row and isinstance(row[0], dict):
        return _text_of(row[0])
    return None


def parse(row: Any) -> Trajectory | list[Trajectory]:
    if isinstance(row, list):
        return [_parse(item) for item in row if isinstance(item, dict)]
    return _parse(row)


def _parse(row: dict[str, Any]) -> Trajectory:
    builder = Builder()
    if isinstance(row.get("system"), str):
        read_system(builder, row["system"].strip().removeprefix("SYSTEM:").strip())
    text = (_text_of(row) or "").strip().removeprefix("```").removesuffix("```")
    if not text.strip():
        raise RowError("not-a-conversation", "no chat text")
    found = list(_SPEAKER.finditer(text))
    if not any(speaker.group(1) == "ASSISTANT" for speaker in found):
        found = list(_INLINE.finditer(text))
    for place, speaker in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(text)
        _read_turn(builder, speaker.group(1), _MARKS.sub("", text[speaker.end() : end]).strip())
    return builder.build(row.get("id"))


def _read_turn(builder: Builder, speaker: str, text: str) -> None:
    if speaker == "SYSTEM":
        read_system(builder, text)
    elif speaker in ("USER", "HUMAN"):
        builder.question(text)
    elif speaker == "ASSISTANT":
        read_tag_text(builder, text)
    elif speaker == "FUNCTION CALL":
        read_tag_text(builder, f"<functioncall> {text}")
    else:
        builder.result(text)
