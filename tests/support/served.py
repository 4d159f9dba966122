"""A server of this project over a scripted engine, on a free port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from running_app import running
from scripted_engine import ScriptedEngine

from swiftagent.agent.loop import Generate, Grammar, Limits, ReAct
from swiftagent.agent.serving.server import Settings, make_app


class Served:
    """The engine, the address, and the official clients of it."""

    def __init__(self, engine: Any, url: str) -> None:
        self.engine = engine
        self.url = url

    def client(self, key: str = "none") -> Any:
        import openai

        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0)

    def anthropic(self) -> Any:
        import anthropic

        return anthropic.Anthropic(base_url=self.url, api_key="none", max_retries=0)

    def ask(self, messages: list[Any], **more: Any) -> Any:
        with self.client() as client:
            reply = client.chat.completions.create(model="m", messages=messages, **more)
            return list(reply) if more.get("stream") else reply


class CutEngine(ScriptedEngine):
    """A scripted engine that keeps to `max_tokens`, of three characters each."""

    def generate(self, request: Generate, *settings: Any) -> Iterator[str]:
        for number, piece in enumerate(super().generate(request, *settings)):
            if number == request.max_tokens:
                self.usage.ended_by = "length"
                self.usage.generated = request.max_tokens
                return
            yield piece


@contextmanager
def serving(
    engine: Any, grammar: Grammar | None = None, limits: Limits | None = None, recording: Any = None, **settings: Any
) -> Iterator[Served]:
    app = make_app(engine, grammar or ReAct(), limits or Limits(), Settings("my-agent", **settings), recording)
    with running(app) as url:
        yield Served(engine, url)
