"""Text that comes from data made harmless for a tokenizer and for the ReAct grammar, and read back exactly.

Control tokens (`<|im_end|>`, `[INST]`, `</think>`, ...) get a WORD JOINER (U+2060) after their first character, one
more than they have already; a ReAct keyword at the start of a line is indented by one more space than it has. Both are
undone by taking one away, so every text comes back as it was. One table for all models, since `convert` knows none.
"""

from __future__ import annotations

import json
import json.encoder
import re
from collections.abc import Callable
from typing import Any

JOINER = "\u2060"

_NAMES = (
    "think|thinking|tool_call|tool_response|tool_calls|tool_result|tools|startofthink|startofexec|"
    "s|pad|unk|bos|eos|mask|sop|eop|start_of_turn|end_of_turn|start_of_image|end_of_image|image_soft_token|"
    "image|video|audio|bbox|ref-object|start-image|ref|box|quad|img|cot-process|minimax:tool_call|arg_key|arg_value"
)
_BRACKETED = (
    "INST|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS|SYSTEM_PROMPT|TOOL_CONTENT|ARGS|CALL_ID|THINK|MODEL_SETTINGS|"
    "IMG|IMG_BREAK|IMG_END|AUDIO|BEGIN_AUDIO|PREFIX|MIDDLE|SUFFIX|gMASK|sMASK|MASK|CLS|SEP|PAD|UNK|BOS|EOS|control_\\d+"
)
_BODY = (
    rf"(?:<)(?:{JOINER}*)(?:\|[^|<>\s]{{1,64}}\||｜[^｜<>\s]{{1,64}}｜|/?(?:{_NAMES})|<SYS>|</SYS>)>"
    rf"|\[{JOINER}*/?(?:{_BRACKETED})\]"
    # ms-swift fills these in wherever they stand in a question
    rf"|\{{{JOINER}*\{{(?:SYSTEM|QUERY|RESPONSE|ROUND0|ROUND1)\}}\}}"
)
_CONTROL = re.compile(_BODY)
_HIDDEN = re.compile(_BODY.replace(f"{JOINER}*", f"{JOINER}+"))
_KEYWORD_LINE = re.compile(r"^( *)(?=(?:thought|action|action input|observation|final answer) *[:：])", re.I | re.M)
_INDENTED_LINE = re.compile(_KEYWORD_LINE.pattern.replace("( *)", " ( *)"), re.I | re.M)
# Quick looks at a text, so that most texts cost no more than them: where nothing is found nothing is to be hidden.
_ANGLE = re.compile(r"<[|｜/a-zS]")
_SQUARE = re.compile(r"\[[/A-Zgsc]")
_CURLY = re.compile(r"\{\{")
_FEW, _SHORT = 16, 256
# A newline is looked for far quicker than `^` under re.M.
_KEYWORD_BELOW = re.compile(r"\n *(?:thought|action|observation|final answer)", re.I)
_KEYWORD_STARTS = " tTaAoOfF"
_KEYWORD_FIRST = re.compile(r" *(?:thought|action|observation|final answer)", re.I)


def _json_writer() -> Callable[[Any], str]:
    """`json.dumps(ensure_ascii=False)`, without making a C encoder for each value, which costs more than its use."""
    plain = json.JSONEncoder(ensure_ascii=False)
    make = getattr(json.encoder, "c_make_encoder", None)  # None in a Python that has no C modules
    if make is None:
        return plain.encode
    chunks = make(None, plain.default, json.encoder.encode_basestring, None, ": ", ", ", False, False, True)
    return lambda value: "".join(chunks(value, 0))


_json = _json_writer()


def hide_control_tokens(text: str) -> str:
    """Make every control token of the table an ordinary text; `show_control_tokens` undoes it exactly."""
    return _CONTROL.sub(_joined, text) if may_hold_control_token(text) else text


def may_hold_control_token(text: str) -> bool:
    """A quick look: False is sure."""
    return (
        JOINER in text
        or ("<" in text and _stands("<", _ANGLE, text))
        or ("[" in text and _stands("[", _SQUARE, text))
        or ("{" in text and _stands("{", _CURLY, text))
    )


def _stands(opening: str, start: re.Pattern[str], text: str) -> bool:
    """Whether a pattern that begins with this letter matches anywhere."""
    if len(text) > _SHORT:
        # One letter is looked for far quicker than a pattern or two letters, as long as few of it stand there.
        at = text.find(opening)
        for _ in range(_FEW):
            if at < 0 or start.match(text, at) is not None:
                return at >= 0
            at = text.find(opening, at + 1)
    return start.search(text) is not None


def show_control_tokens(text: str) -> str:
    """Undo `hide_control_tokens`."""
    return _HIDDEN.sub(_unjoined, text) if JOINER in text else text


def hide_value(value: Any) -> Any:
    """A JSON value with `hide_control_tokens` on every text in it, keys too; the same object where nothing is
    hidden."""
    return _each_text(value, hide_control_tokens)


def show_value(value: Any) -> Any:
    """Undo `hide_value`."""
    return _each_text(value, show_control_tokens)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if type(value) is str:
        return change(value)
    if type(value) is dict:
        changed = {change(key): _each_text(item, change) for key, item in value.items()}
        return changed if changed != value else value
    if type(value) is list:
        return [_each_text(item, change) for item in value]
    return value


def has_control_token(text: str) -> bool:
    """Whether a control token of the table stands in the text unhidden."""
    for opening in ("<", "[", "{{"):  # few texts hold many of them: looking at each is faster than the pattern over all
        at = text.find(opening)
        while at >= 0:
            found = _CONTROL.match(text, at)
            if found and JOINER not in found.group():
                return True
            at = text.find(opening, at + 1)
    return False


def indent_keywords(text: str) -> str:
    """Indent each line that starts with a ReAct keyword, so that it is no keyword; `dedent_keywords` undoes it
    exactly."""
    if (text[:1] in _KEYWORD_STARTS and _KEYWORD_FIRST.match(text)) or ("\n" in text and _KEYWORD_BELOW.search(text)):
        return _KEYWORD_LINE.sub(r"\1 ", text)
    return text


def dedent_keywords(text: str) -> str:
    """Undo `indent_keywords`."""
    return _INDENTED_LINE.sub(r"\1", text) if text[:1] == " " or "\n " in text else text


def hide(text: str) -> str:
    """What is written for a thought or an answer."""
    return hide_control_tokens(indent_keywords(text))


def show(text: str) -> str:
    """Undo `hide`."""
    return dedent_keywords(show_control_tokens(text))


def json_text(value: Any) -> str:
    """JSON as `json.dumps(ensure_ascii=False)` writes it, with no control token in it and the same value.

    `<` of a control token is written `\\u003c`; one in square or curly brackets has no such spelling that readers of
    plain `json.dumps` text expect, so it is hidden like in any text and shown again by `parse_json_text`.
    """
    text = _json(value)
    return _CONTROL.sub(_escaped_in_json, text) if may_hold_control_token(text) else text


def show_json_text(text: str) -> str:
    """Undo what `json_text` hid without JSON's own escapes."""
    return _HIDDEN.sub(_unjoined_bracket, text) if JOINER in text else text


def parse_json_text(text: str) -> Any:
    """Read what `json_text` wrote. Raises ValueError where it is no JSON."""
    return json.loads(show_json_text(text))


def _joined(found: re.Match[str]) -> str:
    token = found.group()
    return token[0] + JOINER + token[1:]


def _unjoined(found: re.Match[str]) -> str:
    token = found.group()
    return token[0] + token[2:]


def _escaped_in_json(found: re.Match[str]) -> str:
    token = found.group()
    if token[0] != "<":
        return _joined(found)
    return "\\u003c" + token[1:] if JOINER not in token[1:2] else token


def _unjoined_bracket(found: re.Match[str]) -> str:
    return _unjoined(found) if found.group()[0] != "<" else found.group()
