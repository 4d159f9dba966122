"""Settings of a model to load, or of a server that answers in its place."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

# What a model, a checkpoint or an export remembers of the template that its training used.
TEMPLATE_SETTINGS = ("model_type", "agent_template", "system", "enable_thinking", "add_non_thinking_prefix")


class Loading(msgspec.Struct, frozen=True):
    """What is loaded and how its prompts are written; the template settings are those of the training run where it is
    known.

    device: "auto" is the first GPU where there is one. trust_remote_code: a model that brings its own code is refused
    without.
    """

    model: str
    adapter: str | None = None
    model_type: str | None = None
    template: str | None = None
    agent_template: str | None = None
    system: str | None = None
    enable_thinking: bool | None = True
    add_non_thinking_prefix: bool = False
    device: str = "auto"
    trust_remote_code: bool = False


class Server(msgspec.Struct, frozen=True):
    """A server with OpenAI's interface. tokenizer: a folder or hub id whose template writes the prompts as in
    training."""

    base_url: str
    key: str = ""
    tokenizer: str | None = None
    seconds: float = 600.0
    tell: Callable[[str], None] = lambda text: None
