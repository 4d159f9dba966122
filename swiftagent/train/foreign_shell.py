"""The words of the commands in a shell script, as far as the script itself says them; nothing is run."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from itertools import groupby, takewhile
from string import Template
from typing import Any

from swiftagent.errors import ConfigError

HERE_DOCUMENT = re.compile(r"(?ms)^(?=[^\n]*>\s*([\w./-]+))[^\n]*<<-?\s*['\"]?(\w+)[^\n]*\n(.*?)^[ \t]*\2[ \t]*$")
_QUOTED_OR_LEFT_OUT = re.compile(
    r"""(?msx) (?P<quoted> (?<!\w) (?: '[^']*' | "(?:\\.|[^"\\])*" ) )
    | ^[ \t]*\#[^\n]*(?:\n|\Z)
    | (?P<goes_on> (?: \\ | (?<=\s)[\^`] ) [ \t]* (?:\#[^\n]*)? (?:\n|\Z) )
    | (?<!\S)\#[^\n]*?(?=\\?[ \t]*$)"""
)
_ARRAY = re.compile(r"(?ms)^[ \t]*(\w+)=\(\s*(.*?)\s*\)\s*$")
_SET = re.compile(r"""(?:^|(?<=[\s;]))([A-Za-z_]\w*)=("[^"$]*"|'[^']*'|\([^)]*\)|[^\s;'"$(]+)(?=[\s;]|$)""")
_PRODUCT = re.compile(r"\$\(\(?\s*(?:expr\s+)?([1-9]\d*(?:\s*\\?[*/]\s*[1-9]\d*){1,8})\s*\)?\)")


class Unset(str):
    """The text of a value that is known only where the program runs."""


def lines_of(text: str, environment: dict[str, str]) -> Iterator[str]:
    """The lines of a script without comments, continued ones as one, with the variables that it sets put in place;
    `environment` gets those. A line break within quotes is a NUL."""

    def on_one_line(found: re.Match[str]) -> str:
        quoted = (found["quoted"] or "").replace("\\\n", "").replace("\n", "\0")
        return quoted or (" " if found["goes_on"] else "")

    text = _QUOTED_OR_LEFT_OUT.sub(on_one_line, text)
    text = _ARRAY.sub(lambda found: f"{found[1]}=({' '.join(found[2].split())})", text)

    for line in re.sub(r'"?\$\{(\w+)\[@\]\}"?', r"${\1}", text).splitlines():
        line = Template(line).safe_substitute(environment)
        line = re.sub(r"\$\{(\w+):?-([^}]*)\}", lambda found: environment.get(found[1]) or found[2], line)
        line = _PRODUCT.sub(lambda found: str(worked_out(found[1]) or found[0]), line)
        if not re.search(r"\w +--", _SET.sub("", line)):  # in front of a command it is of that alone
            environment.update((key, re.sub(r"^[('\"]|[)'\"]$", "", value)) for key, value in _SET.findall(line))
        yield line


def words_of(line: str, name: str) -> Iterator[list[str]]:
    """The words of each command of a line, without where its output goes. Raises ConfigError."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split, lexer.commenters = True, ""
    lexer.escape = "" if re.search(r"\b[A-Z]:\\", line) else lexer.escape  # a path of Windows
    try:
        words = list(lexer)
    except ValueError as error:
        raise ConfigError(f"{name}: its command cannot be read: {error}: {line.strip()[:100]}") from None
    for ends, group in groupby(words, key=lambda word: not word.strip(";&|")):
        if not ends:
            taken = takewhile(lambda word: not re.match(r"\d?>", word), group)
            yield [word.replace("\0", "\n") for word in taken]


def options_of(words: list[str]) -> dict[str, Any]:
    """Options with their values, also as `key=value`; a YAML or JSON file that stands for itself is the `config`."""
    settings: dict[str, Any] = {}
    key = ""
    for word in words:
        name, given, value = word.lstrip("-").partition("=")
        if word.startswith("--"):
            key = name.replace("-", "_")
            settings[key] = _plain(value) if given else True
        if given and word.startswith("--") or re.match("-[a-z]", word):
            key = ""  # `--key=value` takes no further word
        elif key and not word.startswith("--"):
            before = settings[key]
            settings[key] = _plain(word) if before is True else [*listed_of(before), _plain(word)]
        elif given and name.isidentifier():
            settings[name] = _plain(value)
        elif word.endswith((".yaml", ".yml", ".json")):
            settings["config"] = word
    return settings


def _plain(word: str) -> Any:
    if re.search(r"\$[\w{(@]", word):
        return Unset(word)
    return int(word) if re.fullmatch(r"-?\d{1,18}", word) else word


def listed_of(value: Any) -> list[Any]:
    """A list as it is, anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def worked_out(product: str | ast.expr) -> int | None:
    """`32 / 8 * 2` as a shell works it out, in whole numbers; None where it is anything else, or no number."""
    if isinstance(product, str):
        product = ast.parse(product.replace("\\", "").replace("/", "//"), mode="eval").body
    match product:
        case ast.Constant(value=int(value)):
            return value
        case ast.BinOp(left, ast.Mult() | ast.FloorDiv() as sign, right):
            first, second = worked_out(left), worked_out(right)
            if first is not None and second:
                return first * second if isinstance(sign, ast.Mult) else first // second
    return None
