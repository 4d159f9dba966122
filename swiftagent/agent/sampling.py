"""How tokens are chosen beyond temperature, for engines that can."""

from __future__ import annotations

import msgspec


class Form(msgspec.Struct, frozen=True):
    """A grammar for what follows `after` at the start of a line ("": at the start of the text), in llguidance's
    Lark."""

    after: str
    lark: str


class Sampling(msgspec.Struct, frozen=True):
    """top_p: the share of probability that is sampled from. seed: the same one gives the same text. forms: grammars
    that the text obeys."""

    top_p: float = 1.0
    seed: int | None = None
    forms: tuple[Form, ...] = ()
