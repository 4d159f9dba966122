"""Help, messages and tables in Chinese: the catalogue has all of them."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from swiftagent.cli import COMMANDS, main, main_parser, parser_of
from swiftagent.io.language import chinese, description_parts, in_chinese
from swiftagent.train.options import TABLES

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
    "_said",
    *PRINTED,
}
VERDICTS = ("train/advice", "train/preflight")  # of `doctor`: their sentences are its report
SENTENCE = re.compile(r"[a-z]{2}.* .*[a-z]{2}", re.DOTALL)
NOT_SAID = re.compile(rf"\s*\$?\s*(swiftagent |tensorboard |eval \"|--)|[^a-z]*$|({'|'.join(COMMANDS)})$")  # commands

# What data, models and grammars say is not put into the user's language.
NOT_OURS = re.compile(
    r".* ::= |(Action Input: {}|Inner Thoughts|Tool Responses|Final Thought|--tools openapi:{})$"
    r"|I now know |pip |method |eval_calls "
)
Scope = tuple[Any, ...]


def texts_of_help() -> Iterator[str]:
    parsers = [main_parser(), *map(parser_of, COMMANDS)]
    for parser in parsers:
        for text in (parser.description, parser.epilog, parser.usage):
            yield from (part for part in description_parts(text or "") if part.strip())
        yield from (group.title or "" for group in parser._action_groups)
        yield from (action.help or "" for action in parser._actions)


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}


def literals(node: ast.AST) -> Iterator[str]:
    """The texts that an expression itself can be, {} for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
        case _:
            yield from (text for part in parts(node) for text in literals(part))


def parts(node: ast.AST) -> list[ast.expr]:
    """The expressions that an expression can be, or is put together of."""
    match node:
        case ast.JoinedStr(values=values):
            return [each.value for each in values if isinstance(each, ast.FormattedValue)]
        case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
            return [one, other]
        case ast.List(elts=found) | ast.Tuple(elts=found) | ast.Set(elts=found) | ast.BoolOp(values=found):
            return found
        case ast.Dict(keys=keys, values=values):
            return [*filter(None, keys), *values]
        case ast.ListComp(elt=part) | ast.GeneratorExp(elt=part) | ast.DictComp(key=part):
            return [part]
        case ast.Starred(value=part) | ast.Subscript(value=part) | ast.NamedExpr(value=part):
            return [part]
        case ast.Call(func=ast.Attribute(value=part, attr="format" | "strip" | "replace" | "get" | "join"), args=args):
            return [part, *args]
        case ast.Call(func=ast.Name(id="next" | "filter" | "sorted" | "list"), args=args):
            return args
    return []


def bound(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The names that a statement gives values to, or adds values to, each with what they can be."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)) if len(names) == len(values):
            pairs = [*zip(names, values, strict=True)]
        case ast.Assign(targets=[ast.Subscript(value=name, slice=value)]):
            pairs = [(name, value)]
        case ast.Assign(targets=[target], value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            pairs = [(target, value)]
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.AugAssign(target=target, value=value):
            pairs = [(target, value)]
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            pairs = [(target, value)]
        case ast.Call(func=ast.Attribute(value=name, attr="append" | "extend"), args=[value]):
            pairs = [(name, value)]
        case _:
            return
    for target, value in pairs:
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        yield from ((name.id, value) for name in names if isinstance(name, ast.Name))


def called(node: ast.Call) -> str:
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


class Said:
    """The texts of errors and messages, also where they are put together of variables, of what functions return and of
    what they are called with. A scope is a file and the names of the functions around."""

    def __init__(self) -> None:
        self.raised: list[tuple[Scope, ast.expr]] = []
        self.values: dict[tuple[Scope, str], list[tuple[Scope, ast.expr]]] = defaultdict(list)
        self.returned: dict[Scope, list[tuple[Scope, ast.expr]]] = defaultdict(list)
        self.functions: dict[str, dict[Path, tuple[Scope, list[str]]]] = defaultdict(dict)  # with their parameters
        self.imported: dict[tuple[Path, str], Path] = {}
        self.calls: list[tuple[Scope, ast.Call]] = []
        for path, tree in trees().items():
            self.read(tree, (path,))
        for scope, call in self.calls:
            for function, parameters in self.called_by(scope, call):
                given = [*zip(parameters, call.args, strict=False), *((each.arg, each.value) for each in call.keywords)]
                for name, value in given:
                    self.values[function, str(name)].append((scope, value))

    def read(self, node: ast.AST, scope: Scope) -> None:
        path = scope[0]
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.startswith("swiftagent."):
                source = PACKAGE.parent / f"{module.replace('.', '/')}.py"
                self.imported |= {(path, each.name): source for each in names}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                scope = (*scope, name)
                names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                self.functions[name][path] = scope, [each for each in names if each not in ("self", "cls")]
            case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value):
                self.returned[scope].append((scope, value))
            case ast.YieldFrom(value=value):
                self.returned[scope].append((scope, value))
            case ast.Call(args=args):
                self.calls.append((scope, node))
                said = {"RowError": args[1:2], "print_result": args[1:]}.get(called(node), [])
                self.raised += [(scope, each) for each in (args[:1] if called(node) in ERRORS else said)]
        for name, value in bound(node):
            self.values[scope, name].append((scope, value))
        for child in ast.iter_child_nodes(node):
            self.read(child, scope)

    def called_by(self, scope: Scope, call: ast.Call) -> list[tuple[Scope, list[str]]]:
        """The function of this file, the one imported, or the only method of that name, with its parameters."""
        files, path = self.functions.get(called(call), {}), scope[0]
        source = path if path in files else self.imported.get((path, called(call)))
        if source in files:
            return [files[source]]
        return [*files.values()] if isinstance(call.func, ast.Attribute) and len(files) == 1 else []

    def values_of(self, scope: Scope, name: str) -> list[tuple[Scope, ast.expr]]:
        around = [scope[:length] for length in range(len(scope), 0, -1)]
        if (scope[0], name) in self.imported:
            around.append((self.imported[scope[0], name],))
        return next((self.values[each, name] for each in around if (each, name) in self.values), [])

    def texts(self) -> Iterator[str]:
        waiting, seen = list(self.raised), set()
        while waiting:
            scope, node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if isinstance(node, (ast.Constant, ast.JoinedStr)):
                yield from literals(node)
            waiting += [(scope, part) for part in parts(node)]
            if isinstance(node, ast.Name):
                waiting += self.values_of(scope, node.id)
            if isinstance(node, ast.Call):
                waiting += [each for function, _ in self.called_by(scope, node) for each in self.returned[function]]


def texts_printed() -> Iterator[str]:
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = called(node)
                printed = node.args[: 2 if name == "table" else 1] if name in PRINTED else []
                for text in (text for argument in printed for text in literals(argument)):
                    yield from (line for line in text.split("\n") if re.search("[a-z]{2}", line.replace("{}", "")))


def verdicts() -> Iterator[str]:
    for name in VERDICTS:
        nodes = list(ast.walk(trees()[PACKAGE / f"{name}.py"]))
        texts = [node for node in nodes if isinstance(node, ast.JoinedStr)]
        inner = {id(part) for text in texts for part in ast.walk(text) if part is not text}
        told = (line for text in texts if id(text) not in inner for line in literals(text))
        yield from (text for text in told if len(re.findall("[a-z']{2,}", text)) > 3)


def test_every_help_text_and_message_is_in_the_catalogue():
    missing = {text: "" for text in [*texts_of_help(), *texts_printed()] if text not in chinese() | {"": ""}}
    missing = {text: "" for text in missing if not NOT_SAID.match(text)}
    assert not missing, yaml.safe_dump(missing, allow_unicode=True, width=10_000, sort_keys=False)


def test_every_error_and_verdict_is_in_the_catalogue():
    told = [text for name in ("by_sequences", "ours") for text in TABLES[name].values()]
    texts = [line for text in [*Said().texts(), *verdicts(), *told] for line in text.split("\n")]
    missing = {text: "" for text in texts if SENTENCE.search(text.replace("{}", "")) and text not in chinese()}
    missing = {text: "" for text in missing if not (NOT_OURS.match(text) or NOT_SAID.match(text))}
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
    assert main(["--lang", "zh", "runs"]) == 0 and "还没有运行" in capsys.readouterr().err
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
