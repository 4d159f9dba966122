"""A reader from outside the project, given as package.module:parse or as a file, path/to/file.py:parse."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast

from swiftagent.errors import ConfigError, RowError
from swiftagent.trajectory.types import Trajectory


class OutsideReader(NamedTuple):
    """Has the one function of a format module; what goes wrong in it is a rejected row, named with its type."""

    name: str
    function: Callable[[Any], Any]

    def parse(self, row: Any) -> Trajectory | list[Trajectory]:
        try:
            parsed = self.function(row)
        except RowError:
            raise
        except Exception as error:  # the user's own code, at the boundary of one row
            raise RowError("reader-failed", f"{self.name}: {type(error).__name__}: {error}") from error
        pieces = parsed if isinstance(parsed, list) else [parsed]
        wrong = next((piece for piece in pieces if not isinstance(piece, Trajectory)), None)
        if wrong is not None or parsed is None:
            raise RowError("reader-failed", f"{self.name} gave a {type(wrong).__name__}, not a Trajectory")
        return pieces


def outside_reader(name: str) -> OutsideReader:
    """Load it. Raises ConfigError where there is no such module or function."""
    return OutsideReader(name, function_named(name, "--from"))


def function_named(name: str, option: str) -> Callable[..., Any]:
    """The user's own function, as `module:function` or `file.py:function`. Raises ConfigError where it is not there."""
    place, _, function = name.rpartition(":")
    if not place:
        raise ConfigError(f"{option} {name}: names no function; write FILE.py:FUNCTION or MODULE:FUNCTION")
    try:
        module = _file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        raise ConfigError(f"{option} {name}: cannot import {place}: {error}") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise ConfigError(f"{option} {name}: {place} has no function {function}")
    return cast("Callable[..., Any]", found)


def _file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
