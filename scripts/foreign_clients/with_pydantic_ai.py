"""Pydantic AI: its agent, and single requests where a call is ordered, which its agents do not take."""

from __future__ import annotations

import asyncio
from typing import Any

import features
from features import ALARM, MODEL, Reply, Server
from pydantic import BaseModel, Field
from pydantic_ai import Agent, NativeOutput, ToolDefinition
from pydantic_ai.direct import model_request_stream, model_request_sync
from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


class Fire(BaseModel):
    place: str = Field(max_length=20)
    on_fire: bool


def model_of(server: Server) -> OpenAIChatModel:
    return OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{server.url}/v1", api_key=server.key))


def ask(server: Server, question: str, tools: Any, choice: str, stream: bool) -> Reply:
    declared = [
        ToolDefinition(name=name, description=features.about(tool), parameters_json_schema=features.schema_of(tool))
        for name, tool in tools.items()
    ]
    chosen: Any = choice if choice in ("auto", "none", "required") else [choice]
    asked: dict[str, Any] = {"model_request_parameters": ModelRequestParameters(function_tools=declared)}
    asked["model_settings"] = {"tool_choice": chosen} if tools else None
    messages = [ModelRequest.user_text_prompt(question)]
    if stream:
        return asyncio.run(streamed(server, messages, asked))
    return reply_of(model_request_sync(model_of(server), messages, **asked))


async def streamed(server: Server, messages: Any, asked: dict[str, Any]) -> Reply:
    async with model_request_stream(model_of(server), messages, **asked) as events:
        pieces = 0
        async for event in events:
            part = event.delta if isinstance(event, PartDeltaEvent) else getattr(event, "part", None)
            pieces += isinstance(event, (PartDeltaEvent, PartStartEvent)) and isinstance(
                part, (TextPart, TextPartDelta)
            )
        return reply_of(events.get(), pieces)


def reply_of(response: Any, pieces: int = 0) -> Reply:
    calls = [(part.tool_name, part.args_as_dict()) for part in response.parts if isinstance(part, ToolCallPart)]
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    return Reply(text, calls, pieces)


def shaped(server: Server, question: str) -> Any:
    return Agent(model_of(server), output_type=NativeOutput(Fire)).run_sync(question).output.model_dump()


def loop(server: Server, question: str) -> Reply:
    agent = Agent(model_of(server), tools=list(ALARM.values()))
    return Reply(agent.run_sync(question).output, list(features.CALLED))


if __name__ == "__main__":
    features.report("pydantic-ai-slim", ask, shaped, loop)
