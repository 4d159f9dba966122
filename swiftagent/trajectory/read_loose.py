"""Lenient reading of JSON: call arguments in every spelling that data and models hold, as a JSON value.

The one such reader. What had to be mended is named; nothing of the text is evaluated.
"""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from swiftagent.errors import RowError
from swiftagent.io.jsonl import decode, parse_json, without_surrogates

Repairs = tuple[str, ...]
_CLOSER = {"{": "}", "[": "]"}
_LONGEST_MENDED = 200_000  # what a library that mends JSON may take seconds over is not given to it
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_PYTHON_WORD = re.compile(r"'[^']*'|True|False|None")  # texts are passed over as they are
_JSON_NAMES = {"true": True, "false": False, "null": None}
_JSON_WORDS = {"True": "true", "False": "false", "None": "null"}
_SINGLE_QUOTED = re.compile(r"(?<=[\s{\[,:(])'(.*?)'(?=\s*(?:[:}\]]|,\s*['\d\[{\]}\"TFN-]|,\s*\Z))", re.S)
_NOT_OF_REPR = re.compile(r"(?<!\\)(?:\\\\)*\\[^\\'\"nrtxuUN0-7\n]")
_PYTHON_BACKSLASH = re.compile(r"\\([\"'\\])|\\")
_WORD_OR_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\b(?:True|False|None)\b', re.S)
_FENCE = re.compile(r"```[\w-]*[ \t]*\n?(?:(.*?)\n?```\Z|(.*?)(?:\n```.*)?\Z)", re.S)
_FENCE_OPEN = re.compile(r"\s*(?:```[\w-]*[ \t]*\n?)?\s*")
_BRACKET_OR_STRING = re.compile(r"""[{}\[\]]|"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*'|["']""", re.S)
_raw_decode = json.JSONDecoder().raw_decode
_NO_INPUT = frozenset(("", "None", "null"))


def read_arguments(raw: Any) -> tuple[Any, Repairs]:
    """The arguments of a call as a JSON value, nearly always an object. Text that is no JSON becomes {"input": text}.

    Raises RowError("cut-arguments", ...) for JSON that ends in the middle.
    """
    if type(raw) is dict:
        return raw, ()
    if raw is None:
        return {}, ("empty-arguments",)
    if not isinstance(raw, str):
        return (raw, ()) if isinstance(raw, list) else ({"input": raw}, ("text-arguments",))
    text = raw.strip()
    if text[:1] == "`" and (fenced := _FENCE.match(text)):
        text = (fenced.group(1) or fenced.group(2) or "").strip()
    if text in _NO_INPUT:
        return {}, ("empty-arguments",)
    # A Python literal is read far quicker so than by its own parser.
    is_repr = text[1:2] == "'" and '"' not in text and "\\" not in text
    try:
        value = decode(_with_json_words(text).replace("'", '"') if is_repr else text)
    except (ValueError, RecursionError):
        return _read_other(text)
    if is_repr or type(value) is dict:
        return value, ("python-repr",) if is_repr else ()
    return _unwrap(value, text)


def read_loose(text: str) -> tuple[Any, Repairs]:
    """JSON, or a Python literal (`{'q': 'x', 'b': True}`), or JSON with small faults. Raises RowError("not-json",
    ...)."""
    # No JSON starts with Python's spelling.
    if text[:2] not in ("{'", "['"):
        with suppress(RowError):
            return parse_json(text)
    for repair, read in _ways(text):
        with suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return without_surrogates(read()), (repair,)
    return _mend_by_library(text)


def _ways(text: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """(repair, reader) of each way to read a text that is no JSON, the strictest first."""
    if "'" in text and '"' not in text and "\\" not in text:
        yield "python-repr", lambda: decode(_with_json_words(text).replace("'", '"'))
    without_commas = _TRAILING_COMMA.sub(r"\1", text)
    # Before Python, which allows a trailing comma: the repair is to be named as one of JSON.
    if '"' in text and "," in text:
        yield "trailing-comma", lambda: json.loads(without_commas)
    yield "python-repr", lambda: _plain_json(_literal(text))
    yield "raw-newline", lambda: json.loads(text, strict=False)
    yield "raw-newline", lambda: json.loads(without_commas, strict=False)
    if len(text) > _LONGEST_MENDED:
        raise RowError("not-json", f"neither JSON nor a Python literal: {text[:60]!r}")
    # Cut JSON must not be completed by guessing: the call would be trained with arguments that were never written.
    is_open = any(text.count(opening) > text.count(closing) for opening, closing in _CLOSER.items())
    if is_open or not text.rstrip().endswith(_CLOSER.get(text.lstrip()[:1], "")):
        raise RowError("cut-json", f"JSON that ends in the middle: ...{text[-40:]!r}")
    yield "mended-json", lambda: json.loads(_in_double_quotes(text), strict=False)


def closing_index(text: str, at: int) -> int | None:
    """The index after the JSON (or Python literal) that starts at `at`, fenced or not. -1: it is still open. None: none
    starts there.

    Brackets inside strings do not count; a string may be in either quote.
    """
    start = _FENCE_OPEN.match(text, at).end()  # type: ignore[union-attr]
    if text[start : start + 1] not in ("{", "["):
        return None
    # For valid JSON the same index in a third of the time.
    with suppress(ValueError, RecursionError):
        return _raw_decode(text, start)[1]
    depth: list[str] = []
    for found in _BRACKET_OR_STRING.finditer(text, start):
        letter = text[found.start()]
        if letter in _CLOSER:
            depth.append(_CLOSER[letter])
        elif letter in "}]":
            if letter != depth.pop():
                return -1
            if not depth:
                return found.end()
        elif found.end() == found.start() + 1:
            return -1  # a quote that nothing closes
    return -1


def keyword_arguments(text: str) -> dict[str, Any] | None:
    """`a=1, b='x'` as an object; None where it is anything but names with literals."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" raises a SyntaxWarning, printed into what the model says
            call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not call.keywords:
            return None
        value = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
        return _plain_json(value) if len(value) == len(call.keywords) else None
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _with_json_words(text: str) -> str:
    """A Python literal in which texts stand in single quotes, with true, false and null for Python's words outside of
    them."""
    return _PYTHON_WORD.sub(_json_word, text) if "True" in text or "False" in text or "None" in text else text


def _json_word(found: re.Match[str]) -> str:
    word = found.group()
    return word if word[0] in "'\"" else _JSON_WORDS[word]


def _unwrap(value: Any, text: str) -> tuple[Any, Repairs]:
    if isinstance(value, str):
        inner, repairs = read_arguments(value)
        if "text-arguments" in repairs:
            return {"input": value}, ("text-arguments",)
        return inner, ("encoded-twice", *repairs)
    if isinstance(value, list):
        return value, ()
    return {"input": text}, ("text-arguments",)


def _read_other(text: str) -> tuple[Any, Repairs]:
    if text[0] not in "{[":
        return {"input": without_surrogates(text)}, ("text-arguments",)
    if "\\" in text and (found := _with_raw_backslashes(text)) is not None:
        return found, ("raw-backslash",)
    end = closing_index(text, 0) or -1
    if 0 < end < len(text):
        with suppress(RowError):
            value, repairs = read_loose(text[:end])
            return value, (*repairs, "trailing-text")
    try:
        return read_loose(text)
    except RowError as error:
        if error.code == "cut-json":
            raise RowError("cut-arguments", f"arguments end in the middle: ...{text[-40:]!r}") from None
        # A placeholder, `{...}`, or an object that nothing mends: as {"input": text} it would train a broken call.
        if text[0] == "{" and text.endswith("}"):
            raise RowError("broken-call", f"arguments that are no object: {text[:60]!r}") from None
        return {"input": without_surrogates(text)}, ("text-arguments",)


_INVALID_ESCAPE = re.compile(r'(?<!\\)(?:\\\\)*\\(?![\\"/bfnrtu])|(?<!\\)(?:\\\\)*\\u(?![0-9a-fA-F]{4})')
_BACKSLASH = re.compile(r'\\(["\\])|\\')


def _with_raw_backslashes(text: str) -> Any:
    """JSON whose author escaped no backslash (`"C:\\Users"`, `"\\alpha"`): each is kept as one; None where it is
    anything else."""
    if _INVALID_ESCAPE.search(text) is None:
        return None
    doubled = _BACKSLASH.sub(lambda found: found[0] if found[1] else "\\\\", text)
    with suppress(ValueError, RecursionError):
        return without_surrogates(json.loads(doubled, strict=False))
    return None


def _literal(text: str) -> Any:
    # repr() writes none of these: whoever wrote them meant the backslash.
    if _NOT_OF_REPR.search(text):
        text = _PYTHON_BACKSLASH.sub(lambda found: found[0] if found[1] else "\\\\", text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\d" in a repr, or `1and`, raises a SyntaxWarning
        try:
            return ast.literal_eval(text)
        except ValueError:
            return ast.literal_eval(_JsonNames().visit(ast.parse(text.strip(), mode="eval")))


class _JsonNames(ast.NodeTransformer):
    """JSON's true, false and null inside a Python literal."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(_JSON_NAMES[node.id]) if node.id in _JSON_NAMES else node


def _plain_json(value: Any) -> Any:
    """A Python literal as a JSON value: tuples and sets are lists, keys are text. Raises ValueError for bytes and the
    like."""
    if value is None or isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return without_surrogates(value)
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_json(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain_json(item) for item in value), key=repr)
    raise ValueError(f"{type(value).__name__} is no JSON value")


def _in_double_quotes(text: str) -> str:
    """Texts in single quotes, which may hold apostrophes, in double ones: a text ends only before `,`, `:` or a
    bracket."""

    def requoted(found: re.Match[str]) -> str:
        inner = found.group(1).replace("\\'", "'").replace('\\"', '"').replace('"', '\\"')
        return f'"{inner}"'

    return _WORD_OR_TEXT.sub(_json_word, _SINGLE_QUOTED.sub(requoted, text))


def _mend_by_library(text: str) -> tuple[Any, Repairs]:
    # Slow to import and rarely needed.
    from json_repair import repair_json

    try:
        value = repair_json(text, return_objects=True, skip_json_loads=True)
    # Its own asserts too.
    except (ValueError, RecursionError, LookupError, TypeError, AssertionError) as error:
        raise RowError("not-json", f"neither JSON nor a Python literal: {text[:60]!r} ({error})") from None
    # json-repair makes something of any text; another type than the bracket promised is a guess.
    wanted = dict if text.lstrip()[:1] == "{" else list
    if not isinstance(value, wanted) or (not value and len(text.strip()) > 2):
        raise RowError("not-json", f"neither JSON nor a Python literal: {text[:60]!r}")
    return _plain_json(value), ("mended-json",)
