"""What only all rows of a file show together: its tools and their schemas, where values come from, which rows say the
same, contradict each other, or belong to another domain. One pass, a few hundred bytes a row."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, takewhile
from typing import Any

import msgspec
import numpy as np
import xxhash

from swiftagent.clean.codes import Finding
from swiftagent.clean.drift import Renames, shape, successor
from swiftagent.clean.values import Given, given_values
from swiftagent.convert.files import parts_for, rows_of
from swiftagent.convert.parts import RowsBelongTogether, whole_conversations
from swiftagent.convert.reading import Policy, read_trajectories
from swiftagent.convert.rows import Job
from swiftagent.errors import ConfigError
from swiftagent.io.jsonl import Row
from swiftagent.io.parts import Part
from swiftagent.io.workers import Workers
from swiftagent.mix.fingerprints import shingles, signature, text_of
from swiftagent.mix.seen import NearDuplicates
from swiftagent.trajectory.content import words
from swiftagent.trajectory.types import Answer, Call, Question, Thought, Tool, Trajectory

_SIMILAR = 0.8  # of two signatures; what `mix` calls near
_COMMON, _FEWEST_ROWS = 0.02, 10  # a tool of the file's majority: this share of its rows, and so many at least
_ENDING = 0.8  # share of rows that end on an answer, from which one that does not is truncated
# The share of grounded values from which one that is not is a fault. That of an argument counts as so many more values
# as there are of it; few values are held to be like those of all arguments of the name, and these like the file's.
_USUALLY, _PRIOR = 0.5, 4
# Rows with a word and a value that nobody said, and their share of the rows with the word, from which it leads there.
_HABIT, _OF_WORD = 3, 0.6
_encode = msgspec.json.Encoder(order="deterministic").encode


class RowFacts(msgspec.Struct, array_like=True):
    """`whole` hashes events and tools; `situation` what stands before the first step, `deed` that step; `words` are
    those of the questions as uint32 hashes."""

    place: str
    whole: int
    signature: bytes
    situation: int
    deed: int
    tools: tuple[str, ...]  # NAME#SHAPE of the declared ones, NAME# of those that are called only
    words: bytes
    calls: int
    is_open: bool  # it ends on a call
    given: list[Given]


class Survey(msgspec.Struct):
    """The facts of some rows, and the tools that they declare by NAME#SHAPE."""

    rows: list[RowFacts] = []
    tools: dict[str, Tool] = {}

    def take(self, row: Trajectory, place: str) -> Trajectory:
        """Note the facts of one row, which stays as it is."""
        calls = [event for event in row.events if isinstance(event, Call)]
        own = {tool.name: f"{tool.name}#{_hash(shape(tool.parameters)):x}" for tool in row.tools}
        names = tuple(dict.fromkeys([*own.values(), *(own.get(call.tool, f"{call.tool}#") for call in calls)]))
        before, deed = _first_step(row)
        asked = {word for event in row.events if isinstance(event, Question) for word in words(event.text)}
        hashed = np.array(sorted(xxhash.xxh32_intdigest(word.encode()) for word in asked), "<u4").tobytes()
        facts = (_hash([row.events, row.tools]), signature(shingles(text_of(row))), _hash(before), _hash(deed))
        is_open = isinstance(row.events[-1], Call)
        self.rows.append(RowFacts(place, *facts, names, hashed, len(calls), is_open, [*given_values(row)]))
        for tool in row.tools:
            if tool.parameters:
                self.tools.setdefault(own[tool.name], tool)
        return row


def _first_step(row: Trajectory) -> tuple[Any, Any]:
    """What stands before the first call, and the calls of that step; an answer may say one thing in many words, so it
    is no deed."""
    events = row.events
    first = next((place for place, event in enumerate(events) if isinstance(event, (Call, Answer))), 0)
    before = [event for event in events[:first] if not isinstance(event, Thought)]
    calls = takewhile(lambda event: isinstance(event, Call), events[first:])
    deed = [[event.tool, event.arguments] for event in calls if isinstance(event, Call)]
    return [before, sorted(tool.name for tool in row.tools)], deed


def _hash(value: Any) -> int:
    return xxhash.xxh3_64_intdigest(_encode(value))


def survey_rows(rows: Iterable[Row], policy: Policy) -> Survey:
    """The facts of every row that can be read; the others are for `convert` to reject."""
    survey = Survey()
    deque(read_trajectories(rows, msgspec.structs.replace(policy, step=survey.take)), maxlen=0)
    return survey


def survey_files(job: Job, workers: Workers, seen: Callable[[int], None] = lambda count: None) -> Survey:
    """The facts of all inputs of a job, by parts where `convert` would read them so. Raises ConfigError."""
    if "-" in job.inputs:
        raise ConfigError("-: clean reads its input twice; write it to a file first")
    try:
        parts = parts_for(job, workers)
        found = workers.in_order(_survey_part, [(part, job.policy) for part in parts])
        surveys = list(found) if len(parts) > 1 else []
    except RowsBelongTogether:
        surveys = []
    whole = Survey()
    for each in surveys or [survey_rows(rows_of(job, seen), job.policy)]:
        whole.rows += each.rows
        whole.tools = {**each.tools, **whole.tools}
    places = [row.place for row in whole.rows]
    if len(set(places)) < len(places):
        raise ConfigError("a file is given twice, or rows of two files have one place; name each file once")
    return whole


def _survey_part(task: tuple[Part, Policy]) -> Survey:
    return survey_rows(whole_conversations(task[0]), task[1])


def majority_tools(survey: Survey) -> dict[str, Tool]:
    """The tools that are common in the file, each as most rows declare it, but for earlier names of others."""
    declared = Counter(key for row in survey.rows for key in row.tools if key in survey.tools)
    totals = Counter(survey.tools[key].name for key in declared.elements())
    fewest = max(_FEWEST_ROWS, _COMMON * sum(bool(row.tools) for row in survey.rows))
    keys = [key for key, count in declared.items() if count >= fewest and 2 * count > totals[survey.tools[key].name]]
    found = {survey.tools[key].name: survey.tools[key] for key in keys}
    beside: dict[str, set[str]] = defaultdict(set)
    for offer in {row.tools for row in survey.rows}:
        # A name without a shape is called and not declared.
        names = {name for name, _, kind in (key.rpartition("#") for key in offer) if kind}
        for name in names & found.keys():
            beside[name] |= names

    def is_outdated(tool: Tool) -> bool:
        apart = found.keys() - beside[tool.name]
        newer = {name: found[name] for name in apart if totals[name] > totals[tool.name]}
        return bool(successor(tool, newer, (), Renames()))

    return {name: tool for name, tool in found.items() if not is_outdated(tool)}


def findings_of_file(survey: Survey, like: Survey | None) -> tuple[dict[str, list[Finding]], list[str]]:
    """Findings by the place of their row, and what could not be judged."""
    rules = (_duplicates, _contradictions, _lengths, _endings, _ungrounded)
    domain = _domain(survey.rows, like)
    found: dict[str, list[Finding]] = defaultdict(list)
    for place, finding in chain(*(rule(survey.rows) for rule in rules), _foreign(*domain) if domain else ()):
        found[place].append(finding)
    unknown = "no domain holds most rows, so none is foreign; --like FILE names rows of the right one"
    return found, [] if domain else [unknown]


def _duplicates(rows: Sequence[RowFacts]) -> Iterator[tuple[str, Finding]]:
    first: dict[int, str] = {}
    near = NearDuplicates(_SIMILAR)
    places: list[str] = []
    for row in rows:
        if row.whole in first:
            yield row.place, Finding("exact-duplicate", "an earlier row says exactly this", {"first": first[row.whole]})
            continue
        first[row.whole] = row.place
        if alike := near.like(row.signature):
            yield row.place, Finding("near-duplicate", "an earlier row says nearly this", {"first": places[alike[0]]})
        else:
            near.add(row.signature)
            places.append(row.place)


def _contradictions(rows: Sequence[RowFacts]) -> Iterator[tuple[str, Finding]]:
    """In one situation the deed of most rows is right; where no deed has most rows, none is known to be."""
    situations: dict[int, list[RowFacts]] = defaultdict(list)
    for row in rows:
        if row.calls:
            situations[row.situation].append(row)
    for alike in situations.values():
        deeds = Counter(row.deed for row in alike)
        most, count = deeds.most_common(1)[0]
        right = most if 2 * count > len(alike) else None
        for row in alike if len(deeds) > 1 else ():
            if row.deed != right:
                others = [other.place for other in alike if other.deed != row.deed]
                evidence = {"other": others[0], "rows": len(alike), "like_this": deeds[row.deed]}
                yield row.place, Finding("contradictory-pair", "another row acts otherwise on the same words", evidence)


def _lengths(rows: Sequence[RowFacts]) -> Iterator[tuple[str, Finding]]:
    counts = [row.calls for row in rows if row.calls]
    limit = max(20.0, 3 * float(np.percentile(counts, 95, method="lower"))) if counts else 0.0
    for row in rows:
        if row.calls > limit:
            yield row.place, Finding("over-long-run", f"{row.calls} calls", {"calls": row.calls, "limit": limit})


def _endings(rows: Sequence[RowFacts]) -> Iterator[tuple[str, Finding]]:
    calling = [row for row in rows if row.calls]
    unfinished = [row for row in calling if row.is_open]
    if len(calling) - len(unfinished) >= _ENDING * len(calling):
        for row in unfinished:
            share = round(1 - len(unfinished) / len(calling), 3)
            yield row.place, Finding("truncated-run", "it ends on a call", {"rows_ending_on_an_answer": share})


def _ungrounded(rows: Sequence[RowFacts]) -> Iterator[tuple[str, Finding]]:
    """Values that stand nowhere before their call, of arguments whose other values usually do."""
    habits = _habits(rows)
    counts: dict[str, Counter[bool]] = defaultdict(Counter)
    found = []
    for row in rows:
        for given in row.given:
            is_known = given.is_grounded or not habits.get(_encode(given.value), set()).isdisjoint(_clues(row, given))
            for name in _wider(given.slot):
                counts[name][is_known] += 1
            found += [] if is_known else [(row.place, given)]
    for place, given in found:
        share = 0.0
        for name in reversed(_wider(given.slot)):
            # Less one: the value itself is no sign of what the others are like.
            share = (counts[name][True] + _PRIOR * share) / (counts[name].total() - 1 + _PRIOR)
        if share >= _USUALLY:
            tool, _, argument = given.slot.partition(".")
            evidence = {"tool": tool, "argument": argument, "value": given.value, "usually": round(share, 3)}
            reason = "the value stands nowhere before the call"
            yield place, Finding("ungrounded-value", reason, evidence, (given.place,))


def _wider(slot: str) -> tuple[str, str, str]:
    """An argument, all of its name, and all of the file."""
    return slot, slot.rpartition(".")[2], ""


def _clues(row: RowFacts, given: Given) -> set[int | str]:
    """What may lead to a value: the words of the questions, and the other arguments of the call."""
    others = [each for each in row.given if each.place == given.place and each.slot != given.slot]
    return {*_words(row), *(f"{each.slot}={each.value}" for each in others)}


def _habits(rows: Sequence[RowFacts]) -> dict[bytes, set[int | str]]:
    """The clues that lead to a value though not every row says it: AAPL, wherever rows speak of Apple."""
    slots: dict[bytes, set[str]] = defaultdict(set)  # where each value is given unsaid
    in_slot: dict[str, dict[bytes, list[tuple[RowFacts, Given]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for given in row.given:
            in_slot[given.slot][value := _encode(given.value)].append((row, given))
            if not given.is_grounded:
                slots[value].add(given.slot)

    def counted(found: Iterable[list[tuple[RowFacts, Given]]], *, unsaid: bool = False) -> Counter[int | str]:
        """In how many rows each clue stands; a word beside a value that is said leads nowhere."""
        of_row: dict[str, set[int | str]] = defaultdict(set)
        for row, given in chain.from_iterable(found):
            of_row[row.place] |= _clues(row, given) - (set(_words(row)) if unsaid and given.is_grounded else set())
        return Counter(chain.from_iterable(of_row.values()))

    @cache  # many values share their arguments
    def there(names: frozenset[str]) -> Counter[int | str]:
        return counted(alike for slot in names for alike in in_slot[slot].values())

    habits = {}
    for value, names in slots.items():
        found = [in_slot[slot][value] for slot in names if value in in_slot[slot]]
        if sum(map(len, found)) >= _HABIT:
            here, all_there = counted(found, unsaid=True), there(frozenset(names))
            habits[value] = {clue for clue, n in here.items() if n >= max(_HABIT, _OF_WORD * all_there[clue])}
    return habits


def _foreign(mine: Sequence[RowFacts], others: Sequence[RowFacts]) -> Iterator[tuple[str, Finding]]:
    """The others whose words are not those of the domain: their mean log-likelihood ratio is not above 0."""
    at_home, outside = (Counter(word for row in side for word in _words(row)) for side in (mine, others))
    share = len(mine) / (len(mine) + len(others))
    for row in others:
        # A word that no other row has is as likely here as there.
        ratios = [
            np.log((at_home[word] + share) / (len(mine) + 1) * (len(others) + 1) / (outside[word] - share))
            for word in _words(row)
        ]
        affinity = float(np.mean(ratios)) if ratios else 1.0
        if affinity <= 0:
            evidence = {"tools": [name.rpartition("#")[0] for name in row.tools[:8]], "words": round(affinity, 2)}
            yield row.place, Finding("foreign-domain", "its tools and words are not those of the rest", evidence)


def _words(row: RowFacts) -> list[int]:
    return list(np.frombuffer(row.words, "<u4").tolist())


def _domain(rows: Sequence[RowFacts], like: Survey | None) -> tuple[list[RowFacts], list[RowFacts]] | None:
    """The rows with tools within and outside the domain of `like`, else the one that more than half of them belong to;
    None where none does."""
    examples = like.rows if like else []
    group = _groups([*rows, *examples])
    if like:
        wanted = {group(row.tools[0]) for row in examples if row.tools}
    else:
        sizes = Counter(group(row.tools[0]) for row in rows if row.tools)
        wanted = {name for name, count in sizes.most_common(1) if 2 * count > sizes.total()}
        # A catalogue of which each row offers a few tools at random hangs together too, and is no domain.
        offered = Counter(name for row in rows for name in row.tools)
        fewest = max(_FEWEST_ROWS, _COMMON * sizes.total())
        common = {name for name, count in offered.items() if count >= fewest}
        if 2 * sum(not common.isdisjoint(row.tools) for row in rows) <= sizes.total():
            return None
    if not wanted:
        return None
    mine = [row for row in [*rows, *examples] if row.tools and group(row.tools[0]) in wanted]
    return mine, [row for row in rows if row.tools and group(row.tools[0]) not in wanted]


def _groups(rows: Sequence[RowFacts]) -> Callable[[str], int]:
    """Tools that rows offer together are one group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = {name: index for index, name in enumerate(dict.fromkeys(name for row in rows for name in row.tools))}
    pairs = [(number[row.tools[0]], number[name]) for row in rows for name in row.tools]
    graph = coo_array((np.ones(len(pairs)), np.array(pairs).reshape(-1, 2).T), shape=(len(number), len(number)))
    groups = connected_components(graph)[1] if pairs else []
    return lambda name: int(groups[number[name]])
