"""Rows as the hubs hold them, made by number, for the tests of mixing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PROMPT = (
    "Answer the following questions as best you can. You have access to the following APIs:\n1. {tool}: Call this tool to look "
    'things up. Parameters: [{{"name": "place", "description": "where", "required": "True"}}]\n\nUse the following format:\n\n'
    "Thought: you should always think about what to do\nAction: the action to take, should be one of the above tools[{tool}]\n"
    "Action Input: the input to the action\nObservation: the result of the action\n... (this Thought/Action/Action Input/"
    "Observation can be repeated zero or more times)\nThought: I now know the final answer\nFinal Answer: the final answer to "
    "the original input question\nBegin!"
)


def agent_row(number: int) -> dict[str, Any]:
    tool = f"weather_{number % 7}"
    steps = (
        f"Action: {tool}\nAction Input: {{'place': 'Town {number}', 'days': {number}}}\nObservation: [{{'sky': 'grey'}}]\n"
        f"Thought: I now know the final answer\nFinal Answer: Grey, number {number}."
    )
    turns = [("system", PROMPT.format(tool=tool)), ("user", f"Weather in Town {number}?"), ("assistant", steps)]
    return {"id": f"a{number}", "conversations": [{"from": role, "value": text} for role, text in turns]}


def chat_row(number: int) -> dict[str, Any]:
    turns = [("user", f"Tell me of {number}."), ("assistant", f"{number} 是一个数字。 It follows {number - 1}.")]
    return {"id": f"c{number}", "conversations": [{"from": role, "value": text} for role, text in turns]}


def jsonl(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
