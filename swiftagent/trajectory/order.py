"""The order that every trajectory has: one system text, then turns of a question and steps; and how a broken order is
settled.

A step is thoughts, then calls, then one result for each call; or thoughts, then the answer, which ends the turn.
"""

from __future__ import annotations

import re

from swiftagent.errors import RowError
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought

# One letter an event, t for a thought that was said: turns that end in an answer, the last one perhaps in calls.
_LETTERS = {System: "S", Question: "Q", Thought: "T", Call: "C", Observation: "O", Answer: "A"}
# One call at a time: were it a run of calls, one text could be read in as many ways as there are ways to cut the runs.
_ORDER = re.compile(r"S?(?:Q(?:T?t?CO*)*(?:T?A|(?<=[CO])\Z))+")


def in_order(events: tuple[Event, ...]) -> bool:
    """Whether the events stand in order already; calls at the end may lack their results."""
    letters = "".join(["t" if type(event) is Thought and event.said else _LETTERS[type(event)] for event in events])
    if _ORDER.fullmatch(letters) is None:
        return False
    open_calls: list[str] = []
    for event, before in zip(events, " " + letters, strict=False):
        if isinstance(event, Observation):
            if event.call_id not in open_calls:
                return False
            open_calls.remove(event.call_id)
        elif open_calls and not (before == "C" and isinstance(event, Call)):
            return False
        elif isinstance(event, Call):
            open_calls.append(event.id)
    return True


def settle(events: tuple[Event, ...], notes: list[str], lenient_orphans: bool = False) -> tuple[Event, ...]:
    """The events in order, each thing that was done named in `notes`.

    Raises RowError: orphan-observation, no-question, nothing-trained.
    """
    settled = _system_first(list(events), notes)
    settled = _without_orphans(settled, notes, lenient_orphans)
    settled = _results_after_calls(settled, notes)
    settled = _one_event_a_turn(settled, notes)
    return tuple(_start_with_question(settled, notes))


def _system_first(events: list[Event], notes: list[str]) -> list[Event]:
    # ms-swift's templates render one system message, and at the start only.
    texts = [event.text for event in events if isinstance(event, System)]
    if not texts or (len(texts) == 1 and isinstance(events[0], System)):
        return events
    notes.append("moved-system")
    return [System("\n\n".join(dict.fromkeys(texts))), *(event for event in events if not isinstance(event, System))]


def _without_orphans(events: list[Event], notes: list[str], lenient: bool) -> list[Event]:
    """Every result answers one call that stands before it; a result that does not is refused, or left out where
    lenient."""
    known: set[str] = set()
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Call):
            known.add(event.id)
        if isinstance(event, Observation):
            if event.call_id not in known:
                # Left out silently, the row would train an answer whose source nobody sees.
                if not lenient:
                    raise RowError("orphan-observation", f"tool result {event.text[:40]!r} answers no call")
                notes.append("orphan-observation")
                continue
            known.remove(event.call_id)
        kept.append(event)
    return kept


def _results_after_calls(events: list[Event], notes: list[str]) -> list[Event]:
    """Each step's results directly behind its calls; a call that another step follows without a result gets an empty
    one."""
    results = {event.call_id: event for event in events if isinstance(event, Observation)}
    settled: list[Event] = []
    calls: list[Call] = []  # of the open step
    waiting: set[str] = set()  # ids of them whose result is still to come
    late: list[Event] = []  # thoughts and answers between a call and its result
    for event in [*events, None]:
        if isinstance(event, Observation):
            waiting.discard(event.call_id)
        elif waiting and isinstance(event, (Thought, Answer)):
            late.append(event)
        else:
            answered = (results.keys() & {call.id for call in calls}) - waiting
            is_same_step = isinstance(event, Call) and not late and not answered
            if calls and not is_same_step:
                settled += _step(calls, late, results, event, notes)
                calls, late, waiting = [], [], set()
            if isinstance(event, Call):
                calls.append(event)
                waiting |= {event.id} & results.keys()
            elif event is not None:
                settled.append(event)
    return settled


def _step(
    calls: list[Call], late: list[Event], results: dict[str, Observation], follows: Event | None, notes: list[str]
) -> list[Event]:
    """The calls of a step and their results; what stood between goes before them."""
    # Models write such text before the call takes effect, so it is what explains the call.
    if late:
        notes.append("text-after-call")
    said = [Thought(event.text, True, event.trained) if isinstance(event, Answer) else event for event in late]
    given: list[Event] = []
    # In ReAct text a further step without a result would train the model to go on without waiting.
    needs_result = any(call.id in results for call in calls) or not isinstance(follows, (Question, type(None)))
    for call in calls:
        if call.id in results or needs_result:
            given.append(results.get(call.id) or Observation("", call.id))
        if call.id not in results and (needs_result or follows is not None):
            notes.append("call-without-result")
    return [*said, *calls, *given]


def _one_event_a_turn(events: list[Event], notes: list[str]) -> list[Event]:
    """Neighbouring questions, answers and thoughts become one; text before a call is a thought that was said."""
    settled: list[Event] = []
    for event in events:
        before = settled[-1] if settled else None
        if isinstance(event, Question) and isinstance(before, Question):
            notes.append("merged-turns")
            settled[-1] = Question(f"{before.text}\n\n{event.text}")
            continue
        if isinstance(event, Answer) and (isinstance(before, Answer) or (isinstance(before, Thought) and before.said)):
            notes.append("merged-turns")
            settled[-1] = Answer(f"{before.text}\n\n{event.text}", before.trained and event.trained)
            continue
        if isinstance(before, Answer) and isinstance(event, (Call, Thought)):
            settled[-1] = before = Thought(before.text, True, before.trained)
        while isinstance(before, Thought) and isinstance(event, Thought) and (before.said or not event.said):
            text, is_said = f"{before.text}\n\n{event.text}", before.said and event.said
            event = Thought(text, is_said, before.trained and event.trained)
            settled.pop()
            before = settled[-1] if settled else None
        if isinstance(before, Thought) and not isinstance(event, (Thought, Call, Answer)):
            _thought_as_answer(settled, notes)
        settled.append(event)
    if settled and isinstance(settled[-1], Thought):
        _thought_as_answer(settled, notes)
    return settled


def _thought_as_answer(settled: list[Event], notes: list[str]) -> None:
    thought = settled[-1]
    if isinstance(thought, Thought):
        # Beside reasoning the said text was the answer all along, so nothing is repaired.
        if not (len(settled) > 1 and isinstance(settled[-2], Thought)):
            notes.append("thought-without-step")
        settled[-1] = Answer(thought.text, thought.trained)


def _start_with_question(events: list[Event], notes: list[str]) -> list[Event]:
    start = 1 if events and isinstance(events[0], System) else 0
    first = next((place for place, event in enumerate(events) if isinstance(event, Question)), None)
    if first == start:
        return events
    # Calls that nobody asked for cannot be left out: later steps rest on their results.
    if first is None or any(isinstance(event, Call) for event in events[start:first]):
        if not any(isinstance(event, (Call, Answer)) for event in events):
            raise RowError("nothing-trained", "no call and no answer to train")
        raise RowError("no-question", "no user turn stands before the first step")
    notes.append("starts-with-assistant")
    return events[:start] + events[first:]
