"""Ledgers of several parts added up."""

from __future__ import annotations

from typing import Any


def add_up(total: dict[str, Any], more: dict[str, Any]) -> None:
    """Add counts, and counts by name, in place."""
    for key, value in more.items():
        if isinstance(value, dict):
            counts = total.setdefault(key, {})
            for name, count in value.items():
                counts[name] = counts.get(name, 0) + count
        elif isinstance(value, int):
            total[key] = total.get(key, 0) + value
