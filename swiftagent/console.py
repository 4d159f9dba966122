"""Terminal output: tables, news and progress bars. The one module that imports rich; all of it goes to stderr or a
terminal, never into machine output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from swiftagent.errors import visible


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """A reader that went away is handled by the command line, with the same exit code whoever printed."""
        raise BrokenPipeError


err = _Console(stderr=True, highlight=False)
out = _Console(highlight=False)


def say(text: str) -> None:
    """A line of news on stderr."""
    err.print(visible(text), markup=False, soft_wrap=True)


def warn(text: str) -> None:
    err.print(f"warning: {visible(text)}", style="yellow", markup=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, console: Console = err) -> None:
    """Print a table; numbers are set to the right."""
    grid = Table(title=Text(visible(title)), title_justify="left", show_edge=False, pad_edge=False)
    rows = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], (int, float)) for row in rows) if rows else False
        grid.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(f"{cell:,}" if isinstance(cell, int) else escape(visible(str(cell))) for cell in row))
    console.print(grid)


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Progress]:
    """A progress bar on a terminal, nothing elsewhere. Use `bar.advance(bar.task_ids[0], n)`."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        bar.add_task(label, total=total)
        yield bar


def print_styled(parts: Iterable[tuple[str, str]]) -> None:
    """Print (text, style) parts to stdout; a pipe and NO_COLOR get the text alone, lines are not broken anew."""
    out.print(Text.assemble(*((visible(text), style) for text, style in parts)), soft_wrap=True, end="")


@contextmanager
def stages(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """One bar that shows one stage after the other: call it with (stage, done, of)."""
    with progress("", None) if not quiet else nullcontext() as bar:

        def tell(stage: str, done: int, of: int) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], description=stage, completed=done, total=of)

        yield tell
