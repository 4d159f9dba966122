"""Where the shipped configs and sample data lie: inside an installed package, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The folder "configs" or "datasets" that came with this installation."""
    inside = _PACKAGE / folder
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def find(path: str) -> Path:
    """A file as given where it exists, else the shipped one of that name: `configs/tiny_cpu.yaml` works from any folder."""
    given = Path(path)
    parts = given.parts
    if given.exists() or not parts or parts[0] not in ("configs", "datasets"):
        return given
    candidate = shipped(parts[0]).joinpath(*parts[1:])
    return candidate if candidate.exists() else given
