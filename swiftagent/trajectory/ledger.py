"""What became of every row: rows_in + split - merged == rows_out + rejected, always."""

from __future__ import annotations

from collections import Counter
from typing import Any

from swiftagent.trajectory.wellformed import Policy

_COUNTS = ("rows_in", "rows_out", "rejected", "split", "merged", "trimmed")
_BY_CODE = ("formats", "reasons", "repairs", "kept", "masked", "unread")


def add_up(total: dict[str, Any], more: dict[str, Any]) -> None:
    """Add counts, and counts by name, in place."""
    for key, value in more.items():
        if isinstance(value, dict):
            add_up(total.setdefault(key, {}), value)
        elif isinstance(value, int):
            total[key] = total.get(key, 0) + value


class Ledger:
    """Counts of rows and of codes. `kept` and `masked` count faults that a policy let pass or took out of training,
    `unread` texts that stand in no trajectory, by key path."""

    __slots__ = (*_COUNTS, *_BY_CODE)

    def __init__(self) -> None:
        self.rows_in = self.rows_out = self.rejected = self.split = self.merged = self.trimmed = 0
        self.formats, self.reasons, self.repairs = Counter[str](), Counter[str](), Counter[str]()
        self.kept, self.masked, self.unread = Counter[str](), Counter[str](), Counter[str]()

    def note(self, codes: tuple[str, ...], policy: Policy) -> None:
        """Count what a row needed, by what the policy did about it."""
        for code in codes:
            action = policy.action(code)
            counter = self.kept if action == "keep" else self.masked if action == "mask" else self.repairs
            counter[code] += 1

    def retract(self, code: str) -> None:
        """Count a row that was read, but cannot be written, as rejected."""
        self.rows_out -= 1
        self.rejected += 1
        self.reasons[code] += 1

    def add(self, other: dict[str, Any]) -> None:
        """Add the counts of another ledger's `as_dict`."""
        total = {name: getattr(self, name) for name in (*_COUNTS, *_BY_CODE)}
        add_up(total, other)
        for name in _COUNTS:
            setattr(self, name, total[name])

    @property
    def balanced(self) -> bool:
        return self.rows_in + self.split - self.merged == self.rows_out + self.rejected

    def as_dict(self) -> dict[str, Any]:
        """As it stands in OUT.report.json; counts by code, the most frequent first."""
        counts: dict[str, Any] = {name: getattr(self, name) for name in _COUNTS}
        for name in _BY_CODE:
            counts[name] = dict(sorted(getattr(self, name).items(), key=lambda item: (-item[1], item[0])))
        return counts
