"""Calls in the marks of single models: Kimi, InternLM, Cohere, Claude's and MiniMax's <invoke>, Harmony, Gemma,
CodeAct.

Each is told as the `<tool_call>` JSON and `<think>` that most models write, so that one reader (tag_text) knows them
all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.python_calls import python_calls
from swiftagent.trajectory.read_loose import closing_index, read_loose

Found = re.Match[str]
_HARMONY = "<|channel|>"
_SPACE_OF = r"(?:antml:|minimax:|steptml:|｜DSML｜ ?)?"
_PARAMETER = re.compile(
    rf'<{_SPACE_OF}parameter name="([^"]+)"(?: string="(true|false)")?>(.*?)</{_SPACE_OF}parameter>', re.S
)
_CHILD = re.compile(r"<([\w.\-]+)>(.*?)</\1>", re.S)
_PARAM = re.compile(r'<param name="([^"]+)">(.*?)</param>', re.S)
_OPENED = re.compile(r'<\|open\|>argument key="([^"]+)" type="(\w+)"<\|sep\|>(.*?)<\|close\|>argument<\|sep\|>', re.S)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_PRINTED = re.compile(r"print\((.*)\)\s*\Z", re.S)
_FENCED = re.compile(r"```\w*\s*\n(.*?)\n?```", re.S)
_GEMMA_TOKEN = re.compile(
    r"(?P<quote><escape>|<\|\"\|>)(?P<text>.*?)(?P=quote)|(?P<before>[{,]\s*)\"?(?P<key>[\w.\-$]+)\"?\s*:"
    r"|(?P<bare>[^\s{}\[\],:][^{}\[\],]*)",
    re.S,
)
_A_CALL = re.compile(r"[A-Za-z_][\w.]*\(.*\)\s*\Z", re.S)
# The one command that mini-swe-agent runs of a turn, and how the turn that answers it begins.
RETURNED = "<returncode>"
_COMMAND = re.compile(r"```(?:mswea_bash_command|bash|sh)\n((?:(?!```).)*?)\n?```\s*\Z", re.S)
# What ends a task of Cline, and how the user's turns answer its calls.
CLINE = "</attempt_completion>"
CLINE_RESULT = re.compile(r"^\[(\w+)(?: for '.*?')?\] Result:[ \t]*\n?", re.S | re.M)


def _call(name: str, arguments: Any) -> str:
    return _tagged(f'{{"name": {json.dumps(name)}, "arguments": {json.dumps(arguments, ensure_ascii=False)}}}')


def _tagged(body: str) -> str:
    return "<tool_call>" + body.replace("</tool_call>", "\\u003c/tool_call>") + "</tool_call>"


def _named(found: Found) -> str:
    """A name, and arguments as JSON or as a Python literal; text behind them stays text."""
    given = found[2].strip() or "{}"
    end = max(closing_index(given, 0) or 0, 0) or len(given)
    given, rest = given[:end], given[end:]
    if given[:2] in ("{'", "{ "):
        given = json.dumps(read_loose(given)[0], ensure_ascii=False)
    return _tagged(f'{{"name": {json.dumps(found[1].strip())}, "arguments": {given}}}') + rest


def _body(found: Found) -> str:
    return _tagged(found[1])


def _code(found: Found) -> str:
    return _call("python", {"code": found[1]})


def _shell(found: Found) -> str:
    return _call("bash", {"command": found[1]}) if found[0].startswith("<execute_bash>") else _code(found)


def _invoke(found: Found) -> str:
    parts = _PARAMETER.findall(found[2])
    if any(is_text for _, is_text, _ in parts):
        return _call(found[1], {name: value if told == "true" else _value(value) for name, told, value in parts})
    return _untyped(found, [(name, value) for name, _, value in parts] or _CHILD.findall(found[2]))


def _untyped(found: Found, given: list[tuple[str, str]]) -> str:
    """A call whose arguments are text, as Qwen's XML has it: the declared type says what they are. What has no
    arguments in tags stays as it is: JSON, or not a call that can be read."""
    inside = "".join(f"<parameter={key}>{value}</parameter>" for key, value in given)
    return f"<function={found[1]}>{inside or found[2]}</function>"


def _function(found: Found) -> str:
    return _untyped(found, _PARAM.findall(found[2]))


def _kimi_k3(found: Found) -> str:
    return _call(
        found[1], {key: text if kind == "string" else _value(text) for key, kind, text in _OPENED.findall(found[2])}
    )


def _value(text: str) -> Any:
    """JSON where it is any, else the text."""
    if text.strip()[:1] in ("{", "[") or text in ("true", "false", "null") or _NUMBER.fullmatch(text):
        try:
            return read_loose(text)[0]
        except RowError:
            return text
    return text


def _tool_code(found: Found) -> str:
    """Calls that stand as Python; code that is more than calls is run as it is."""
    lines = [line for line in found[1].splitlines() if line.strip()]
    printed = [_PRINTED.fullmatch(line.strip()) for line in lines]
    lines = [inner[1] if inner else line for inner, line in zip(printed, lines, strict=True)]
    if lines and all(_A_CALL.match(line) for line in lines):
        try:
            calls = [call for line in lines for call in python_calls(line)]
        except RowError:
            return _code(found)
        return "\n".join(_call(name.removeprefix("default_api."), arguments) for name, arguments in calls)
    return _code(found)


def _listed(found: Found) -> str:
    """Calls between two marks, as JSON or as Python, in a fence or without one."""
    body = found[1].strip()
    fenced = _FENCED.fullmatch(body)
    body = fenced[1].strip() if fenced else body
    if body[:1] in ("{", "[") and body[1:].lstrip()[:1] in ("{", '"'):
        return _tagged(body)
    return "\n".join(_call(name, arguments) for name, arguments in python_calls(body))


def _gemma(found: Found) -> str:
    """`name{key:<escape>text<escape>,other:3}` of FunctionGemma, and Gemma 4's, whose quote is another."""
    try:
        return _call(found[1], json.loads(_GEMMA_TOKEN.sub(_gemma_token, found[2])))
    except (ValueError, RecursionError):
        raise RowError("broken-call", f"the arguments of a call cannot be read: {found[2][:60]!r}") from None


def _gemma_token(found: Found) -> str:
    """A key or a value as JSON has it."""
    if found["key"] is not None:
        return f"{found['before']}{json.dumps(found['key'])}:"
    return json.dumps(found["text"] if found["text"] is not None else _value(found["bare"].strip()))


TOOLSET = "tool_call: "
_THOUGHT, _TEXT, _NOTHING, _RESULT = r"<think>\1</think>", r"\1", "", r"<obs>\1</obs>"
_ARGUMENT, _WITHOUT_PREFIX = r"<\1arg_\2>", r"<\1\2>"
# The mark that a text holds, and what is made of what stands around it; rules of one mark stand together.
_MARKS: tuple[tuple[str, str, str | Callable[[Found], str]], ...] = (
    (
        "<|tool_call_begin|>",
        r"<\|tool_call_begin\|>\s*(?:functions\.)?([^\s<]+?)(?::\d+)?\s*"
        r"<\|tool_call_argument_begin\|>\s*(.*?)\s*<\|tool_call_end\|>",
        _named,
    ),
    ("<|tool_call_begin|>", r"<\|tool_calls_section_(?:begin|end)\|>", _NOTHING),
    ("<|action_start|>", r"<\|action_start\|>\s*<\|plugin\|>\s*(.*?)\s*(?:<\|action_end\|>|\Z)", _body),
    ("<|action_start|>", r"<\|action_start\|>\s*<\|interpreter\|>\s*(.*?)\s*(?:<\|action_end\|>|\Z)", _code),
    ("<|START_THINKING|>", r"<\|START_THINKING\|>\s*(.*?)\s*<\|END_THINKING\|>", _THOUGHT),
    ("<|START_ACTION|>", r"<\|START_ACTION\|>\s*(.*?)\s*<\|END_ACTION\|>", _body),
    ("<|START_RESPONSE|>", r"<\|START_RESPONSE\|>(.*?)(?:<\|END_RESPONSE\|>|\Z)", _TEXT),
    ("]<]minimax[>[", r"\]<\]minimax\[>\[(?:</?tool_call>)?", _NOTHING),  # MiniMax M3
    ("invoke name=", rf'<{_SPACE_OF}invoke name="([^"]+)">\s*(.*?)\s*</{_SPACE_OF}invoke>', _invoke),
    ("invoke name=", rf"</?{_SPACE_OF}(?:function_calls|tool_calls|calls)>|</?minimax:tool_call>", _NOTHING),
    (_HARMONY, r"<\|channel\|>analysis<\|message\|>(.*?)(?:<\|(?:end|return)\|>|(?=<\|start\|>))", _THOUGHT),
    (
        _HARMONY,
        r"(?:<\|channel\|>commentary to=|(?<=assistant) to=)functions\.(\w+)(?:<\|channel\|>commentary)?\s*"
        r"(?:<\|constrain\|>\s*)?(?:json)?<\|message\|>(.*?)(?:<\|call\|>|\Z)",
        _named,
    ),
    (
        _HARMONY,
        r"<\|channel\|>(?:final|commentary)(?:\s*<\|constrain\|>\w+)?<\|message\|>(.*?)(?:<\|(?:end|return)\|>|\Z)",
        _TEXT,
    ),
    (_HARMONY, r"<\|start\|>assistant", _NOTHING),
    ("Action: ```json", r"Action: ```json\s*(\[.*?\])\s*```", _body),
    ("Action:```json", r"Action:```json\s*(\[.*?\])\s*```", _body),
    ("<|tool_call_start|>", r"<\|tool_call_start\|>\s*(.*?)\s*<\|tool_call_end\|>", _listed),  # LFM2, MiniCPM 4
    ("<|tool_call_start|>", r"<\|thought_start\|>\s*(.*?)\s*<\|thought_end\|>", _THOUGHT),
    ("<|tools_prefix|>", r"<\|tools_prefix\|>\s*(.*?)\s*<\|tools_suffix\|>", _body),  # Apertus
    ("<|python_start|>", r"<\|python_start\|>\s*(\[.*?\])\s*<\|python_end\|>", _listed),  # Llama 4
    ("<tool_calls>", r"<answer>\s*(<tool_calls>.*?</tool_calls>)\s*</answer>", _TEXT),  # Hunyuan
    ("<tool_calls>", r"<tool_calls>(?!\s*<)\s*(.*?)\s*</tool_calls>", _listed),
    ("<tool_calls>", r"</?tool_calls>", _NOTHING),
    ("<function_calls>", r"<function_calls>(?!\s*<)\s*(.*?)\s*</function_calls>", _listed),  # OLMo 3
    ("<start_function_call>", r"<start_function_call>call:([\w.\-]+)(\{.*?\})<end_function_call>", _gemma),
    ("<start_function_call>", r"<start_function_response>\s*\Z", _NOTHING),
    ("<|tool_call>", r"<\|tool_call>call:([\w.\-]+)(\{.*?\})<tool_call\|>", _gemma),
    ("functools[", r"functools(\[.*\])\s*\Z", _listed),  # Phi-4-mini
    (":opensource>", r"<(/?)(tool_calls?|tool_sep|arg_key|arg_value|think):opensource>", _WITHOUT_PREFIX),
    ("<tool_sep>", r"<tool_sep>|</?tool_calls>", _NOTHING),  # Hunyuan 3
    ("<param_key>", r"<(/?)param_(key|value)>", _ARGUMENT),
    ("<action_input>", r"<thought>\s*(.*?)\s*</thought>", _THOUGHT),
    ("<action_input>", r"<action>\s*([\w.\-]+)\s*</action>\s*<action_input>\s*(\{.*?\})\s*</action_input>", _named),
    ("<action_input>", r"(?<=</tool_call>)\s*<observation>\s*(.*?)\s*</observation>", _RESULT),
    ("<action_input>", r"<(?:final_)?answer>\s*(.*?)\s*</(?:final_)?answer>\s*\Z", _TEXT),
    ("<function name=", r'<function name="([^"]+)">(.*?)</function>', _function),  # MiniCPM 5
    # Kimi K3
    ("<|open|>call", r'<\|open\|>call tool="([^"]+)"[^<]*<\|sep\|>(.*?)<\|close\|>call<\|sep\|>', _kimi_k3),
    ("<|open|>call", r"<\|(?:open|close)\|>tools<\|sep\|>", _NOTHING),
    (
        "<|observation|>",  # GLM-4
        r"(?:^|<\|assistant\|>)([\w.\-]+)\n(\{.*?\})(?=<\|assistant\|>|\s*<\|observation\|>\s*\Z)",
        _named,
    ),
    ("<|observation|>", r"<\|observation\|>\s*\Z", _NOTHING),
    # Step 3, around its own <steptml:invoke>
    ("<｜tool_call", r"<｜tool_calls?_(?:begin|end)｜>|(?:function)?<｜tool_sep｜>", _NOTHING),
    ("<longcat_", r"<(/?)longcat_(tool_call|arg_key|arg_value)>", _WITHOUT_PREFIX),
    ("<seed:", r"<(/?)seed:(think|tool_call)>", _WITHOUT_PREFIX),
    ("mm:think>", r"^</mm:think>", _NOTHING),  # MiniMax M3
    ("mm:think>", r"<(/?)mm:(think)>", _WITHOUT_PREFIX),
    ("<|channel>", r"<\|channel>(?:<\|channel>)?thought\n(.*?)<channel\|>", _THOUGHT),  # Gemma 4
    # Kimi K3
    ("<|open|>response", r"<\|open\|>response<\|sep\|>(.*?)<\|close\|>response<\|sep\|>", _TEXT),
    ("<|open|>response", r"<\|close\|>message<\|sep\|>", _NOTHING),
    # ProfSynapse/Toolset-Training; what a call gave stands behind it or in the user's turn
    (
        TOOLSET,
        r"^tool_call: *([\w.\-]+)\s*\narguments:\s*(\{.*?\})(?=\s*(?:\n\s*\n|\n[Rr]esult:|\ntool_call:|\Z))",
        _named,
    ),
    (TOOLSET, r"(?<=</tool_call>)\s*^Result:\s*(.*?)(?=\n\s*\n(?![\s{}\[\]\"])|\n\s*<tool_call>|\Z)", _RESULT),
    ("✿FUNCTION✿", r"✿RESULT✿:\s*\Z", _NOTHING),  # Qwen-Agent
    ("✿FUNCTION✿", r"✿FUNCTION✿:[ ]*([\w.\-]+)\s*()(?=✿FUNCTION✿|\Z)", _named),
    ("✿FUNCTION✿", r"✿FUNCTION✿:\s*([^\n]*)\n✿ARGS✿:\s*(.*?)\s*(?=✿RESULT✿|✿FUNCTION✿|✿RETURN✿|\Z)", _named),
    ("✿FUNCTION✿", r"✿RESULT✿:\s*(.*?)\s*(?=✿FUNCTION✿|✿RETURN✿|\Z)", _RESULT),
    ("✿FUNCTION✿", r"✿RETURN✿:\s*", _NOTHING),
    ("```tool_code", r"```tool_code\s*\n(.*?)\n?```", _tool_code),
    ("</execute>", r"<execute>\s*(.*?)\s*</execute>\s*\Z", _code),
    ("</execute_", r"<execute_(?:bash|ipython)>\s*(.*?)\s*</execute_(?:bash|ipython)>\s*\Z", _shell),
)
_RULES = {mark: list(rules) for mark, rules in groupby(_MARKS, itemgetter(0))}
CALL_MARKS = tuple(_RULES)
# Those that hold no control token and begin no line with a keyword.
QUIET_MARKS = ("invoke name=", "</execute", "```tool_code", f"\n{RETURNED}")


def in_common_tags(text: str) -> str:
    """A text with its calls and reasoning in `<tool_call>` and `<think>`; what has none of the marks stays as it is."""
    for mark, rules in _RULES.items():
        if mark in text:
            for _, pattern, tell in rules:
                text = re.sub(pattern, tell, text, flags=re.S | re.M)  # most files need few of them compiled
    return text


def command_in_tags(text: str) -> str:
    """A turn of a log whose commands are answered by RETURNED, its last block as a call of bash."""
    return _COMMAND.sub(lambda found: _call("bash", {"command": found[1]}), text)
