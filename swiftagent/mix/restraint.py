"""Rows that teach restraint, made from a person's own rows: the right tool is gone, another stands in its place, or
what the tool needs was never said. The answer declines or asks. They are synthetic, and the manifest says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from swiftagent.mix.sample import key_of, seed_of
from swiftagent.trajectory.content import content_hash
from swiftagent.trajectory.react import language_of
from swiftagent.trajectory.types import Answer, Call, Event, Question, System, Tool, Trajectory

CHANNEL = "no-call"
_SEED = seed_of("no-call")
_DECLINE = {
    "en": (
        "None of my tools can do this. What I can do with them: {tools}.",
        "I have no tool for that, so I will not guess. My tools are for: {tools}.",
        "Sorry, this is beyond the tools that I have here ({tools}).",
        "I cannot look that up: my tools only cover {tools}. Is there something else in there that would help?",
    ),
    "zh": (
        "我现有的工具做不到这件事。我能用工具完成的是：{tools}。",
        "没有适合这个请求的工具，我就不乱猜了。我的工具可以用来：{tools}。",
        "抱歉，这超出了我手上工具的范围（{tools}）。",
        "这个我查不到：我的工具只能处理{tools}。其中有什么能帮到您吗？",
    ),
}
_ASK = {
    "en": (
        "I can do that, but I do not know enough yet. Please tell me: {needed}.",
        "Gladly. What I still need from you: {needed}.",
        "To do this I need a little more ({needed}). Could you tell me?",
    ),
    "zh": (
        "可以的，不过我还需要知道{needed}，请告诉我。",
        "好的，请问{needed}是什么？",
        "要完成这件事，请先提供{needed}。",
    ),
}
_REQUEST = {
    "en": (
        "Please help me with this: {task}.",
        "Can you do the following for me? {task}.",
        "I need this done: {task}.",
    ),
    "zh": ("请帮我做这件事：{task}。", "能帮我处理一下吗？{task}。", "我需要：{task}。"),
}
_OTHER_TOOLS = tuple(
    Tool(
        name, about, {"type": "object", "properties": {key: {"type": "string", "description": told}}, "required": [key]}
    )
    for name, about, key, told in (
        ("convert_length", "Convert a length from one unit into another", "length", "the length with its unit"),
        ("count_words", "Count the words of a text", "text", "the text"),
        ("sort_list", "Sort a list of words", "words", "the words, separated by commas"),
        ("roll_dice", "Roll dice and tell the sum", "dice", "how many dice"),
        ("name_color", "Tell the name of a colour given as a hex code", "code", "the hex code"),
        ("reverse_text", "Write a text backwards", "text", "the text"),
    )
)


def restraint_rows(row: Trajectory, share: float) -> Iterator[tuple[str, Trajectory]]:
    """(kind, row) for about a share of the rows that call a tool in their first turn; the same row is always chosen or
    never."""
    if not share or not row.tools:
        return
    first, calls = _first_turn(row.events)
    dice = key_of(content_hash(row).to_bytes(8, "big"), _SEED)
    if first is None or not calls or dice >= share * 2**64:
        return
    made = (_tool_taken_away, _tool_swapped, _parameter_missing)
    for turn in range(3):  # where the row does not allow the kind that fell to it, the next one is tried
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
    if not left:
        return None
    return "tool-taken-away", left, first, _declined(first, left, dice)


def _tool_swapped(row: Trajectory, first: Question, calls: set[str], dice: int) -> _Made | None:
    names = {tool.name for tool in row.tools}
    others = [tool for tool in _OTHER_TOOLS if tool.name not in names]
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
    question = _pick(_REQUEST[language], dice).format(task=_task(tool))
    answer = _pick(_ASK[language], dice // 7).format(needed=("、" if language == "zh" else ", ").join(needed))
    return "parameter-missing", row.tools, Question(question), Answer(answer)


def _first_turn(events: tuple[Event, ...]) -> tuple[Question | None, set[str]]:
    first: Question | None = None
    calls: set[str] = set()
    for event in events:
        if isinstance(event, Question):
            if first is not None:
                break
            first = event
        elif isinstance(event, Call):
            calls.add(event.tool)
    return first, calls


def _declined(question: Question, tools: tuple[Tool, ...], dice: int) -> Answer:
    language = language_of(question.text)
    told = ("；" if language == "zh" else "; ").join(_task(tool) for tool in tools[:5])
    return Answer(_pick(_DECLINE[language], dice).format(tools=told))


def _needed(tool: Tool) -> list[str]:
    """What the tool cannot do without, in words where its schema has some."""
    required = tool.parameters.get("required")
    properties = tool.parameters.get("properties")
    if not isinstance(required, list) or not isinstance(properties, dict):
        return []
    told = []
    for name in required[:3]:
        about = properties.get(name)
        text = about.get("description") if isinstance(about, dict) else None
        told.append(
            _sentence(text) if isinstance(text, str) and 0 < len(_sentence(text)) <= 60 else str(name).replace("_", " ")
        )
    return told


def _task(tool: Tool) -> str:
    """What a tool does, in a few words: its description's first sentence, else its name."""
    about = _sentence(tool.description)
    boilerplate = about.lower().startswith("call this tool")  # ms-agent says it of every tool
    return about if 0 < len(about) <= 120 and not boilerplate else re.sub(r"[_\W]+", " ", tool.name).strip()


def _sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s|[。！？\n]", text.strip(), maxsplit=1)[0].strip().rstrip(".。")


def _pick(choices: tuple[str, ...], dice: int) -> str:
    return choices[dice % len(choices)]
