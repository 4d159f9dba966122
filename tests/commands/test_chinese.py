"""Help, messages and tables in Chinese: the catalogue has all of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from swiftagent.cli import COMMANDS, main, main_parser, parser_of
from swiftagent.io.language import chinese, description_parts, in_chinese

PACKAGE = Path(__file__).parents[2] / "swiftagent"
PRINTED = {"say", "warn", "tell", "fault", "progress", "table", "translated", "worded"}  # the functions of console.py
NOT_SAID = re.compile(rf"\s*\$?\s*(swiftagent |tensorboard |eval \"|--)|[^a-z]*$|({'|'.join(COMMANDS)})$")  # commands


def texts_of_help() -> Iterator[str]:
    parsers = [main_parser(), *map(parser_of, COMMANDS)]
    for parser in parsers:
        for text in (parser.description, parser.epilog, parser.usage):
            yield from (part for part in description_parts(text or "") if part.strip())
        yield from (group.title or "" for group in parser._action_groups)
        yield from (action.help or "" for action in parser._actions)


def literals(node: ast.expr) -> Iterator[str]:
    """The texts that an argument can be, {} for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
        case ast.IfExp(body=body, orelse=orelse):
            yield from [*literals(body), *literals(orelse)]
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            yield from (text for part in parts for text in literals(part))


def texts_printed() -> Iterator[str]:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                printed = node.args[: 2 if name == "table" else 1] if name in PRINTED else []
                for text in (text for argument in printed for text in literals(argument)):
                    yield from (line for line in text.split("\n") if re.search("[a-z]{2}", line.replace("{}", "")))


def test_every_help_text_and_message_is_in_the_catalogue():
    missing = {text: "" for text in [*texts_of_help(), *texts_printed()] if text not in chinese() | {"": ""}}
    missing = {text: "" for text in missing if not NOT_SAID.match(text)}
    assert not missing, yaml.safe_dump(missing, allow_unicode=True, width=10_000, sort_keys=False)


def test_a_translation_takes_the_values_of_its_text():
    for english, translation in chinese().items():
        values = [sorted(re.findall(r"\{(\w*)\}", text)) for text in (english, translation)]
        assert values[0] == values[1], english


def test_lang_puts_help_messages_tables_and_errors_into_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["doctor", "--lang", "zh", "--help"])
    shown = capsys.readouterr().out
    assert (
        shown.startswith("用法：swiftagent doctor ")
        and "把所得打印成一个 JSON 对象" in shown
        and "swiftagent doctor CONFIG" in shown
    )
    assert main(["--lang=zh", "runs"]) == 0
    assert capsys.readouterr().err == "runs：还没有运行；`swiftagent sft CONFIG` 开始一个\n"
    assert main(["infer", "--lang", "zh", "--runn", "x"]) == 2
    assert capsys.readouterr().err == "错误: swiftagent infer: --runn：没有这个选项，您是想说 --run 吗？\n"
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert main(["formats", "--codes"]) == 0
    assert "含义" in capsys.readouterr().out
    assert main(["formats", "--codes", "--lang", "en"]) == 0
    assert "what it says" in capsys.readouterr().out


def test_a_text_that_the_catalogue_does_not_have_stays_as_it_is():
    assert in_chinese("half of the rows were read by a new reader") == "half of the rows were read by a new reader"
    assert in_chinese("run runs/a: 1 GPU; log in log.txt") == "运行 runs/a：1 GPU；日志在 log.txt"
