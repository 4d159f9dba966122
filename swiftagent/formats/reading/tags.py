"""Assistant text with calls in tags: <tool_call>, <functioncall>, <function=...>, <|startofthink|>, <think>,
<response>; and text in which the model's code or search stands directly before what it gave (ToRA, ReTool,
Search-R1)."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from itertools import islice
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.calls import calls_of
from swiftagent.formats.reading.marks import CALL_MARKS, CLINE, in_common_tags
from swiftagent.formats.reading.tools import Declared, read_tools, types_of
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Tool

_PIECE = re.compile(
    # Reasoning may speak of tags, so it ends at its own closing tag alone.
    r"<think>\s*(?P<reasoning>.*?)\s*</think>"
    r"|<(?P<tag>tool_call|function_call|functioncall|obs|tool_response|response)>\s*(?P<body>.*?)\s*"
    r"(?:</(?P=tag)>|(?=<(?:tool_call|functioncall|function_call|obs|think|response)>)|\Z)"
    r"|<\|startofthink\|>\s*(?P<think>.*?)\s*(?:<\|endofthink\|>|\Z)"
    r"|<\|startofexec\|>\s*(?P<exec>.*?)\s*(?:<\|endofexec\|>|\Z)"
    r"|\[TOOL_CALLS\]\s*(?P<mistral>.*)\Z"
    r"|(?P<xml><function=.*?</function>)(?:\s*</tool_call>)?"
    r"|(?:<\|python_tag\|>|<\|tool_call\|>|<TOOLCALL>)\s*(?P<marked>[\[{].*?)\s*"
    r"(?:<\|/tool_call\|>|</TOOLCALL>|<\|eom_id\|>|(?=<\|tool_call\|>)|(?=<\|python_tag\|>)|\Z)"
    r"|<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?(?P<named>[^<\n]+?)\s*(?:<｜tool▁sep｜>"
    r"|\n)(?P<given>.*?)<｜tool▁call▁end｜>"
    r"|```(?:python|py)\n(?P<code>(?:(?!```).)*?)\n?```\s*\n```output\n(?P<printed>.*?)\n?```"
    r"|<(?P<act>search|code|python|execute)>\s*(?P<asked>(?:(?!</(?P=act)>).)*?)\s*</(?P=act)>\s*"
    r"<(?P<gives>information|interpreter|result|output|observation)>\s*(?P<found>.*?)\s*</(?P=gives)>",
    re.S,
)
# What a tool gave inside the model's own text, exactly: only directly behind what was asked of it.
_RESULT_INSIDE = re.compile(
    r"```\s*\n```output\n|</(?:search|code|python|execute)>\s*<(?:information|interpreter|result|output|observation)>"
)
_AROUND_CALLS = re.compile(r"<｜tool▁calls▁(?:begin|end)｜>")
_ANSWER_TAG = re.compile(r"<answer>\s*(.*?)\s*(?:</answer>|\Z)\s*\Z", re.S)
_XML_CALL = re.compile(r"<function=([^>\n]+)>(.*?)</function>", re.S)
_GLM_ARGUMENT = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.S)
_XML_ARGUMENT = re.compile(r"<parameter=([^>\n]+)>(.*?)</parameter>", re.S)
# What stands before the arguments of Mistral's calls: the name, and the id where there is one.
_MISTRAL_NAME = re.compile(r"\s*(?:\[TOOL_CALLS\])?\s*([A-Za-z_][\w.\-]*)(?:\[CALL_ID\](\w+))?(?:\[ARGS\])?\s*(?=\{)")
_BARE_NAME = re.compile(r"\s*[A-Za-z_][\w.\-]*\s*")
_FENCE = re.compile(r"```(?:\w+)?\s*\n?(.*?)\n?\s*```", re.S)
_GLAIVE = re.compile(r'\{\s*"name"\s*:\s*"([^"]*)"\s*,\s*"(?:arguments|parameters)"\s*:\s*\'(.*)', re.S)
_decoder = json.JSONDecoder(strict=False)
_END = re.compile(
    r"(?:\s*(?:<\|(?:endoftext|im_end|eot_id|eom_id)\|>|</s>|<end_of_turn>|<eos>|<｜end▁of▁sentence｜>))+\s*\Z"
)
_TOOLS_TAG = re.compile(r"<tools>\s*(.*?)\s*</tools>", re.S)
_NOT_CALLS = ("reasoning", "response", "obs", "tool_response", "exec")  # what is said before them is no call's
# What marks a call in an assistant text.
TAGS = (
    *("<tool_call>", "<functioncall>", "<|startofthink|>", "<tool_response>", "<function=", "<function_call>"),
    *("[TOOL_CALLS]", "<|python_tag|>", "<|tool_call|>", "<TOOLCALL>", "<｜tool▁call", *CALL_MARKS, CLINE),
)


def holds_results(text: str) -> bool:
    """Whether a tool's results stand inside an assistant text, behind the code or the search that they answer."""
    # One letter is looked for far quicker than a word.
    if ("<" in text and "</" in text) or ("`" in text and "```output" in text):
        return _RESULT_INSIDE.search(text) is not None
    return False


def read_tag_text(builder: Builder, text: str, calls_follow: bool = False, trained: bool = True) -> None:
    """Add the events of one assistant text, tag by tag."""
    text = _END.sub("", text)
    if any(mark in text for mark in CALL_MARKS):
        text = in_common_tags(text)
    if "<｜tool▁calls▁" in text:
        text = _AROUND_CALLS.sub("", text)
    inside = holds_results(text)
    place = 0
    for found in _PIECE.finditer(text):
        kind = found["tag"] or str(found.lastgroup)
        if lead := text[place : found.start()].strip():
            builder.say(lead, kind not in _NOT_CALLS or calls_follow, trained)
        place = found.end()
        _read_piece(builder, found, kind, trained)
    rest = text[place:].strip()
    if inside:
        rest = _ANSWER_TAG.sub(r"\1", rest)
    if rest or place == 0:
        builder.say(rest, calls_follow, trained)


def _read_piece(builder: Builder, found: re.Match[str], kind: str, trained: bool) -> None:
    """kind: the name of the tag, else of the last group of the pattern that was found."""
    body = found[str(found.lastgroup)]
    match kind:
        case "reasoning":
            builder.thought(body, trained=trained)
        case "response":
            builder.answer(body, trained)
        case "obs" | "tool_response" | "exec":
            builder.result(_unfenced(body) if kind == "exec" else body)
        case "printed" | "found":  # code and what it printed, or a search and what it found
            code = found["code"] if kind == "printed" else _unfenced(found["asked"])
            searched = found["act"] == "search"
            called = ("search", {"query": found["asked"]}) if searched else ("python", {"code": code})
            builder.call(*called, trained=trained)
            builder.result(body)
        case "given":
            builder.call(found["named"], _unfenced(body), trained=trained)
        case _:
            builder.calls(tag_calls(_unfenced(body), builder.tools, builder.repairs), trained)


def tag_calls(body: str, tools: tuple[Tool, ...], repairs: list[str]) -> list[tuple[Any, Any, Any]]:
    """The calls inside one tag. Raises RowError("broken-call" or "cut-arguments").

    tools: where a call has no JSON, the declared type of a parameter decides what its text is. repairs: gets a code for
    each fault of JSON that was mended.
    """
    if xml := _XML_CALL.findall(body):
        return [
            (name, inside if inside.lstrip()[:1] == "{" else _xml_arguments(name, inside, tools), None)
            for name, inside in xml
        ]
    if glaive := _GLAIVE.match(body):
        return [(glaive[1], _single_quoted(glaive[2]), None)]
    if "<arg_key>" in body:  # GLM: name, then <arg_key>k</arg_key><arg_value>v</arg_value>
        name = body.partition("<arg_key>")[0].strip()
        return [(name, _typed_arguments(name, body, _GLM_ARGUMENT, ("<arg_key>", "<arg_value>"), tools), None)]
    if _MISTRAL_NAME.match(body):
        return _mistral_calls(body)
    if _BARE_NAME.fullmatch(body):  # GLM: a call without arguments
        return [(body.strip(), {}, None)]
    calls, mended = calls_of(body)
    repairs += mended
    return calls


def _mistral_calls(body: str) -> list[tuple[Any, Any, Any]]:
    """`name[ARGS]{...}`, `name[CALL_ID]id[ARGS]{...}` or `name{...}`, one after another (Mistral's v11 and v13)."""
    calls: list[tuple[Any, Any, Any]] = []
    place = 0
    while found := _MISTRAL_NAME.match(body, place):
        try:
            arguments, place = _decoder.raw_decode(body, found.end())
        except (ValueError, RecursionError):
            raise RowError("broken-call", f"the arguments of {found[1]} cannot be read") from None
        calls.append((found[1], arguments, found[2]))
    if body[place:].strip():
        raise RowError("broken-call", f"text behind a call: {body[place : place + 60]!r}")
    return calls


def _xml_arguments(name: str, inside: str, tools: tuple[Tool, ...]) -> dict[str, Any]:
    if inside.strip() and not _XML_ARGUMENT.search(inside):
        raise RowError("broken-call", f"no argument can be read of {inside.strip()[:60]!r}")
    return _typed_arguments(name, inside, _XML_ARGUMENT, ("<parameter=",), tools)


def _typed_arguments(
    name: str, text: str, pair: re.Pattern[str], opening: tuple[str, ...], tools: tuple[Tool, ...]
) -> dict[str, Any]:
    """Raises RowError("broken-call") where an argument's tag is not closed: its value may be incomplete."""
    pairs, types = pair.findall(text), types_of(name, tools)
    if unclosed := next((tag for tag in opening if text.count(tag) != len(pairs)), ""):
        raise RowError("broken-call", f"a {unclosed} of a call is not closed")
    return {key.strip(): typed_value(value, types.get(key.strip())) for key, value in pairs}


def _single_quoted(rest: str) -> Any:
    """Arguments in single quotes, which may hold apostrophes: they end at the last quote before the closing brace."""
    end = rest.rstrip().removesuffix("}").rstrip()
    if not end.endswith("'"):
        raise RowError("cut-arguments", f"arguments end in the middle: ...{rest[-40:]!r}")
    inner = end[:-1]
    try:
        value, _ = read_loose(inner)
    except RowError:
        value, _ = read_loose(inner.replace("\\'", "'"))
    return value


def typed_value(text: str, schema: Any) -> Any:
    """The value of an argument that is given as text: of the declared type; by its look where none is declared."""
    text = text.removeprefix("\n").removesuffix("\n")
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind == "string":
        return text
    if kind == "boolean" and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    if kind in ("integer", "number"):
        try:
            number = float(text)
            return int(text) if text.strip().lstrip("+-").isdigit() else number
        except ValueError:
            return text
    if text[:1] in "{[" or text in ("true", "false", "null") or text.lstrip("-").replace(".", "", 1).isdigit():
        try:
            return read_loose(text)[0]
        except RowError:
            return text
    return text


def _unfenced(text: str) -> str:
    found = _FENCE.fullmatch(text.strip())
    return found.group(1).strip() if found else text.strip()


def tools_in_text(text: str) -> tuple[str, tuple[Tool, ...], tuple[str, ...]] | None:
    """A system text that lists tools as JSON, anywhere: (the text without them, tools, repairs); None where it lists
    none."""
    return _tools_in_text(text) if len(text) < 65536 else _tools_in_text.__wrapped__(text)


@lru_cache(maxsize=1024)
def _tools_in_text(text: str) -> tuple[str, tuple[Tool, ...], tuple[str, ...]] | None:
    tag = _TOOLS_TAG.search(text)
    if tag is not None and tag[1]:
        try:
            return _own_text(text[: tag.start()]), *read_tools(tag[1])
        except RowError:
            return None
    for begin in islice(_TOOLS_START.finditer(text), 20):
        found = _tools_at(text, begin.start())
        if found is not None:
            return _own_text(text[: begin.start()]), *found
    return None


def _tools_at(text: str, start: int) -> Declared | None:
    values: list[Any] = []
    place = start
    while text[place : place + 1] in ("[", "{"):
        try:
            value, place = _decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        values += value if isinstance(value, list) else [value]
        place = _NEXT_ITEM.match(text, place).end()  # type: ignore[union-attr]
    try:
        if not values and text[start] == "[":
            value, _ = read_loose(text[start : text.rfind("]") + 1])
            values = value if isinstance(value, list) else []
        return read_tools(values) if values and all(map(_is_tool, values)) else None
    except RowError:
        return None


# Between two tools: space, commas, and the number of the next one (`2. {...}`).
_NEXT_ITEM = re.compile(r"(?:[ \t\r\n,][\s,]*(?:\d{1,3}[.、)]\s*(?=\{))?)?")
_TOOLS_START = re.compile(r"\[\s*\{|(?<![\w\[,])\{\s*[\"']")


def _is_tool(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    inner = item["function"] if isinstance(item.get("function"), dict) else item
    if isinstance(inner.get("function"), str):  # Trelis: {"function": name, "description", "arguments"}
        inner = {"name": inner["function"], **inner}
    named = isinstance(inner, dict) and (isinstance(inner.get("name"), str) or isinstance(inner.get("api_name"), str))
    return named and any(key in inner for key in ("description", "parameters", "input_schema", "arguments", "required"))


_ITEM_NUMBER = re.compile(r"\s*\b1[.、)]\Z")
_BOILER = re.compile(
    r"\s*(?:<\|im_system\|>tool_declare|# Tools|You are provided with function signatures"
    r"|You may call one or more functions|You have access to|Here is a list of|Here are the available tools"
    r"|Use the following|with access to the following functions).*\Z",
    re.S,
)


def _own_text(before: str) -> str:
    """The user's own system text above the part that announces the tools."""
    own = _BOILER.sub("", before.removeprefix("SYSTEM:").strip()).strip()
    return "" if "<|startofthink|>" in own else _ITEM_NUMBER.sub("", own)  # how to write calls is another format's way


def read_system(builder: Builder, text: str) -> None:
    """A system turn: tools listed in it are declared, the rest is the user's own text."""
    own, tools, repairs = tools_in_text(text) or (text, (), ())
    builder.tools = builder.tools or tools
    builder.repairs += repairs
    builder.system(own)
