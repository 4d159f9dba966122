"""Questions with known answers, made of a user's own training rows: the values of a call are exchanged for others.

A call's values that stand in the question ("Oslo", "Friday") are replaced there, in the thought before the call and in
its arguments, by values that other rows give the same parameter; the tools that stand beside those it calls are
exchanged for others. The row ends with its first calls: what a tool would answer for the new values is known to nobody.
Nothing of the evaluation set is asked: no question of it, no call of it, and no wording of it that training does not
have.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from swiftagent.scores.calls import DecisionPoint, steps_of
from swiftagent.trajectory.react import language_of
from swiftagent.trajectory.types import Call, Event, Json, Question, Thought, Tool, Trajectory

_VARIANTS = 4  # of one row at most, so that no wording fills the questions


class Questions(msgspec.Struct):
    """What may be asked: rows that end with their gold, and why other rows are not asked, counted."""

    rows: list[Trajectory]
    left_out: Counter[str]


class NeverAsked:
    """What no question may hold: the questions, calls and wordings of an evaluation set."""

    def __init__(self, gold: Sequence[Trajectory], training: Iterable[Trajectory]) -> None:
        events = [event for row in gold for event in row.events]
        self._texts = {_plain(event.text) for event in events if isinstance(event, Question)}
        self._calls = {_name(event) for event in events if isinstance(event, Call) and event.arguments}
        self._wordings = {*map(wording_of, gold)} - {*map(wording_of, training)}

    def refuses(self, row: Trajectory) -> str:
        """Why a row is not asked, "" where it may be."""
        for event in row.events:
            if isinstance(event, Question) and _plain(event.text) in self._texts:
                return "held-out-question"
            if isinstance(event, Call) and _name(event) in self._calls:
                return "held-out-values"
        return "held-out-wording" if wording_of(row) in self._wordings else ""


def ask(
    training: Sequence[Trajectory], gold: Sequence[Trajectory], count: int, seed: int, own: Sequence[Trajectory] = ()
) -> Questions:
    """`count` questions with gold: `own` rows as they are, else training rows with exchanged values."""
    held_out = NeverAsked(gold, training)
    found = Questions([], Counter())
    known = set() if own else {_questions(row) for row in training}
    per_row: Counter[str] = Counter()
    per_tool: Counter[str] = Counter()
    most = max(_VARIANTS, 2 * count // max(1, len({_first_tool(row) for row in training} - {""})))
    for number, row in enumerate(own or _varied(training, random.Random(seed))):
        if len(found.rows) == count:
            break
        mark = _questions(row)
        reason = held_out.refuses(row) or ("asked-already" if mark in known else "")
        if not own and not reason:
            reason = "enough-of-this-row" if per_row[row.source] >= _VARIANTS else ""
            reason = reason or ("enough-of-this-tool" if per_tool[_first_tool(row)] >= most else "")
        if reason:
            found.left_out[reason] += 1
            continue
        known.add(mark)
        per_row[row.source] += 1
        per_tool[_first_tool(row)] += 1
        found.rows.append(msgspec.structs.replace(row, id=f"{row.id or 'row'}-asked{number}"))
    return found


def _first_tool(row: Trajectory) -> str:
    return next((event.tool for event in row.events if isinstance(event, Call)), "")


def _varied(training: Sequence[Trajectory], dice: random.Random) -> Iterator[Trajectory]:
    """Rows with exchanged values, in random order, round after round until a round brings none."""
    values, beside = _values(training), _offered_beside(training)
    sizes = [len(row.tools) for row in training if row.tools]
    rows = [(row, step) for row in training for step in list(steps_of(row))[:1] if step.calls and row.is_agentic]
    for _ in range(_VARIANTS):
        dice.shuffle(rows)
        for row, step in rows:
            if (varied := exchanged(row, step, values, dice)) is not None:
                yield _with_other_tools(varied, beside, dice.choice(sizes), dice)


_Values = dict[tuple[str, str, str], list[Json]]
_Beside = dict[str, dict[str, Tool]]


def _values(rows: Iterable[Trajectory]) -> _Values:
    """What each parameter of each tool is given, by language, in the order of the rows."""
    found: dict[tuple[str, str, str], dict[str, Json]] = defaultdict(dict)
    for row in rows:
        for event in row.events:
            if isinstance(event, Call) and isinstance(event.arguments, dict):
                for name, value in event.arguments.items():
                    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                        found[event.tool, name, language_of(str(value))][str(value)] = value
    return {key: list(by_text.values()) for key, by_text in found.items()}


def _offered_beside(rows: Iterable[Trajectory]) -> _Beside:
    """Called tool: the tools that some row offered with it and did not call, so that the choice is known."""
    found: _Beside = defaultdict(dict)
    for row in rows:
        called = _called(row)
        for name in called:
            found[name] |= {tool.name: tool for tool in row.tools if tool.name not in called}
    return found


def _called(row: Trajectory) -> set[str]:
    return {event.tool for event in row.events if isinstance(event, Call)}


def _with_other_tools(row: Trajectory, beside: _Beside, size: int, dice: random.Random) -> Trajectory:
    """The row with its own number of tools or another row's greater one, in another order: those that it calls, and
    others that stood beside them before."""
    called = _called(row)
    own = [tool for tool in row.tools if tool.name in called]
    others = [beside[name] for name in sorted(called)]
    known = sorted(set.intersection(*map(set, others)) - called)
    chosen = dice.sample(known, min(len(known), max(size, len(row.tools)) - len(own)))
    tools = [*own, *(others[0][name] for name in chosen)]
    return msgspec.structs.replace(row, tools=tuple(dice.sample(tools, len(tools))))


def exchanged(row: Trajectory, step: DecisionPoint, values: _Values, dice: random.Random) -> Trajectory | None:
    """The row up to its first calls with other values; None where no value of a call stands in the question."""
    calls, texts = step.calls, {}
    question = "\n".join(event.text for event in step.context if isinstance(event, Question))
    for call in calls:
        for name, value in call.arguments.items() if isinstance(call.arguments, dict) else ():
            text = str(value)
            others = values.get((call.tool, name, language_of(text)), [])
            if text and text not in texts and re.search(_bounded(text), question) and len(others) > 1:
                texts[text] = dice.choice([other for other in others if str(other) != text])
    # One value inside another ("5" in "15 May") would be replaced twice.
    if not texts or any(old != other and old in other for old in texts for other in texts):
        return None
    end = max(place for place, event in enumerate(row.events, 1) if place > len(step.context) and event in calls)
    return msgspec.structs.replace(row, events=tuple(_with(event, texts) for event in row.events[:end]), repairs=())


def _with(event: Event, texts: dict[str, Json]) -> Event:
    if isinstance(event, Call):
        arguments = event.arguments
        if isinstance(arguments, dict):
            arguments = {name: texts.get(str(value), value) for name, value in arguments.items()}
        return msgspec.structs.replace(event, arguments=arguments)
    if isinstance(event, (Question, Thought)):
        pattern = "|".join(map(_bounded, sorted(texts, key=len, reverse=True)))
        return msgspec.structs.replace(event, text=re.sub(pattern, lambda found: str(texts[found[0]]), event.text))
    return event


def _bounded(value: str) -> str:
    """A pattern that finds a value as a word of its own; Chinese has no spaces around words."""
    word = re.escape(value)
    before = r"(?<![A-Za-z0-9])" if value[0].isascii() and value[0].isalnum() else ""
    return before + word + (r"(?![A-Za-z0-9])" if value[-1].isascii() and value[-1].isalnum() else "")


def wording_of(row: Trajectory) -> str:
    """The questions of a row with every value of its calls as one mark."""
    text = _questions(row)
    arguments = [event.arguments for event in row.events if isinstance(event, Call)]
    values = [str(value) for each in arguments if isinstance(each, dict) for value in each.values()]
    for value in sorted(filter(None, map(_plain, values)), key=len, reverse=True):
        text = re.sub(_bounded(value), "\u2022", text)
    return text


def _questions(row: Trajectory) -> str:
    return _plain("\n".join(event.text for event in row.events if isinstance(event, Question)))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _name(call: Call) -> str:
    return json.dumps([call.tool, call.arguments], sort_keys=True, ensure_ascii=False)
