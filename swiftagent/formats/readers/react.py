"""ReAct text with no prompt that names tools, as chat turns or alpaca (FireAct, KnowAgent, LangChain-like data)."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.formats.readers import alpaca, ms_agent
from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.react_text import is_react, read_react_text
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import tools_field, view_of
from swiftagent.formats.writers import alpaca as write_alpaca
from swiftagent.trajectory.types import Trajectory

ABOUT = "ReAct text in chat turns or alpaca: `Action: search[x]`, numbered keywords, results in user turns (FireAct, KnowAgent)"
SAMPLE = {
    "instruction": "Who won?",
    "input": "",
    "output": "Thought: I search.\nAction: search[who won]\nObservation: Ann won.\nThought: Found.\nAction: finish[Ann]",
}

KEYS = alpaca.KEYS


def looks_like(row: Any) -> bool:
    view = view_of(row)
    if view.style:
        return view.format == "react"
    pairs = _pairs(row)
    return pairs is not None and is_react(pairs[-1][1])


def _pairs(row: Any) -> list[tuple[str, str]] | None:
    """(question, answer) of every turn. Where the steps stand below the question in the prompt itself, beside the gold
    answer (runs of ReAct and KnowAgent), they are the answer."""
    pairs = alpaca.pairs_of(row)
    if pairs is None:
        return None
    prompt, question = row.get("prompt"), row.get("question")
    if isinstance(prompt, str) and isinstance(question, str) and question.strip():
        found = list(re.finditer(rf"Question:\s*{re.escape(question.strip())}", prompt))
        if found and is_react(prompt[found[-1].end() :]):
            return [(prompt[: found[-1].end()], prompt[found[-1].end() :].strip())]
    return pairs


def parse(row: Any) -> Trajectory:
    if view_of(row).style:
        return ms_agent.parse(row)
    if write_alpaca.is_written(row):
        return write_alpaca.parse(row)
    pairs = _pairs(row) or []
    builder = Builder(*read_tools(tools_field(row)))
    system = alpaca.system_of(row)
    if system:
        ms_agent.read_asking(builder, system, "system")
    for question, answer in pairs:
        ms_agent.read_asking(builder, question, "user")
        read_react_text(builder, answer)
    return builder.build(row.get("id"))
