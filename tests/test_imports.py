"""Imports only go down, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "swiftagent"

# A module may import from its own layer's list and everything below it.
LAYERS = [
    {"cli", "__main__"},
    {"commands"},
    {"backend", "console", "demo", "evaluate"},
    {
        "convert",
        "mix",
        "mask",
        "inspect_html",
        "loop",
        "score",
        "checks",
        "export_templates",
        "export_native",
        "statistics",
        "overlap",
        "report",
        "sweep",
    },
    {"react", "react_read", "prompts", "wellformed", "order", "schema_check", "record", "jsonl", "config", "tools", "formats"}
    | {"gate", "metrics", "values", "schema", "ledger", "quick", "trainer", "training", "foreign", "storage"},
    {"trajectory", "escape", "shipped"},
    {"errors"},
]
HEAVY = {"torch", "transformers", "swift", "peft", "deepspeed", "modelscope", "datasets", "accelerate"}


def level(module: str) -> int:
    """The layer of a module, by its first name or that name's stem: score_calls belongs to score."""
    first = module.split(".")[0]
    for number, names in enumerate(LAYERS):
        if first in names or any(first.startswith(name + "_") for name in names):
            return number
    return -1


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, at the top of the file) for each import, `from swiftagent import x` counted as swiftagent.x."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(sub) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for sub in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) not in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "swiftagent" else [node.module]
            found += [(name, id(node) not in inside) for name in names]
    return found


def modules() -> list[tuple[str, Path]]:
    return [(path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."), path) for path in PACKAGE.rglob("*.py")]


def test_imports_only_go_down():
    wrong = []
    for module, path in modules():
        if module == "__init__":
            continue
        assert level(module) >= 0, f"{module} stands in no layer"
        for name, _ in imports(path):
            target = name.removeprefix("swiftagent.")
            if name.startswith("swiftagent.") and target != "__version__" and level(target) < level(module):
                wrong.append(f"{module} imports {target}")
    assert wrong == []


def test_heavy_packages_are_imported_in_backend_only():
    wrong = [
        f"{module} imports {name}"
        for module, path in modules()
        if not module.startswith("backend")
        for name, _ in imports(path)
        if name.split(".")[0] in HEAVY
    ]
    assert wrong == []


def test_rich_is_imported_by_console_only():
    assert [module for module, path in modules() if any(name.split(".")[0] == "rich" for name, _ in imports(path))] == ["console"]


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


def test_no_module_has_a_name_that_explains_nothing():
    assert [name for name, _ in modules() if re.search(r"(utils|misc|common|helpers)$", name)] == []


def test_datasets_folder_is_no_package():
    assert list((PACKAGE.parent / "datasets").rglob("__init__.py")) == []
