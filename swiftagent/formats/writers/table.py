"""The formats that can be written (`--to`): each a function from a trajectory to (row, codes of what the format cannot
hold)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from swiftagent.errors import ConfigError
from swiftagent.formats.writers.losses import react_losses
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Trajectory

Write = Callable[[Trajectory], tuple[Any, tuple[str, ...]]]
WRITABLE: dict[
    str, str
] = {  # name: module with render(trajectory) -> (row, codes); react is the training record itself
    "react": "",
    "native": "swiftagent.formats.writers.native",
    "openai": "swiftagent.formats.writers.openai",
    "sharegpt": "swiftagent.formats.writers.sharegpt",
    "alpaca": "swiftagent.formats.writers.alpaca",
    "hermes": "swiftagent.formats.writers.hermes",
    "anthropic": "swiftagent.formats.writers.anthropic",
}


def writer_of(name: str, prompt: PromptStyle, language: str) -> Write:
    """The function that writes this format. Raises ConfigError for an unknown name."""
    if name not in WRITABLE:
        raise ConfigError(f"--to {name}: no such format; it can be {', '.join(WRITABLE)}")
    if name == "react":
        return lambda trajectory: (to_record(trajectory, prompt, language), react_losses(trajectory, prompt))
    render: Callable[..., tuple[Any, tuple[str, ...]]] = importlib.import_module(WRITABLE[name]).render
    if name == "alpaca":
        return partial(render, prompt=prompt, language=language)
    return render
