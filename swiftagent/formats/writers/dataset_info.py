"""The entry of `dataset_info.json` by which LLaMA-Factory finds a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swiftagent.errors import ConfigError
from swiftagent.formats.dataset_entries import ALPACA
from swiftagent.io.jsonl import write_json

_ENTRIES: dict[str, dict[str, Any]] = {
    "sharegpt": {
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
    },
    "alpaca": {"formatting": "alpaca", "columns": {**ALPACA, "system": "system", "history": "history"}},
    "openai": {
        "formatting": "openai",
        "columns": {"messages": "messages", "tools": "tools"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "observation_tag": "tool",
            "function_tag": "function_call",
            "system_tag": "system",
        },
    },
}


def update_dataset_info(output: Path, name: str, to: str) -> None:
    """Set the entry `name` for a file in the `dataset_info.json` beside it; all other entries stay.

    Raises ConfigError where that file is no JSON object.
    """
    path = output.with_name("dataset_info.json")
    try:
        entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON ({error}); mend it or move it away") from error
    if not isinstance(entries, dict):
        raise ConfigError(f"{path}: not a JSON object; mend it or move it away")
    write_json(path, {**entries, name: {"file_name": output.name, **_ENTRIES[to]}})
