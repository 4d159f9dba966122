"""ToolBench answers: a search tree with the messages of its last chain; `Finish` with an answer is the answer."""

from __future__ import annotations

from typing import Any

import msgspec

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.messages import read_messages
from swiftagent.formats.reading.tools import read_tools
from swiftagent.trajectory.read_loose import read_arguments
from swiftagent.trajectory.types import Answer, Call, Event, Trajectory

ABOUT = "ToolBench answers: answer_generation.train_messages with function_call; Finish(give_answer) is the answer"
KEYS = frozenset(("answer_generation",))
SAMPLE = {
    "win": True,
    "answer_generation": {
        "function": [{"name": "weather", "parameters": {"type": "object", "properties": {}}}],
        "train_messages": [
            [
                {"role": "user", "content": "Oslo?"},
                {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
                {"role": "function", "name": "weather", "content": "3C"},
                {
                    "role": "assistant",
                    "content": None,
                    "function_call": {
                        "name": "Finish",
                        "arguments": '{"return_type": "give_answer", "final_answer": "3C"}',
                    },
                },
            ]
        ],
    },
}


def looks_like(row: Any) -> bool:
    return type(row) is dict and isinstance(row.get("answer_generation"), dict)


def parse(row: Any) -> Trajectory:
    made = row["answer_generation"]
    chains = made.get("train_messages")
    if not isinstance(chains, list) or not chains:
        raise RowError("nothing-trained", "the search found no chain to train on (no train_messages)")
    builder = Builder(*read_tools(made.get("function")))
    read_messages(builder, max(chains, key=len))
    read = builder.build(row.get("id"))
    events, finished = _finish(read.events)
    if not finished:
        return read
    tools = tuple(tool for tool in read.tools if tool.name != "Finish")
    return msgspec.structs.replace(read, events=events, tools=tools, repairs=(*read.repairs, "finish-action"))


def _finish(events: tuple[Event, ...]) -> tuple[tuple[Event, ...], bool]:
    last = events[-1] if events else None
    if not isinstance(last, Call) or last.tool != "Finish":
        return events, False
    arguments = read_arguments(last.arguments)[0]
    answer = arguments.get("final_answer") if isinstance(arguments, dict) else None
    if not isinstance(answer, str) or not answer:
        return events, False
    return (*events[:-1], Answer(answer, last.trained)), True
