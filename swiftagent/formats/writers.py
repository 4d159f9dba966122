"""The formats that can be written (`--to`): each a function from a trajectory to (row, codes of what the format cannot hold)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from swiftagent.errors import ConfigError
from swiftagent.formats.losses import react_losses
from swiftagent.prompts import PromptStyle
from swiftagent.record import to_record
from swiftagent.trajectory import Trajectory

Write = Callable[[Trajectory], tuple[Any, tuple[str, ...]]]
WRITABLE: dict[str, str] = {  # name: module with render(trajectory) -> (row, codes); react is the training record itself
    "react": "",
    "native": "swiftagent.formats.write_native",
    "openai": "swiftagent.formats.write_openai",
    "sharegpt": "swiftagent.formats.write_sharegpt",
    "alpaca": "swiftagent.formats.write_alpaca",
    "hermes": "swiftagent.formats.write_hermes",
    "anthropic": "swiftagent.formats.write_anthropic",
}


def writer_of(name: str, prompt: PromptStyle, language: str) -> Write:
    """The function that writes this format. Raises ConfigError for a name that is none."""
    if name not in WRITABLE:
        raise ConfigError(f"--to {name}: no such format; it can be {', '.join(WRITABLE)}")
    if name == "react":
        return lambda trajectory: (to_record(trajectory, prompt, language), react_losses(trajectory))
    render: Callable[..., tuple[Any, tuple[str, ...]]] = importlib.import_module(WRITABLE[name]).render
    if name == "alpaca":
        return partial(render, prompt=prompt, language=language)
    return render
