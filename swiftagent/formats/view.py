"""One look at a raw row that all message formats share, so that recognising it and reading it do the work once."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.arguments import read_literal
from swiftagent.formats.messages import ROLES
from swiftagent.formats.python_calls import looks_like_calls
from swiftagent.formats.react_text import is_react, read_prompt

MESSAGE_KEYS = (
    "messages",
    "conversations",
    "conversation",
    "traj",
    "trajectory",
    "dialogue",
    "dialog",
    "turns",
    "chat",
    "items",
    "history",
)
TOOL_KEYS = (
    "tools",
    "functions",
    "available_tools",
    "function",
    "tool_list",
    "apis",
    "api_list",
    "tool_schemas",
    "available_functions",
)
_TAGS = ("<tool_call>", "<functioncall>", "<|startofthink|>", "<tool_response>", "<function=", "<function_call>", "[TOOL_CALLS]")


class View:
    """What a row of turns looks like. `style`: the key of the role: role or from. `key`: where the turns stand."""

    __slots__ = ("row", "key", "messages", "style", "roles", "react", "prompt", "tag", "blocks", "calls", "repairs", "brackets")

    def __init__(self, row: Any) -> None:
        self.row = row
        self.key = ""
        self.messages: list[Any] = []
        self.style = ""
        self.roles: set[str] = set()
        self.react = False
        self.prompt = False
        self.tag = ""
        self.blocks: set[str] = set()
        self.calls = False
        self.brackets = False
        self.repairs: tuple[str, ...] = ()
        if type(row) is dict:
            self._find(row)
        elif isinstance(row, list):
            self._look(row)

    def _find(self, row: dict[str, Any]) -> None:
        for key in MESSAGE_KEYS:
            value = row.get(key)
            if value:
                self.key = key
                if isinstance(value, str):
                    if value.lstrip()[:1] != "[":
                        continue
                    try:
                        value, repairs = read_literal(value)
                    except RowError:
                        continue
                    self.repairs = tuple("stringified-list" if code == "python-repr" else code for code in repairs)
                if isinstance(value, list):
                    self._look(value)
                    if self.style:
                        return

    def _look(self, messages: list[Any]) -> None:
        first = messages[0] if messages else None
        if type(first) is not dict:
            return
        if "role" in first and ("content" in first or "tool_calls" in first or "value" in first or "function_call" in first):
            self.style = "role"
        elif "from" in first and ("value" in first or "content" in first):
            self.style = "from"
        else:
            return
        self.messages = messages
        for message in messages:
            if type(message) is dict:
                self._look_at(message)

    def _look_at(self, message: dict[str, Any]) -> None:
        role = message.get(self.style)
        text = message.get("content") if "content" in message else message.get("value")
        if type(role) is str:
            self.roles.add(role)
        if type(text) is str:
            kind = ROLES.get(role) if type(role) is str else None
            if kind == "assistant":
                if not self.react and "ction" in text and is_react(text):
                    self.react = True
                if text[:1] == "[" and not self.brackets:
                    self.brackets = looks_like_calls(text)
                if not self.tag and ("<" in text or "[T" in text):
                    self.tag = next((tag for tag in _TAGS if tag in text), "")
            elif not self.prompt and kind is not None and "following" in text or kind == "system":
                self.prompt = self.prompt or read_prompt(text) is not None
        elif type(text) is list:
            self.blocks.update(str(block.get("type")) for block in text if isinstance(block, dict))
            if any(isinstance(block, dict) and "value" in block for block in text):
                self.blocks.add("*value")
        if message.get("tool_calls") or message.get("function_call"):
            self.calls = True


_last: list[View] = []


def view_of(row: Any) -> View:
    """The view of a row; the one of the last row is kept."""
    if _last and _last[0].row is row:
        return _last[0]
    view = View(row)
    _last[:] = [view]
    return view


def tools_field(row: Any) -> Any:
    """What stands where tools are declared in a row, as it stands there."""
    if not isinstance(row, dict):
        return None
    for key in TOOL_KEYS:
        value = row.get(key)
        if value and isinstance(value, (list, dict, str)):
            return value
    return None
