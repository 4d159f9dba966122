"""What a tuned model needs to land elsewhere: the texts around its turns, its stop words, and how prompts are
compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from swiftagent.backend.template import Trainer
from swiftagent.errors import CheckError, SetupError
from swiftagent.export.templates import Turns
from swiftagent.trajectory.record import Record

END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "</s>")


class Difference(msgspec.Struct):
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
    if not found or not asked or meta.chat_sep is None:
        raise SetupError(
            f"the template {trainer.template_name} cannot be written for other engines; use `swiftagent serve`"
        )
    written = Turns(
        system_open=system_open,
        system_close=system_close,
        user_open=user_open,
        user_close=user_close,
        between=_text(trainer, meta.chat_sep),
        end=_text(trainer, meta.suffix),
        begin="",
        default_system=meta.default_system or "",
    )
    if any("{{" in getattr(written, name) for name in Turns.__struct_fields__):
        raise SetupError(
            f"the template {trainer.template_name} cannot be written for other engines; use `swiftagent serve`"
        )
    return written


def _text(trainer: Trainer, parts: Iterable[Any]) -> str:
    """ms-swift's template parts are texts or token ids."""
    return "".join(part if isinstance(part, str) else trainer.tokenizer.decode(part) for part in parts or [])


def trained_ids(trainer: Trainer, record: Record) -> list[int]:
    """The token ids of a whole training row, as training sees them."""
    return list(trainer.template.encode({"messages": [dict(message) for message in record["messages"]]})["input_ids"])


def first_difference(name: str, trained: Sequence[int], rendered: Sequence[int], tokenizer: Any) -> Difference | None:
    """None where `rendered` equals `trained`, token for token."""
    for index, (ours, theirs) in enumerate(zip(trained, rendered, strict=False)):
        if ours != theirs:
            return Difference(name, index, *_around(trained, rendered, index, tokenizer))
    if len(trained) != len(rendered):
        index = min(len(trained), len(rendered))
        return Difference(name, index, *_around(trained, rendered, index, tokenizer))
    return None


def _around(trained: Sequence[int], rendered: Sequence[int], index: int, tokenizer: Any) -> tuple[str, str]:
    window = slice(max(0, index - 3), index + 6)
    return tokenizer.decode(list(trained[window])), tokenizer.decode(list(rendered[window]))


def require_same_prompts(differences: Sequence[Difference], target: str) -> None:
    """Raises CheckError with the first differing token."""
    if differences:
        first = differences[0]
        raise CheckError(
            f"{target}: {len(differences)} prompts differ from training, first in {first.conversation} at token {first.token}: "
            f"trained {first.trained!r}, rendered {first.rendered!r}; --allow-differences exports it all the same"
        )


def stop_words(trainer: Trainer, *, react: bool) -> list[str]:
    """What ends a turn: the template's end token, the tokenizer's, and for ReAct the label of a result."""
    known = trainer.tokenizer.get_vocab()
    ends = [trainer.tokenizer.eos_token, *(token for token in END_TOKENS if token in known)]
    return [*(["Observation:"] if react else []), *dict.fromkeys(token for token in ends if token)]
