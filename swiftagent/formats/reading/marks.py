"""Calls in the marks of single models: Kimi, InternLM, Cohere, Claude's and MiniMax's <invoke>, Harmony, Gemma,
CodeAct.

Each is told as the `<tool_call>` JSON and `<think>` that most models write, so that one reader (tag_text) knows them
all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.arguments import read_literal
from swiftagent.formats.reading.python_calls import python_calls

Found = re.Match[str]
_HARMONY = "<|channel|>"
_SPACE_OF = r"(?:antml:|minimax:|｜DSML｜)?"
_PARAMETER = re.compile(
    rf'<{_SPACE_OF}parameter name="([^"]+)"(?: string="(true|false)")?>(.*?)</{_SPACE_OF}parameter>', re.S
)
_PRINTED = re.compile(r"print\((.*)\)\s*\Z", re.S)
_A_CALL = re.compile(r"[A-Za-z_][\w.]*\(.*\)\s*\Z", re.S)
# The one command that mini-swe-agent runs of a turn, and how the turn that answers it begins.
RETURNED = "<returncode>"
_COMMAND = re.compile(r"```(?:mswea_bash_command|bash|sh)\n((?:(?!```).)*?)\n?```\s*\Z", re.S)
# What a user turn says where it is the answer to such a call.
_RESULT = re.compile(
    r"\s*(?:(?=<returncode>)|EXECUTION RESULT of \[[^\]\n]*\]:\s?|OBSERVATION:\s?|Observation:\s?"
    r"|```tool_output\n|<function_results>\s*)(.*?)"
    r"(?:\n?```|\s*</function_results>)?\s*\Z",
    re.S,
)
_RESULT_PARTS = re.compile(r"<(?:stdout|output)>\s*(.*?)\s*</(?:stdout|output)>", re.S)


def _call(name: str, arguments: Any) -> str:
    return _tagged(f'{{"name": {json.dumps(name)}, "arguments": {json.dumps(arguments, ensure_ascii=False)}}}')


def _tagged(body: str) -> str:
    return "<tool_call>" + body.replace("</tool_call>", "\\u003c/tool_call>") + "</tool_call>"


def _kimi(found: Found) -> str:
    return _tagged(f'{{"name": {json.dumps(found[1])}, "arguments": {found[2]}}}')


def _body(found: Found) -> str:
    return _tagged(found[1])


def _code(found: Found) -> str:
    return _call("python", {"code": found[1]})


def _shell(found: Found) -> str:
    return _call("bash", {"command": found[1]}) if found[0].startswith("<execute_bash>") else _code(found)


def _thought(found: Found) -> str:
    return f"<think>{found[1]}</think>"


def _text(found: Found) -> str:
    return found[1]


def _nothing(found: Found) -> str:
    return ""


def _invoke(found: Found) -> str:
    given = {}
    for name, is_text, value in _PARAMETER.findall(found[2]):
        given[name] = value if is_text == "true" else _value(value)
    return _call(found[1], given)


def _value(text: str) -> Any:
    """JSON where it is any, else the text."""
    if text.strip()[:1] in ("{", "[") or text in ("true", "false", "null") or re.fullmatch(r"-?\d+(?:\.\d+)?", text):
        try:
            return read_literal(text)[0]
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


_Rule = tuple[re.Pattern[str], Callable[[Found], str]]
# The mark that a text holds, and what is made of what stands around it.
_MARKS: tuple[tuple[str, tuple[_Rule, ...]], ...] = tuple(
    (mark, tuple((re.compile(pattern, re.S), tell) for pattern, tell in rules))
    for mark, rules in (
        (
            "<|tool_call_begin|>",
            (
                (
                    r"<\|tool_call_begin\|>\s*(?:functions\.)?([^\s<]+?)(?::\d+)?\s*"
                    r"<\|tool_call_argument_begin\|>\s*(.*?)\s*<\|tool_call_end\|>",
                    _kimi,
                ),
                (r"<\|tool_calls_section_(?:begin|end)\|>", _nothing),
            ),
        ),
        (
            "<|action_start|>",
            (
                (r"<\|action_start\|>\s*<\|plugin\|>\s*(.*?)\s*(?:<\|action_end\|>|\Z)", _body),
                (r"<\|action_start\|>\s*<\|interpreter\|>\s*(.*?)\s*(?:<\|action_end\|>|\Z)", _code),
            ),
        ),
        ("<|START_THINKING|>", ((r"<\|START_THINKING\|>\s*(.*?)\s*<\|END_THINKING\|>", _thought),)),
        ("<|START_ACTION|>", ((r"<\|START_ACTION\|>\s*(.*?)\s*<\|END_ACTION\|>", _body),)),
        ("<|START_RESPONSE|>", ((r"<\|START_RESPONSE\|>(.*?)(?:<\|END_RESPONSE\|>|\Z)", _text),)),
        (
            "invoke name=",
            (
                (rf'<{_SPACE_OF}invoke name="([^"]+)">\s*(.*?)\s*</{_SPACE_OF}invoke>', _invoke),
                (rf"</?{_SPACE_OF}(?:function_calls|tool_calls)>|</?minimax:tool_call>", _nothing),
            ),
        ),
        (
            _HARMONY,
            (
                (r"<\|channel\|>analysis<\|message\|>(.*?)<\|(?:end|return)\|>", _thought),
                (
                    r"(?:<\|channel\|>commentary to=|(?<=assistant) to=)functions\.(\w+)(?:<\|channel\|>commentary)?\s*"
                    r"(?:<\|constrain\|>\s*)?(?:json)?<\|message\|>(.*?)(?:<\|call\|>|\Z)",
                    _kimi,
                ),
                (
                    r"<\|channel\|>(?:final|commentary)(?:\s*<\|constrain\|>\w+)?<\|message\|>(.*?)"
                    r"(?:<\|(?:end|return)\|>|\Z)",
                    _text,
                ),
                (r"<\|start\|>assistant", _nothing),
            ),
        ),
        ("Action: ```json", ((r"Action: ```json\s*(\[.*?\])\s*```", _body),)),
        ("Action:```json", ((r"Action:```json\s*(\[.*?\])\s*```", _body),)),
        ("```tool_code", ((r"```tool_code\s*\n(.*?)\n?```", _tool_code),)),
        ("</execute>", ((r"<execute>\s*(.*?)\s*</execute>\s*\Z", _code),)),
        ("</execute_", ((r"<execute_(?:bash|ipython)>\s*(.*?)\s*</execute_(?:bash|ipython)>\s*\Z", _shell),)),
    )
)  # fmt: skip
CALL_MARKS = tuple(mark for mark, _ in _MARKS)
# Those that hold no control token and begin no line with a keyword.
QUIET_MARKS = ("invoke name=", "</execute", "```tool_code", f"\n{RETURNED}")


def in_common_tags(text: str) -> str:
    """A text with its calls and reasoning in `<tool_call>` and `<think>`; what has none of the marks stays as it is."""
    for mark, rules in _MARKS:
        if mark in text:
            for pattern, tell in rules:
                text = pattern.sub(tell, text)
    return text


def command_in_tags(text: str) -> str:
    """A turn of a log whose commands are answered by RETURNED, its last block as a call of bash."""
    return _COMMAND.sub(lambda found: _call("bash", {"command": found[1]}), text)


def result_in_user_turn(text: str, marked: bool) -> str | None:
    """What a tool gave, where a user turn tells it in one of the known ways; else None.

    `marked` says that it did so before in this conversation: then the environment speaks there, and what has no mark is
    its word too ("Your command ran successfully and did not produce any output." of SWE-agent).
    """
    found = _RESULT.match(text)
    if found is None:
        return text if marked else None
    parts = _RESULT_PARTS.findall(found[1]) if "<function_results>" in text else []
    return "\n".join(parts) if parts else found[1]
