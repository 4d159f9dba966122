"""Help, messages and tables in Chinese: the catalogue has all of them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from swiftagent.cli import COMMANDS, main, main_parser, parser_of
from swiftagent.io.language import chinese, description_parts, in_chinese

PACKAGE = Path(__file__).parents[2] / "swiftagent"
PRINTED = {"say", "warn", "tell", "fault", "progress", "table", "translated", "worded"}  # the functions of console.py
ERRORS = {
    "ConfigError",
    "SetupError",
    "RejectsError",
    "LaunchError",
    "CheckError",
    "FaultsError",
    "GateError",
    "refuse",
}
VERDICTS = ("train/advice", "train/preflight")  # of `doctor`: their sentences are its report
SENTENCE = re.compile(r"[a-z]{2}.* .*[a-z]{2}", re.DOTALL)
NOT_SAID = re.compile(rf"\s*\$?\s*(swiftagent |tensorboard |eval \"|--)|[^a-z]*$|({'|'.join(COMMANDS)})$")  # commands


def texts_of_help() -> Iterator[str]:
    parsers = [main_parser(), *map(parser_of, COMMANDS)]
    for parser in parsers:
        for text in (parser.description, parser.epilog, parser.usage):
            yield from (part for part in description_parts(text or "") if part.strip())
        yield from (group.title or "" for group in parser._action_groups)
        yield from (action.help or "" for action in parser._actions)


def literals(node: ast.expr | None, named: dict[str, list[ast.expr]]) -> Iterator[str]:
    """The texts that an argument can be, {} for what is filled in; `named`: what its names can be."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
        case ast.IfExp(body=body, orelse=orelse):
            yield from [*literals(body, named), *literals(orelse, named)]
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Dict(keys=parts):
            yield from (text for part in parts for text in literals(part, named))
        case ast.ListComp(elt=part):
            yield from literals(part, named)
        case ast.Name(id=name):
            yield from (text for part in named.get(name, ()) for text in literals(part, {}))


def texts_printed() -> Iterator[str]:
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                printed = node.args[: 2 if name == "table" else 1] if name in PRINTED else []
                for text in (text for argument in printed for text in literals(argument, {})):
                    yield from (line for line in text.split("\n") if re.search("[a-z]{2}", line.replace("{}", "")))


def errors_raised() -> Iterator[str]:
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                named.setdefault(node.targets[0].id, []).append(node.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                said = node.args[:1] if name in ERRORS else node.args[1:2] if name == "RowError" else []
                yield from (text for argument in said for text in literals(argument, named))


def verdicts() -> Iterator[str]:
    for name in VERDICTS:
        nodes = list(ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))))
        texts = [node for node in nodes if isinstance(node, ast.JoinedStr)]
        inner = {id(part) for text in texts for part in ast.walk(text) if part is not text}
        told = (line for text in texts if id(text) not in inner for line in literals(text, {}))
        yield from (text for text in told if len(re.findall("[a-z']{2,}", text)) > 3)


def test_every_help_text_and_message_is_in_the_catalogue():
    missing = {text: "" for text in [*texts_of_help(), *texts_printed()] if text not in chinese() | {"": ""}}
    missing = {text: "" for text in missing if not NOT_SAID.match(text)}
    assert not missing, yaml.safe_dump(missing, allow_unicode=True, width=10_000, sort_keys=False)


def test_every_error_and_verdict_is_in_the_catalogue():
    texts = [line for text in [*errors_raised(), *verdicts()] for line in text.split("\n")]
    missing = {text: "" for text in texts if SENTENCE.search(text.replace("{}", "")) and text not in chinese()}
    assert not missing, yaml.safe_dump(missing, allow_unicode=True, width=10_000, sort_keys=False)


@pytest.mark.parametrize(
    "words, told",
    [
        ("convert nope.jsonl -o x.jsonl", "nope.jsonl：没有这个文件；仓库 ID 写作"),
        ("infer --max-steps 0 x", "swiftagent infer: --max-steps: 应为不小于 1 的整数，而不是 '0'；更多见"),
        ("export foo", "swiftagent export: TARGET: 不能是 'foo'（可用的有 'merge', "),
        ("infer --tools nope.py x", "--tools nope.py：没有这个文件"),
        ("infer --run nope x", "nope：runs 中没有这个运行"),
        ("doctor bad.yaml", "bad.yaml:3: learning_rat：未知的键，您是想说 learning_rate 吗？"),
        ("mix --manifest nope", "nope：无法读取：没有这个文件或文件夹"),
    ],
)
def test_an_error_is_in_chinese(
    words: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("model: m\ndata: d.jsonl\nlearning_rat: 1\n")
    assert main([*words.split(), "--lang", "zh"])
    assert f"错误: {told}" in capsys.readouterr().err


def test_the_error_that_a_program_reads_stays_english(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["convert", str(tmp_path / "nope"), "-o", "x.jsonl", "--json", "--lang", "zh"]) == 2
    assert "no such file; a hub id is" in json.loads(capsys.readouterr().out)["error"]["message"]


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
