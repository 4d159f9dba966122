"""Where things lie: the shipped configs and sample data, inside an installed package or beside it in a checkout, and
what is kept for the user."""

from __future__ import annotations

import os
from pathlib import Path

from swiftagent.errors import SetupError

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped(folder: str) -> Path:
    """The folder "configs" or "datasets" that came with this installation."""
    inside = _PACKAGE / folder
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def find(path: str) -> Path:
    """A file as given where it exists, else the shipped one of that name: `configs/tiny_cpu.yaml` works from any
    folder."""
    given = Path(path)
    parts = given.parts
    if given.exists() or not parts or parts[0] not in ("configs", "datasets"):
        return given
    candidate = shipped(parts[0]).joinpath(*parts[1:])
    return candidate if candidate.exists() else given


def user_folder(variable: str, below_home: str) -> Path:
    """The folder that the variable names, else one below the home folder. Raises SetupError where no home is known."""
    if named := os.environ.get(variable):
        return Path(named)
    try:
        return Path.home() / below_home
    except RuntimeError:  # a user without an entry in passwd, as in containers, and no HOME
        remedy = f"set HOME, or {variable} to a folder that can be written"
        raise SetupError(f"this user has no home folder; {remedy}") from None
