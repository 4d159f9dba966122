"""The turn texts and stop words of a training template, and the comparison of prompts token by token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from swiftagent.backend.engine_prompt import common_prefix
from swiftagent.backend.template import Trainer
from swiftagent.errors import CheckError, SetupError
from swiftagent.export.templates import Turns
from swiftagent.trajectory.react import OBSERVATION
from swiftagent.trajectory.record import Record

END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "</s>")


class PromptDifference(msgspec.Struct):
    """The first place where a rendered prompt departs from the trained one: token index and both sides around it."""

    conversation: str
    token: int
    trained: str
    rendered: str


def turns_of(trainer: Trainer) -> Turns:
    """The texts around the parts of a conversation in ms-swift's template. Raises SetupError where they are not plain
    text."""
    meta = trainer.template.template_meta
    system_prefix = meta.system_prefix or meta.prefix
    system_open, found, system_close = _text(trainer, system_prefix).partition("{{SYSTEM}}")
    user_open, asked, user_close = _text(trainer, meta.prompt).partition("{{QUERY}}")
    between, end = _text(trainer, meta.chat_sep), _text(trainer, meta.suffix)
    written = Turns(system_open, system_close, user_open, user_close, between, end, meta.default_system or "")
    # A placeholder that is left over, such as {{ROUND0}}, is a text that no other engine could fill in.
    left_over = any("{{" in getattr(written, name) for name in Turns.__struct_fields__)
    if not found or not asked or meta.chat_sep is None or left_over:
        raise SetupError(
            f"the template {trainer.template_name} cannot be written for other engines; use `swiftagent serve`"
        )
    return written


def _text(trainer: Trainer, parts: Iterable[Any]) -> str:
    """ms-swift's template parts are texts or token ids."""
    return "".join(part if isinstance(part, str) else trainer.tokenizer.decode(part) for part in parts or [])


def trained_ids(trainer: Trainer, record: Record) -> list[int]:
    """The token ids of a whole training row, of a native one with its tools, as training sees them."""
    row = {key: record[key] for key in ("messages", "tools") if key in record}
    return list(trainer.template.encode({**row, "messages": [dict(m) for m in row["messages"]]})["input_ids"])


def first_difference(
    name: str, trained: Sequence[int], rendered: Sequence[int], tokenizer: Any
) -> PromptDifference | None:
    """None where `rendered` equals `trained`, token for token."""
    if list(trained) == list(rendered):
        return None
    index = common_prefix(trained, rendered)
    window = slice(max(0, index - 3), index + 6)
    return PromptDifference(name, index, *(tokenizer.decode(list(ids[window])) for ids in (trained, rendered)))


def require_same_prompts(differences: Sequence[PromptDifference], target: str) -> None:
    """Raises CheckError with the first differing token."""
    if differences:
        first = differences[0]
        raise CheckError(
            f"{target}: {len(differences)} prompts differ from training, first in {first.conversation} "
            f"at token {first.token}: "
            f"trained {first.trained!r}, rendered {first.rendered!r}; --allow-differences exports it anyway"
        )


def stop_words(tokenizer: Any, *, react: bool) -> list[str]:
    """What ends a turn: the end tokens, and for ReAct the label of a result."""
    return [*([OBSERVATION] if react else []), *end_tokens(tokenizer)]


def end_tokens(tokenizer: Any) -> list[str]:
    """The tokenizer's end token, and others of its family: a base may end its turn with another than the template."""
    known = tokenizer.get_vocab()
    return [token for token in dict.fromkeys((tokenizer.eos_token, *END_TOKENS)) if token in known]
