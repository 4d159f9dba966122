"""Accounting for the texts of a row: each stands in the trajectory, under a key that holds metadata, or is unread.

Keys that a reader takes turns, tools and texts from are known and trusted; what stands under any other key is looked
for in the trajectory. A key whose unread value holds turns, steps, calls or results makes the row `unread-turns`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from swiftagent.formats.reading.calls import ARGUMENT_KEYS, is_call_value, plain_key
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.reading.view import MESSAGE_KEYS, TOOL_KEYS
from swiftagent.trajectory.types import Call, Trajectory

# Keys that readers read, at the top of a row or in a turn, without case and separators.
READ_KEYS = frozenset(
    plain_key(key)
    for key in (
        *(
            "messages",
            "conversations",
            "conversation",
            "tools",
            "functions",
            "system",
            "history",
            "role",
            "from",
            "value",
        ),
        *("content", "instruction", "input", "output", "query", "question", "answer", "answers", "response", "prompt"),
        *("completion", "chosen", "rejected", "text", "system_prompt", "tool_calls", "function_call", "tool_call_id"),
        *("reasoning", "reasoning_content", "thinking", "thought", "chat", "choices", "target", "context", "name"),
        *("rejected_messages", "chosen_messages", "non_preferred_output", "preferred_output", "rejected_response"),
        *("parts", "tool_invocations", "chat_messages", "mapping", "meta_instruction", "schema_version"),
        *MESSAGE_KEYS,
        *TOOL_KEYS,
        *("chat_template_kwargs", "image", "images", "video", "videos", "audio", "audios", "objects"),
    )
)
# Keys that say something about a row and hold nothing that was said.
METADATA_KEYS = frozenset(
    plain_key(key)
    for key in (
        *("id", "uuid", "uid", "source", "source_id", "dataset", "category", "categories", "tags", "tag", "domain"),
        *(
            "language",
            "lang",
            "locale",
            "split",
            "index",
            "idx",
            "license",
            "url",
            "link",
            "author",
            "model",
            "model_id",
        ),
        *(
            "model_name",
            "engine",
            "provider",
            "created",
            "created_at",
            "updated_at",
            "timestamp",
            "time",
            "date",
            "type",
        ),
        *(
            "title",
            "topic",
            "subject",
            "difficulty",
            "score",
            "scores",
            "rating",
            "quality",
            "reward",
            "rewards",
            "label",
        ),
        *(
            "success",
            "resolved",
            "correct",
            "passed",
            "weight",
            "loss",
            "train",
            "training",
            "channel",
            "version",
            "hash",
        ),
        *("usage", "tokens", "num_tokens", "token_count", "num_turns", "turns", "metadata", "meta", "info", "extra"),
        *(
            "extra_info",
            "stats",
            "config",
            "settings",
            "temperature",
            "seed",
            "user_id",
            "session_id",
            "conversation_id",
        ),
        *(
            "finish_reason",
            "stop_reason",
            "annotations",
            "notes",
            "comment",
            "description",
            "keywords",
            "class",
            "task",
        ),
        *("task_id", "environment", "status", "duration", "cost", "latency", "level", "skill", "data_source", "path"),
    )
)
_KNOWN = READ_KEYS | METADATA_KEYS
# Alone beside a question and an answer, these hold what was done on the way.
_STEP_KEYS = frozenset(
    plain_key(key)
    for key in (
        *("function_call", "function_calls", "tool_call", "tool_calls", "observation", "observations", "tool_response"),
        *(
            "tool_responses",
            "tool_result",
            "tool_results",
            "tool_output",
            "tool_outputs",
            "function_response",
            "result",
        ),
        *("results", "steps", "intermediate_steps", "actions", "agent_thoughts", "trajectory", "trace", "execution"),
    )
)
# Inside a value, these name a speaker, a kind or an id, and say nothing.
_LABELS = frozenset(
    ("role", "from", "name", "toolcallid", "callid", "kind", "speaker", "function", "id", "uuid", "type", "timestamp")
    + ("createdat", "updatedat", "index", "model", "status")
)
_TEXT_KEYS = frozenset(("content", "value", "text", "message", "output", "thought", "observation", "parts"))
_SPEAKER_KEYS = frozenset(("role", "from", "type", "kind", "speaker", "action", "tool", "class_"))


class Unread(NamedTuple):
    """The texts of a row that stand nowhere in its trajectory: how many under which key, and the key of steps."""

    counts: Counter[str]
    steps: str

    def __bool__(self) -> bool:
        return bool(self.counts)


NOTHING = Unread(Counter(), "")
_plain: dict[str, str] = {}


def unread(row: Any, pieces: Iterable[Trajectory], read: Collection[str] = ()) -> Unread:
    """What of a row was not read. A row whose keys are all known costs a look at its keys.

    read: the keys that the row's reader takes texts from, besides those that all readers know.
    """
    if type(row) is not dict:
        return NOTHING
    odd = [key for key in row if not _is_read(key, read) and (type(key) is not str or _plain_of(key) not in _KNOWN)]
    turns = [turn for key in ("messages", "conversations") for turn in _turns(row.get(key))]
    odd_turns = [
        (turn, key)
        for turn in turns
        if len(turn) > 2
        for key in turn
        if type(key) is str and _plain_of(key) not in _KNOWN and turn[key] and not _is_read(key, read)
    ]
    steps = [
        key
        for key in row
        if type(key) is str and row[key] and _plain_of(key) in _STEP_KEYS and key not in odd and not _is_read(key, read)
    ]
    if not odd and not odd_turns and not steps:
        return NOTHING
    said = _Said(pieces)
    counts: Counter[str] = Counter()
    found = ""
    for key in [*odd, *steps]:
        found = _account(row[key], str(key), said, counts) or found
    for turn, key in odd_turns:
        found = _account(turn[key], f"messages.{key}", said, counts) or found
    return Unread(counts, found)


def _is_read(key: Any, read: Collection[str]) -> bool:
    return key in read or (type(key) is str and _plain_of(key) in read)


def _plain_of(key: str) -> str:
    found = _plain.get(key)
    if found is None:
        found = plain_key(key)
        if len(_plain) < 65536:
            _plain[key] = found
    return found


def _turns(value: Any) -> list[dict[str, Any]]:
    return [turn for turn in value if type(turn) is dict] if type(value) is list else []


def _account(value: Any, path: str, said: _Said, counts: Counter[str]) -> str:
    """Count the unread texts below a key; returns the key where they are steps, "" where they are not."""
    left = sum(text not in said for text in _texts(value))
    if not left:
        return ""
    counts[path] += left
    holds_steps = _holds_steps(value) or _plain_of(path.rpartition(".")[2]) in _STEP_KEYS
    return path if holds_steps else ""


def _texts(value: Any) -> list[str]:
    """The texts of a value that say something, in no order."""
    found: list[str] = []
    waiting = [value]
    for item in waiting:  # it grows on the way
        kind = type(item)
        if kind is str:
            if item and not item.isspace():
                found.append(item)
        elif kind is dict:
            waiting += [inner for key, inner in item.items() if _plain_of(str(key)) not in _LABELS]
        elif kind is list:
            waiting += item
    return found


def _holds_steps(value: Any, depth: int = 0) -> bool:
    """Whether a value is, or holds, turns of a conversation, steps of a run, or calls."""
    if type(value) is str:
        start = value.lstrip()[:2]
        if start[:1] not in ("[", "{") or depth > 6:
            return False
        try:
            return _holds_steps(json.loads(value), depth + 1)
        except (ValueError, RecursionError):
            return False
    if type(value) is list:
        objects = [item for item in value if type(item) is dict]
        if any(_is_turn(item) for item in objects):
            return True
        return depth < 6 and any(_holds_steps(item, depth + 1) for item in value)
    if type(value) is dict:
        if is_call_value(value):
            return True
        return depth < 6 and any(_holds_steps(item, depth + 1) for item in value.values())
    return False


def _is_turn(item: dict[str, Any]) -> bool:
    speaker = next((item[key] for key in ("role", "from") if type(item.get(key)) is str), None)
    if speaker is not None and speaker.lower() in ROLES:
        return True
    keys = item.keys()
    spoken = not _TEXT_KEYS.isdisjoint(keys) and not _SPEAKER_KEYS.isdisjoint(keys)
    return spoken or ("tool" in keys and not keys.isdisjoint(ARGUMENT_KEYS))


class _Said:
    """The texts of trajectories, for looking up whether a text of the row stands in one."""

    def __init__(self, pieces: Iterable[Trajectory]) -> None:
        texts: list[str] = []
        for piece in pieces:
            for event in piece.events:
                if isinstance(event, Call):
                    texts += [event.tool, *_texts(event.arguments), json.dumps(event.arguments, ensure_ascii=False)]
                else:
                    texts.append(event.text)
            for tool in piece.tools:
                texts += [tool.name, tool.description, json.dumps(tool.parameters, ensure_ascii=False)]
        self._whole = "\n".join(texts)

    def __contains__(self, text: str) -> bool:
        if text in self._whole or text.strip() in self._whole:
            return True
        try:
            value = json.loads(text) if text.lstrip()[:1] in ("{", "[") else None
        except (ValueError, RecursionError):
            return False
        return value is not None and all(part in self._whole for part in _texts(value))
