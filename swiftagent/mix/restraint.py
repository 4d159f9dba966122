"""Rows that teach restraint, made from the user's own rows: the right tool is gone, another stands in its place, or
what the tool needs was never said. The answer declines or asks. They are synthetic, and the manifest says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from swiftagent.mix.sample import key_of, seed_of
from swiftagent.trajectory.content import content_hash
from swiftagent.trajectory.react import language_of
from swiftagent.trajectory.types import Answer, Call, Event, Question, System, Tool, Trajectory

CHANNEL = "no-call"
_SEED = seed_of("no-call")


class _Texts(msgspec.Struct, frozen=True):
    """Sentences by language, and the tools that take a right one's place."""

    decline: dict[str, tuple[str, ...]]
    ask: dict[str, tuple[str, ...]]
    request: dict[str, tuple[str, ...]]
    other_tools: tuple[Tool, ...]


_TEXTS = msgspec.json.decode(Path(__file__).with_name("restraint.json").read_bytes(), type=_Texts)


def restraint_rows(row: Trajectory, share: float) -> Iterator[tuple[str, Trajectory]]:
    """(kind, row) for about a share of the rows that call a tool in their first turn; the same row is always chosen or
    never."""
    # Declining teaches nothing where there are no tools to decline with.
    if not share or not row.tools:
        return
    first, calls = _first_turn(row.events)
    # From the content and not from a generator: any process, part or order makes the same choice.
    dice = key_of(content_hash(row).to_bytes(8, "big"), _SEED)
    if first is None or not calls or dice >= share * 2**64:
        return
    made = (_tool_taken_away, _tool_swapped, _parameter_missing)
    # Where the row does not allow the kind that fell to it, the next one is tried.
    for turn in range(3):
        found = made[(dice + turn) % 3](row, first, calls, dice // 3)
        if found is not None:
            kind, tools, *asked = found
            events = (*(event for event in row.events if isinstance(event, System)), *asked)
            about = {"id": f"{row.id}-{kind}" if row.id else kind, "channel": CHANNEL, "repairs": ()}
            yield kind, msgspec.structs.replace(row, events=events, tools=tools, **about)
            return


_Made = tuple[str, tuple[Tool, ...], Question, Answer]


def _tool_taken_away(row: Trajectory, first: Question, calls: set[str], dice: int) -> _Made | None:
    left = tuple(tool for tool in row.tools if tool.name not in calls)
    return ("tool-taken-away", left, first, _declined(first, left, dice)) if left else None


def _tool_swapped(row: Trajectory, first: Question, calls: set[str], dice: int) -> _Made | None:
    names = {tool.name for tool in row.tools}
    others = [tool for tool in _TEXTS.other_tools if tool.name not in names]
    if not others:
        return None
    tools = tuple(
        others[(dice + index) % len(others)] if tool.name in calls else tool for index, tool in enumerate(row.tools)
    )
    tools = tuple({tool.name: tool for tool in tools}.values())
    return "tool-swapped", tools, first, _declined(first, tools, dice)


def _parameter_missing(row: Trajectory, first: Question, calls: set[str], dice: int) -> _Made | None:
    """A request that names the task and nothing that the tool needs for it."""
    tool = next((tool for tool in row.tools if tool.name in calls), None)
    needed = _needed(tool) if tool is not None else []
    if tool is None or not needed:
        return None
    language = language_of(first.text)
    question = _pick(_TEXTS.request[language], dice).format(task=_task(tool))
    answer = _pick(_TEXTS.ask[language], dice // 7).format(needed=("、" if language == "zh" else ", ").join(needed))
    return "parameter-missing", row.tools, Question(question), Answer(answer)


def _first_turn(events: tuple[Event, ...]) -> tuple[Question | None, set[str]]:
    questions = [place for place, event in enumerate(events) if isinstance(event, Question)]
    turn = events[: questions[1]] if len(questions) > 1 else events
    first = next((event for event in turn if isinstance(event, Question)), None)
    return first, {event.tool for event in turn if isinstance(event, Call)}


def _declined(question: Question, tools: tuple[Tool, ...], dice: int) -> Answer:
    language = language_of(question.text)
    offered = ("；" if language == "zh" else "; ").join(_task(tool) for tool in tools[:5])
    return Answer(_pick(_TEXTS.decline[language], dice).format(tools=offered))


def _needed(tool: Tool) -> list[str]:
    """What the tool cannot do without, in words where its schema has some."""
    required = tool.parameters.get("required")
    properties = tool.parameters.get("properties")
    if not isinstance(required, list) or not isinstance(properties, dict):
        return []
    named = []
    # More than three would read as a form and not as a question.
    for name in required[:3]:
        about = properties.get(name)
        text = about.get("description") if isinstance(about, dict) else None
        said = _sentence(text) if isinstance(text, str) else ""
        named.append(said if 0 < len(said) <= 60 else str(name).replace("_", " "))
    return named


def _task(tool: Tool) -> str:
    """What a tool does, in a few words: its description's first sentence, else its name."""
    about = _sentence(tool.description)
    # ms-agent's descriptions open so for every tool, which says nothing of this one.
    boilerplate = about.lower().startswith("call this tool")
    return about if 0 < len(about) <= 120 and not boilerplate else re.sub(r"[_\W]+", " ", tool.name).strip()


def _sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s|[。！？\n]", text.strip(), maxsplit=1)[0].strip().rstrip(".。")


def _pick(choices: tuple[str, ...], dice: int) -> str:
    return choices[dice % len(choices)]
