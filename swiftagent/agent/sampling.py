"""How tokens are chosen, and the text around calls."""

from __future__ import annotations

import msgspec

from swiftagent.trajectory.escape import hide_control_tokens
from swiftagent.trajectory.react import ACTION_LABEL, INPUT_LABEL, STOP


class Form(msgspec.Struct, frozen=True):
    """A grammar (llguidance's Lark) for what follows `after` at the start of a line; "": for the text from its start.
    is_last: the text ends where the grammar does."""

    after: str
    lark: str
    is_last: bool = False


class Sampling(msgspec.Struct, frozen=True):
    """How tokens are chosen. top_p: the share of probability that is sampled from. seed: the same one gives the same
    text. forms: grammars that the text obeys. temperature: 0 always takes the likeliest token."""

    top_p: float = 1.0
    seed: int | None = None
    forms: tuple[Form, ...] = ()
    temperature: float = 0.0


PLAIN = Sampling()


class CallFrame(msgspec.Struct, frozen=True):
    """The text around a native call: before its name, between name and arguments, behind the arguments."""

    opening: str = '<tool_call>\n{"name": "'
    middle: str = '", "arguments": '
    closing: str = "}\n</tool_call>"

    @property
    def trigger(self) -> str:
        """The first word of a call, behind which no other text can follow."""
        return self.opening.partition("\n")[0].strip()

    def head(self, name: str) -> str:
        """The text of a call up to its arguments."""
        return self.opening + hide_control_tokens(name) + self.middle


HERMES = CallFrame()
REACT_FRAME = CallFrame(ACTION_LABEL, INPUT_LABEL, STOP)
