"""One look at a raw row that all message formats share, so that recognising it and reading it do the work once."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.calls import call_values
from swiftagent.formats.reading.marks import CLINE, CLINE_RESULT, RETURNED, TOOLSET
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.reading.python_calls import looks_like_calls
from swiftagent.formats.reading.react_text import is_react, may_be_prompt, read_prompt
from swiftagent.formats.reading.tags import TAGS, holds_results
from swiftagent.trajectory.read_loose import read_loose

MESSAGE_KEYS = (
    *("messages", "conversations", "conversation", "traj", "trajectory", "dialogue", "dialog", "turns", "chat"),
    *("items", "history", "chat_history"),
)
TOOL_KEYS = (
    *("tools", "functions", "available_tools", "function", "tool_list", "apis", "api_list", "tool_schemas"),
    *("available_functions", "tool_definitions", "tool_defs"),
)
# One of these stands in every text with a tag.
_MAY_BE_TAG = ("<", "[T", "✿", f"\n{TOOLSET}", "functools[", "```tool_code", ":```json", ": ```json")
_ANTHROPIC = frozenset(
    ("tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result")
)


class View:
    """What a row of turns looks like: `style` is the key of the role (role or from), `key` where the turns stand.

    `format` is the name in the formats table, "" where the row holds no turns.
    """

    def __init__(self, row: Any) -> None:
        self.row = row
        self.key = self.style = self.tag = ""
        self.messages: list[Any] = []
        self.roles: set[str] = set()
        self.react = self.prompt = self.calls = self.brackets = self.acts = False
        self.blocks: set[str] = set()
        self.repairs: tuple[str, ...] = ()
        if type(row) is dict:
            self._find(row)
        elif isinstance(row, list):
            self._look(row)
        self.format = self._name_of_format()  # once: every reader asks for it

    def _name_of_format(self) -> str:
        if not self.style:
            return ""
        by_text = {
            "ms-agent": self.prompt,
            "agent-instruct": self.acts,
            "react": self.react,
            "toolace": self.brackets,
            "cline": self.tag == CLINE,
            "hermes": self.tag,
        }
        found = (name for name, is_it in by_text.items() if is_it and not self.calls)
        return next(found, "") or self._format_of_structure()

    def _format_of_structure(self) -> str:
        if not _ANTHROPIC.isdisjoint(self.blocks):
            return "anthropic"
        if "*value" in self.blocks:
            return "llamafactory-v1"
        if self.style == "role":
            return "openai" if self.roles.isdisjoint(("tool_call", "tool_response")) else "swift"
        return "sharegpt"

    def _find(self, row: dict[str, Any]) -> None:
        for key in MESSAGE_KEYS:
            value = row.get(key)
            if value:
                self.key = key
                if isinstance(value, str):
                    if value.lstrip()[:1] != "[":
                        continue
                    try:
                        value, repairs = read_loose(value)
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
        if ("role" in first or "from" in first) and not _SAID_UNDER.isdisjoint(first) and _TEXT_KEYS.isdisjoint(first):
            messages = [_with_content(message) for message in messages]
            first = messages[0]
        if "role" in first and not _TEXT_KEYS.isdisjoint(first):
            self.style = "role"
        elif "from" in first and ("value" in first or "content" in first):
            self.style = "from"
        else:
            return
        if "created_at" in first and _newest_first(messages):
            messages = messages[::-1]
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
                self._look_at_answer(text)
            elif kind == "user" and text.startswith(RETURNED):
                self.tag = RETURNED
            elif kind is not None and not self.prompt and (kind == "system" or may_be_prompt(text)):
                self.prompt = read_prompt(text) is not None
            if kind == "user" and _answers_cline(text):
                self.tag = CLINE
        elif type(text) is list:
            if text and type(text[0]) is dict and _answers_cline(text[0].get("text")):
                self.tag = CLINE
            self.blocks.update(str(block.get("type")) for block in text if isinstance(block, dict))
            if any(isinstance(block, dict) and "value" in block for block in text):
                self.blocks.add("*value")
        if (len(message) > 2 or text is None) and call_values(message):
            self.calls = True

    def _look_at_answer(self, text: str) -> None:
        if self.prompt:
            return
        if not self.react and ("ction" in text or "动" in text or "Thought:" in text) and is_react(text):
            self.react = True
        if text[:1] == "[" and not self.brackets:
            self.brackets = looks_like_calls(text)
        if not self.tag and (text.startswith(TOOLSET) or any(map(text.__contains__, _MAY_BE_TAG))):
            self.tag = tag_in(text)
        elif not self.tag and holds_results(text):
            self.tag = "result"
        start = text.lstrip()
        thinks = "\nAct:" in text and start.startswith("Think:")
        self.acts = self.acts or thinks or (start.startswith(("THOUGHT:", "ACTION:")) and "ACTION:" in start)


def _answers_cline(text: Any) -> bool:
    return type(text) is str and text[:1] == "[" and CLINE_RESULT.match(text) is not None


def tag_in(text: str) -> str:
    """What marks the calls, or the results of calls, in an assistant text; "" where nothing does."""
    return next((tag for tag in TAGS if tag in text), "result" if holds_results(text) else "")


def _newest_first(messages: list[Any]) -> bool:
    """Whether turns with a time stand in the order in which OpenAI's threads are listed."""
    times: list[Any] = [message.get("created_at") if type(message) is dict else None for message in messages]
    if len(times) < 2 or not all(type(time) is int for time in times):
        return False
    return times[0] > times[-1] and times == sorted(times, reverse=True)


_TEXT_KEYS = frozenset(("content", "value", "tool_calls", "function_call"))
_SAID_UNDER = frozenset(("text", "message"))


def _with_content(message: Any) -> Any:
    """A turn whose text stands under `text` or `message` (SWE-agent's published runs, Cohere), spelled as others spell
    it."""
    if type(message) is not dict or "content" in message:
        return message
    text = message.get("text", message.get("message"))
    if text is None and message.get("role") == "system":
        text = message.get("system_prompt")
    beside = {key: value for key, value in message.items() if key not in ("text", "message", "system_prompt")}
    return {"content": text, **beside}


_last: list[View] = []


def view_of(row: Any) -> View:
    """The view of a row; the one of the last row is kept."""
    if _last and _last[0].row is row:
        return _last[0]
    view = View(row)
    _last[:] = [view]
    return view


def lists_in(row: Any, keys: tuple[str, ...]) -> list[list[Any]]:
    """What may hold the turns of a row: the row itself where it is a list, else the lists under these keys, none
    empty."""
    found = [row] if isinstance(row, list) else [row.get(key) for key in keys] if type(row) is dict else []
    return [turns for turns in found if isinstance(turns, list) and turns]


def tools_field(row: Any) -> Any:
    """What stands where tools are declared in a row, as it stands there."""
    if not isinstance(row, dict):
        return None
    found = (value for key in TOOL_KEYS if (value := row.get(key)) and isinstance(value, (list, dict, str)))
    return next(found, None) or _tools_inside(row)


def _tools_inside(row: dict[str, Any]) -> Any:
    """Tools that stand in the row's metadata: `metadata` of Nemotron, `chat_template_kwargs` of
    SmolTalk 2, `info` of verifiers."""
    for key in ("chat_template_kwargs", "metadata", "info"):
        inner: Any = row.get(key)
        if isinstance(inner, str) and 'tools"' in inner:
            try:
                inner, _ = read_loose(inner)
            except RowError:
                continue
        if not isinstance(inner, dict):
            continue
        for tools in map(inner.get, ("tools", "xml_tools", "python_tools", "oai_tools")):
            if tools and isinstance(tools, list) and all(map(_is_declared, tools)):
                return tools
    return None


def _is_declared(tool: Any) -> bool:
    return isinstance(tool, (dict, str)) and ("name" in tool or "function" in tool)


def system_field(row: Any) -> Any:
    """The system text that stands beside the turns of a row, as it stands there; None where none does."""
    if not isinstance(row, dict):
        return None
    inner = row.get("chat_template_kwargs")
    told = inner.get("custom_instructions") if isinstance(inner, dict) else None
    value = row.get("system") or row.get("system_prompt") or row.get("system_message") or told
    return value if isinstance(value, (str, list)) and value else None
