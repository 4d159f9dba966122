"""ADP, the agent data protocol: content of text observations, message, API and code actions."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.tags import read_system
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = "ADP standard trajectories: text_observation, message_action, api_action, code_action, web_observation"
KEYS = frozenset(("content",))
SAMPLE = {
    "id": "1",
    "content": [
        {"class_": "text_observation", "content": "Oslo?", "source": "user"},
        {"class_": "api_action", "function": "weather", "kwargs": {"city": "Oslo"}, "description": None},
        {"class_": "text_observation", "content": "3C", "source": "environment"},
        {"class_": "message_action", "content": "<finish> It is 3C. </finish>"},
    ],
}
_FINISH = re.compile(r"<finish>\s*(.*?)\s*</finish>", re.S)


def looks_like(row: Any) -> bool:
    content = row.get("content") if type(row) is dict else None
    return isinstance(content, list) and bool(content) and isinstance(content[0], dict) and "class_" in content[0]


def parse(row: Any) -> Trajectory:
    builder = Builder(*read_tools(tools_field(row)))
    for place, item in enumerate(row["content"]):
        if not isinstance(item, dict):
            raise RowError("bad-message", f"content {place} is a {type(item).__name__}")
        _read(builder, item)
    return builder.build(row.get("id"))


def _read(builder: Builder, item: dict[str, Any]) -> None:
    kind = item.get("class_")
    text = as_text(item.get("content"))
    if kind == "text_observation":
        _read_observation(builder, item, text)
    elif kind == "web_observation":
        page = as_text(item.get("axtree") or item.get("html") or text)
        (builder.result if builder.waits_for_result else builder.question)(
            page
        )  # the first page is what was asked about
    elif kind == "message_action":
        _describe(builder, item)
        finished = _FINISH.search(text)
        if finished:
            builder.repairs.append("finish-action")
        builder.answer(finished.group(1) if finished else text)
    elif kind == "api_action":
        _describe(builder, item)
        builder.call(item.get("function"), item.get("kwargs"))
    elif kind == "code_action":
        _describe(builder, item)
        builder.call(item.get("language") or "code", {"code": text})
    else:
        raise RowError("bad-message", f"class_ {kind!r} is unknown")


def _describe(builder: Builder, item: dict[str, Any]) -> None:
    about = item.get("description")
    if isinstance(about, str) and about.strip():
        builder.thought(about.strip())


def _read_observation(builder: Builder, item: dict[str, Any], text: str) -> None:
    if builder.waits_for_result:  # whatever its source says
        builder.result(text)
    elif item.get("source") == "user":
        builder.question(text)
    elif item.get("name") == "system" or not builder.events:
        read_system(builder, text)
    else:
        builder.result(text)
