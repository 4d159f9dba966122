"""The formats that can be read and written: one file a format, one line a format in this table.

A format module has

    ABOUT: str                                   one line for `swiftagent formats`
    SAMPLE: a raw row (JSON value)
    looks_like(row: Json) -> bool                cheap and exact; used by `auto`, in the order of this table
    KEYS: frozenset[str]                         a dict without any of these is not asked about; left out by formats told by turns
    parse(row: Json) -> Trajectory | list[Trajectory]      raises RowError(code, sentence)
    render(trajectory) -> row                    only where the format can be written
    line_key(row) -> Hashable | None             only where several lines make one conversation: lines of one key stand
                                                 together; `parse` then gets the list of them. True: belongs to its neighbours

`parse` builds its trajectory with `formats.build.Builder`, which holds what all formats share: arguments in every
spelling, call ids, parallel results, empty content, repairs counted by code.
"""

from __future__ import annotations

FORMATS: dict[str, str] = {  # name: module, in the order in which `auto` asks them
    "swiftagent": "swiftagent.formats.swiftagent",
    "api-bank": "swiftagent.formats.api_bank",
    "claude-code": "swiftagent.formats.claude_code",
    "codex": "swiftagent.formats.codex",
    "adp": "swiftagent.formats.adp",
    "toolbench": "swiftagent.formats.toolbench",
    "toolalpaca": "swiftagent.formats.toolalpaca",
    "tooltalk": "swiftagent.formats.tooltalk",
    "seal-tools": "swiftagent.formats.seal_tools",
    "glaive": "swiftagent.formats.glaive",
    "moss": "swiftagent.formats.moss",
    "toolrl": "swiftagent.formats.toolrl",
    "openhands": "swiftagent.formats.openhands",
    "atif": "swiftagent.formats.atif",
    "adk": "swiftagent.formats.adk",
    "autogen": "swiftagent.formats.autogen",
    "langfuse": "swiftagent.formats.langfuse",
    "chat-export": "swiftagent.formats.chat_export",
    "typed-parts": "swiftagent.formats.typed_parts",
    "gemini": "swiftagent.formats.gemini",
    "bedrock": "swiftagent.formats.bedrock",
    "responses": "swiftagent.formats.responses",
    "langchain": "swiftagent.formats.langchain",
    "preference": "swiftagent.formats.preference",
    "exchange": "swiftagent.formats.exchange",
    "chat-text": "swiftagent.formats.chat_text",
    "alfworld": "swiftagent.formats.alfworld",
    "ms-agent": "swiftagent.formats.ms_agent",
    "agent-instruct": "swiftagent.formats.agent_instruct",
    "react": "swiftagent.formats.react",
    "anthropic": "swiftagent.formats.anthropic",
    "llamafactory-v1": "swiftagent.formats.llamafactory_v1",
    "swift": "swiftagent.formats.swift",
    "toolace": "swiftagent.formats.toolace",
    "hermes": "swiftagent.formats.hermes",
    "openai": "swiftagent.formats.openai",
    "sharegpt": "swiftagent.formats.sharegpt",
    "xlam": "swiftagent.formats.xlam",
    "steps": "swiftagent.formats.steps",
    "conversation-pair": "swiftagent.formats.conversation_pair",
    "alpaca": "swiftagent.formats.alpaca",
    "wrapped": "swiftagent.formats.wrapped",
}
