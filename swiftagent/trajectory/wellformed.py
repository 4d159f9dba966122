"""One check for every format: order, each result after its call, declared tools, arguments that fit their schema.

`check` returns the trajectory as it is trained, or raises RowError; what was mended, kept or masked is named by code in
`Trajectory.repairs`. codes.json is the one table of codes; the documentation is made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from swiftagent.errors import ConfigError, RowError
from swiftagent.io.words import did_you_mean
from swiftagent.trajectory.order import in_order, settle
from swiftagent.trajectory.prompts import called_tools
from swiftagent.trajectory.schema import faults_of
from swiftagent.trajectory.suspicion import suspicion
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Thought, Tool, Trajectory, with_trained


class Code(NamedTuple):
    """What a code says, what is done by default, and what may be asked for instead."""

    about: str
    default: str
    allowed: tuple[str, ...]


# JSON and not YAML: every command reads it, and a YAML of this size takes some 20 ms.
_TABLE = msgspec.json.decode(Path(__file__).with_name("codes.json").read_bytes())
CODES = {code: Code(row["about"], row["default"], tuple(row["allowed"])) for code, row in _TABLE["codes"].items()}
# No policy can change these: there is nothing to train, or nothing that can be read.
REASONS: dict[str, str] = _TABLE["reasons"]
# What readers mend on the way: done and counted, or by policy a reason to reject.
REPAIRS: dict[str, str] = _TABLE["repairs"]
_MEND = ("repair", "reject")


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


_ALLOWED = {code: about.allowed for code, about in CODES.items()} | dict.fromkeys(REPAIRS, _MEND)


def parse_policy(
    words: Iterable[str],
    allowed: Mapping[str, tuple[str, ...]] = _ALLOWED,
    listed: str = "`swiftagent formats --codes` lists them",
) -> dict[str, str]:
    """`CODE=ACTION` words as a mapping, of the actions that each code is allowed. Raises ConfigError with every problem
    at once."""
    problems: list[str] = []
    on: dict[str, str] = {}
    for word in words:
        code, _, action = word.partition("=")
        if code not in allowed:
            problems.append(f"--on {word}: no policy for {code!r}; {did_you_mean(code, allowed, otherwise=listed)}")
        elif action not in allowed[code]:
            problems.append(f"--on {word}: {code} can be {', '.join(allowed[code])}, not {action!r}")
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
    # Masked and not dropped: its results are still context for what follows.
    if "failed-row" in notes and policy.action("failed-row") == "mask":
        events = tuple(with_trained(event, False) for event in events)
    if not in_order(events):
        events = settle(events, notes, lenient_orphans=policy.action("orphan-observation") == "repair")
    # After the order is settled: what was joined or moved is read as it will be trained.
    if (suspected := suspicion(events, tools)) is not None:
        if policy.action(suspected[0]) == "reject":
            raise RowError(*suspected)
        notes.append(suspected[0])
    if tools:
        events = check_calls(events, tools, policy, notes)
    else:
        if tools := called_tools(events):
            notes.append("inferred-tools")
    if notes:
        _refuse(notes, policy)
    elif events is trajectory.events and type(events[-1]) is Answer and events[-1].trained:
        return trajectory
    return trim(msgspec.structs.replace(trajectory, events=events, tools=tools, repairs=tuple(notes)), policy)


def last_trained_step(events: tuple[Event, ...]) -> int:
    """The index after the last call or answer that is trained; 0 where none is."""
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if isinstance(event, (Call, Answer)) and event.trained:
            return index + 1
    return 0


def trim_untrained_tail(trajectory: Trajectory) -> Trajectory | None:
    """Cut what stands after the last trained step: a masked last turn would still train its end token.

    None where nothing is trained at all.
    """
    end = last_trained_step(trajectory.events)
    return msgspec.structs.replace(trajectory, events=trajectory.events[:end]) if end else None


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
        if any(isinstance(event, (Call, Answer)) for event in trajectory.events):
            raise RowError("failed-row", "every step is marked as failed or not trained, so nothing is left to train")
        raise RowError("nothing-trained", "no call and no answer to train")
    if len(trimmed.events) < len(trajectory.events) and "trimmed-tail" not in trimmed.repairs:
        return msgspec.structs.replace(trimmed, repairs=(*trimmed.repairs, "trimmed-tail"))
    return trimmed


def _refuse(notes: list[str], policy: Policy) -> None:
    """Raise for a note that the policy rejects."""
    for note in notes:
        if note in policy.on and policy.on[note] == "reject":
            raise RowError(note, CODES[note].about if note in CODES else REPAIRS[note])


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
    return mask_steps(events, masked) if masked else events


def mask_steps(events: tuple[Event, ...], places: set[int]) -> tuple[Event, ...]:
    """Mask the calls at these places, each with the thoughts directly before it, which explain the call."""
    changed = list(events)
    for place in places:
        first = place
        while first and isinstance(events[first - 1], Thought):
            first -= 1
        changed[first : place + 1] = [with_trained(event, False) for event in events[first : place + 1]]
    return tuple(changed)
