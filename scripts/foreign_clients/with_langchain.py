"""LangChain: ChatOpenAI with bound tools, and a loop over its messages."""

from __future__ import annotations

from typing import Any

import features
from features import ALARM, MODEL, SHAPE, Reply, Server
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


def chat(server: Server) -> Any:
    key: Any = server.key
    return ChatOpenAI(model=MODEL, base_url=f"{server.url}/v1", api_key=key, max_retries=0)


def declared(tools: Any) -> list[Any]:
    return [tool(parse_docstring="Args:" in (each.__doc__ or ""))(each) for each in tools.values()]


def ask(server: Server, question: str, tools: Any, choice: str, stream: bool) -> Reply:
    model = chat(server)
    if tools:
        model = model.bind_tools(declared(tools), tool_choice=choice)
    if not stream:
        return reply_of(model.invoke(question))
    pieces = list(model.stream(question))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole + piece
    return reply_of(whole, sum(bool(piece.content) for piece in pieces))


def reply_of(message: Any, pieces: int = 0) -> Reply:
    return Reply(message.content, [(call["name"], call["args"]) for call in message.tool_calls], pieces)


def shaped(server: Server, question: str) -> Any:
    form = {"title": "fire", "description": "Where it burns.", **SHAPE}
    return chat(server).with_structured_output(form, method="json_schema").invoke(question)


def loop(server: Server, question: str) -> Reply:
    tools = {each.name: each for each in declared(ALARM)}
    model = chat(server).bind_tools(list(tools.values()))
    messages: list[Any] = [HumanMessage(question)]
    for _ in range(6):
        messages.append(model.invoke(messages))
        if not messages[-1].tool_calls:
            return Reply(messages[-1].content, list(features.CALLED))
        for call in messages[-1].tool_calls:
            messages.append(ToolMessage(tools[call["name"]].invoke(call["args"]), tool_call_id=call["id"]))
    raise AssertionError("no end after 6 steps")


if __name__ == "__main__":
    features.report("langchain-openai", ask, shaped, loop)
