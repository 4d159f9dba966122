"""The formats that can be read and written: one file a format, one line a format in this table.

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

FORMATS: dict[str, str] = {  # name: module, in the order in which `auto` asks them
    "swiftagent": "swiftagent.formats.readers.swiftagent",
    "api-bank": "swiftagent.formats.readers.api_bank",
    "claude-code": "swiftagent.formats.readers.claude_code",
    "codex": "swiftagent.formats.readers.codex",
    "pi": "swiftagent.formats.readers.pi",
    "adp": "swiftagent.formats.readers.adp",
    "toolbench": "swiftagent.formats.readers.toolbench",
    "toolalpaca": "swiftagent.formats.readers.toolalpaca",
    "tooltalk": "swiftagent.formats.readers.tooltalk",
    "seal-tools": "swiftagent.formats.readers.seal_tools",
    "glaive": "swiftagent.formats.readers.glaive",
    "moss": "swiftagent.formats.readers.moss",
    "toolrl": "swiftagent.formats.readers.toolrl",
    "openhands": "swiftagent.formats.readers.openhands",
    "atif": "swiftagent.formats.readers.atif",
    "adk": "swiftagent.formats.readers.adk",
    "autogen": "swiftagent.formats.readers.autogen",
    "langfuse": "swiftagent.formats.readers.langfuse",
    "traces": "swiftagent.formats.readers.traces",
    "gemini-cli": "swiftagent.formats.readers.gemini_cli",
    "copilot-chat": "swiftagent.formats.readers.copilot_chat",
    "trae": "swiftagent.formats.readers.trae",
    "continue": "swiftagent.formats.readers.continue_session",
    "mistral-entries": "swiftagent.formats.readers.mistral_entries",
    "librechat": "swiftagent.formats.readers.librechat",
    "swe-agent": "swiftagent.formats.readers.swe_agent",
    "chat-export": "swiftagent.formats.readers.chat_export",
    "typed-parts": "swiftagent.formats.readers.typed_parts",
    "gemini": "swiftagent.formats.readers.gemini",
    "bedrock": "swiftagent.formats.readers.bedrock",
    "responses": "swiftagent.formats.readers.responses",
    "langchain": "swiftagent.formats.readers.langchain",
    "preference": "swiftagent.formats.readers.preference",
    "exchange": "swiftagent.formats.readers.exchange",
    "chat-text": "swiftagent.formats.readers.chat_text",
    "alfworld": "swiftagent.formats.readers.alfworld",
    "ms-agent": "swiftagent.formats.readers.ms_agent",
    "agent-instruct": "swiftagent.formats.readers.agent_instruct",
    "react": "swiftagent.formats.readers.react",
    "anthropic": "swiftagent.formats.readers.anthropic",
    "llamafactory-v1": "swiftagent.formats.readers.llamafactory_v1",
    "swift": "swiftagent.formats.readers.swift",
    "cline": "swiftagent.formats.readers.cline",
    "toolace": "swiftagent.formats.readers.toolace",
    "hermes": "swiftagent.formats.readers.hermes",
    "openai": "swiftagent.formats.readers.openai",
    "sharegpt": "swiftagent.formats.readers.sharegpt",
    "xlam": "swiftagent.formats.readers.xlam",
    "steps": "swiftagent.formats.readers.steps",
    "turns-aside": "swiftagent.formats.readers.turns_aside",
    "scattered": "swiftagent.formats.readers.scattered",
    "conversation-pair": "swiftagent.formats.readers.conversation_pair",
    "alpaca": "swiftagent.formats.readers.alpaca",
    "speaker-turns": "swiftagent.formats.readers.speaker_turns",
    "wrapped": "swiftagent.formats.readers.wrapped",
}
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
