"""Text that comes from data escaped for a tokenizer and for the ReAct grammar, and read back exactly.

Control tokens (`<|im_end|>`, `[INST]`, `</think>`, ...) get a WORD JOINER (U+2060) after their first character; where
one stands there already, it gets one more, whatever follows. A ReAct keyword at the start of a line is indented by one
more space than it has. Both are undone by taking one away, so every text comes back as it was, also with another table.

There is one table, since `convert` knows no model: the control tokens of every template of ms-swift, which a test holds
it to. Where a tokenizer is known, `add_control_tokens` adds its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cached_property
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import Any

from swiftagent.io.jsonl import with_texts

JOINER = "\u2060"

_NAMES = (
    "think|thinking|tool|tools|tool_sep|tool_calls?|tool_responses?|tool_results?|response"
    "|arg_key|arg_value"
    "|function|function_results?|parameter|param|param_key|param_value|invoke|startofthink|startofexec|cot-process"
    "|s|pad|unk|bos|eos|eoa|eoh|mask|sep|sop|eop|cls|longcat_s|BOS_TOKEN|EOS_TOKEN|PAD_TOKEN|embedding|unused_?\\d+"
    "|extra_id_\\d+|start_of_turn|end_of_turn|end_of_utterance|begin_of_document|beginning_of_sentence|end_of_sentence"
    "|begin_of_sentence|role|human|bot|AI|用户|C_Q|C_A|B_SYS|EOI|_system|_user|_bot|_end|_observation"
    "|global_setting|system_setting|start_of_image|end_of_image|start_of_audio|end_of_audio"
    "|audio_start|audio_end|frame_start|frame_end|image_soft_token"
    "|image|video|audio|img|imgpad|bbox|ref-object|start-image|ref|box|quad|slice|image_id|im_start|im_end"
    "|im_patch|im_col|image_placeholder|image_pad|vid_start|vid_end|patch_newline|audio_patch|audio_pad|IMG_CONTEXT"
    "|video_soft_token|audio_soft_token|ImageHere|ContextHere|IMAGE|VIDEO|speech|fim_\\w+"
)
_BRACKETED = (
    "INST|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS|SYSTEM_PROMPT|TOOL_CONTENT|ARGS|CALL_ID|THINK|MODEL_SETTINGS"
    "|IMG|IMG_BREAK|IMG_END|AUDIO|BEGIN_AUDIO|PREFIX|MIDDLE|SUFFIX|gMASK|sMASK|MASK|CLS|SEP|PAD|UNK|BOS|EOS|USER|BOT"
    "|control_\\d+|UNUSED_TOKEN_\\d+|unused\\d+"
)
# first character: what may follow it
_TABLE = {
    "<": r"\|[^|<>\\\s]{1,64}\|?>|[^|<>\\\s\u2060]{1,64}\|>|/?｜[^｜<>\\\s]{1,64}｜|</?SYS>>"
    rf"|/?(?:(?:seed|mm|minimax):\w+|(?:{_NAMES})(?::opensource)?)>|(?:function|invoke|param(?:eter)?)(?:=| name=)",
    "[": rf"/?(?:{_BRACKETED})\]|\|[^|\[\]\s]{{1,32}}\|\]|e~\[",
    "]": r"~!b\[|~b\]|<\]minimax\[>\[",
    "|": r"\|\|IP_ADDRESS\|\|\|",
    "｜": "DSML｜",
    # ms-swift fills these in wherever they stand in a question
    "{": r"\{(?:SYSTEM|QUERY|RESPONSE|ROUND0|ROUND1)\}\}",
}
_OPENINGS = "<[]|｜{"
_JOINED = re.compile(rf"(?<=[{re.escape(_OPENINGS)}]){JOINER}")
_JOINED_BRACKET = re.compile(rf"(?<=[{re.escape(_OPENINGS[1:])}]){JOINER}")
_KEYWORD_LINE = re.compile(r"^( *)(?=(?:thought|action|action input|observation|final answer) *[:：])", re.I | re.M)
_INDENTED_LINE = re.compile(_KEYWORD_LINE.pattern.replace("( *)", " ( *)"), re.I | re.M)
# Quick looks at a text, so that most texts cost no more than them: where nothing is found nothing is to be hidden.
# Where no token of a model was added, these are where one of the table can begin.
_ANGLE = re.compile(r"<[^\s\d=-]")
_SQUARE = re.compile(r"\[(?:[/|A-Zgscu]|e~)")
_CURLY = re.compile(r"\{\{")
_FEW, _SHORT = 16, 256
# A newline is looked for far quicker than `^` under re.M.
_KEYWORD_BELOW = re.compile(r"\n *(?:thought|action|observation|final answer)", re.I)
_KEYWORD_STARTS = " tTaAoOfF"
_KEYWORD_FIRST = re.compile(r" *(?:thought|action|observation|final answer)", re.I)


_unknown = json.JSONEncoder().default  # raises for a value that is not of JSON
# Made once: `json.dumps(ensure_ascii=False)` makes such an encoder for each value, which costs more than its use.
_chunks = c_make_encoder(None, _unknown, encode_basestring, None, ": ", ", ", False, False, True)


class _Patterns:
    """The table compiled, with the tokens that were added to it."""

    def __init__(self, added: frozenset[str] = frozenset()) -> None:
        self.added = added
        # Thousands of tokens such as `<loc0001>` are one shape.
        shapes = sorted({re.sub(r"\d+", r"\\d+", re.escape(token)) for token in added}, key=len, reverse=True)
        # The first character alone is matched: two tokens may share one, as in `[e~[e~[`.
        rests = [f"{re.escape(first)}(?={rest})" for first, rest in _TABLE.items()]
        rests += [f"(?={shape})[{re.escape(_OPENINGS)}]" for shape in shapes]
        self.token = re.compile("|".join(rests))

    @cached_property
    def hide(self) -> re.Pattern[str]:
        return re.compile(rf"{self.token.pattern}|[{re.escape(_OPENINGS)}](?={JOINER})")


_patterns = _Patterns()


def add_control_tokens(tokens: Iterable[str]) -> None:
    """Add a tokenizer's own special and added tokens to the table of this process.

    Those that are words or blanks, as some tokenizers have them, are left: ordinary text holds them.
    """
    global _patterns
    if new := {token for token in tokens if _is_marked(token) and not _patterns.token.match(token)}:
        _patterns = _Patterns(_patterns.added | new)


def _is_marked(token: str) -> bool:
    return (
        len(token) > 2
        and token[0] in "<["
        and not token[-1].isalnum()
        and not any(letter.isspace() for letter in token)
        and any(letter.isalpha() for letter in token)
    )


def hide_control_tokens(text: str) -> str:
    """Make every control token of the table an ordinary text; `show_control_tokens` undoes it exactly."""
    return _pattern_for(text).sub(_joined, text) if may_hold_control_token(text) else text


def _pattern_for(text: str) -> re.Pattern[str]:
    # A joiner is rare, and a pattern without it is faster.
    return _patterns.hide if JOINER in text else _patterns.token


def may_hold_control_token(text: str) -> bool:
    """A quick look: False is sure."""
    alone = not _patterns.added
    return (
        JOINER in text
        or ("<" in text and (not alone or _stands("<", _ANGLE, text)))
        or ("[" in text and (not alone or _stands("[", _SQUARE, text)))
        or ("]" in text and (("~" in text and "]~" in text) or ("<" in text and "]<]" in text)))
        or ("{" in text and ("{{" in text if len(text) < _SHORT else _stands("{", _CURLY, text)))
        or ("|" in text and "|||" in text)
        or "｜" in text
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
    return _JOINED.sub("", text) if JOINER in text else text


def hide_value(value: Any) -> Any:
    """A JSON value with `hide_control_tokens` on every text in it, keys too; the same object where nothing is
    hidden."""
    return with_texts(value, hide_control_tokens)


def show_value(value: Any) -> Any:
    """Undo `hide_value`."""
    return with_texts(value, show_control_tokens)


def has_control_token(text: str) -> bool:
    """Whether a control token of the table stands in the text unhidden."""
    return may_hold_control_token(text) and _patterns.token.search(text) is not None


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
    text = "".join(_chunks(value, 0))
    return _pattern_for(text).sub(_escaped_in_json, text) if may_hold_control_token(text) else text


def show_json_text(text: str) -> str:
    """Undo what `json_text` hid without JSON's own escapes."""
    return _JOINED_BRACKET.sub("", text) if JOINER in text else text


def parse_json_text(text: str) -> Any:
    """Read what `json_text` wrote. Raises ValueError where it is no JSON."""
    return json.loads(show_json_text(text))


def _joined(found: re.Match[str]) -> str:
    return found.group() + JOINER


def _escaped_in_json(found: re.Match[str]) -> str:
    if found.group() != "<":
        return _joined(found)
    return "<" if found.string.startswith(JOINER, found.end()) else "\\u003c"
