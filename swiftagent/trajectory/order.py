"""The order that every trajectory has: one system text, then turns of a question and steps; and how a broken order is
settled.

A step is thoughts, then calls, then one result for each call; or thoughts, then the answer, which ends the turn.
"""

from __future__ import annotations

from swiftagent.errors import RowError
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought

_START, _ASKED, _THINKING, _CALLING, _WAITING, _DONE = range(6)


def in_order(events: tuple[Event, ...]) -> bool:  # noqa: C901 (one table of states, read from top to bottom)
    """Whether the events stand in order already; calls at the end may lack their results."""
    state = _START
    open_calls: list[str] = []
    said = False
    for place, event in enumerate(events):
        kind = type(event)
        if kind is Observation:
            if state not in (_CALLING, _WAITING) or event.call_id not in open_calls:  # type: ignore[union-attr]
                return False
            open_calls.remove(event.call_id)  # type: ignore[union-attr]
            state = _WAITING
        elif open_calls and not (kind is Call and state == _CALLING):
            return False
        elif kind is Question:
            if state not in (_START, _DONE):
                return False
            state = _ASKED
        elif kind is System:
            if place:
                return False
        elif state in (_START, _DONE):
            return False
        elif kind is Call:
            open_calls.append(event.id)  # type: ignore[union-attr]
            state = _CALLING
        elif kind is Answer:
            # Text to the user and an answer are one turn.
            if state == _THINKING and said:
                return False
            state = _DONE
        else:
            if state == _THINKING and (said or not event.said):  # type: ignore[union-attr]
                return False
            said = event.said  # type: ignore[union-attr]
            state = _THINKING
    return state in (_DONE, _CALLING, _WAITING)


def settle(events: tuple[Event, ...], notes: list[str], lenient_orphans: bool = False) -> tuple[Event, ...]:
    """The events in order, each thing that was done named in `notes`.

    Raises RowError: orphan-observation, no-question, nothing-trained.
    """
    settled = _system_first(list(events), notes)
    settled = _without_orphans(settled, notes, lenient_orphans)
    settled = _results_after_calls(settled, notes)
    settled = _one_event_a_turn(settled, notes)
    settled = _start_with_question(settled, notes)
    if not any(isinstance(event, (Call, Answer)) for event in settled):
        raise RowError("nothing-trained", "no call and no answer to train")
    return tuple(settled)


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
    steps = _Steps(events, notes)
    for event in events:
        steps.take(event)
    steps.close(None)
    return steps.settled


class _Steps:
    """Takes events one by one; the calls of the step that is open wait for their results."""

    def __init__(self, events: list[Event], notes: list[str]) -> None:
        self.settled: list[Event] = []
        self._notes = notes
        self._results = {event.call_id: event for event in events if isinstance(event, Observation)}
        self._calls: list[Call] = []  # of the open step
        self._waiting: set[str] = set()  # ids of them whose result is still to come
        self._late: list[Event] = []  # thoughts and answers between a call and its result

    def take(self, event: Event) -> None:
        if isinstance(event, Observation):
            self._waiting.discard(event.call_id)
        elif self._waiting and isinstance(event, (Thought, Answer)):
            self._late.append(event)
        else:
            if not (isinstance(event, Call) and self._is_same_step()):
                self.close(event)
            self.settled.append(event)
            if isinstance(event, Call):
                self._calls.append(event)
                self._waiting |= {event.id} & self._results.keys()

    def _is_same_step(self) -> bool:
        return not self._late and all(call.id in self._waiting or call.id not in self._results for call in self._calls)

    def close(self, follows: Event | None) -> None:
        """The step is over: its results are set behind its calls, what stood between goes before them."""
        if not self._calls:
            return
        answered = any(call.id in self._results for call in self._calls)
        if self._late and answered:
            # Models write such text before the call takes effect, so it is what explains the call.
            self._notes.append("text-after-call")
            at = next(place for place, event in enumerate(self.settled) if event is self._calls[0])
            self.settled[at:at] = [Thought(e.text, True, e.trained) if isinstance(e, Answer) else e for e in self._late]
            self._late = []
        # In ReAct text a further step without a result would train the model to go on without waiting.
        needs_result = answered or bool(self._late) or (follows is not None and not isinstance(follows, Question))
        for call in self._calls:
            if call.id in self._results:
                self.settled.append(self._results[call.id])
                continue
            if needs_result:
                self.settled.append(Observation("", call.id))
            if needs_result or follows is not None:
                self._notes.append("call-without-result")
        self.settled += self._late
        self._calls, self._late, self._waiting = [], [], set()


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
        if isinstance(before, Thought) and isinstance(event, Thought) and (before.said or not event.said):
            settled[-1] = Thought(
                f"{before.text}\n\n{event.text}", before.said and event.said, before.trained and event.trained
            )
            _join_with_earlier(settled)
            continue
        if isinstance(before, Thought) and not isinstance(event, (Thought, Call, Answer)):
            _thought_as_answer(settled, notes)
        settled.append(event)
    if settled and isinstance(settled[-1], Thought):
        _thought_as_answer(settled, notes)
    return settled


def _join_with_earlier(settled: list[Event]) -> None:
    """After a join there may be two thoughts of one kind side by side."""
    if len(settled) < 2:
        return
    first, last = settled[-2], settled[-1]
    if isinstance(first, Thought) and isinstance(last, Thought) and first.said == last.said:
        settled[-2:] = [Thought(f"{first.text}\n\n{last.text}", last.said, first.trained and last.trained)]


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
