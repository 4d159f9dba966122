"""How training data lists its tools: evaluation and inference write their prompts in the same style."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from swiftagent.io.rows import read_rows
from swiftagent.trajectory.prompts import PARAMETERS, PromptStyle, split_prompt

ROWS = 500  # of each file; what a mix appends after so many rows without tools decides nothing


def prompt_style(paths: Iterable[str]) -> PromptStyle | None:
    """The style of the first training record with tools, among the first rows of each file; None where no row is
    one."""
    for path in paths:
        for row in islice(read_rows(path), ROWS):
            if style := style_of(row.value):
                return style
    return None


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
