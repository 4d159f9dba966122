"""Options of the command line, one a line, as its help shows them: `add("-o --output FILE", "where it goes")`."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any, Protocol


class Add(Protocol):
    def __call__(self, words: str, about: str | None = None, **more: Any) -> None: ...


def options(parser: argparse.ArgumentParser, title: str = "") -> Add:
    """A function that adds an option to a parser, or to a titled group of its help."""
    return partial(_add, parser.add_argument_group(title) if title else parser)


def _add(parser: Any, words: str, about: str | None = None, **more: Any) -> None:
    """`words`: its names and what its value is called. A name with neither that nor anything else is a switch."""
    names = [word for word in words.split() if word.startswith("-")] or words.split()[:1]
    value = words.split(maxsplit=len(names))[len(names) :]
    if value:
        more["metavar"] = value[0]
    elif not more:
        more["action"] = "store_true"
    parser.add_argument(*names, help=about, **more)
