"""What a tuned model did on a question, judged by rule, and the training row that follows from it.

A step is judged against gold where there is gold, else by the user's own check, else by agreement: the same calls, all
of which ran, in most of the tries. No language model judges.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice

import msgspec

from swiftagent.scores.calls import same_call
from swiftagent.trajectory.schema import faults_of
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Thought, Trajectory
from swiftagent.trajectory.wellformed import mask_steps

Check = Callable[[str, list[dict[str, object]], str], bool]  # question, calls, answer -> whether the run is right


class Try(msgspec.Struct):
    """One run on a question: the events after it; `failed`: the ids of calls that ended in an error; `tokens`: those
    written."""

    events: list[Event]
    failed: list[str] = []
    finished: bool = True
    tokens: int = 0

    @property
    def calls(self) -> list[Call]:
        return [event for event in self.events if isinstance(event, Call)]


class Judgement(msgspec.Struct, frozen=True):
    """reason: right, wrong-call, schema, failed-call, check, no-answer or no-agreement. first_wrong: the place of the
    first wrong event of a try."""

    reason: str
    first_wrong: int = 0

    @property
    def right(self) -> bool:
        return self.reason == "right"


def judge(row: Trajectory, tries: Sequence[Try], check: Check | None = None) -> list[Judgement]:
    """A verdict for each try. row: the question, with gold behind it where that is known."""
    gold = [event for event in row.events[len(asked(row)) :] if isinstance(event, Call)]
    agreed = Counter(_names(each) for each in tries if not each.failed)
    winner = next((calls for calls, times in agreed.most_common(1) if times * 2 > len(tries)), None)
    verdicts = []
    for each in tries:
        verdict = _by_rule(row, each)
        if verdict.right and gold:
            verdict = _against(gold, each)
        elif verdict.right and check is None and _names(each) != winner:
            verdict = Judgement("no-agreement")
        if verdict.right and check is not None and not _passes(check, row, each):
            verdict = Judgement("check")
        verdicts.append(verdict)
    return verdicts


def asked(row: Trajectory) -> tuple[Event, ...]:
    """The row up to its first step: what the model sees."""
    end = next((place for place, event in enumerate(row.events) if isinstance(event, (Thought, Call, Answer))), None)
    return row.events[:end]


def _by_rule(row: Trajectory, each: Try) -> Judgement:
    """Calls of declared tools with arguments that fit, none of which failed, to an end."""
    for place, event in enumerate(each.events):
        if isinstance(event, Call):
            if event.id in each.failed:
                return Judgement("failed-call", place)
            if any(code != "bad-schema" for code, *_ in faults_of(event, row.tools)):
                return Judgement("schema", place)
    return Judgement("right") if each.finished else Judgement("no-answer", len(each.events))


def _against(gold: Sequence[Call], each: Try) -> Judgement:
    """The same calls as gold, each once, in any order."""
    left = list(gold)
    for place, event in enumerate(each.events):
        if not isinstance(event, Call):
            continue
        same = next((call for call in left if same_call(call, event)), None)
        if same is None:
            return Judgement("wrong-call", place)
        left.remove(same)
    return Judgement("wrong-call", len(each.events)) if left else Judgement("right")


def _passes(check: Check, row: Trajectory, each: Try) -> bool:
    question = next((event.text for event in reversed(asked(row)) if hasattr(event, "text")), "")
    calls = [{"tool": call.tool, "arguments": call.arguments} for call in each.calls]
    return bool(check(question, calls, next((e.text for e in each.events if isinstance(e, Answer)), "")))


def _names(each: Try) -> str:
    return json.dumps([[call.tool, call.arguments] for call in each.calls], sort_keys=True, ensure_ascii=False)


def lesson(row: Trajectory, tries: Sequence[Try], verdicts: Sequence[Judgement]) -> tuple[str, Trajectory] | None:
    """What is to be learnt from a question: (kind, training row), None for nothing.

    Where a try was wrong and gold is known, gold is taught: behind the wrong call and its result, untrained, where the
    call ran ("corrected"), else at once ("taught"). Else a right try, the model's own words, is kept ("kept").
    """
    context = asked(row)
    gold = row.events[len(context) :]
    wrong = next((pair for pair in zip(tries, verdicts, strict=True) if not pair[1].right), None)
    if wrong is not None and any(isinstance(event, Call) for event in gold):
        seen, left = _until_wrong(*wrong, gold)
        kind = "corrected" if seen else "taught"
        return kind, _row(row, (*context, *seen, *(map(_renamed, left) if seen else left)))
    right = next((each for each, verdict in zip(tries, verdicts, strict=True) if verdict.right), None)
    return None if right is None else ("kept", _row(row, (*context, *right.events)))


def most_to_learn(found: list[tuple[str, Trajectory]]) -> list[tuple[str, Trajectory]]:
    """The lessons of wrong tries, and of right ones as many, since what the model can do already teaches little; all
    where none is of a wrong try, as where no gold is known."""
    wrong = [each for each in found if each[0] != "kept"]
    return [*wrong, *islice((each for each in found if each[0] == "kept"), len(wrong) or None)]


def _until_wrong(each: Try, verdict: Judgement, gold: Sequence[Event]) -> tuple[list[Event], Sequence[Event]]:
    """The run up to its first wrong call and that call's result, both masked with the thought before it, and what is
    left of gold; nothing and all of gold where the call never ran or the calls before it are not gold's in order."""
    place = verdict.first_wrong
    call = each.events[place] if place < len(each.events) else None
    if not isinstance(call, Call):
        return [], gold
    answers = (event for event in each.events[place:] if isinstance(event, Observation))
    result = next((event for event in answers if event.call_id == call.id), None)
    before = [event for event in each.events[:place] if isinstance(event, Call)]
    left = _after(gold, before)
    if result is None or left is None:
        return [], gold
    return [*mask_steps(tuple(each.events[: place + 1]), {place}), result], left


def _after(gold: Sequence[Event], calls: Sequence[Call]) -> Sequence[Event] | None:
    """Gold behind its first calls, which these are; None where they are not, or their results stand further on."""
    own = [(place, event) for place, event in enumerate(gold) if isinstance(event, Call)]
    if len(own) <= len(calls) or not all(same_call(event, call) for (_, event), call in zip(own, calls, strict=False)):
        return None
    end = own[len(calls) - 1][0] + 1 if calls else 0
    while isinstance(gold[end], Observation):
        end += 1
    known = {event.id for _, event in own[len(calls) :]}
    aside = any(isinstance(event, Observation) and event.call_id not in known for event in gold[end:])
    return None if aside else gold[end:]


def _renamed(event: Event) -> Event:
    """A call or result of gold with an id that no event of a run has."""
    if isinstance(event, Call):
        return msgspec.structs.replace(event, id=f"g-{event.id}")
    return msgspec.structs.replace(event, call_id=f"g-{event.call_id}") if isinstance(event, Observation) else event


def _row(row: Trajectory, events: tuple[Event, ...]) -> Trajectory:
    return msgspec.structs.replace(row, events=events, channel="agent")
