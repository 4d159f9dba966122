"""Servers of this project for clients to try: two over a scripted engine, in ReAct and with native calls."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks" / "support"))

from running_app import running

from swiftagent.agent.drive import RequestRefused, Usage
from swiftagent.agent.loop import Grammar, Limits
from swiftagent.agent.serving.server import Settings, make_app
from swiftagent.trajectory.react import STOP, call_text
from swiftagent.trajectory.types import Call

CITIES = [Call("weather", {"city": city}) for city in ("Oslo", "Rome")]
MARKED = "\n".join(
    f"<tool_call>\n{json.dumps({'name': call.tool, 'arguments': call.arguments})}\n</tool_call>" for call in CITIES
)
TEXTS = {
    "Say hello.": ("Hello there.",),
    "Is it warm in Oslo?": (call_text(CITIES[0]), "Thought: I now know the final answer\nFinal Answer: It is 3C."),
    "What time is it?": (call_text(Call("clock", {})), "Thought: I now know the final answer\nFinal Answer: Noon."),
    "Oslo or Rome?": (MARKED, "Rome is warmer."),
}


class AnsweringEngine:
    """Writes what TEXTS has for the last question; "Too long." is refused as a prompt beyond the context is."""

    name = "scripted"

    def generate(self, request: Any, sampling: Any = None, usage: Usage | None = None) -> Iterator[str]:
        usage, messages = usage or Usage(), request.messages
        asked = max(number for number, message in enumerate(messages) if message["role"] == "user")
        question = str(messages[asked]["content"])
        if question == "Too long.":
            raise RequestRefused("the prompt of 9,000 tokens fills the model's context; shorten the messages")
        after = messages[asked + 1 :]
        # What follows the question is a call with its result, or the beginning of the text to write.
        text = TEXTS[question][int(len(after) > 1)]
        prefix = after[-1]["content"] if after and after[-1]["role"] == "assistant" else ""
        if prefix.endswith("Final Answer:"):
            text = " Nothing is called."
        elif prefix and prefix in text:
            text = text.partition(prefix)[2]
        for start in range(0, len(text), 5):
            usage.generated += 1
            yield text[start : start + 5]
            if text[: start + 5].endswith(STOP):
                return

    def close(self) -> None:
        pass


def scripted_server(grammar: Grammar) -> AbstractContextManager[str]:
    """Its address; the key is "none"."""
    return running(make_app(AnsweringEngine(), grammar, Limits(), Settings("my-agent", key="none")))
