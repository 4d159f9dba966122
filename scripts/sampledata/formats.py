"""The three formats of agent rows, and those of general chat, as other projects write them."""

from __future__ import annotations

import json
from typing import Any

from .agent import Conversation
from .tools import TOOLS

Row = dict[str, Any]

MS_AGENT_PROMPT = """Answer the following questions as best you can. You have access to the following APIs:
{tools}

Use the following format:

Thought: you should always think about what to do
Action: the action to take, should be one of the above tools[{names}]
Action Input: the input to the action
Observation: the result of the action
... (this Thought/Action/Action Input/Observation can be repeated zero or more times)
Thought: I now know the final answer
Final Answer: the final answer to the original input question
Begin!"""


def ms_agent(talk: Conversation, number: int) -> Row:
    """ReAct in one string, arguments as Python writes them, results inline: the format of ModelScope's ms_agent."""
    prompt = MS_AGENT_PROMPT.format(
        tools="\n\n".join(_ms_agent_tool(n, name) for n, name in enumerate(talk.tools, 1)), names=", ".join(talk.tools)
    )
    lines = []
    for step in talk.steps:
        lines += [f"Thought: {step.thought}"] if step.thought else []
        lines += [f"Action: {step.tool}", f"Action Input: {step.arguments!r}", f"Observation: {step.result!r}"]
    lines += ["Thought: I now know the final answer", f"Final Answer: {talk.answer}"]
    turns = [("system", prompt), ("user", talk.question), ("assistant", "\n".join(lines))]
    return {"id": f"sample_ms_agent_{number}", "conversations": [{"from": role, "value": text} for role, text in turns]}


def _ms_agent_tool(number: int, name: str) -> str:
    function = TOOLS[name]["function"]
    schema = function["parameters"]
    parameters = [
        {
            "name": key,
            "description": value.get("description", ""),
            "required": "True" if key in schema["required"] else "False",
        }
        for key, value in schema["properties"].items()
    ]
    return f"{number}. {name}: {function['description']} Parameters: {json.dumps(parameters, ensure_ascii=False)}"


def openai(talk: Conversation, number: int) -> Row:
    """OpenAI `messages` with `tool_calls` (arguments as a JSON string) and `tools`."""
    messages: list[Row] = [{"role": "user", "content": talk.question}]
    for position, step in enumerate(talk.steps):
        call_id = f"call_{number}_{position}"
        function = {"name": step.tool, "arguments": json.dumps(step.arguments, ensure_ascii=False)}
        messages.append(
            {
                "role": "assistant",
                "content": step.thought or None,
                "tool_calls": [{"id": call_id, "type": "function", "function": function}],
            }
        )
        messages.append(
            {"role": "tool", "tool_call_id": call_id, "content": json.dumps(step.result, ensure_ascii=False)}
        )
    messages.append({"role": "assistant", "content": talk.answer})
    return {"id": f"sample_openai_{number}", "messages": messages, "tools": [TOOLS[name] for name in talk.tools]}


def sharegpt(talk: Conversation, number: int) -> Row:
    """ShareGPT turns (human, function_call, observation, gpt) with the tools as a JSON string."""
    turns = [("human", talk.question)]
    for step in talk.steps:
        turns.append(
            ("function_call", json.dumps({"name": step.tool, "arguments": step.arguments}, ensure_ascii=False))
        )
        turns.append(("observation", json.dumps(step.result, ensure_ascii=False)))
    turns.append(("gpt", talk.answer))
    tools = json.dumps([TOOLS[name]["function"] for name in talk.tools], ensure_ascii=False)
    return {
        "id": f"sample_sharegpt_{number}",
        "conversations": [{"from": role, "value": text} for role, text in turns],
        "tools": tools,
    }
