"""Accounting for the texts of a row: each stands in the trajectory, under a key that holds metadata, or is unread.

Every object of a row is walked by its keys. What readers take turns and texts from is trusted; what stands under other
keys is looked for in the trajectory. A key whose unread value holds turns, steps, calls or results makes the row
`unread-turns`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from swiftagent.formats.reading.calls import ARGUMENT_KEYS, CALL_KEYS, is_call_value, plain_key
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.reading.view import MESSAGE_KEYS, TOOL_KEYS
from swiftagent.trajectory.types import Call, Event, Tool, Trajectory

# fmt: off
# All keys without case and separators. Under these every reader takes turns, texts, calls and reasoning.
_TURN_KEYS = frozenset((
    *map(plain_key, MESSAGE_KEYS), *CALL_KEYS, "content", "value", "text", "reasoning", "reasoningcontent", "thinking",
    "system", "systemprompt", "systemmessage", "message", "payload", "data", "parts", "function", "choices", "delta",
    "call", "state", "args",
))
# Declared tools and arguments have keys of their own.
_OPAQUE = frozenset((
    *map(plain_key, TOOL_KEYS), *map(plain_key, ARGUMENT_KEYS), "schema", "inputschema", "properties",
    "responseformat", "toolconfig", "chattemplatekwargs", "toolchoice", "functiondescription",
)) - {"function", "args", "input"}
# Some readers take texts from these: a trace of it has to stand in the trajectory.
_SOMETIMES = frozenset((
    "input", "output", "instruction", "query", "question", "answer", "answers", "response", "prompt", "completion",
    "chosen", "thought", "think", "target", "context", "chosenmessages", "preferredoutput",
    "mapping", "chatmessages", "metainstruction", "toolplan", "reasoningdetails", "objects",
))
# The other one of two answers, and what no text model reads.
_LEFT_OUT = frozenset((
    "rejected", "rejectedmessages", "nonpreferredoutput", "rejectedresponse", "image", "images",
    "video", "videos", "audio", "audios", "signature", "encryptedcontent", "imageurl", "refusal",
))
# Keys that say something about a row or a turn and hold nothing that was said.
METADATA_KEYS = frozenset((
    "id", "uuid", "uid", "source", "sourceid", "dataset", "category", "categories", "tags", "tag", "domain", "name",
    "role", "from", "kind", "speaker", "author", "language", "lang", "locale", "split", "index", "idx", "license",
    "url", "link", "model", "modelid", "modelname", "engine", "provider", "created", "createdat", "updatedat",
    "timestamp", "time", "date", "type", "title", "topic", "subject", "difficulty", "score", "scores", "rating",
    "quality", "reward", "rewards", "label", "success", "resolved", "correct", "passed", "weight", "loss", "train",
    "training", "channel", "version", "hash", "usage", "tokens", "numtokens", "tokencount", "numturns", "turns",
    "metadata", "meta", "info", "extra", "extrainfo", "stats", "config", "settings", "temperature", "seed", "userid",
    "sessionid", "conversationid", "finishreason", "stopreason", "annotations", "notes", "comment", "description",
    "keywords", "class", "task", "taskid", "environment", "status", "duration", "cost", "latency", "level", "skill",
    "datasource", "path", "toolcallid", "callid", "parentid", "parentuuid", "requestid", "cwd", "gitbranch",
    "usertype", "logprobs", "servicetier", "systemfingerprint", "starttime", "endtime", "mimetype", "cachecontrol",
    "messageid", "stopsequence", "object", "entrypoint", "promptid", "traceid", "spanid", "parentspanid", "scope",
    "tooluseid", "chatid", "threadid", "groupid", "turnid", "leafuuid", "schemaversion", "method", "format",
    "lossweight", "trainable", "lossmask", "traindetail", "responsemetadata", "usagemetadata", "recipient",
    "permissionmode", "slug", "issidechain",
))
# Alone beside a question and an answer, these hold what was done on the way.
STEP_KEYS = CALL_KEYS | frozenset((
    "observation", "observations", "toolresponse", "toolresponses", "toolresult", "toolresults", "tooloutput",
    "tooloutputs", "functionresponse", "result", "results", "steps", "intermediatesteps", "agentthoughts",
    "trajectory", "trace", "execution",
))
# The same in other words: api_call, tool_output, search_results.
_STEP_KEY = re.compile(
    r"(?:api|tool|function|plugin|code|search|execution|environment|env)"
    r"(?:calls?|results?|outputs?|responses?|observations?|returns?|invocations?|logs?)"
)
# Inside a value, these name a speaker, a kind or an id, and say nothing.
_LABELS = frozenset((
    "role", "from", "name", "toolcallid", "callid", "kind", "speaker", "function", "id", "uuid", "type", "timestamp",
    "createdat", "updatedat", "index", "model", "status",
))
# fmt: on
_TEXT_KEYS = frozenset(("content", "value", "text", "message", "output", "thought", "observation", "parts"))
_SPEAKER_KEYS = frozenset(("role", "from", "type", "kind", "speaker", "action", "tool", "class_"))
_CALLED_KEYS = frozenset(("call", "tool", "action", "api", "tool_call", "function_call", "api_call"))
_GIVEN_KEYS = frozenset(("result", "output", "observation", "response", "returned", "tool_result", "tool_output"))

# walk: trusted, its objects are walked; trace: a part of it stands in the trajectory; whole: all of it does;
# turns: metadata, in which nothing but turns is looked for; spoken: sentences are looked for, and nothing is rejected;
# call: trusted, and looked into where the trajectory has no call at all.
_Rule = Literal["walk", "trace", "whole", "turns", "spoken", "call"]
_SENTENCE = re.compile(r"\S\s+\S|[\u4e00-\u9fff]{4}")
_SHORT = 3  # so short a text stands in any other by chance
_MOST = 65536  # keys of a file whose rows all have their own do not fill the memory


class Unread(NamedTuple):
    """The texts of a row that stand nowhere in its trajectory, each with its key path, and the key of steps."""

    texts: list[tuple[str, str]]
    steps: str

    @property
    def counts(self) -> Counter[str]:
        return Counter(path for path, _ in self.texts)


NOTHING = Unread([], "")


def unread(row: Any, pieces: Iterable[Trajectory], read: Collection[str] = (), own: bool = False) -> Unread:
    """What of a row, or of the lines of a transcript, was not read; where all keys are trusted, a look at the keys.

    read: the keys that the row's reader takes texts from, besides those that all readers know. own: whether what stands
    below them has a structure of its own (events, spans, a tree), of which the reader leaves parts out on purpose.
    """
    places = list(_places(row, frozenset(read), own, own and type(row) is list))
    if not places:
        return NOTHING
    pieces = tuple(pieces)
    if any(type(event) is Call for piece in pieces for event in piece.events):
        places = [place for place in places if place[2] != "call"]
        if not places:
            return NOTHING
    said = _Said(pieces)
    texts: list[tuple[str, str]] = []
    steps = ""
    for path, value, rule in places:
        left = [text for text in _texts(value) if not said.holds(text, _in_part(text, rule))]
        if rule == "spoken":
            left = [text for text in left if _SENTENCE.search(text) is not None]
        if left:
            texts += [(path, text) for text in left]
            if rule == "call" or (rule != "spoken" and _is_steps(path, value)):
                steps = path
    return Unread(texts, steps)


def is_opaque(key: str) -> bool:
    """Whether a key holds declared tools or arguments, whose own keys are names that no table knows."""
    return _plain_of(key) in _OPAQUE


def is_metadata(keys: Collection[str]) -> bool:
    """Whether a text at the end of this path is metadata, not of a declared tool or of arguments."""
    plain = [_plain_of(key) for key in keys]
    said = next((place for place, key in enumerate(plain) if key in _OPAQUE), len(plain))
    return not (METADATA_KEYS | _LABELS - {"function"}).isdisjoint(key for key in plain[:said] if key != "name")


def _places(
    value: Any, read: frozenset[str], own: bool, is_own: bool, path: str = ""
) -> Iterator[tuple[str, Any, _Rule]]:
    """(key path, value, rule) of what has to be looked for; is_own: the value is of the reader's own structure."""
    if type(value) is list:
        for item in value:
            if type(item) is dict or type(item) is list:
                yield from _places(item, read, own, is_own, path)
    elif type(value) is dict:
        for key, rule in _rules_of(tuple(value), read, not path):
            item = value[key]
            kind = type(item)
            if not item or (rule == "walk" if kind is str else kind is not dict and kind is not list):
                continue
            inner = f"{path}.{key}" if path else str(key)
            yield from _call_at(key, item, inner) if kind is not str and (rule == "walk" or is_own) else ()
            if rule != "walk" and not is_own:
                if rule != "turns" or _holds_turns(item):
                    yield inner, item, rule
            elif rule == "whole":
                yield inner, item, "spoken"
            elif kind is dict and _plain_of(str(key)) in ("toolcalls", "toolresults"):  # by their ids
                yield from _places(list(item.values()), read, own, is_own, inner)
            elif kind is not str:  # of the reader's own structure
                claimed = own and (key in read or _plain_of(str(key)) in read)
                yield from _places(item, read, own, is_own or claimed, path if _is_id(str(key)) else inner)


def _call_at(key: Any, value: Any, path: str) -> tuple[tuple[str, Any, _Rule], ...]:
    return ((path, value, "call"),) if _plain_of(str(key)) in CALL_KEYS and is_call_value(value) else ()


@lru_cache(maxsize=_MOST)
def _rules_of(keys: tuple[Any, ...], read: frozenset[str], is_row: bool) -> tuple[tuple[Any, _Rule], ...]:
    rules = ((key, _rule(str(key), keys, read, is_row)) for key in keys)
    return tuple((key, rule) for key, rule in rules if rule is not None)


def _rule(key: str, beside: Collection[Any], read: frozenset[str], is_row: bool) -> _Rule | None:
    """How the value of a key is accounted for; None: not at all."""
    plain = _plain_of(key)
    if plain in _OPAQUE or plain in _LEFT_OUT:
        return None
    if key in read or plain in read:
        return "walk"
    if is_row and _is_step_key(plain) and key not in MESSAGE_KEYS:
        return "whole"
    if is_row and key in MESSAGE_KEYS:  # of which the reader takes another one, or none
        return "trace"
    if plain in _TURN_KEYS:
        return "trace" if plain in ("value", "text") and (is_row or "content" in beside) else "walk"
    if plain in _SOMETIMES:
        return None if plain == "input" and not is_row else "trace"
    if plain in METADATA_KEYS:
        return "turns" if is_row else None
    return "walk" if _is_id(key) else "whole"


def _is_id(key: str) -> bool:
    """Whether a key is the id of what stands under it (the tree of ChatGPT's exports)."""
    return len(key) > 11 and key.count("-") > 2 and any(map(str.isdigit, key))


def _in_part(text: str, rule: _Rule) -> bool:
    """Whether a part of a text has to stand in the trajectory, not all of it: JSON in an own structure has keys too."""
    if rule != "spoken" or text.lstrip()[:1] not in ("{", "["):
        return rule == "trace"
    try:
        return json.loads(text) is not None
    except (ValueError, RecursionError):
        return False


def _is_steps(path: str, value: Any) -> bool:
    return _holds_turns(value, calls=True) or _is_step_key(_plain_of(path.rpartition(".")[2]))


def _is_step_key(plain: str) -> bool:
    return plain in STEP_KEYS or _STEP_KEY.fullmatch(plain) is not None


_plain_of = lru_cache(maxsize=_MOST)(plain_key)


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
            said = item.items()
            waiting += [inner for key, inner in said if type(inner) is not str or _plain_of(str(key)) not in _LABELS]
        elif kind is list:
            waiting += item
    return found


def _holds_turns(value: Any, calls: bool = False, depth: int = 0) -> bool:
    """Whether a value is, or holds, turns of a conversation or steps of a run; with `calls`, calls too."""
    kind = type(value)
    if depth > 6 or kind not in (str, list, dict):
        return False
    if kind is str:
        try:
            return value.lstrip()[:1] in ("[", "{") and _holds_turns(json.loads(value), calls, depth + 1)
        except (ValueError, RecursionError):
            return False
    if any(type(item) is dict and _is_turn(item) for item in value) if kind is list else calls and is_call_value(value):
        return True
    return any(_holds_turns(item, calls, depth + 1) for item in (value if kind is list else value.values()))


def _is_turn(item: dict[str, Any]) -> bool:
    speaker = next((item[key] for key in ("role", "from") if type(item.get(key)) is str), None)
    if speaker is not None and speaker.lower() in ROLES:
        return True
    keys = item.keys()
    spoken = not _TEXT_KEYS.isdisjoint(keys) and not _SPEAKER_KEYS.isdisjoint(keys)
    stepped = not _CALLED_KEYS.isdisjoint(keys) and not _GIVEN_KEYS.isdisjoint(keys)
    return spoken or stepped or ("tool" in keys and not keys.isdisjoint(ARGUMENT_KEYS))


def said_in(
    trajectory: Trajectory, texts_in: Callable[[Any], Iterable[str]]
) -> Iterator[tuple[Event | Tool, tuple[str, ...]]]:
    """Each event and tool with its texts; `texts_in` finds those of the arguments of a call."""
    for event in trajectory.events:
        if isinstance(event, Call):
            arguments = event.arguments
            yield event, (event.tool, *texts_in(arguments), json.dumps(arguments, ensure_ascii=False))
        else:
            yield event, (event.text,)
    for tool in trajectory.tools:
        yield tool, (tool.name, tool.description, json.dumps(tool.parameters, ensure_ascii=False))


class _Said:
    """The texts of trajectories, for looking up whether a text of the row stands in one."""

    def __init__(self, pieces: Iterable[Trajectory]) -> None:
        texts = [text for piece in pieces for _, given in said_in(piece, _texts) for text in given]
        self._texts = set(texts)
        self._parts = {text for text in texts if len(text) > _SHORT}
        self._whole = "\n".join(texts)

    def holds(self, text: str, in_part: bool) -> bool:
        """Whether a text was said, or something was said that stands in it (ReAct text is taken apart)."""
        text = text.strip()
        if text in (self._whole if len(text) > _SHORT else self._texts):
            return True
        if in_part and (text in self._whole or any(part in text for part in self._parts)):
            return True
        try:
            value = json.loads(text) if text.lstrip()[:1] in ("{", "[") else None
        except (ValueError, RecursionError):
            return False
        parts = _texts(value)
        # Names and types alone (a tool without descriptions) say nothing that could be looked up.
        return value is not None and (bool(parts) or not value) and all(part in self._whole for part in parts)
