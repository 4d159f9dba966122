"""What `clean` finds: the one table of its codes, from which help and documentation are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from swiftagent.trajectory.wellformed import CODES as READING_CODES
from swiftagent.trajectory.wellformed import Code, parse_policy

_STEP, _ROW = ("keep", "mask", "drop"), ("keep", "drop")
CODES: dict[str, Code] = {
    "drifted": Code(
        "a call or declaration of a tool that changed since: renamed, moved, converted, or without its default; "
        "rewritten where that is certain",
        "migrate",
        ("migrate", *_STEP),
    ),
    "stale-call": Code("a call that today's tools refuse and that cannot be rewritten for certain", "mask", _STEP),
    "corrected-error": Code("a call that failed, where a corrected call of the turn succeeds", "mask", _STEP),
    "exact-duplicate": Code("a row with the events and tools of an earlier one", "drop", _ROW),
    "near-duplicate": Code("a row that says nearly what an earlier one says", "keep", _ROW),
    "contradictory-pair": Code("two rows do different things in one situation; most rows are right", "keep", _ROW),
    "ungrounded-value": Code(
        "an argument that stands in no question, context or earlier result, where that tool's usually do", "keep", _STEP
    ),
    "wrong-tool": Code("arguments that do not fit the tool called, but another one that is offered", "keep", _STEP),
    "foreign-domain": Code("tools and vocabulary apart from the majority or from --like", "keep", _ROW),
    "circular-run": Code("the same call with the same result three times or more", "keep", _STEP),
    "over-long-run": Code("more than 20 calls, and three times as many as 95 % of the rows", "keep", _ROW),
    "truncated-run": Code("a row that ends on a call where four of five end on an answer", "keep", _ROW),
    "contradicted-answer": Code(
        "a final answer whose number, date or name is not that of the last result", "keep", _STEP
    ),
}


class Finding(msgspec.Struct, frozen=True):
    """One fault of a row. `events`: places of its events, empty where the whole row is meant."""

    code: str
    reason: str
    evidence: dict[str, Any] = {}
    events: tuple[int, ...] = ()


def parse_actions(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Every code's action, and the words of `--on` that name no code of this table. Raises ConfigError."""
    others = [word for word in words if word.partition("=")[0] in READING_CODES]
    allowed = {code: about.allowed for code, about in CODES.items()}
    given = parse_policy((word for word in words if word not in others), allowed, "docs/clean.md lists them")
    return {code: about.default for code, about in CODES.items()} | given, others
