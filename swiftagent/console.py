"""Terminal output: tables, news, bars, and a sign of life while something takes long. The one module that imports rich,
and only when something is drawn; all of it goes to stderr or a terminal, never into machine output."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

from swiftagent.errors import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    err: Console
    out: Console

# Seconds without a line after which one says what is being done; a program that reads stderr may want none.
_ASKED = os.environ.get("SWIFTAGENT_SILENCE", "")
SILENCE = float(_ASKED) if _ASKED.isdecimal() else 5.0
_ONE = re.compile(
    r"(?<![\w.,/-])1 ((?:gold )?(?:row|question|token|step|call|fault|score|repeat|file|tool|answer))s\b( were| are)?"
)


@cache
def _console(stderr: bool) -> Console:
    from rich.console import Console

    class Ours(Console):
        @property  # type: ignore[misc]  # rich sets `_file` only
        def file(self) -> Any:
            return (heartbeat.stream if self.stderr else None) or super().file

        def on_broken_pipe(self) -> None:
            """A reader that went away is handled by the command line, with the same exit code whoever printed."""
            raise BrokenPipeError

        def print(self, *parts: Any, **how: Any) -> None:
            heartbeat.last = time.monotonic()
            super().print(*parts, **how)

    return Ours(stderr=stderr, highlight=False)


def __getattr__(name: str) -> Any:
    """`err` and `out`, the consoles of stderr and stdout."""
    if name not in ("err", "out"):
        raise AttributeError(name)
    return _console(name == "err")


def _is_terminal() -> bool:
    """Whether stderr is a terminal; rich, which knows what else makes it one, is asked where it may be."""
    may_be = sys.stderr.isatty() or not {"FORCE_COLOR", "TTY_COMPATIBLE"}.isdisjoint(os.environ)
    return may_be and _console(True).is_terminal


_translate: list[Callable[[str], str]] = []


def speak(translate: Callable[[str], str]) -> None:
    """From here on everything that is printed goes through `translate`."""
    _translate[:] = [translate]


def translated(text: str) -> str:
    return _translate[0](text) if _translate else text


def singular(text: str) -> str:
    """ "1 row was read" for "1 rows were read"."""
    verbs = {" were": " was", " are": " is"}
    return _ONE.sub(lambda found: f"1 {found[1]}{verbs.get(found[2], '')}", text)


def worded(text: str) -> str:
    """A sentence as it is printed: in the user's language, "1 row" for "1 rows", control characters made visible."""
    return visible(singular(translated(text)))


def say(text: str) -> None:
    """A line of news on stderr."""
    _console(True).print(worded(text), markup=False, soft_wrap=True)


def warn(text: str) -> None:
    _print_styled("yellow", f"{translated('warning')}: {worded(text)}")


def fault(text: str) -> None:
    """A problem on stderr that does not end the command by itself."""
    _print_styled("red", f"{translated('error')}: {worded(text)}")


def tell(text: str) -> None:
    """A line of the result on stdout."""
    _console(False).print(worded(text), markup=False, soft_wrap=True)


def _print_styled(style: str, text: str) -> None:
    _console(True).print(text, style=style, markup=False, soft_wrap=True)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, console: Console | None = None
) -> None:
    """Print a table, to stderr by default; numbers are set to the right. No word is broken: without room, one line a
    cell."""
    from rich.markup import escape
    from rich.table import Table

    console = console or _console(True)
    rows = [list(row) for row in rows]
    names = [worded(column) for column in columns]
    cells = [[f"{cell:,}" if isinstance(cell, int) else worded(str(cell)) for cell in row] for row in rows]
    widths = _widths([names, *cells], console.width)
    if widths is None:
        _print_records(worded(title), names, cells, console)
        return
    if title:  # not as the table's own, which would be broken to its width
        console.print(worded(title), style="italic", markup=False, soft_wrap=True)
    grid = Table(show_edge=False, pad_edge=False)
    for index, name in enumerate(names):
        numeric = bool(rows) and all(isinstance(row[index], (int, float)) for row in rows)
        grid.add_column(name, justify="right" if numeric else "left", width=widths[index])
    for line in cells:
        grid.add_row(*map(escape, line))
    console.print(grid)


def _widths(lines: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """The width of each column, at least its longest word; None where these have no room."""
    from rich.cells import cell_len

    columns = list(zip(*lines, strict=True))
    words = [max((cell_len(word) for cell in column for word in cell.split()), default=0) for column in columns]
    wanted = [max(cell_len(line) for cell in column for line in cell.splitlines() or [""]) for column in columns]
    left = room - 3 * (len(columns) - 1) - sum(words)
    if left < 0:
        return None
    # Narrow columns first: they get all that they want, and what is left is for the long sentences.
    for index in sorted(range(len(columns)), key=wanted.__getitem__):
        more = min(left, wanted[index] - words[index])
        words[index] += more
        left -= more
    return words


def _print_records(title: str, names: Sequence[str], cells: Sequence[Sequence[str]], console: Console) -> None:
    lines = [title] if title else []
    for row in cells:
        head, *rest = row
        lines.append(head)
        lines += [
            f"  {name}: {cell}" if name else f"  {cell}" for name, cell in zip(names[1:], rest, strict=True) if cell
        ]
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Doing:
    """One thing that is being done, with what is done of it."""

    def __init__(self, label: str, total: int | None) -> None:
        self.label, self.done, self.total = label, 0, total
        self.began = time.monotonic()

    def advance(self, count: int = 1) -> None:
        self.done += count

    def update(self, done: int, of: int | None = None, label: str | None = None) -> None:
        """done of `of`; a new label begins a new stage."""
        if label is not None and label != self.label:
            self.label, self.began = label, time.monotonic()
        self.done = done
        if of is not None:
            self.total = of

    def status(self) -> str:
        """ "measuring 64 of 200, 12 s left" or "loading the model 12 s"."""
        what, elapsed = worded(self.label), time.monotonic() - self.began
        if not self.total:
            return f"{what} {f'{self.done:,}, ' if self.done else ''}{_duration(elapsed)}"
        left = elapsed * (self.total - self.done) / self.done if self.done else 0
        ahead = translated("{} left").format(_duration(left)) if left else _duration(elapsed)
        return f"{what} {translated('{} of {}').format(f'{self.done:,}', f'{self.total:,}')}, {ahead}"


class _Heartbeat:
    """Off a terminal: a thread that prints what is being done whenever nothing was printed for `SILENCE` seconds."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.stages: list[Doing] = []
        # Libraries are kept quiet by taking sys.stderr away for a while; what is being done is shown nevertheless.
        self.stream: TextIO | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        # A process that is forked while the thread prints would inherit a lock that nobody opens.
        os.register_at_fork(before=self.stop, after_in_parent=self.start, after_in_child=self.stages.clear)

    def start(self) -> None:
        if self.stages and self._thread is None and not _is_terminal():
            self._ended.clear()
            self._thread = threading.Thread(target=self._beat, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._ended.set()
            thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(max(0.05, self.last + SILENCE - time.monotonic())):
            if time.monotonic() - self.last >= SILENCE:
                # A stage may end between this thread's look at it and its line.
                with suppress(LookupError):
                    _console(True).print(self.stages[-1].status(), markup=False, soft_wrap=True)


heartbeat = _Heartbeat()


@contextmanager
def progress(label: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Doing]:
    """What is being done: a bar on a terminal, elsewhere a line after each `SILENCE` seconds without another.

    Inside another one it takes its place until it is done.
    """
    stage = Doing(label, total)
    if quiet:
        yield stage
        return
    began = not heartbeat.stages
    heartbeat.stages.append(stage)
    if began:
        heartbeat.stream, heartbeat.last = sys.stderr, time.monotonic()
        heartbeat.start()
    with _bar() if began and _is_terminal() else nullcontext():
        try:
            yield stage
        finally:
            if began:
                heartbeat.stop()
                heartbeat.stream = None  # sys.stderr, whatever it is then
            heartbeat.stages.remove(stage)


def _bar() -> AbstractContextManager[Any]:
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

    spinner = Spinner("dots", style="progress.spinner")

    def drawn() -> Table:
        grid = Table.grid(padding=(0, 1))
        for stage in heartbeat.stages[-1:]:
            grid.add_row(spinner, ProgressBar(stage.total, stage.done, width=40), Text(stage.status()))
        return grid

    return Live(get_renderable=drawn, console=_console(True), transient=True, refresh_per_second=10)


@contextmanager
def side_by_side(names: Sequence[str]) -> Iterator[dict[str, Callable[[str], None]]]:
    """Functions that write into columns; they are seen to grow on a terminal, and elsewhere printed when all is
    written."""
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    columns = {name: Text(overflow="fold") for name in names}
    out = _console(False)

    def drawn() -> Table:
        grid = Table(*map(worded, columns), expand=True, show_edge=False)
        grid.add_row(*columns.values())
        return grid

    growing = out.is_terminal
    with Live(get_renderable=drawn, console=out, transient=True) if growing else progress("answering"):
        yield {name: _writer(column) for name, column in columns.items()}
    out.print(drawn())


def _writer(column: Text) -> Callable[[str], None]:
    def write(piece: str) -> None:
        column.append(visible(piece))

    return write


def print_styled(parts: Iterable[tuple[str, str]]) -> None:
    """Print (text, style) parts to stdout; a pipe and NO_COLOR get the text alone, lines are not broken anew."""
    from rich.text import Text

    _console(False).print(Text.assemble(*((visible(text), style) for text, style in parts)), soft_wrap=True, end="")
