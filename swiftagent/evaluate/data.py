"""Files read for an evaluation: gold of any format that `convert` reads, BFCL's with its answers, and what training
saw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.convert.reading import read_trajectories
from swiftagent.errors import ConfigError, SetupError
from swiftagent.evaluate.bfcl_files import is_bfcl, read_bfcl
from swiftagent.io.rows import read_rows
from swiftagent.scores.bfcl import Item
from swiftagent.trajectory.content import Seen, seen_in_training
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.style import prompt_style
from swiftagent.trajectory.types import Trajectory


class GoldFiles(msgspec.Struct):
    """Gold rows of all files, BFCL's items by row id, how their prompts are written, and what could not be read."""

    rows: list[Trajectory]
    bfcl: dict[str, Item]
    prompt: PromptStyle | None  # None: no file holds training records with tools
    rejected: list[dict[str, Any]]


def read_gold(paths: Sequence[str]) -> GoldFiles:
    """Read every file. Raises RowError or SetupError where a file cannot be read or every row of it is rejected."""
    rows: list[Trajectory] = []
    items: dict[str, Item] = {}
    rejected: list[dict[str, Any]] = []
    plain: list[str] = []
    for path in paths:
        # The head is read first to see the format, then the whole.
        if Path(path).exists() and not (Path(path).is_file() or Path(path).is_dir()):
            raise ConfigError(f"{path}: a pipe or device, but gold rows are read more than once; save them as a file")
        head = list(islice(read_rows(path), 1))
        if not head:
            raise SetupError(f"{path}: nothing to evaluate: the file holds no row")
        if is_bfcl(head[0].value):
            found, its_items = read_bfcl(Path(path))
            items.update(its_items)
        else:
            found = list(read_trajectories(read_rows(path), reject=rejected.append))
            plain.append(path)
        if not found:
            first = next((r for r in rejected if str(r.get("source", "")).startswith(path)), {})
            raise SetupError(f"{path}: no row can be evaluated; the first: {first.get('message', 'no conversation')}")
        rows += found
    return GoldFiles(rows, items, prompt_style(plain), rejected)


def read_seen(paths: Sequence[str]) -> Seen:
    """What training saw."""
    return seen_in_training(row for path in paths for row in read_trajectories(read_rows(path)))
