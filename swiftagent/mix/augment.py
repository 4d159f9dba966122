"""The same conversation with other tool names, another order of tools, shorter descriptions or another prompt style: a
model trained on one spelling of tools does not take to another by itself."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from swiftagent.mix.sample import key_of, place_of, seed_of
from swiftagent.trajectory.content import content_hash
from swiftagent.trajectory.types import Answer, Call, Event, Thought, Trajectory

_SEED = seed_of("augment")


def augmented(row: Trajectory, ways: tuple[str, ...]) -> tuple[Trajectory, list[str]]:
    """The row changed in each of the ways that fall to it (each to one row in two), and which these were.

    "prompt" changes nothing here: it says that the other prompt style is to be used.
    """
    if not ways or not row.tools:
        return row, []
    # From the content: repeats of a row on any machine are changed alike.
    dice = key_of(content_hash(row).to_bytes(8, "big"), _SEED)
    done = []
    for number, way in enumerate(sorted(ways)):
        if dice >> number & 1 and (changed := _WAYS[way](row, dice)) is not None:
            row = changed
            done.append(way)
    return row, done


def _renamed(row: Trajectory, dice: int) -> Trajectory | None:
    """Every tool under another name, in its calls and where thoughts and answers name it."""
    spell = _SPELLINGS[dice // 31 % len(_SPELLINGS)]
    names = {tool.name: spell(tool.name, dice) for tool in row.tools}
    # Two names that become one would merge two tools.
    if len(set(names.values())) < len(names) or all(new == old for old, new in names.items()):
        return None
    # Longest first: `search` must not be replaced inside `search_trains`.
    mention = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(names, key=len, reverse=True)))

    def rename(event: Event) -> Event:
        match event:
            case Call(tool=tool):
                return msgspec.structs.replace(event, tool=names.get(tool, tool))
            case Thought(text=text) | Answer(text=text):
                return msgspec.structs.replace(event, text=mention.sub(lambda found: names[found.group()], text))
        return event

    tools = tuple(msgspec.structs.replace(tool, name=names[tool.name]) for tool in row.tools)
    return msgspec.structs.replace(row, events=tuple(map(rename, row.events)), tools=tools)


def _reordered(row: Trajectory, dice: int) -> Trajectory | None:
    order = sorted(range(len(row.tools)), key=lambda index: place_of(dice, index, _SEED))
    tools = tuple(row.tools[index] for index in order)
    return None if order == sorted(order) else msgspec.structs.replace(row, tools=tools)


def _described_shortly(row: Trajectory, dice: int) -> Trajectory | None:
    tools = tuple(msgspec.structs.replace(tool, description=_first_sentence(tool.description)) for tool in row.tools)
    return None if tools == row.tools else msgspec.structs.replace(row, tools=tools)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s|(?<=[。！？])|\n", text.strip(), maxsplit=1)[0].strip()


_WAYS: dict[str, Callable[[Trajectory, int], Trajectory | None]] = {
    "names": _renamed,
    "order": _reordered,
    "descriptions": _described_shortly,
    "prompt": lambda row, dice: row,
}


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[^0-9A-Za-z\u4e00-\u9fff]+|(?<=[a-z0-9])(?=[A-Z])", name) if part] or [name]


def _camel(name: str, dice: int) -> str:
    first, *more = _parts(name)
    return first.lower() + "".join(part.capitalize() for part in more)


def _opaque(name: str, dice: int) -> str:
    """A name that says nothing, so that the description has to be read."""
    return f"tool_{key_of(name.encode(), dice) % 10_000:04d}"


_SPELLINGS: tuple[Callable[[str, int], str], ...] = (
    lambda name, dice: "_".join(_parts(name)).lower(),
    _camel,
    lambda name, dice: "".join(part.capitalize() for part in _parts(name)),
    lambda name, dice: "-".join(_parts(name)).lower(),
    lambda name, dice: f"api_{'_'.join(_parts(name)).lower()}",
    _opaque,
)
