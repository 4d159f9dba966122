"""A row within max_length as a template counts tokens: what training does with long rows, and what the preflight
foretells."""

from __future__ import annotations

from typing import Any

from swiftagent.masks.fit import fit


def fitted(row: dict[str, Any], template: Any, limit: int) -> dict[str, Any] | None:
    """The row within `limit` tokens; None for one that cannot be, and for native rows."""
    if row.get("tools") or any(not isinstance(message.get("content"), str) for message in row["messages"]):
        return None
    before = template.max_length

    def measure(messages: list[dict[str, Any]]) -> int:
        template.max_length = None
        try:
            return len(template.encode({"messages": [dict(message) for message in messages]})["input_ids"])
        finally:
            template.max_length = before

    messages = [{key: value for key, value in message.items() if value is not None} for message in row["messages"]]
    return fit({**row, "messages": messages}, limit, measure)
