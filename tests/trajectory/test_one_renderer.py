"""The labels and the mask of a training record are written in one place, read from the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

# A reader that marks turns for the shared reader of turns; weights and pieces of records that are written already.
OTHERS = {"formats/readers/xlam.py", "masks/weights.py", "masks/pieces.py"}

_LABEL_LINE = re.compile(r"(?:^|\n)(?:Thought|Action|Action Input|Observation|Final Answer):")
# The servers' debris filters; samples that only a tokenizer or a loader sees.
SPELL_TOO = {"agent/serving/reply.py", "backend/engine_openai.py", "export/targets.py", "export/merge.py"}


def sets_loss(node: ast.AST) -> bool:
    """A dict display or an assignment by which a message gets the key `loss`."""
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return any(_is_loss(key) and isinstance(value, ast.Constant) and value.value is False for key, value in pairs)
    return isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and _is_loss(node.slice)


def _is_loss(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value == "loss"


def test_loss_is_set_by_the_record_alone(root: Path):
    package = root / "swiftagent"
    setters = set()
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        samples = {  # raw rows of the formats that can be read, not messages that are rendered
            id(inner)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SAMPLE"
            for inner in ast.walk(node)
        }
        if any(sets_loss(node) for node in ast.walk(tree) if id(node) not in samples):
            setters.add(path.relative_to(package).as_posix())
    assert setters - OTHERS == {"trajectory/record.py"}


def test_labels_are_spelled_by_the_renderer_alone(root: Path):
    package = root / "swiftagent"
    spelled = set()
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        # Readers of formats look for labels, in samples too; they write none.
        if not name.startswith("formats/re") and any(
            _LABEL_LINE.search(node.value) for node in texts if id(node) not in docstrings
        ):
            spelled.add(name)
    assert spelled - SPELL_TOO == {"trajectory/react.py"}


def test_a_spelled_label_is_found():
    assert _LABEL_LINE.search("Thought: ") and _LABEL_LINE.search("x\nAction Input: ")
    assert not _LABEL_LINE.search("who writes on after `Observation:`")
