"""The rules of the house, read from the source: lazy, relative and string-table imports count."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
# A package imports only from itself and from what stands before it.
ORDER = [
    *(
        "errors",
        "console",
        "io",
        "models",
        "trajectory",
        "formats",
        "convert",
        "masks",
        "tools",
        "mix",
        "agent",
        "backend",
    ),
    *("scores", "train", "evaluate", "export", "clean", "improve", "ui", "commands", "cli", "__main__"),
]
HEAVY = {"torch", "transformers", "peft", "deepspeed", "modelscope", "swift", "datasets", "accelerate"}
HEAVY_ALLOWED = ("backend.", "export.", "train.plugin.", "train.measure")
IN_ROOT = {"__init__", "__main__", "cli", "errors", "console"}
# A file is not named after its folder once more.
PREFIXES = ("mix_", "evaluate_", "score_", "loop_", "tools_", "mask_", "report_", "convert_", "export_", "trainer_")
LONGEST_FILE, LONGEST_LINE = 400, 120


class Import(NamedTuple):
    """One import of `importer`, a dotted name below the package: the module, the name taken from it, and the line."""

    importer: str
    module: str
    name: str
    line: int


def modules(root: Path) -> dict[str, Path]:
    """Dotted name below the package ("io.jsonl", "io" for its `__init__`) to file."""
    package = root / "swiftagent"
    dotted = {
        path: path.relative_to(package).with_suffix("").as_posix().replace("/", ".") for path in package.rglob("*.py")
    }
    return {name.removesuffix(".__init__"): path for path, name in dotted.items()}


def imports_of(name: str, path: Path, known: dict[str, Path]) -> Iterator[Import]:
    """Every import of a file, also in functions, relative ones resolved, and strings that are a module's whole name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(name, alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parts = ["swiftagent", *name.split(".")]
                here = parts if path.stem == "__init__" else parts[:-1]
                module = ".".join([*here[: len(here) - node.level + 1], *([module] if module else [])])
            for alias in node.names:
                below = f"{module}.{alias.name}".removeprefix("swiftagent.")
                is_module = module.startswith("swiftagent") and below in known
                yield Import(
                    name,
                    f"{module}.{alias.name}" if is_module else module,
                    "" if is_module else alias.name,
                    node.lineno,
                )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_ours = node.value.startswith("swiftagent.") and node.value.removeprefix("swiftagent.") in known
            if is_ours:
                yield Import(name, node.value, "", node.lineno)


def own_imports(root: Path) -> list[Import]:
    """The imports of the package's own modules by each other, without the prefix `swiftagent.`."""
    known = modules(root)
    found = [each for name, path in known.items() for each in imports_of(name, path, known)]
    return [
        each._replace(module=each.module.removeprefix("swiftagent."))
        for each in found
        if each.module.startswith("swiftagent.") and each.module != "swiftagent.__version__"
    ]


def downward_imports(root: Path) -> list[str]:
    rank = {name: number for number, name in enumerate(ORDER)}
    wrong = [
        f"{name}: stands in no place of ORDER"
        for name in modules(root)
        if name.split(".")[0] not in {*rank, "__init__"}
    ]
    for each in own_imports(root):
        importer, module = each.importer.split(".")[0], each.module.split(".")[0]
        if importer in rank and rank.get(module, 0) > rank[importer]:
            wrong.append(f"{each.importer}:{each.line} imports {each.module}")
    return wrong


def circles(root: Path) -> list[str]:
    """Files of one package that import each other, each circle once. A table of strings is a table, not an import
    here."""
    known = modules(root)
    strings = {"formats.table", "formats.writers.table", "tools.toolbox"}
    targets: dict[str, set[str]] = {name: set() for name in known}
    for each in own_imports(root):
        if each.module in known and each.module != each.importer and each.importer not in strings:
            targets[each.importer].add(each.module)
    found: list[str] = []
    finished: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            found.append(" -> ".join([*way[way.index(name) :], name]))
        elif name not in finished:
            for target in sorted(targets[name]):
                visit(target, (*way, name))
            finished.add(name)

    for name in sorted(targets):
        visit(name, ())
    return found


def package_of(name: str, known: dict[str, Path]) -> str:
    """The innermost package that a module stands in."""
    while name and known.get(name, Path()).stem != "__init__":
        name = name.rpartition(".")[0]
    return name


def wrong_faces(root: Path) -> list[str]:
    """`__init__` files that hold more than a docstring and PUBLIC, and imports from outside of what is not in
    PUBLIC."""
    known = modules(root)
    wrong, public = [], {}
    for name, path in known.items():
        if path.stem != "__init__" or name == "__init__":
            continue
        body = ast.parse(path.read_text(encoding="utf-8")).body
        if not (len(body) == 2 and isinstance(body[0], ast.Expr) and isinstance(body[1], ast.Assign)):
            wrong.append(f"{name}/__init__.py is not a docstring and PUBLIC")
            continue
        public[name] = ast.literal_eval(body[1].value)
        wrong += [
            f"{name}: PUBLIC names {each}, which is not there" for each in public[name] if f"{name}.{each}" not in known
        ]
    for each in own_imports(root):
        home = package_of(each.module, known)
        inside = each.importer == home or each.importer.startswith(f"{home}.")
        last = each.module.rpartition(".")[2]
        if home and home != each.module and not inside and last not in public.get(home, ()):
            wrong.append(f"{each.importer}:{each.line} imports {each.module}, which is not PUBLIC")
    return wrong


def heavy_imports(root: Path) -> list[str]:
    known = modules(root)
    return [
        f"{each.importer}:{each.line} imports {each.module}"
        for name, path in known.items()
        if not name.startswith(HEAVY_ALLOWED)
        for each in imports_of(name, path, known)
        if each.module.split(".")[0] in HEAVY
    ]


def classes_named_twice(root: Path) -> list[str]:
    places: dict[str, list[str]] = {}
    for name, path in modules(root).items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name)
    return [f"{name}: {', '.join(sorted(found))}" for name, found in sorted(places.items()) if len(found) > 1]


def private_imports(root: Path) -> list[str]:
    """`_name` taken from another file of ours, tests, scripts and benchmarks included."""
    known = modules(root)
    files = list(known.items()) + [
        (path.name, path) for folder in ("tests", "benchmarks") for path in (root / folder).rglob("*.py")
    ]
    return [
        f"{each.importer}:{each.line} imports {each.name} from {each.module}"
        for name, path in files
        for each in imports_of(name, path, known)
        if each.module.startswith("swiftagent") and each.name.startswith("_") and not each.name.startswith("__")
    ]


def imports_of_tests(root: Path) -> list[str]:
    """Scripts and benchmarks that import from tests, by name or by path."""
    support = {path.stem for path in (root / "tests").rglob("*.py")}
    wrong = []
    for path in [*(root / "benchmarks").glob("*"), *(root / "scripts").glob("*")]:
        if not path.is_file() or (
            path.suffix != ".py" and "python" not in path.read_text(encoding="utf-8").split("\n")[0]
        ):
            continue
        names = {each.module.split(".")[0] for each in imports_of(path.name, path, {})}
        wrong += [f"{path.name} imports {name}" for name in sorted(names & (support | {"tests"}))]
    return wrong


def misplaced_files(root: Path) -> list[str]:
    package = root / "swiftagent"
    flat = [path.name for path in package.glob("*.py") if path.stem not in IN_ROOT]
    named = [name for name in modules(root) if name.rpartition(".")[2].startswith(PREFIXES)]
    empty = [name for name in modules(root) if re.search(r"(utils|misc|common|helpers)$", name)]
    return [*flat, *named, *empty]


def oversized_files(root: Path) -> list[str]:
    wrong = []
    for name, path in modules(root).items():
        lines = path.read_text(encoding="utf-8").split("\n")
        wrong += [f"{name}: {len(lines)} lines"] if len(lines) > LONGEST_FILE + 1 else []
        wrong += [
            f"{name}:{number} is {len(line)} wide" for number, line in enumerate(lines, 1) if len(line) > LONGEST_LINE
        ]
    return wrong


RULES = [
    *(downward_imports, circles, wrong_faces, heavy_imports, classes_named_twice, private_imports, imports_of_tests),
    *(misplaced_files, oversized_files),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(rule):
    assert rule(ROOT) == []


FACE = '"""A package."""\n\nPUBLIC = ("a", "b")\n'
PLANTED = {
    "downward_imports": ({"io/a.py": "def f():\n    from ..mix import a\n"}, "io.a:2 imports mix.a"),
    "circles": ({"io/a.py": "from . import b\n", "io/b.py": "from swiftagent.io.a import X\n"}, "io.a -> io.b -> io.a"),
    "wrong_faces": (
        {"mix/a.py": 'TABLE = {"x": "swiftagent.io.c"}\n', "io/c.py": ""},
        "mix.a:1 imports io.c, which is not PUBLIC",
    ),
    "heavy_imports": ({"mix/a.py": "def f():\n    import torch.nn\n"}, "mix.a:2 imports torch.nn"),
    "classes_named_twice": ({"mix/a.py": "class X: ...\n", "io/a.py": "class X: ...\n"}, "X: io.a, mix.a"),
    "private_imports": ({"mix/a.py": "from swiftagent.io.b import _x\n"}, "mix.a:1 imports _x from swiftagent.io.b"),
    "imports_of_tests": ({"../benchmarks/x.py": "import made\n", "../tests/support/made.py": ""}, "x.py imports made"),
    "misplaced_files": ({"mix/mix_a.py": ""}, "mix.mix_a"),
    "oversized_files": ({"mix/a.py": f"x = '{'y' * 120}'\n"}, "mix.a:1 is 126 wide"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_planted_violation_is_found(rule, tmp_path: Path):
    files, expected = PLANTED[rule.__name__]
    for name in ("benchmarks", "scripts", "tests"):
        (tmp_path / name).mkdir()
    whole = {
        "io/__init__.py": FACE,
        "mix/__init__.py": FACE,
        **{f"{p}/{m}.py": "" for p in ("io", "mix") for m in "ab"},
        **files,
    }
    for name, text in whole.items():
        path = tmp_path / "swiftagent" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.resolve().parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert rule(tmp_path) == [expected]


def test_rich_is_imported_by_console_only():
    known = modules(ROOT)
    importers = {
        name
        for name, path in known.items()
        for each in imports_of(name, path, known)
        if each.module.split(".")[0] == "rich"
    }
    assert importers == {"console"}


def test_help_imports_no_command():
    code = """
import sys
import swiftagent.cli
try:
    swiftagent.cli.main(["--version"])
except SystemExit:
    pass
print(sorted(name for name in sys.modules if name.startswith("swiftagent")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['swiftagent', 'swiftagent.cli', 'swiftagent.errors']"


def test_datasets_folder_is_no_package():
    assert list((ROOT / "datasets").rglob("__init__.py")) == []
