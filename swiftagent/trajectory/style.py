"""How training data lists its tools: evaluation, inference and exports write their prompts in the same style."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from swiftagent.io.rows import read_rows
from swiftagent.models.files import EXPORT_RECORD, read_object
from swiftagent.trajectory.prompts import PARAMETERS, STYLES, PromptStyle, split_prompt

ROWS = 500  # of each file; what a mix appends after so many rows without tools decides nothing


def prompt_style(paths: Iterable[str]) -> PromptStyle | None:
    """The style of the training records with tools among the first rows of each file; None where no row is one."""
    return common_style(style_of(row.value) for path in paths for row in islice(read_rows(path), ROWS))


def common_style(styles: Iterable[PromptStyle | None]) -> PromptStyle | None:
    """The one style that records have; `auto`, the rule of the tools, where they have both."""
    # Rows without tools have no style and decide nothing.
    found = set(styles) - {None}
    return "auto" if len(found) > 1 else found.pop() if found else None


def style_of(row: Any) -> PromptStyle | None:
    """The style of one training record; None for a row without a prompt that lists tools."""
    try:
        system = row["messages"][0]["content"]
    except (LookupError, TypeError):
        return None
    read = split_prompt(system) if isinstance(system, str) else None
    if read is None or not read[1]:
        return None
    # A description cannot hold this: the prompt's writer parts such words with a joiner.
    return "schema" if f"{PARAMETERS}{{" in system[len(read[0]) :] else "ms-agent"


def exported_style(folder: str | Path) -> PromptStyle | None:
    """The style that an export wrote down in its model folder; None where there is no such record."""
    recorded = (read_object(Path(folder) / EXPORT_RECORD).get("prompt") or {}).get("style")
    return recorded if recorded in STYLES else None
