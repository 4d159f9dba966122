"""The formats that can be written (`--to`): each a function from a trajectory to (row, codes of what the format cannot hold)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from swiftagent.errors import ConfigError
from swiftagent.prompts import PromptStyle
from swiftagent.record import to_record
from swiftagent.trajectory import Trajectory

Write = Callable[[Trajectory], tuple[Any, tuple[str, ...]]]
WRITABLE: dict[str, str] = {  # name: module with render(trajectory) -> row; react is the training record itself
    "react": "",
    "native": "swiftagent.formats.swift",
    "openai": "swiftagent.formats.openai",
    "sharegpt": "swiftagent.formats.sharegpt",
    "alpaca": "swiftagent.formats.alpaca",
    "hermes": "swiftagent.formats.hermes",
    "anthropic": "swiftagent.formats.anthropic",
}


def writer_of(name: str, prompt: PromptStyle, language: str) -> Write:
    """The function that writes this format. Raises ConfigError for a name that is none."""
    if name not in WRITABLE:
        raise ConfigError(f"--to {name}: no such format; it can be {', '.join(WRITABLE)}")
    if name == "react":
        return lambda trajectory: (to_record(trajectory, prompt, language), ())
    module = importlib.import_module(WRITABLE[name])
    render = module.render
    losses = getattr(module, "losses", None)
    return lambda trajectory: (render(trajectory), losses(trajectory) if losses else ())
