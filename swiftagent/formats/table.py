"""The formats that can be read and written: one file a format, one word a format in this table.

A format module has

    ABOUT: str                                   one line for `swiftagent formats`
    SAMPLE: a raw row (JSON value)
    looks_like(row: Json) -> bool                cheap and exact; used by `auto`, in the order of this table
    KEYS: frozenset[str]                         a dict without any of these is not asked about; left out by formats
    by its turns  parse(row: Json) -> Trajectory | list[Trajectory]      raises RowError(code, sentence)
    render(trajectory) -> row                    only where the format can be written
    READS: frozenset[str]                        keys that `parse` takes texts from, where they are more than KEYS
    reads(row) -> frozenset[str]                 the same, where the row decides which keys these are
    line_key(row) -> Hashable | None             only where several lines make one conversation: lines of one key stand
                                                 together; `parse` then gets the list of them. True: belongs to its
                                                 neighbours

`parse` builds its trajectory with `formats.build.Builder`, which holds what all formats share: arguments in every
spelling, call ids, parallel results, empty content, repairs counted by code.
"""

from __future__ import annotations

_NAMES = (  # in the order in which `auto` asks them
    *("swiftagent", "api-bank", "claude-code", "codex", "pi", "adp", "toolbench", "toolalpaca", "tooltalk"),
    *("seal-tools", "glaive", "moss", "toolrl", "openhands", "atif", "adk", "autogen", "langfuse", "traces"),
    *("gemini-cli", "copilot-chat", "trae", "continue", "mistral-entries", "librechat", "swe-agent", "chat-export"),
    *("typed-parts", "gemini", "bedrock", "responses", "langchain", "preference", "exchange", "chat-text"),
    *("alfworld", "ms-agent", "agent-instruct", "react", "anthropic", "llamafactory-v1", "swift", "cline"),
    *("toolace", "hermes", "openai", "sharegpt", "xlam", "steps", "turns-aside", "scattered", "conversation-pair"),
    *("alpaca", "speaker-turns", "wrapped"),
)
_MODULES = {"continue": "continue_session"}  # where the name is a word of Python
# Name to module.
FORMATS = {name: f"swiftagent.formats.readers.{_MODULES.get(name, name.replace('-', '_'))}" for name in _NAMES}
# One look at their turns (`reading.view`) separates them, so no module of these is asked. "react" reads pairs too.
TURN_FORMATS = (
    *("ms-agent", "agent-instruct", "anthropic", "llamafactory-v1", "swift", "cline", "toolace", "hermes", "openai"),
    "sharegpt",
)
# Recognised by keys, roles and types alone, never by what a plain text says.
BY_STRUCTURE = frozenset(
    (
        *("adk", "autogen", "bedrock", "exchange", "gemini", "langchain", "openhands", "responses", "seal-tools"),
        *("tooltalk", "continue", "mistral-entries", "typed-parts", "turns-aside", "scattered"),
    )
)
