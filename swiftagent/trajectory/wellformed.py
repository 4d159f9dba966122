"""One check for every format: order, each result after its call, declared tools, arguments that fit their schema.

`check` returns the trajectory as it is trained, or raises RowError; what was mended, kept or masked is named by code in
`Trajectory.repairs`. CODES is the one table of codes, from which the documentation is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from swiftagent.errors import ConfigError, RowError
from swiftagent.io.words import did_you_mean
from swiftagent.trajectory.order import in_order, settle, with_trained
from swiftagent.trajectory.record import trim_untrained_tail
from swiftagent.trajectory.schema import faults_of
from swiftagent.trajectory.suspicion import suspicion
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Thought, Tool, Trajectory, last_trained_step


class Code(NamedTuple):
    """What a code says, what is done by default, and what may be asked for instead."""

    about: str
    default: str
    allowed: tuple[str, ...]


_FAULT = ("keep", "reject", "mask")
_MEND = ("repair", "reject")
CODES: dict[str, Code] = {
    "undeclared-tool": Code(
        "a call names a tool that the row does not declare (only where it declares any)", "reject", _FAULT
    ),
    "missing-argument": Code("a required argument is missing", "keep", _FAULT),
    "unknown-argument": Code("an argument that the schema does not know", "keep", _FAULT),
    "wrong-type": Code("an argument of another type than the schema says", "keep", _FAULT),
    "bad-enum": Code("an argument that is none of the values the schema lists", "keep", _FAULT),
    "schema-fault": Code("arguments break the schema in another way (anyOf, pattern, bounds, ...)", "keep", _FAULT),
    "bad-schema": Code("a tool's schema is itself wrong, so its calls are not checked", "keep", ("keep", "reject")),
    "orphan-observation": Code(
        "a tool result that answers no call; repair leaves it out", "reject", ("reject", "repair")
    ),
    "call-without-result": Code(
        "a call without a result: the last call of a row is what it teaches and is kept (trim cuts it where the "
        "row holds "
        "results); before another step it gets an empty one",
        "keep",
        ("keep", "trim", "repair", "reject"),
    ),
    "unknown-result-id": Code("a result whose call id matches no call; matched by name or order", "repair", _MEND),
    "reused-call-id": Code("a call id that an earlier call of the row has too", "repair", _MEND),
    "starts-with-assistant": Code("an answer before the first question was left out", "repair", _MEND),
    "text-after-call": Code("text between a call and its result was put before the call", "repair", _MEND),
    "thought-without-step": Code(
        "a thought with no call or answer after it became the answer of its turn", "repair", _MEND
    ),
    "merged-turns": Code("neighbouring turns of one role became one", "repair", _MEND),
    "moved-system": Code(
        "a system message that does not come first was moved there; several became one", "repair", _MEND
    ),
    "empty-turn": Code("a turn without any text was left out", "repair", _MEND),
    "failed-row": Code(
        "a row marked as a failure (reward or weight 0, label or success false): masked; "
        "rejected where nothing else is left",
        "mask",
        ("mask", "reject", "keep"),
    ),
    "unread-turns": Code(
        "turns, steps, calls or results stand under a key that no reader reads", "reject", ("reject", "keep")
    ),
    "unread-call": Code("a trained text holds a call that was not read", "reject", ("reject", "keep")),
    "unread-result": Code("a trained text holds what a tool answered", "reject", ("reject", "keep")),
    "lone-surrogate": Code("half of a surrogate pair, written as U+FFFD", "repair", _MEND),
}
# Reasons that no policy can change: there is nothing to train, or nothing that can be read.
REASONS: dict[str, str] = {
    "unknown-format": "no reader recognises the row; `--from` names one",
    "not-json": "the line is no JSON",
    "not-a-conversation": "the row holds no conversation",
    "not-training-data": "questions, gold answers or tools alone, with nothing that a model said",
    "nothing-trained": "no call and no answer that could be trained",
    "no-question": "no user turn stands before the first call",
    "broken-call": "a call that cannot be read",
    "call-without-name": "a call that names no tool",
    "cut-arguments": "arguments that end in the middle",
    "bad-tools": "the declared tools cannot be read",
    "bad-message": "a turn that is no object",
    "unknown-shape": "the row looks like its format, but something in it has another type than there",
    "unknown-role": "a turn whose role is unknown",
    "not-a-record": "a training record whose text does not read back",
    "bug": "an error of this program; the rejects file holds its traceback, and the exit code is 3",
    "reader-failed": "a reader from outside (`--from module:parse`) failed on the row",
}
# What readers mend on the way; done and counted, or a reason to reject.
REPAIRS: dict[str, str] = {
    "python-repr": "a Python literal where JSON belongs",
    "encoded-twice": "JSON inside a JSON string",
    "raw-backslash": "backslashes that JSON does not know as escapes were kept as backslashes",
    "null-arguments": "nulls for parameters that the tool does not have, as Arrow fills them in, were left out",
    "user-call": "calls of tools that the user has, and their results, were left out",
    "aside-turn": "a progress report or a proposed question beside the answer was left out",
    "masked-part": "a turn of which a part is marked as not trained is not trained",
    "cut-thought": "a thought that breaks off at the end of a run was left out",
    "trailing-comma": "a comma before a closing bracket",
    "raw-newline": "a raw newline inside a JSON string",
    "mended-json": "JSON with other faults (single quotes with an apostrophe, missing quotes), mended by json-repair",
    "trailing-text": "text behind the JSON of the arguments was left out",
    "empty-arguments": "no arguments where an object belongs: {}",
    "text-arguments": 'arguments that are plain text became {"input": text}',
    "text-action": 'search[x] became a call with {"input": "x"}',
    "finish-action": "finish[x] became the answer",
    "call-in-text": "an answer that is nothing but calls as text became those calls",
    "joined-results": "one message with the results of several parallel calls was taken apart",
    "joined-observations": "two results in a row for one call became one",
    "result-of-finish": "what stands after finish[x] was left out",
    "stringified-list": "the turns stand in a Python literal inside a string (iic/ms_agent)",
    "trimmed-tail": "what stands after the last trained step was cut",
    "result-of-thought": "what a room answered to a thought (ALFWorld) was left out",
    "input-without-action": "an Action Input with no Action was left out",
    "preferred-answer": "of two answers the preferred one was taken, the rejected one left out",
    "media-left-out": "the row's images, audio or video were left out; "
    "its text is trained with a placeholder where they stood",
    "inferred-tools": "the row declares no tools; they were taken from its calls",
    "type-normalised": "a type name of another dialect (str, dict, list(str), STRING)",
    "required-normalised": "`required` on a property, or as text, was moved to where JSON Schema has it",
    "bare-parameters": "a bare map of parameters became a JSON Schema",
    "flat-parameters": "a list of parameters became a JSON Schema",
    "tool-declared-twice": "two declarations of one tool; the first was taken",
    "dropped-thinking": "reasoning was left out (`--thinking drop`)",
}


class Policy(msgspec.Struct, frozen=True):
    """How rows are read and checked. `format` is a name of the formats table, "auto", or "package.module:parse".

    `on` maps a code to reject, repair, mask or keep; what it does not name has the default of CODES. thinking: keep or
    drop. merge: whether several lines or rows of one conversation become one; without it every row is read for itself,
    at once. step: what every checked row, with its place (file:line, #number where a row holds several), becomes; it
    raises RowError for a row to reject.
    """

    format: str = "auto"
    on: Mapping[str, str] = {}
    thinking: str = "keep"
    merge: bool = True
    step: Any = None  # Callable[[Trajectory, str], Trajectory]; what it notes is counted by its action in `on`

    def action(self, code: str) -> str:
        return self.on.get(code) or (CODES[code].default if code in CODES else "repair")


def parse_policy(words: list[str]) -> dict[str, str]:
    """`CODE=ACTION` words as a mapping. Raises ConfigError with every problem at once."""
    problems: list[str] = []
    on: dict[str, str] = {}
    for word in words:
        code, _, action = word.partition("=")
        allowed = CODES[code].allowed if code in CODES else _MEND if code in REPAIRS else ()
        if not allowed:
            hint = did_you_mean(code, [*CODES, *REPAIRS], otherwise="`swiftagent formats --codes` lists them")
            problems.append(f"--on {word}: no policy for {code!r}; {hint}")
        elif action not in allowed:
            problems.append(f"--on {word}: {code} can be {', '.join(allowed)}, not {action!r}")
        else:
            on[code] = action
    if problems:
        raise ConfigError(problems)
    return on


DEFAULT = Policy()


def check(trajectory: Trajectory, policy: Policy = DEFAULT) -> Trajectory:
    """The trajectory in order, checked, and ending on something trained.

    Raises RowError with the code of the table where it cannot be used, or where the policy says so.
    """
    notes = list(trajectory.repairs)
    events = trajectory.events
    tools = trajectory.tools
    if policy.thinking == "drop" and any(type(event) is Thought for event in events):
        events = tuple(event for event in events if type(event) is not Thought or event.said)
        notes.append("dropped-thinking")
    if "failed-row" in notes and policy.action("failed-row") == "mask":
        events = tuple(with_trained(event, False) for event in events)
    if not in_order(events):
        events = settle(events, notes, lenient_orphans=policy.action("orphan-observation") == "repair")
    suspected = suspicion(events, tools)
    if suspected is not None:
        if policy.action(suspected[0]) == "reject":
            raise RowError(*suspected)
        notes.append(suspected[0])
    if tools:
        events = check_calls(events, tools, policy, notes)
    else:
        tools = _inferred(events)
        if tools:
            notes.append("inferred-tools")
    if notes:
        _refuse(notes, policy)
    elif (
        events is trajectory.events and tools is trajectory.tools and type(events[-1]) is Answer and events[-1].trained
    ):
        return trajectory
    checked = Trajectory(
        events,
        tools,
        trajectory.id,
        trajectory.source,
        trajectory.channel,
        tuple(notes) if notes else trajectory.repairs,
    )
    return trim(checked, policy)


def trim(trajectory: Trajectory, policy: Policy = DEFAULT) -> Trajectory:
    """Cut what stands after the last trained step; by policy, also calls at the end of a row whose earlier calls have
    results.

    A row that holds no result at all, or in which nothing else is trained, always keeps its last calls.
    """
    events = trajectory.events
    ends_open = type(events[-1]) is Call and any(type(event) is Observation for event in events)
    if ends_open and policy.action("call-without-result") == "reject":
        raise RowError("call-without-result", CODES["call-without-result"].about)
    if ends_open and policy.action("call-without-result") in ("trim", "repair"):
        end = len(events)
        while end and type(events[end - 1]) in (Call, Thought):
            end -= 1
        if last_trained_step(events[:end]):
            notes = (*trajectory.repairs, "call-without-result", "trimmed-tail")
            trajectory = msgspec.structs.replace(trajectory, events=events[:end], repairs=notes)
    trimmed = trim_untrained_tail(trajectory)
    if trimmed is None:
        masked = any(isinstance(event, (Call, Answer)) for event in trajectory.events)
        if masked:
            raise RowError(
                "failed-row", "every step is marked as failed or not to be trained, so nothing is left to train"
            )
        raise RowError("nothing-trained", "no call and no answer to train")
    if trimmed is not trajectory and "trimmed-tail" not in trimmed.repairs:
        return msgspec.structs.replace(trimmed, repairs=(*trimmed.repairs, "trimmed-tail"))
    return trimmed


def _refuse(notes: list[str], policy: Policy) -> None:
    """Raise for a note that the policy rejects."""
    for note in notes:
        if note in policy.on and policy.on[note] == "reject":
            raise RowError(note, CODES[note].about if note in CODES else REPAIRS[note])


def _inferred(events: tuple[Event, ...]) -> tuple[Tool, ...]:
    names = dict.fromkeys(event.tool for event in events if type(event) is Call)
    return tuple(Tool(name) for name in names)


def check_calls(
    events: tuple[Event, ...], tools: tuple[Tool, ...], policy: Policy, notes: list[str]
) -> tuple[Event, ...]:
    """Check every call against its tool; returns the events, with calls masked where the policy says mask."""
    masked: set[int] = set()
    for place, event in enumerate(events):
        if type(event) is not Call:
            continue
        for code, _, sentence in faults_of(event, tools):
            action = policy.action(code)
            if action == "reject":
                raise RowError(code, sentence if code == "undeclared-tool" else f"{event.tool}: {sentence}")
            notes.append(code)
            if action == "mask" and event.trained:
                masked.add(place)
    if not masked:
        return events
    return tuple(mask_step(list(events), masked))


def mask_step(events: list[Event], places: set[int]) -> list[Event]:
    """Mask the calls at these places, each with the thoughts directly before it."""
    for place in places:
        events[place] = msgspec.structs.replace(events[place], trained=False)
        before = place - 1
        while before >= 0 and isinstance(events[before], Thought):
            events[before] = msgspec.structs.replace(events[before], trained=False)
            before -= 1
    return events
