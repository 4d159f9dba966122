"""Conversations as a list of turns with a role, in every dialect: OpenAI, ShareGPT, ms-swift, Anthropic and
LLaMA-Factory blocks.

The format modules say which rows are theirs; reading is shared here, so that a row of two dialects at once is read too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import MEDIA_BLOCKS, THINK_CLOSE, Builder, as_text, json_like, split_thinking
from swiftagent.formats.reading.calls import RawCall, call_of, call_values, calls_of
from swiftagent.formats.reading.python_calls import are_calls, python_calls
from swiftagent.formats.reading.tags import TAGS, read_system, read_tag_text
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.training_marks import has_masked_part, is_trained
from swiftagent.trajectory.types import Answer, Thought

Speak = Callable[[Builder, str, bool, bool], None]  # (builder, text, calls follow, trained)
ROLES = {
    "system": "system", "developer": "system", "system_prompt": "system", "sys": "system",
    "user": "user", "human": "user", "prompter": "user", "client": "user", "question": "user", "prompt": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "model": "assistant", "ai": "assistant",
    "agent": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant", "answer": "assistant",
    "response": "assistant", "chatbot": "assistant", "moss": "assistant",
    "function_call": "call", "tool_call": "call", "function-call": "call", "tool_calls": "call",
    "function_calls": "call", "assistant_toolcall": "call", "toolcall": "call", "tool-call": "call",
    "function-calls": "call",
    "tool": "result", "function": "result", "observation": "result", "tool_response": "result",
    "function_response": "result", "ipython": "result", "tool_result": "result", "function_output": "result",
    "tool_results": "result", "environment": "result", "tool_outputs": "result", "function_result": "result",
    "tool-response": "result", "function-response": "result", "toolresult": "result", "toolresponse": "result",
    "api": "result", "obs": "result",
    "thought": "thought", "think": "thought", "reasoning": "thought", "thinking": "thought",
}  # fmt: skip
_TAGGED = re.compile(r"<tool_call>(.*)</tool_call>\s*\Z", re.S)
_CHATGLM_CALL = re.compile(r"\s*```python\s*\n(tool_call\(.*\))\s*```\s*", re.S)
_REASONING = ("reasoning_content", "thinking", "reasoning", "thought", "think", "tool_plan", "reasoning_details")
# What the type of a turn says where its role is that of the speaker alone (Coze).
_TYPES = {
    "function_call": "call", "tool_call": "call", "tool_response": "result", "tool_output": "result",
    "function_call_output": "result", "tool_result": "result", "verbose": "aside", "follow_up": "aside",
}  # fmt: skip
_THOUGHT_BLOCKS = frozenset(("thinking", "reasoning", "think"))
_CALL_BLOCKS = frozenset(
    ("tool_use", "tool_call", "tool_calls", "function_call", "server_tool_use", "mcp_tool_use", "toolCall", "tool-call")
    + ("toolRequest",)
)
_RESULT_BLOCKS = frozenset(
    ("tool_result", "tool_response", "function_response", "web_search_tool_result", "mcp_tool_result", "tool-result")
    + ("toolResponse",)
)
_EVENT_BLOCKS = _THOUGHT_BLOCKS | _CALL_BLOCKS | _RESULT_BLOCKS
_GOOSE = {"toolRequest": "toolCall", "toolResponse": "toolResult"}
_RESULT_KEYS = ("content", "value", "output", "tool_result", "result")

say_plainly: Speak = Builder.say


def read_marked_text(builder: Builder, text: str, calls_follow: bool, trained: bool) -> None:
    """What a turn says, with the calls that stand in it in the marks of some model."""
    marked = any(mark in text for mark in TAGS)
    (read_tag_text if marked else Builder.say)(builder, text, calls_follow, trained)


def kind_of(role: Any) -> str:
    """system, user, assistant, call, result or thought. Raises RowError("unknown-role", ...)."""
    kind = (ROLES.get(role) or ROLES.get(role.strip().lower())) if isinstance(role, str) else None
    if kind is None:
        raise RowError("unknown-role", f"role {role!r} is none of system, user, assistant, tool and their like")
    return kind


def read_messages(builder: Builder, messages: list[Any], speak: Speak = say_plainly) -> None:
    """Add the events of a list of turns. `speak` reads what an assistant turn says (ReAct text, tags, plain)."""
    messages = without_user_calls(builder, as_messages(messages))
    for number, message in enumerate(messages):
        if message.get("role") == "tool_call" and number and messages[number - 1].get("role") == "assistant":
            stand_beside_call(builder)
        read_message(builder, message, speak)


def as_messages(messages: list[Any]) -> list[dict[str, Any]]:
    """The turns, each an object. Raises RowError("bad-message", ...) where one is not."""
    for number, message in enumerate(messages):
        if type(message) is not dict:
            raise RowError("bad-message", f"message {number} is a {type(message).__name__}")
    return messages


def without_user_calls(builder: Builder, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The turns without the calls that the user made with tools of their own, and the results of these (tau2)."""
    if not any(message.get("tool_calls") and ROLES.get(str(message.get("role"))) == "user" for message in messages):
        return messages
    kept: list[dict[str, Any]] = []
    ids: set[Any] = set()
    for message in messages:
        kind = ROLES.get(str(message.get("role")))
        if kind == "user" and message.get("tool_calls"):
            ids |= {call_of(item)[2] for item in message["tool_calls"]}
            builder.repairs.append("user-call")
            message = {key: value for key, value in message.items() if key != "tool_calls"}
            if not message.get("content"):
                continue
        elif kind == "result" and (message.get("tool_call_id") or message.get("id")) in ids:
            continue
        kept.append(message)
    return kept


def stand_beside_call(builder: Builder) -> None:
    """What was read as an answer is text beside the call that follows it (ms-swift roles); its last newline is the
    form's."""
    last = builder.events[-1] if builder.events else None
    if type(last) is Answer:
        builder.events[-1] = Thought(last.text.removesuffix("\n"), True, last.trained)


def read_message(builder: Builder, message: dict[str, Any], speak: Speak) -> None:
    """Add the events of one turn."""
    role = message.get("role")
    content = next((message[key] for key in ("content", "value", "text") if message.get(key) is not None), None)
    kind = kind_of(message.get("from") if role is None else role)
    if len(message) > 2:
        kind = _kind_by_type(builder, message, kind)
        if kind == "assistant" and message.get("name") and message["name"] == builder.waits_for_result:
            kind = "result"  # the tool speaks under the assistant's role
        if kind == "assistant" and content and has_masked_part(message):
            builder.repairs.append("masked-part")
    if ("tool_results" in message or type(content) is dict) and _is_read_aside(builder, message, kind, content):
        return
    if type(content) is list or type(content) is dict:
        content = _read_blocks(builder, message, kind, content, speak)
        if content is None:
            return
    text = content if type(content) is str else as_text(content)
    if kind == "user":
        builder.question(text)
    elif kind == "assistant":
        _read_assistant(builder, message, text, speak)
    elif kind == "system":
        declare_in_system(builder, message)
        (read_system if "<tools>" in text or "tool_declare<" in text else Builder.system)(builder, text)
    elif kind != "aside":
        _read_tool_turn(builder, message, kind, text)


def _kind_by_type(builder: Builder, message: dict[str, Any], kind: str) -> str:
    """The kind that the type of a turn names (Coze), else the one of its role."""
    named = _TYPES.get(str(message["type"]), kind) if "type" in message else kind
    if named == "aside":  # progress reports and proposed questions are no answers
        builder.repairs.append("aside-turn")
    return named


def declare_in_system(builder: Builder, message: dict[str, Any]) -> None:
    """Tools that a system turn carries beside its text (GLM-4)."""
    given = message.get("tools") or message.get("functions")
    if isinstance(given, (list, str)) and given and not builder.tools:
        builder.tools, repairs = read_tools(given)
        builder.repairs += repairs


def _is_read_aside(builder: Builder, message: dict[str, Any], kind: str, content: Any) -> bool:
    """Read what stands in a turn in the place of text; whether that was all."""
    results = message.get("tool_results")
    if kind == "result" and isinstance(results, list) and results and not content:  # Cohere
        for item in results:
            given = item if isinstance(item, dict) else {}
            called, value = given.get("call"), given.get("outputs", given.get("output", item))
            value = value[0] if isinstance(value, list) and len(value) == 1 else value
            builder.result(as_text(value), None, called.get("name") if isinstance(called, dict) else None)
        return True
    if isinstance(results, dict) and builder.waits_for_result:  # of MCP, by the id of the call
        for id, result in results.items():
            builder.result(as_text(result.get("content") if isinstance(result, dict) else result), id)
        return not content
    if kind == "result" and isinstance(content, dict) and content.get("type") == "function" and "function" in content:
        _declare(builder, content)  # Langfuse lists the tools of LangChain as turns
        return True
    return False


def _declare(builder: Builder, tool: dict[str, Any]) -> None:
    tools, repairs = read_tools([tool])
    builder.tools += tuple(tool for tool in tools if tool.name not in {known.name for known in builder.tools})
    builder.repairs += repairs


def _read_tool_turn(builder: Builder, message: dict[str, Any], kind: str, text: str) -> None:
    if kind == "call" and text.startswith("Calling tools:"):  # smolagents
        text = text.removeprefix("Calling tools:").lstrip()
    elif kind == "result":
        text = text.removeprefix("Observation:\n")
    if kind == "result" and not text and {"observation", "parameters"} <= message.keys():  # ChatGLM3: call and result
        builder.call(message.get("name"), message["parameters"], trained=is_trained(message))
        builder.result(as_text(message["observation"]))
    elif kind == "result":
        builder.result(text, message.get("tool_call_id") or message.get("id"), message.get("name"))
    elif kind == "call" and not text and "name" in message:
        builder.call(*call_of(message), trained=is_trained(message))
    elif kind == "call":
        read_call_turn(builder, text, is_trained(message))
    else:
        builder.thought(text, trained=is_trained(message))


def read_call_turn(builder: Builder, value: Any, trained: bool = True) -> None:
    """A turn of calls, as text or objects; reasoning and text may stand before them (LLaMA-Factory)."""
    if isinstance(value, str) and value.lstrip()[:1] not in ("{", "["):
        value = _read_before_calls(builder, value, trained)
    calls, repairs = calls_of(value)
    builder.repairs += repairs
    builder.calls(calls, trained)


def _read_before_calls(builder: Builder, text: str, trained: bool) -> str:
    """Read what stands before the calls of a call turn; returns the calls."""
    if THINK_CLOSE in text:
        reasoning, text = split_thinking(text)
        builder.thought(reasoning, trained=trained)
    tagged = _TAGGED.search(text)
    if tagged is None:
        return text
    builder.thought(text[: tagged.start()].removesuffix("\n"), True, trained)
    return tagged.group(1)


def _read_assistant(builder: Builder, message: dict[str, Any], text: str, speak: Speak) -> None:
    trained = is_trained(message)
    if len(message) == 2 and text:
        speak(builder, text, False, trained)
        return
    for key in _REASONING:
        reasoning = message.get(key)
        if isinstance(reasoning, list):
            reasoning = "\n\n".join(filter(None, map(_reasoning_text, reasoning)))
        if isinstance(reasoning, str) and reasoning.strip():
            # SWE-agent's content begins with the thought that stands beside it.
            if not ("action" in message and text.startswith(reasoning.strip())):
                builder.thought(reasoning, trained=trained)
            break
    calls = _calls_beside(builder, message)
    if not calls and isinstance(message.get("metadata"), str) and (found := _CHATGLM_CALL.fullmatch(text)):
        text, calls = "", [(message["metadata"], dict(python_calls(found[1])).get("tool_call", {}), None)]
    if message.get("channel") == "analysis":  # Harmony (gpt-oss): what is thought stands in a turn of its own
        builder.thought(text, trained=trained)
    elif text or not calls:
        speak(builder, text, bool(calls), trained)
    builder.calls(calls, trained)


def _calls_beside(builder: Builder, message: dict[str, Any]) -> list[RawCall]:
    """The calls that stand beside what an assistant turn says."""
    calls = call_values(message)
    if not calls and isinstance(message.get("additional_kwargs"), dict):  # LangChain as Langfuse reports it
        calls = message["additional_kwargs"].get("tool_calls")
    if isinstance(calls, dict) and calls and all(_is_mcp(item) for item in calls.values()):
        return [(item["params"].get("name"), item["params"].get("arguments"), id) for id, item in calls.items()]
    if not isinstance(calls, str):
        return [call_of(item) for item in (calls if isinstance(calls, list) else [calls] if calls else [])]
    if are_calls(calls):
        return [(name, arguments, None) for name, arguments in python_calls(calls)]
    if not calls.strip():
        return []
    found, repairs = calls_of(calls)
    builder.repairs += repairs
    return found


def _reasoning_text(part: Any) -> str:
    """A part of reasoning that is given as a list: its text or its summary."""
    if isinstance(part, dict):
        part = next((part[key] for key in ("text", "thinking", "summary", "content") if part.get(key)), "")
    return as_text(part)


def _is_mcp(item: Any) -> bool:
    """A request as MCP has it: {"method": "tools/call", "params": {"name": ..., "arguments": ...}}."""
    return isinstance(item, dict) and isinstance(item.get("params"), dict) and item.get("method") == "tools/call"


def _read_blocks(builder: Builder, message: dict[str, Any], kind: str, content: Any, speak: Speak) -> Any:
    """Read content blocks; returns the content as text where they are text only, None where all is read already."""
    blocks = content if isinstance(content, list) else [content]
    if not blocks:
        return ""
    if not all(isinstance(block, (dict, str)) for block in blocks):
        return json_like(content)
    kinds = {_type(block) for block in blocks}
    if kinds & MEDIA_BLOCKS:
        builder.repairs.append("media-left-out")
    if kinds.isdisjoint(_EVENT_BLOCKS):
        bare = all(isinstance(block, dict) and block.get("type") is None for block in blocks)
        bare = bare and not all(block.keys() == {"text"} for block in blocks)  # Qwen-Agent's are text
        if isinstance(content, dict) and "text" not in content and "parts" not in content or bare:
            return json_like(content) if kind in ("result", "call") else as_text(content)
        if isinstance(content, dict) and isinstance(content.get("parts"), list):
            return as_text([part for part in content["parts"] if isinstance(part, str)])
        return as_text([_plain_block(block) for block in blocks])
    trained = is_trained(message)
    last_call = max((place for place, block in enumerate(blocks) if _type(block) in _CALL_BLOCKS), default=-1)
    said: list[str] = []
    for place, block in enumerate(blocks):
        if "tool_call_id" in message and _type(block) in _RESULT_BLOCKS:  # the turn says what its block answers (Azure)
            block = {"tool_call_id": message["tool_call_id"], **block}
        _read_block(builder, block, kind, said, speak, place < last_call or bool(message.get("tool_calls")), trained)
    say_pieces(builder, said, kind, speak, bool(message.get("tool_calls")), trained)
    builder.calls(map(call_of, message.get("tool_calls") or ()), trained)
    return None


def _type(block: Any) -> str:
    return str(block.get("type") or "text") if isinstance(block, dict) else "text"


def _plain_block(block: Any) -> Any:
    text = block.get("value") if isinstance(block, dict) else None
    return {"type": "text", "text": text} if isinstance(text, str) else block


def _read_block(
    builder: Builder, block: Any, kind: str, said: list[str], speak: Speak, calls_follow: bool, trained: bool
) -> None:
    type_ = _type(block)
    held = block.get(_GOOSE[type_]) if type_ in _GOOSE else None
    if isinstance(held, dict):
        value = held.get("value", held)
        inner = value if type_ == "toolRequest" and isinstance(value, dict) else {"content": value}
        block = {"id": block.get("id"), **inner}
    if type_ not in _EVENT_BLOCKS:
        said.append(as_text([_plain_block(block)]))
        return
    say_pieces(builder, said, kind, speak, calls_follow or type_ in _CALL_BLOCKS, trained)
    if type_ in _THOUGHT_BLOCKS:
        texts = (block.get(key) for key in ("thinking", "reasoning", "value", "text"))
        builder.thought(next((text for text in texts if isinstance(text, str)), ""), trained=trained)
    elif type_ in _CALL_BLOCKS:
        if isinstance(block.get("value"), (str, list, dict)):
            read_call_turn(builder, block["value"], trained)
        else:
            builder.call(*call_of(block.get("tool_call") or block), trained=trained)
    else:
        value = next((block[key] for key in _RESULT_KEYS if key in block), None)
        if isinstance(value, dict) and value.keys() == {"type", "value"}:  # Vercel: {"type": "json", "value": ...}
            value = value["value"]
        id = next((block[key] for key in ("tool_use_id", "tool_call_id", "toolCallId", "id") if block.get(key)), None)
        builder.result(as_text(value), id, block.get("name") or block.get("toolName"))


def say_pieces(builder: Builder, said: list[str], kind: str, speak: Speak, calls_follow: bool, trained: bool) -> None:
    """Put the pieces of text that a turn has said so far where they belong; none are left."""
    text = "\n".join(said)
    said.clear()
    if not text.strip():
        return
    if kind == "assistant":
        speak(builder, text, calls_follow, trained)
    else:
        {"system": builder.system, "result": builder.result}.get(kind, builder.question)(text)
