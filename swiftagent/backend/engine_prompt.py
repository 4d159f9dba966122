"""The prompt of a step, id for id what training sees up to that step.

ms-swift tokenises a row in segments: neighbours of the same weight are one text, and text of another weight begins a
new one. So the messages are encoded by its template in training mode, with their `loss` marks and without the end
token, and what comes out is a prefix of the ids of the whole record. Inference mode would not do: on thinking templates
it treats earlier turns differently.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from swiftagent.agent.sampling import HERMES, CallFrame
from swiftagent.backend.loading import Loading
from swiftagent.errors import SetupError
from swiftagent.trajectory.record import Message

# No tool is called so.
_NAME = "NAME_OF_A_TOOL"


class PromptEncoder:
    """Encodes messages with a template of ms-swift as training does."""

    def __init__(self, template: Any) -> None:
        self.template = template
        self.tokenizer = template.tokenizer
        template.set_mode("train")
        # Whether a prompt fits the model is for the engine to see.
        template.max_length = None
        # Only labels come of it.
        template._add_dynamic_eos = lambda *_: None
        meta = template.template_meta
        self._tail = self._appended_tokens() if meta.auto_add_bos else []

    def encode(self, messages: list[Message], tools: list[dict[str, Any]] | None = None) -> list[int]:
        """Token ids of the messages; where they end on a user or tool message, with the start of the assistant's
        turn."""
        rows = [dict(message) for message in messages]
        if rows[-1]["role"] != "assistant":
            rows.append({"role": "assistant", "content": ""})
        row: dict[str, Any] = {"messages": rows, "add_eos": False}
        if tools:
            row["tools"] = tools
        try:
            ids: list[int] = list(self.template.encode(row)["input_ids"])
        except AssertionError as error:
            name = self.template.template_meta.template_type
            raise SetupError(f"template {name} cannot write this conversation: {error}") from error
        return ids[: -len(self._tail)] if self._tail and ids[-len(self._tail) :] == self._tail else ids

    def text(self, messages: list[Message]) -> str:
        """The prompt as text, for servers that take no ids. Their tokenizer may split it in another way."""
        return str(self.tokenizer.decode(self.encode(messages), skip_special_tokens=False))

    def call_frame(self) -> CallFrame | None:
        """The text around a native call in the agent template; None where its arguments are not JSON."""
        if not self.template._agent_template:
            return HERMES
        call = {"role": "tool_call", "content": json.dumps({"name": _NAME, "arguments": {}})}
        opening, named, rest = self.template.agent_template._format_tool_calls([call]).partition(_NAME)
        middle, given, closing = rest.partition("{}")
        return CallFrame(opening, middle, closing) if named and given else None

    def _appended_tokens(self) -> list[int]:
        """The tokens that the tokenizer appends to every text, which ms-swift appends to a row."""
        whole: list[int] = self.tokenizer.encode("a")
        bare: list[int] = self.tokenizer.encode("a", add_special_tokens=False)
        return whole[whole.index(bare[0]) + len(bare) :]

    def end_tokens(self, model: Any = None) -> set[int]:
        """The ids that end the model's turn."""
        meta = self.template.template_meta
        ends = {self.tokenizer.eos_token_id, meta.stop_token_id}
        configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
        ends |= set(configured) if isinstance(configured, (list, tuple)) else {configured}
        for word in meta.stop_words:
            ids = word if isinstance(word, list) else self.tokenizer.encode(word, add_special_tokens=False)
            if len(ids) == 1:
                ends.add(ids[0])
        return {token for token in ends if isinstance(token, int)}


def open_template(loading: Loading, processor: Any = None) -> Any:
    """ms-swift's template for a folder, with the settings of its training. No weights are loaded."""
    from swift.model import get_model_processor
    from swift.template import get_template

    if processor is None:
        _, processor = get_model_processor(loading.model, load_model=False, model_type=loading.model_type)
    names = ("agent_template", "enable_thinking", "add_non_thinking_prefix")
    settings = {name: getattr(loading, name) for name in names}
    return get_template(processor, loading.system, template_type=loading.template, **settings)


def common_prefix(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many ids, or characters, two sequences begin with alike."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
