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
# Of Qwen-Agent's parsers only that of `<tool_call>` has tests; the other situations are those that its code handles.
QWEN_AGENT = [
    Case("qwen_agent", f"I look it up.\nAction: weather\nAction Input: {JSON_CITY}\n", (OSLO,)),
    Case("qwen_agent", f"Thought: 我查一下。\nAction: weather\nAction Input: {JSON_CITY}\nObservation:", (OSLO,)),
    Case("qwen_agent", "Thought: none is needed.\nAction: clock\nAction Input:\n", (("clock", {}),)),
    Case(
        "qwen_agent",
        f"Thought: a\nAction: weather\nAction Input: {JSON_CITY}\nObservation: 3C\nThought: b\nAction: weather\n"
        'Action Input: {"city": "Rome"}',
        (ROME,),
        ours="the last of several steps",
    ),
    Case("qwen_agent", "I see.\nAction: clock", answer="I see.\nAction: clock", ours="an action without an input"),
    Case("qwen_agent", f"✿FUNCTION✿: weather\n✿ARGS✿: {JSON_CITY}", (OSLO,)),
    Case("qwen_agent", f"Let me see.\n✿FUNCTION✿: weather\n✿ARGS✿: {JSON_CITY}\n", (OSLO,)),
    Case("qwen_agent", "✿FUNCTION✿: clock", (("clock", {}),)),
    Case("qwen_agent", "✿FUNCTION✿: clock\n✿ARGS✿: ", (("clock", {}),)),
    Case("qwen_agent", f"✿FUNCTION✿: weather\n✿ARGS✿: {JSON_CITY} <!-- where -->", (OSLO,)),
    Case(
        "qwen_agent",
        f'✿FUNCTION✿: weather\n✿ARGS✿: {JSON_CITY}\n✿FUNCTION✿: weather\n✿ARGS✿: {{"city": "Rome"}}\n',
        (OSLO, ROME),
    ),
    Case("qwen_agent", '<tool_call>\n{"name": "search", "arguments": {}}\n', (("search", {}),)),
    Case(
        "qwen_agent",
        '<tool_call>\n{"name": "search", "arguments": {"query": {"q": "qwen"}}}\n</tool_call>',
        (("search", {"query": {"q": "qwen"}}),),
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
    # QwQ, Granite, Hermes, Reka: the template may have opened the reasoning.
    Case("llama.cpp", "Let me think...\n</think>\nIt is 42.", answer="It is 42."),
    Case("llama.cpp", "</think>Hello", answer="Hello"),
    Case("llama.cpp", f'<tool_call>\n{{"name": "weather", "arguments": {JSON_CITY}}}</tool_call>', (OSLO,)),
    Case("llama.cpp", f'Hello\nyou<tool_call>\n{{"name": "weather", "arguments": {JSON_CITY}}}</tool_call>', (OSLO,)),
    Case(
        "llama.cpp",
        f'hm\n</think>\n\nI look.<tool_call>\n{{"name": "weather", "arguments": {JSON_CITY}}}</tool_call>',
        (OSLO,),
    ),
    Case(
        "llama.cpp",
        f'<tool_call>\n{{"name": "weather", "arguments": {JSON_CITY}}}</tool_call>'
        '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call>',
        (OSLO, sum_of(1, 2)),
    ),
    Case(
        "llama.cpp",
        'Perhaps <tool_call>\n{"name": "add", "arguments": {"a": 2}}</tool_call> hm\n</think>\n\n'
        f'<tool_call>\n{{"name": "weather", "arguments": {JSON_CITY}}}</tool_call>',
        (OSLO,),
    ),
    *(
        Case("llama.cpp", f"{before}<|tool_call>call:{call}<tool_call|>", (found,))
        for before, call, found in (
            ("", 'weather{city:<|"|>Oslo<|"|>}', OSLO),
            ("Hello\nyou", 'weather{city:<|"|>Oslo<|"|>}', OSLO),
            ("<|channel>thought\nI'm\nthinking<channel|>", 'weather{city:<|"|>Oslo<|"|>}', OSLO),
            ("", "clock{}", ("clock", {})),
            ("", "note{n:-7}", ("note", {"n": -7})),
            ("", "note{n:3.14}", ("note", {"n": 3.14})),
            ("", "note{n:1.5e10}", ("note", {"n": 1.5e10})),
            ("", "note{on:true}", ("note", {"on": True})),
            ("", "note{value:null}", ("note", {"value": None})),
            ("", 'note{of:[<|"|>buy milk<|"|>,<|"|>walk<|"|>]}', ("note", {"of": ["buy milk", "walk"]})),
            ("", 'note{of:{theme:<|"|>dark<|"|>,count:3}}', ("note", {"of": {"theme": "dark", "count": 3}})),
            ("", "note{of:[]}", ("note", {"of": []})),
            ("", "note{of:{}}", ("note", {"of": {}})),
        )
    ),
    Case("llama.cpp", "<|channel>thought\n<channel|>Hello\nyou", answer="Hello\nyou"),
    Case("llama.cpp", "<|channel><|channel>thought\n<channel|>Hello\nyou", answer="Hello\nyou"),
    *(
        Case(
            "llama.cpp",
            f"<tool_call>\n<function=note>\n<parameter=value>\n{text}\n</parameter>\n</function>\n</tool_call>",
            (("note", {"value": value}),),
        )
        for text, value in (
            ("hello world", "hello world"),
            ("42", 42),
            ("null", None),
            ('{"a": 1}', {"a": 1}),
            ("2 dollars", "2 dollars"),
            ("{not valid json", "{not valid json"),
        )
    ),
    Case(
        "llama.cpp",
        "hm</think>Text<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>"
        '{"city": "Oslo"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>'
        '{"a": 1, "b": 2}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        (OSLO, sum_of(1, 2)),
    ),
    *(
        Case(
            "llama.cpp",
            f'{before}\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name="note">\n<｜DSML｜parameter name="a" '
            f'string="{is_text}">{text}</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
            (("note", {"a": value}),),
        )
        for before, is_text, text, value in (
            ("hm</think>", "true", "Tokyo", "Tokyo"),
            ("", "false", "1", 1),
            ("hm</think>Let me call.", "false", "-14", -14),
            ("</think>", "false", "3.14", 3.14),
            ("hm</think>", "false", "true", True),
            ("hm</think>", "false", '["buy milk","walk dog"]', ["buy milk", "walk dog"]),
            ("hm</think>", "false", '{"theme":"dark","level":2}', {"theme": "dark", "level": 2}),
        )
    ),
    *(
        Case("llama.cpp", f"{before}<tool_call>note{call}</tool_call>{after}", (("note", found),))
        for before, call, after, found in (
            ("I need to.\n", "\n<arg_key>a</arg_key>\n<arg_value>Oslo</arg_value>\n", "", {"a": "Oslo"}),
            ("hm.\n</think>\nNow.\n", "\n<arg_key>a</arg_key>\n<arg_value>7</arg_value>\n", "", {"a": 7}),
            ("", "\n<arg_key>a</arg_key>\n<arg_value>null</arg_value>\n", "\nThat was it.", {"a": None}),
            ("</think>\n", "<arg_key>a</arg_key><arg_value>123 Main St</arg_value>", "", {"a": "123 Main St"}),
            ("</think>\n", '\n<arg_key>a</arg_key>\n<arg_value>{"b": 1}</arg_value>\n', "", {"a": {"b": 1}}),
            ("</think>\n", "\n<arg_key>a</arg_key>\n<arg_value>1abc</arg_value>\n", "", {"a": "1abc"}),
        )
    ),
    Case(
        "llama.cpp",
        "hm\n</think>\n<tool_call>note\n<arg_key>a</arg_key>\n<arg_value>has </think> and <tool_call></arg_value>\n"
        "</tool_call>",
        (("note", {"a": "has </think> and <tool_call>"}),),
        ours="marks inside a value",
    ),
    Case("llama.cpp", "<|open|>response<|sep|>Hello<|close|>response<|sep|><|close|>message<|sep|>", answer="Hello"),
    Case(
        "llama.cpp",
        '<|open|>response<|sep|><|close|>response<|sep|><|open|>tools<|sep|><|open|>call tool="weather" index="1"'
        '<|sep|><|open|>argument key="city" type="string"<|sep|>Oslo<|close|>argument<|sep|><|close|>call<|sep|>'
        "<|close|>tools<|sep|><|close|>message<|sep|>",
        (OSLO,),
    ),
    Case("llama.cpp", "<think>hm</think>Look.<|tool_call_start|>[add(a=1, b=2)]<|tool_call_end|>", (sum_of(1, 2),)),
    Case(
        "llama.cpp",
        "<think>hm <|tool_call_start|>[add(a=9, b=9)]<|tool_call_end|> no</think>"
        "<|tool_call_start|>[add(a=1, b=2)]<|tool_call_end|>",
        (sum_of(1, 2),),
    ),
    Case("llama.cpp", '<|tools_prefix|>[{"weather": {"city": "Oslo"}}]<|tools_suffix|>', (OSLO,)),
    Case(
        "llama.cpp",
        'Call:\n</think>\n\n<minimax:tool_call>\n<invoke name="clock">\n</invoke>\n</minimax:tool_call>',
        (("clock", {}),),
    ),
    Case("llama.cpp", "</mm:think>Hello", answer="Hello"),
    Case("llama.cpp", "<mm:think>hm</mm:think>Hello", answer="Hello"),
    Case(
        "llama.cpp",
        '<mm:think>hm</mm:think>]<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="weather">]<]minimax[>[<city>Oslo'
        "]<]minimax[>[</city>]<]minimax[>[</invoke>\n]<]minimax[>[</tool_call>",
        (OSLO,),
    ),
    Case(
        "llama.cpp",
        "<|channel|>analysis<|message|>hm<|start|>assistant<|channel|>final<|message|>Hello<|end|>",
        answer="Hello",
    ),
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
    native = [case for case in CASES if case.calls and not case.ours and case.parser in ("vllm", "sglang", "llama.cpp")]
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
