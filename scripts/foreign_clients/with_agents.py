"""OpenAI Agents SDK: its runner, over /v1/responses as it comes."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import features
from agents import Agent, ModelSettings, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from features import ALARM, MODEL, Reply, Server
from openai import AsyncOpenAI
from pydantic import BaseModel, Field

set_tracing_disabled(True)


class Fire(BaseModel):
    place: str = Field(max_length=20)
    on_fire: bool


def agent(server: Server, tools: Any, **more: Any) -> Any:
    client = AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0)
    declared = [function_tool(tool, failure_error_function=None) for tool in tools.values()]
    return Agent("agent", model=OpenAIResponsesModel(MODEL, client), tools=declared, **more)


def ask(server: Server, question: str, tools: Any, choice: str, stream: bool) -> Reply:
    chosen: str | Literal["auto"] = choice if tools else "auto"
    one = agent(server, tools, model_settings=ModelSettings(tool_choice=chosen) if tools else ModelSettings())
    if not stream:
        return Reply(Runner.run_sync(one, question).final_output, list(features.CALLED))
    return asyncio.run(streamed(one, question))


async def streamed(one: Any, question: str) -> Reply:
    result, pieces = Runner.run_streamed(one, question), 0
    async for event in result.stream_events():
        pieces += getattr(getattr(event, "data", None), "type", "") == "response.output_text.delta"
    return Reply(result.final_output, list(features.CALLED), pieces)


def shaped(server: Server, question: str) -> Any:
    return Runner.run_sync(agent(server, {}, output_type=Fire), question).final_output.model_dump()


def loop(server: Server, question: str) -> Reply:
    return Reply(Runner.run_sync(agent(server, ALARM), question).final_output, list(features.CALLED))


if __name__ == "__main__":
    features.report("openai-agents", ask, shaped, loop)
