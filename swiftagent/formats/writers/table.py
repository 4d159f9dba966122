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
# Modules with render(trajectory) -> (row, codes); react is the training record itself.
WRITABLE = ("react", "native", "openai", "sharegpt", "alpaca", "hermes", "anthropic")


def writer_of(name: str, prompt: PromptStyle, language: str) -> Write:
    """The function that writes this format. Raises ConfigError for an unknown name."""
    if name not in WRITABLE:
        raise ConfigError(f"--to {name}: no such format; it can be {', '.join(WRITABLE)}")
    if name == "react":
        return lambda trajectory: (to_record(trajectory, prompt, language), react_losses(trajectory, prompt))
    module = importlib.import_module(f"swiftagent.formats.writers.{name}")
    render: Callable[..., tuple[Any, tuple[str, ...]]] = module.render
    return partial(render, prompt=prompt, language=language) if name == "alpaca" else render
