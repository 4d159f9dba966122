"""Situations that the parsers of LangChain, LlamaIndex, Qwen-Agent, vLLM, SGLang and llama.cpp are tested with, in our
own words: at least 95 of 100 are read as there, and each that is not is named in docs/agent.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from swiftagent.agent.loop import REACT
from swiftagent.agent.native import Native
from swiftagent.trajectory.types import Json, Tool

TOOLS = tuple(Tool(name, "", {"type": "object"}) for name in ("weather", "add", "search", "note", "clock", "加法"))
CITY = {"city": "Oslo"}
JSON_CITY = '{"city": "Oslo"}'
OSLO, ROME = ("weather", CITY), ("weather", {"city": "Rome"})


class Case(NamedTuple):
    """A text, and the calls or the answer that the other parser finds. ours: where we read it otherwise, with the word
    under which docs/agent.md names it."""

    parser: str
    text: str
    calls: tuple[tuple[str, Json], ...] = ()
    answer: str | None = None
    ours: str = ""


def sum_of(a: float, b: float) -> tuple[str, Json]:
    return ("add", {"a": a, "b": b})


def text_of(tool: str, text: str) -> tuple[str, Json]:
    """LangChain hands text to a tool as it is; a tool of ours takes an object, so it stands under `input`."""
    return (tool, {"input": text})


LANGCHAIN = [
    Case(
        "langchain",
        "Thought: a thought\nAction: search\nAction Input: warm in Rome?",
        (text_of("search", "warm in Rome?"),),
    ),
    Case("langchain", "Thought: a thought\nFinal Answer: It is 30", answer="It is 30"),
    Case(
        "langchain",
        "Thought: a thought\nAction: search Final Answer:\nAction Input: x",
        (),
        "",
        "finish inside an action",
    ),
    Case(
        "langchain",
        "I can use search for it.\n    Action: search\n    Action Input: snow",
        (text_of("search", "snow"),),
    ),
    Case("langchain", "Final Answer: Pizza is best ", answer="Pizza is best"),
    Case(
        "langchain",
        "Final Answer: Pizza is best\n\n    Action: search\n    Action Input: snow",
        answer="Pizza is best",
        ours="labels of two spellings",
    ),
    Case("langchain", "Action: note\nAction Input: my text\n", (text_of("note", "my text"),)),
    Case(
        "langchain",
        "Thought: A tool? Yes\nAction: note\nAction Input: Run this Python:\n```python\nprint('snow'[::-1])\n```\n",
        (text_of("note", "Run this Python:\n```python\nprint('snow'[::-1])\n```"),),
    ),
    Case(
        "langchain", "Thought: A tool? Yes\nAction: note\nAction Input: x\nObservation: done", (text_of("note", "x"),)
    ),
    Case("langchain", "Thought: A tool? Yes\nAction: note\nAction Input: x\nObs", (text_of("note", "x"),)),
    Case(
        "langchain",
        'I can.\n\n    Action:\n    ```json\n    {\n      "action": "search",\n'
        '      "action_input": "snow"\n    }\n    ```\n    ',
        (text_of("search", "snow"),),
    ),
    Case(
        "langchain",
        'I can.\n\n    Action:\n    ```\n    {\n      "action": "search",\n      "action_input": "snow"\n'
        "    }\n    ```\n    ",
        (text_of("search", "snow"),),
    ),
    Case(
        "langchain",
        'Thought: hm\n```\n{\n    "action": "search",\n    "action_input": "snow"\n}\n```\n',
        (text_of("search", "snow"),),
    ),
    Case("langchain", '```json\n{"action": "weather", "action_input": {"city": "Oslo"}}\n```', (OSLO,)),
    Case("langchain", '{"action": "weather", "action_input": {"city": "Oslo"}}', (OSLO,)),
    Case("langchain", '```json\n{"action": "Final Answer", "action_input": "It is 30"}\n```', answer="It is 30"),
    Case(
        "langchain", 'Action:\n```json\n{"action": "Final Answer", "action_input": "It is 30"}\n```', answer="It is 30"
    ),
    Case("langchain", 'Action: search\nAction Input: "snow"', (text_of("search", "snow"),)),
    Case("langchain", "Action 1: search\nAction Input 1: snow", (text_of("search", "snow"),)),
    Case("langchain", "Thought: x\nAction: search[snow]", (text_of("search", "snow"),)),
    Case("langchain", "Thought: x\nAction: Finish[30]", answer="30"),
]
LLAMA_INDEX = [
    Case("llama_index", 'Thought: A tool.\nAction: add\nAction Input: {"a": 1, "b": 1}\n', (sum_of(1, 1),)),
    Case("llama_index", 'Thought: A tool.\n\nAction: add\n\n\n\nAction Input: {"a": 1, "b": 1}\n', (sum_of(1, 1),)),
    Case(
        "llama_index", 'Thought: A tool.\nAction: add\nAction Input: {"a": 1, "b": {}}', (("add", {"a": 1, "b": {}}),)
    ),
    Case("llama_index", 'Thought: A tool.\nAction: add\nAction Input: PlusTool({"a": 1, "b": 1})', (sum_of(1, 1),)),
    Case(
        "llama_index",
        'Thought: A tool.\nAction: add (adds two numbers)\nAction Input: {"a": 1, "b": 1}',
        (sum_of(1, 1),),
    ),
    Case(
        "llama_index", 'Thought: A tool.\nAction: add\nAction Input: {\n    "a": 1,\n    "b": 1\n}\n', (sum_of(1, 1),)
    ),
    Case(
        "llama_index",
        'Thought: A tool.\n\nAction: 加法\n\nAction Input: {"a": 1, "b": 1}\n',
        (("加法", {"a": 1, "b": 1}),),
    ),
    Case("llama_index", "Thought: I know enough.\nAnswer: 2\n", answer="2"),
    Case(
        "llama_index",
        "Thought: I know enough.\nAnswer: It is:\n\nThe second line.",
        answer="It is:\n\nThe second line.",
    ),
    Case("llama_index", "It is 2, without a thought.", answer="It is 2, without a thought."),
    Case(
        "llama_index",
        "Thought: A tool.\nAction: search\nAction Input: {'pages': ['tea'], 'query': ''}, or so.\n",
        (("search", {"pages": ["tea"], "query": ""}),),
    ),
    Case(
        "llama_index",
        "Thought: A tool.\nAction: search\nAction Input: {'pages': ['tea'] /* hot */, 'query': ''}\n",
        (("search", {"pages": ["tea"], "query": ""}),),
        None,
        "comment inside JSON",
    ),
]
QWEN_AGENT = [
    Case("qwen_agent", f"I look it up.\nAction: weather\nAction Input: {JSON_CITY}\n", (OSLO,)),
    Case("qwen_agent", f"Thought: 我查一下。\nAction: weather\nAction Input: {JSON_CITY}\nObservation:", (OSLO,)),
    Case("qwen_agent", f"思考：查一下\n行动：weather\n行动输入：{JSON_CITY}\n观察：", (OSLO,)),
    Case("qwen_agent", "思考：够了\n最终答案：三度", answer="三度"),
    Case("qwen_agent", "Action: clock\nAction Input: None", (("clock", {}),)),
    Case("qwen_agent", "Action: clock\nAction Input:\n", (("clock", {}),)),
    Case("qwen_agent", 'Action: weather\nAction Input: ```json\n{"city": "Oslo",}\n```\nObservation', (OSLO,)),
    Case("qwen_agent", f"✿FUNCTION✿: weather\n✿ARGS✿: {JSON_CITY}\n✿RESULT✿", (OSLO,)),
    Case("qwen_agent", f"Let me see.\n✿FUNCTION✿: weather\n✿ARGS✿: {JSON_CITY}\n", (OSLO,)),
    Case(
        "qwen_agent",
        f'✿FUNCTION✿: weather\n✿ARGS✿: {JSON_CITY}\n✿FUNCTION✿: weather\n✿ARGS✿: {{"city": "Rome"}}\n',
        (OSLO, ROME),
    ),
    Case(
        "qwen_agent",
        f'<think>\nhm\n</think>\n\n<tool_call>\n{{"name": "weather", "arguments": {JSON_CITY}}}\n</tool_call>',
        (OSLO,),
    ),
]
VLLM = [
    Case("vllm", "This is a test", answer="This is a test"),
    Case("vllm", f'<tool_call>\n{{"name": "weather", "arguments": {JSON_CITY}}}\n</tool_call>', (OSLO,)),
    Case("vllm", f'<tool_call>\n{{"name": "weather", "arguments": {JSON_CITY}}}', (OSLO,)),
    Case("vllm", '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>', (("clock", {}),)),
    Case("vllm", f'[TOOL_CALLS][{{"name": "weather", "arguments":{JSON_CITY}}}]', (OSLO,)),
    Case("vllm", f'[TOOL_CALLS] [{{"arguments":{JSON_CITY}, "name": "weather"}}]', (OSLO,)),
    Case("vllm", '[TOOL_CALLS] [{"arguments":{"name": "Ann"}, "name": "search"}]', (("search", {"name": "Ann"}),)),
    Case("vllm", '[TOOL_CALLS]  [ {"name":"add" , "arguments" : {"a": 3, "b": 4} } ]', (sum_of(3, 4),)),
    Case("vllm", '[TOOL_CALLS]add{"a": 3.5, "b": 4}', (sum_of(3.5, 4),)),
    Case("vllm", f'I look.[TOOL_CALLS][{{"name": "weather", "arguments": {JSON_CITY}}}]', (OSLO,)),
    Case("vllm", f'[TOOL_CALLS]weather[ARGS]{JSON_CITY}[TOOL_CALLS]weather[ARGS]{{"city": "Rome"}}', (OSLO, ROME)),
    Case("vllm", f'I look.\n```json\n[{{"name": "weather", "arguments": {JSON_CITY}}}]\n```', (OSLO,)),
    Case("vllm", f'<think>I look.</think>[{{"name": "weather", "arguments": {JSON_CITY}}}]', (OSLO,)),
    Case(
        "vllm",
        f'[{{"name": "weather", "arguments": {JSON_CITY}}}, {{"name": "weather", "arguments": {{"city": "Rome"}}}}]',
        (OSLO, ROME),
    ),
    Case(
        "vllm",
        "I look. <|tool_calls_section_begin|> <|tool_call_begin|>\nfunctions.weather:0 "
        f"<|tool_call_argument_begin|> {JSON_CITY} <|tool_call_end|> <|tool_calls_section_end|>",
        (OSLO,),
    ),
    Case(
        "vllm",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0"
        f"<|tool_call_argument_begin|>{JSON_CITY}<|tool_call_end|>"
        '<|tool_call_begin|>functions.add:1<|tool_call_argument_begin|>{"a": 1, "b": 2}<|tool_call_end|>'
        "<|tool_calls_section_end|>",
        (OSLO, sum_of(1, 2)),
    ),
    Case(
        "vllm",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.note:0"
        '<|tool_call_argument_begin|>{"html": "<div>x</div>"}<|tool_call_end|><|tool_calls_section_end|>',
        (("note", {"html": "<div>x</div>"}),),
    ),
    Case(
        "vllm",
        "<tool_call>weather\n    <arg_key>city</arg_key>\n    <arg_value>Oslo</arg_value>\n    </tool_call>",
        (OSLO,),
    ),
    Case(
        "vllm",
        "I look.<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>\n\n"
        "and then\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n</tool_call>",
        (OSLO, ROME),
    ),
    Case("vllm", "<tool_call>clock\n</tool_call>", (("clock", {}),)),
    Case(
        "vllm",
        "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>",
        (),
        "text",
        "call without its end",
    ),
    Case(
        "vllm",
        "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>",
        (OSLO,),
    ),
    Case("vllm", "<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>", (OSLO,)),
    Case(
        "vllm",
        'Sure!<tool_call>\n<function=note>\n<parameter=size>\n{"w": 10, \n "h": 20}\n</parameter>\n'
        "<parameter=digits>\n2\n</parameter>\n</function>\n</tool_call>",
        (("note", {"size": {"w": 10, "h": 20}, "digits": 2}),),
    ),
    Case(
        "vllm",
        'x<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>{"a":1,"b":2}<｜tool▁call▁end｜>'
        "<｜tool▁call▁begin｜>clock<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜> y",
        (sum_of(1, 2), ("clock", {})),
    ),
    Case("vllm", f'<|tool_call|>[{{"name": "weather", "arguments": {JSON_CITY}}}]', (OSLO,)),
    Case("vllm", f'functools[{{"name": "weather", "arguments": {JSON_CITY}}}]', (OSLO,)),
    Case("vllm", f'<tool_calls>[{{"name": "weather", "arguments": {JSON_CITY}}}]</tool_calls>', (OSLO,)),
    Case("vllm", f'<|action_start|><|plugin|>{{"name": "weather", "parameters": {JSON_CITY}}}<|action_end|>', (OSLO,)),
    Case(
        "vllm",
        '<minimax:tool_call>\n<invoke name="weather">\n<parameter name="city">Oslo</parameter>\n</invoke>\n'
        "</minimax:tool_call>",
        (OSLO,),
    ),
    Case("vllm", f'{{"name": "weather", "parameters": {JSON_CITY}}}', (OSLO,)),
    Case("vllm", f'<|python_tag|>{{"name": "weather", "parameters": {JSON_CITY}}}', (OSLO,)),
    Case(
        "vllm",
        f'{{"name": "weather", "parameters": {JSON_CITY}}}; {{"name": "weather", "parameters": {{"city": "Rome"}}}}',
        (OSLO, ROME),
    ),
]
SGLANG = [
    Case("sglang", "[search(query='snow')]", (("search", {"query": "snow"}),)),
    Case("sglang", "Here is a call: [weather(city='Oslo')]", (OSLO,)),
    Case("sglang", "[weather(city='Oslo', days=[1, 2, 3])]", (("weather", {"city": "Oslo", "days": [1, 2, 3]}),)),
    Case(
        "sglang",
        "[search(query='x', config={'of': [1, 2], 'in': {'key': 'value'}})]",
        (("search", {"query": "x", "config": {"of": [1, 2], "in": {"key": "value"}}}),),
    ),
    Case("sglang", "[weather(city='Oslo'), weather(city='Rome')]", (OSLO, ROME)),
    Case("sglang", "[weather(city='Oslo')] The forecast:", (OSLO,)),
    Case("sglang", "[weather(city='Oslo')] and [weather(city='Rome')]", (OSLO, ROME)),
    Case("sglang", "I look. <|python_start|>[weather(city='Oslo')]<|python_end|> So we know.", (OSLO,)),
    Case("sglang", "Try this: [", answer="Try this: ["),
    Case("sglang", "No call in this text.", answer="No call in this text."),
]
LLAMA_CPP = [
    Case("llama.cpp", "Hello\nWhat's up?", answer="Hello\nWhat's up?"),
    Case("llama.cpp", "<think>I'm thinking</think>Hello\nWhat's up?", answer="Hello\nWhat's up?"),
    Case("llama.cpp", "I'm thinking</think>Hello", answer="Hello"),
    Case("llama.cpp", '<think>hm</think>\n<tool_call>{"name": "clock", "arguments": {}}</tool_call>', (("clock", {}),)),
    Case(
        "llama.cpp",
        "<|START_THINKING|>hm<|END_THINKING|><|START_ACTION|>[\n"
        f'    {{"tool_call_id": "0", "tool_name": "weather", "parameters": {JSON_CITY}}}\n]<|END_ACTION|>',
        (OSLO,),
    ),
    Case("llama.cpp", "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Hello<|END_RESPONSE|>", answer="Hello"),
    Case(
        "llama.cpp",
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
        f"<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{JSON_CITY}",
        (OSLO,),
    ),
    Case(
        "llama.cpp",
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hello",
        answer="Hello",
    ),
    Case(
        "llama.cpp",
        "<seed:tool_call>\n<function=weather>\n<parameter=city>Oslo</parameter>\n</function>\n</seed:tool_call>",
        (OSLO,),
    ),
    Case("llama.cpp", f'<TOOLCALL>[{{"name": "weather", "arguments": {JSON_CITY}}}]</TOOLCALL>', (OSLO,)),
    Case("llama.cpp", '<|tool_call_start|>[weather(city="Oslo")]<|tool_call_end|>', (OSLO,)),
    Case("llama.cpp", "<think>only thinking", answer=""),
]
CASES = [*LANGCHAIN, *LLAMA_INDEX, *QWEN_AGENT, *VLLM, *SGLANG, *LLAMA_CPP]


def found(case: Case) -> tuple[tuple[tuple[str, Json], ...], str]:
    """What a ReAct run reads; the parsers of servers read native calls."""
    is_react = case.parser in ("langchain", "llama_index", "qwen_agent")
    step = REACT.read(case.text, TOOLS) if is_react else Native().read(case.text, TOOLS)
    return tuple((call.tool, call.arguments) for call in step.calls), step.answer or ""


@pytest.mark.parametrize("case", CASES, ids=[f"{case.parser}-{case.text[:24]!r}" for case in CASES])
def test_a_text_is_read_as_the_other_parser_reads_it(case: Case) -> None:
    assert (found(case) == (case.calls, case.answer or "")) == (not case.ours)


def test_native_calls_in_a_react_run_are_never_the_answer() -> None:
    native = [case for case in CASES if case.calls and case.parser in ("vllm", "sglang", "llama.cpp")]
    assert len(native) > 35
    for case in native:
        step = REACT.read(case.text, TOOLS)
        assert tuple((call.tool, call.arguments) for call in step.calls) == case.calls, case.text


def test_the_differences_are_few_and_named(root: Path) -> None:
    named = re.sub(r"\s+", " ", (root / "docs" / "agent.md").read_text(encoding="utf-8"))
    differ = [case.ours for case in CASES if case.ours]
    assert len(CASES) >= 60
    assert len(differ) <= len(CASES) * 0.05
    assert [word for word in differ if word not in named] == []
