"""The command line: a table of commands, of which only the one asked for is imported; an error is one line and an exit
code."""

from __future__ import annotations

import argparse
import codecs
import gc
import importlib
import io
import json
import os
import re
import select
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from swiftagent import __version__
from swiftagent.errors import ConfigError, RowError, SetupError, SwiftAgentError, remedy_of, visible

# name: one line of help. The module is swiftagent.commands.NAME with add_arguments(parser) and run(args) -> exit code.
COMMANDS = {
    "mix": "pull agent and general data, convert, sample and mix them into one training file",
    "stats": "what is in a file: rows, tokens, lengths, tools, languages, duplicates of each channel",
    "sweep": "train a small model on several mixes: tool accuracy against forgetting",
    "inspect": "show which tokens are trained, and prove the masks with ms-swift's own labels",
    "sft": "train from one YAML, or from data of any format: checks first, then `swift sft` under torchrun",
    "doctor": "check machine, packages, model, data and a config before a GPU is used",
    "runs": "list past runs, or show one with its curve",
    "configs": "list the shipped recipes, copy one, or translate another program's config",
    "infer": "run the tuned model as an agent with real tools, or chat with it",
    "serve": "an OpenAI-compatible server over the tuned model: clients send tools and get tool_calls",
    "mcp": "an MCP server of this program, so that coding agents can read data and runs with it",
    "eval": "score a tuned model against its base: tool calls, restraint, forgetting, with a gate and a page",
    "improve": "let a tuned model answer questions, check it by rule, and train it on what is right, round by round",
    "export": "merge, GGUF, Ollama, vLLM, adapter, push: a model that still calls tools where it lands",
    "convert": "read tool-calling data of any format and write any other, with a ledger of every row",
    "clean": "find and mend bad steps of traces: drifted, failed, repeated, contradictory or foreign ones",
    "formats": "list what can be read and written with a sample row, or say what format a file has",
    "completion": "what makes bash, zsh or fish complete commands and options",
    "ui": "the whole way in a browser: data, masks, training, the agent, evaluation, export",
    "demo": "all of it on shipped data and a tiny model, on a CPU, in minutes",
}
EPILOG = """first steps:
  swiftagent demo
  swiftagent mix --agent 30000 --general 60000
  swiftagent sft configs/qwen7b_agent.yaml
  swiftagent infer --react

exit codes: 0 done, 1 a bug, 2 config or arguments, 3 too many rows rejected, 4 set-up or preflight,
5 training failed, 6 a check found a fault, 7 the evaluation gate failed, 130 interrupted
"""


class _Parser(argparse.ArgumentParser):
    """Wrong words end as all wrong input does: in one line, with the nearest word or where to look."""

    def __init__(self, **more: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **more)

    def format_help(self) -> str:
        if _spoken:
            _spoken[0].translate_help(self)
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            raise ConfigError([f"{self.prog}: {self._unknown(word)}" for word in unknown.split()])
        said = _WRONG_VALUE.sub(lambda found: f"{found[2]} is not {KINDS.get(found[1], _ANY_VALUE)}", message)
        raise ConfigError(f"{self.prog}: {said.removeprefix('argument ')}; `{self.prog} --help` shows more")

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"{word}: one word too many; `{self.prog} --help` shows what it takes"
        from swiftagent.io.words import did_you_mean

        known, otherwise = self._option_string_actions, f"; `{self.prog} --help` lists them"
        return f"{word}: no such option{did_you_mean(word.partition('=')[0], known, ', ', otherwise)}"


_WRONG_VALUE = re.compile(r"invalid (\w+) value: (.*)")
KINDS = {
    "int": "a whole number",
    "count": "a whole number",
    "float": "a number",
    "_amount": "a number or a share such as 40%",
}
_ANY_VALUE = "a value that it takes"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    _take_any_letter()
    gc.set_threshold(100_000, 20, 100)  # rows leave no cycles, and looking for them costs up to a fifth of the time
    words = list(sys.argv[1:] if argv is None else argv)
    _speak_as_asked(words)
    try:
        return _answer(words)
    finally:
        _flush()


_spoken: list[Any] = []  # swiftagent.io.language, where another language than English is asked for


def _speak_as_asked(words: Sequence[str]) -> None:
    """From here on speak the language that --lang names, else that of the environment."""
    asked = re.findall(r"(?:^| )--lang[ =](\w+)", " ".join(words))
    of_environment = [os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)]
    chinese = next(iter([*asked[-1:], *of_environment]), "").startswith("zh")
    if chinese or _spoken:
        from swiftagent import console
        from swiftagent.io import language

        console.speak(language.in_chinese if chinese else str)
        _spoken[:] = [language] if chinese else []


def _said(text: str) -> str:
    return str(_spoken[0].in_chinese(text)) if _spoken else text


def _complete() -> NoReturn:
    """Answer the shell, which asks with the line in its environment. Only the command on it is imported."""
    import argcomplete

    parser = main_parser()
    commands = parser.add_subparsers()
    asked = os.environ.get("COMP_LINE", "").split()
    for name in COMMANDS:
        of_name = commands.add_parser(name)
        if name in asked[1:2]:
            add_options(name, of_name)
    argcomplete.autocomplete(parser)
    raise SystemExit(0)  # not reached: autocomplete ends the process


def _command(name: str) -> Any:
    return importlib.import_module(f"swiftagent.commands.{name}")


def add_options(name: str, parser: argparse.ArgumentParser) -> None:
    """Add what one command takes."""
    from swiftagent.commands.options import Add

    _command(name).add_arguments(Add(parser))
    _add_language(parser)
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an error")


def _add_language(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lang", choices=("en", "zh"), help="of help, messages and tables (default: as LANG has it)")


def _take_any_letter() -> None:
    """A terminal of another encoding gets what it lacks as escapes, which JSON readers take too."""
    codecs.register_error("swiftagent", lambda error: (_escaped(error), getattr(error, "end", 0)))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="swiftagent")


def _escaped(error: Exception) -> str:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1]


def _answer(words: list[str]) -> int:
    before = zip(["", *words], words, strict=False)
    name = next((word for last, word in before if not word.startswith("-") and last != "--lang"), "")
    try:
        return _run(name, words) if name else _answer_without_command(words)
    except SwiftAgentError as error:
        if "--traceback" in words:
            traceback.print_exc()
        code, message, shown = error.exit_code, "" if error.has_result else str(error), _as_lines(error)
    except KeyboardInterrupt:
        code, message, shown = 130, "interrupted", _said("interrupted")
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        return 0
    except OSError as error:
        if not (remedy := remedy_of(error)):
            raise
        code, message = SetupError.exit_code, f"{error}; {remedy}"
        shown = f"{_said('error')}: {error}; {_said(remedy)}"
    if "--json" in words and message:
        with suppress(OSError):  # where stdout itself is what failed
            print(json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False))
    print(visible(shown), file=sys.stderr)
    return code


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of one command; docs/cli.md is generated from it."""
    parser = _Parser(prog=f"swiftagent {name}", description=(_command(name).__doc__ or "").strip())
    add_options(name, parser)
    return parser


def main_parser() -> argparse.ArgumentParser:
    """The parser of `swiftagent --help`."""
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {about}" for name, about in COMMANDS.items())
    parser = _Parser(
        prog="swiftagent",
        usage="swiftagent COMMAND [options]   (swiftagent COMMAND --help shows the options)",
        description=f"Fine-tune tool-using language models on ms-swift.\n\ncommands:\n{lines}",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"swiftagent {__version__}")
    _add_language(parser)
    return parser


def _run(name: str, words: list[str]) -> int:
    if name not in COMMANDS:
        from swiftagent.io.words import did_you_mean

        raise ConfigError(f"no command {name!r}; {did_you_mean(name, COMMANDS, '', '`swiftagent --help` lists them')}")
    arguments = words.copy()
    arguments.remove(name)
    args = parser_of(name).parse_intermixed_args(arguments)  # `sft CONFIG --dry-run key=value` too
    code = int(_command(name).run(args) or 0)
    sys.stdout.flush()  # a full disk shows here, as an error
    return code


def _flush() -> None:
    """Hand on what is held back; else the interpreter finds out at its very end that nobody takes it, and exits with
    120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _reader_is_gone() -> bool:
    """Whether nobody reads stdout any more, as after `swiftagent ... | head`; any other broken pipe is a failure."""
    watched = select.poll()
    watched.register(1, 0)
    return any(event & select.POLLERR for _, event in watched.poll(0))


def _answer_without_command(words: list[str]) -> int:
    parser = main_parser()
    parser.parse_args(words)
    parser.print_help()
    return 0


def _as_lines(error: SwiftAgentError) -> str:
    if not error.where and not isinstance(error, RowError):
        return "\n".join(f"{_said('error')}: {_said(problem)}" for problem in error.problems)
    error.problems = [_said(error.message)]  # its place and its code stay as they are
    return f"{_said('error')}: {error}"
