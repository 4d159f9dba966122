"""Shapes that people bring and that are spelled like no other: prompts of model families as one text, actions as text
that the next turn answers, turns with a recipient, gateways' logs, results and arguments under odd keys."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Trajectory

GIVEN = {"city": "Oslo"}
JSON_CALL = '{"name": "weather", "arguments": {"city": "Oslo"}}'
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "tells it", "parameters": SCHEMA}}
CALL, RESULT, END = Call("weather", GIVEN, "c0"), Observation("3C", "c0"), Answer("It is 3C.")
RUN = (Question("Oslo?"), CALL, RESULT, END)
ASKED, SAID = {"role": "user", "content": "Oslo?"}, {"role": "assistant", "content": "It is 3C."}
CALLED = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
GAVE = {"role": "tool", "tool_call_id": "1", "content": "3C"}
MADE = {"role": "assistant", "content": None, "tool_calls": [CALLED]}


def trajectory(row: Any, format: str) -> Trajectory:
    ledger = Ledger()
    (found,) = read_trajectories([Row(row, "x:1")], Policy(), ledger)
    assert list(ledger.formats) == [format] and ledger.balanced
    return found


def read(row: Any, format: str) -> tuple[Event, ...]:
    return trajectory(row, format).events


def refused(row: Any) -> str:
    rejects: list[dict[str, Any]] = []
    assert list(read_trajectories([Row(row, "x:1")], Policy(), Ledger(), rejects.append)) == []
    return str(rejects[0]["code"])


PROMPTS = {
    "mistral": "<s>[AVAILABLE_TOOLS] @TOOLS@[/AVAILABLE_TOOLS][INST] Oslo?[/INST][TOOL_CALLS] [@CALL@]"
    '</s>[TOOL_RESULTS] {"content": "3C", "call_id": "a"}[/TOOL_RESULTS] It is 3C.</s>',
    "mistral 13": '[INST]Oslo?[/INST][TOOL_CALLS]weather[ARGS]{"city": "Oslo"}'
    "</s>[TOOL_RESULTS]3C[/TOOL_RESULTS]It is 3C.",
    "glm 4": '[gMASK]<sop><|user|>\nOslo?<|assistant|>weather\n{"city": "Oslo"}<|observation|>\n3C'
    "<|assistant|>\nIt is 3C.",
    "deepseek": "<｜begin▁of▁sentence｜><｜User｜>Oslo?<｜Assistant｜><｜tool▁calls▁begin｜>"
    '<｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{"city": "Oslo"}\n```'
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜><｜tool▁outputs▁begin｜>"
    "<｜tool▁output▁begin｜>3C<｜tool▁output▁end｜><｜tool▁outputs▁end｜>It is 3C."
    "<｜end▁of▁sentence｜>",
    "kimi": "<|im_user|>user<|im_middle|>Oslo?<|im_end|><|im_assistant|>assistant<|im_middle|>"
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0"
    '<|tool_call_argument_begin|>{"city": "Oslo"}<|tool_call_end|><|tool_calls_section_end|><|im_end|>'
    "<|im_system|>weather<|im_middle|>## Return of functions.weather:0\n3C<|im_end|>"
    "<|im_assistant|>assistant<|im_middle|>It is 3C.<|im_end|>",
    "minimax": ']~!b[]~b]user\nOslo?[e~[\n]~b]ai\n<minimax:tool_call>\n<invoke name="weather">\n'
    '<parameter name="city">Oslo</parameter>\n</invoke>\n</minimax:tool_call>[e~[\n]~b]tool\n'
    "<response>3C</response>[e~[\n]~b]ai\nIt is 3C.[e~[\n",
    "granite": "<|start_of_role|>user<|end_of_role|>Oslo?<|end_of_text|>\n<|start_of_role|>assistant"
    "<|end_of_role|><|tool_call|>[@CALL@]<|end_of_text|>\n<|start_of_role|>tool_response"
    "<|end_of_role|>3C<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>It is 3C."
    "<|end_of_text|>",
    "command r": "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Oslo?<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|>"
    '<|CHATBOT_TOKEN|>Action: ```json\n[{"tool_name": "weather", "parameters": {"city": "Oslo"}}]\n```'
    "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|><results>\n3C\n</results>"
    "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>It is 3C.<|END_OF_TURN_TOKEN|>",
    "exaone": "[|user|]Oslo?[|endofturn|]\n[|assistant|]<tool_call>@CALL@</tool_call>[|endofturn|]\n[|tool|]"
    "<tool_result>3C</tool_result>[|endofturn|]\n[|assistant|]It is 3C.[|endofturn|]",
    "nemotron": "<SPECIAL_11>User\nOslo?\n<SPECIAL_11>Assistant\n<TOOLCALL>[@CALL@]</TOOLCALL>\n<SPECIAL_12>\n"
    "<SPECIAL_11>User\n<TOOL_RESPONSE>3C</TOOL_RESPONSE>\n<SPECIAL_11>Assistant\nIt is 3C.\n"
    "<SPECIAL_12>\n",
    "llama 4": "<|begin_of_text|><|header_start|>user<|header_end|>\n\nOslo?<|eot|><|header_start|>assistant"
    '<|header_end|>\n\n[weather(city="Oslo")]<|eot|><|header_start|>ipython<|header_end|>\n\n3C<|eot|>'
    "<|header_start|>assistant<|header_end|>\n\nIt is 3C.<|eot|>",
    "harmony": "<|start|>user<|message|>Oslo?<|end|><|start|>assistant to=functions.weather"
    '<|channel|>commentary json<|message|>{"city": "Oslo"}<|call|>'
    "<|start|>functions.weather to=assistant<|channel|>commentary<|message|>3C<|end|><|start|>assistant"
    "<|channel|>final<|message|>It is 3C.<|return|>",
}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_in_a_familys_template_is_a_conversation(name: str) -> None:
    text = PROMPTS[name].replace("@CALL@", JSON_CALL).replace("@TOOLS@", json.dumps([TOOL]))
    assert read({"text": text}, "chat-text") == RUN


UNKNOWN = {
    "llama 4": "<|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\nLook.<|eot|>"
    "<|header_start|>gadget<|header_end|>\n\n3C<|eot|><|header_start|>assistant<|header_end|>\n\nSo.<|eot|>",
    "nemotron": "<SPECIAL_11>User\nHi\n<SPECIAL_11>Assistant\nLook.\n"
    "<SPECIAL_11>Gadget\n3C\n<SPECIAL_11>Assistant\nSo.\n",
    "minimax": "]~!b[]~b]user\nHi[e~[\n]~b]ai\nLook.[e~[\n]~b]gadget\n3C[e~[\n]~b]ai\nSo.[e~[",
    "exaone": "[|user|]Hi[|endofturn|]\n[|assistant|]Look.[|endofturn|]\n[|gadget|]3C[|endofturn|]\n[|assistant|]So.",
    "kimi": "<|im_user|>user<|im_middle|>Hi<|im_end|><|im_assistant|>assistant<|im_middle|>Look.<|im_end|>"
    "<|im_gadget|>x<|im_middle|>3C<|im_end|><|im_assistant|>assistant<|im_middle|>So.<|im_end|>",
    "granite": "<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>Look."
    "<|end_of_text|>\n<|start_of_role|>gadget<|end_of_role|>3C<|end_of_text|>\n"
    "<|start_of_role|>assistant<|end_of_role|>So.",
    "command r": "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
    "Look.<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|GADGET_TOKEN|>3C<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|>"
    "<|CHATBOT_TOKEN|>So.<|END_OF_TURN_TOKEN|>",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_turn_of_a_role_that_nobody_knows_is_refused(name: str) -> None:
    assert refused({"text": UNKNOWN[name]}) == "unknown-role"


def test_what_a_tool_gave_command_r7b_is_its_result() -> None:
    text = (
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Oslo?<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
        '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Oslo"}}]<|END_ACTION|>'
        "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|><|START_TOOL_RESULT|>3C<|END_TOOL_RESULT|>"
        "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>It is 3C.<|END_OF_TURN_TOKEN|>"
    )
    assert read({"text": text}, "chat-text") == RUN


def test_gemmas_tool_speaks_in_a_turn_of_its_own() -> None:
    text = (
        "<start_of_turn>user\nOslo?<end_of_turn>\n<start_of_turn>model\n<start_function_call>call:weather"
        "{city:<escape>Oslo<escape>}<end_function_call><end_of_turn>\n<start_of_turn>tool\n3C<end_of_turn>\n"
        "<start_of_turn>model\nIt is 3C.<end_of_turn>\n"
    )
    assert read({"text": text}, "chat-text") == RUN
    said = "It ends on <end_function_response> there."
    mention = f"<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n{said}<end_of_turn>\n"
    assert read({"text": mention}, "chat-text")[-1] == Answer(said)


@pytest.mark.parametrize(
    "text",
    [
        "[SYSTEM_PROMPT]S[/SYSTEM_PROMPT]Lost.[INST]Hi[/INST]So.</s>",
        "Lost. [INST]Hi[/INST][TOOL_CALLS][]</s>",
        "<|header_start|>user<|header_end|>\n\nHi<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\nSo.<|eot|>3C<|header_start|>user<|header_end|>\n\nOh<|eot|>",
        "A page on <｜User｜>What?<｜Assistant｜> and more",
        "<|im_user|>user<|im_middle|>Hi<|im_assistant|>x<|im_middle|>What?<|im_assistant|>assistant<|im_middle|>So.",
    ],
)
def test_a_text_with_words_outside_its_turns_is_no_prompt(text: str) -> None:
    assert refused({"text": text}) == "unknown-format"


def test_a_mark_of_html_stays_in_what_is_said() -> None:
    text = "[SYSTEM_PROMPT]S[/SYSTEM_PROMPT][INST]Is <s>old</s>[/INST]Use <s>x</s> tags.</s>"
    assert read({"text": text}, "chat-text")[1:] == (Question("Is <s>old</s>"), Answer("Use <s>x</s> tags."))


@pytest.mark.parametrize(
    "text",
    [
        "Human: What is <｜User｜> and <｜Assistant｜>?\n\nAssistant: Marks.",
        "<|im_start|>user\nWhat is <｜User｜> and <｜Assistant｜>?<|im_end|>\n<|im_start|>assistant\nMarks.<|im_end|>",
        "### Human: What is <｜User｜> and <｜Assistant｜>?\n### Assistant: Marks.",
    ],
)
def test_a_mark_that_somebody_speaks_of_begins_no_turn(text: str) -> None:
    assert read({"text": text}, "chat-text") == (Question("What is <｜User｜> and <｜Assistant｜>?"), Answer("Marks."))


def test_objects_in_a_system_text_are_no_tools_and_hide_nothing() -> None:
    system = 'Products: [{"name": "Chair", "description": "A chair"}]\nAnswer in French.'
    text = (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nOui.<|im_end|>"
    )
    found = trajectory({"text": text}, "chat-text")
    assert found.events[0] == System(system) and not found.tools


def acted(action: str, answer: str, last: str = "It is 3C.") -> dict[str, Any]:
    turns = [ASKED, {"role": "assistant", "content": action}, {"role": "user", "content": answer}]
    return {"messages": [*turns, {"role": "assistant", "content": last}]}


COMMANDS = '{"analysis": "Empty.", "plan": "List.", "commands": [{"keystrokes": "ls\\n", "duration": 0.1}]'
COMMANDS += ', "reflection": "Fine."}'


@pytest.mark.parametrize(
    ("row", "call"),
    [
        (acted("Look.\n\n```\nls\n```", "OBSERVATION:\n3C"), ("bash", {"command": "ls"})),
        (acted("Look.\n```python\nf(1)\n```", "Execution result: \n3C"), ("python", {"code": "f(1)"})),
        (acted("Look.\n```python\nf(1)\n```", "Code Execution Result: 3C"), ("python", {"code": "f(1)"})),
        (acted("Look.\n<search>x</search>", "<information>3C</information>"), ("search", {"query": "x"})),
        (
            acted("Look.\n<|begin_of_query|>x<|end_of_query|>", "<|begin_of_documents|>3C<|end_of_documents|>"),
            ("search", {"query": "x"}),
        ),
    ],
)
def test_what_answers_an_action_at_the_end_of_a_turn_is_its_result(row: dict[str, Any], call: tuple[str, Any]) -> None:
    acts = (Thought("Look.", said=True), Call(*call, "c0"), RESULT)
    assert read(row, "acted-turns") == (Question("Oslo?"), *acts, END)


def test_commands_as_json_are_calls() -> None:
    done = '{"analysis": "Done.", "plan": "End.", "commands": [], "task_complete": true}'
    shown = "New Terminal Output:\na.py"
    row = acted(f"<think>Hm.</think>{COMMANDS}", shown, done)
    events = read(row, "acted-turns")
    said = Thought("Analysis: Empty.\nPlan: List.\nReflection: Fine.", said=True)
    call = Call("bash_command", {"keystrokes": "ls\n", "duration": 0.1}, "c0")
    assert events[1:5] == (Thought("Hm."), said, call, Observation(shown, "c0"))
    assert events[-1] == Call("mark_task_complete", {}, "c1")


def test_an_action_that_nothing_answers_stays_text_behind_one_that_something_does() -> None:
    code = "Here it is:\n```python\nf(2)\n```"
    row = acted("Look.\n```python\nf(1)\n```", "Execution result: 3C", code)
    more = [{"role": "user", "content": "Thanks! And sorted?"}, {"role": "assistant", "content": code}]
    events = read({"messages": [*row["messages"], *more]}, "acted-turns")
    assert events[2:] == (
        *(Call("python", {"code": "f(1)"}, "c0"), RESULT),
        *(Answer(code), Question("Thanks! And sorted?"), Answer(code)),
    )


def test_an_image_beside_what_was_printed_is_counted() -> None:
    printed = [{"type": "text", "text": "Execution result: 3C"}, {"type": "image_url", "image_url": {"url": "a.png"}}]
    row = acted("Look.\n```python\nf(1)\n```", "")
    row["messages"][2]["content"] = printed
    assert "media-left-out" in trajectory(row, "openai").repairs


def test_calls_in_tags_beside_a_fence_are_the_calls() -> None:
    row = acted(f"<tool_call>{JSON_CALL}</tool_call>\n```python\nf()\n```", "OBSERVATION: 3C")
    assert Call("weather", GIVEN, "c0") in read(row, "hermes")


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("Use this:\n```python\nf(1)\n```", "Thanks! And now?"),
        ("The tag <search>x</search>", "What is it for?"),
        ("Use <code>x</code>", "<output>err</output> is what I get, why?"),
        ("The tag <search>x</search>", "<result> is what then?"),
        ("```python\nf()\n```", "Observation: there is no docstring. Please add one."),
        ('{"commands": [{"keystrokes": "ls"}]}', "Thanks, explain."),
        ('Send {"commands": [{"keystrokes": "ls"}]} }', "New Terminal Output:\nx"),
        ("<use_mcp_tool><tool_name>w</tool_name><arguments>{}</arguments></use_mcp_tool>", "Thanks, what is it?"),
    ],
)
def test_code_and_tags_that_nothing_answers_stay_text(action: str, answer: str) -> None:
    assert Call not in map(type, trajectory(acted(action, answer), "openai").events)


@pytest.mark.parametrize(
    "text",
    [
        "<think>Hm. <|begin_search_query|>x<|end_search_query|> <|begin_search_result|>3C<|end_search_result|"
        "></think>It is 3C.",
        "<think>Hm.</think><|begin_of_query|>x<|end_of_query|><|begin_of_documents|>3C<|end_of_documents|>It is 3C.",
        "<think>Hm.</think><search>x</search><result>3C</result><answer>It is 3C.</answer>",
        "<think>Hm.\n<search>x</search>\n<information>3C</information>\n</think>\n<answer>It is 3C.</answer>",
    ],
)
def test_a_search_amid_the_reasoning_is_a_call(text: str) -> None:
    row = {"messages": [ASKED, {"role": "assistant", "content": text}]}
    assert read(row, "hermes") == (Question("Oslo?"), Thought("Hm."), Call("search", {"query": "x"}, "c0"), RESULT, END)


@pytest.mark.parametrize(
    ("code", "output"), [("llm-code", "llm-code-output"), ("code", "interpreter"), ("python", "output")]
)
def test_code_and_what_it_printed_in_one_text_are_a_call_and_its_result(code: str, output: str) -> None:
    text = f"Look.\n<{code}>\nf(1)\n</{code}>\n<{output}>\n3C\n</{output}>\nIt is 3C."
    events = read({"messages": [ASKED, {"role": "assistant", "content": text}]}, "hermes")
    assert events[2:] == (Call("python", {"code": "f(1)"}, "c0"), RESULT, END)


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("<search>x</search>", "<result>a" + " " * 5000 + "b"),
        ("<search>" + " " * 5000 + "x</b>", "<result>x</result>"),
        ("<search>" * 5000 + "</b>", "<result>x</result>"),
        ("<use_mcp_tool><tool_name>a</tool_name><arguments>" * 2000 + "</use_mcp_tool>", "Hm"),
        ("```a\n" * 5001 + "```", "EXECUTION RESULT" + " " * 5000 + "x"),
        ("<think>" + "<search>" * 5000 + "</think><search>x</search><result>y</result>", "Hm"),
        ("<think><search>" + " " * 5000 + "a</think><search>x</search><result>y</result>", "Hm"),
        ("<search>" + " " * 5000 + "a</b><search>x</search><result>y</result>", "Hm"),
    ],
)
def test_long_texts_of_tags_and_spaces_take_no_time(action: str, answer: str) -> None:
    began = time.process_time()
    list(read_trajectories([Row(acted(action, answer), "x:1")], Policy(), Ledger(), [].append))
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "example",
    ["<status_code>200</status_code>\n<result>3C</result>", "<search>q</search>\n<documents>\n3C\n</documents>"]
    + ["<visit>p</visit><result>3C</result>"],
)
def test_an_example_in_xml_is_not_run_as_code(example: str) -> None:
    text = f"It sends {example} back."
    assert refused({"messages": [ASKED, {"role": "assistant", "content": text}]}) == "unread-result"


@pytest.mark.parametrize(
    "turns",
    [
        [
            {
                "role": "assistant",
                "channel": "commentary",
                "recipient": "functions.weather",
                "content": '{"city": "Oslo"}',
            },
            {"role": "tool", "name": "functions.weather", "recipient": "assistant", "content": "3C"},
        ],
        [
            {
                "role": "assistant",
                "content": [{"type": "text", "text": '{"city": "Oslo"}'}],
                "channel": "commentary",
                "recipient": "functions.weather",
                "content_type": "<|constrain|>json",
            },
            {"role": "tool", "name": "functions.weather", "content": [{"type": "text", "text": "3C"}]},
        ],
    ],
)
def test_what_is_said_to_a_tool_is_a_call(turns: list[Any]) -> None:
    declared = [{"type": "developer_content", "instructions": "Be brief.", "tools": {"functions": {"tools": [TOOL]}}}]
    thought = {"role": "assistant", "channel": "analysis", "content": "Hm."}
    row = {"messages": [{"role": "developer", "content": declared}, ASKED, thought, *turns, SAID]}
    found = trajectory(row, "recipients")
    assert found.events == (System("Be brief."), Question("Oslo?"), Thought("Hm."), CALL, RESULT, END)
    assert [tool.description for tool in found.tools] == ["tells it"]


def test_code_said_to_the_system_is_a_call_beside_the_text_before_it() -> None:
    said = {"from": "gpt", "value": "Click it.", "recipient": "all", "end_turn": False}
    code = {"from": "gpt", "value": "click(1, 2)", "recipient": "os", "end_turn": True}
    events = read({"conversations": [{"from": "human", "value": "Open it"}, said, code]}, "recipients")
    assert events[1:] == (Thought("Click it.", said=True), Call("os", {"input": "click(1, 2)"}, "c0"))


COMPLETION = {"choices": [{"message": SAID, "finish_reason": "stop"}], "object": "chat.completion"}
REQUEST = {"model": "m", "messages": [ASKED, MADE, GAVE], "tools": [TOOL]}
BLOCKS = [
    {"role": "user", "content": [{"text": "Oslo?"}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "weather", "input": GIVEN}}]},
    {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"text": "3C"}]}}]},
]


@pytest.mark.parametrize(
    "row",
    [
        {"reqPayload": REQUEST, "respPayload": COMPLETION},
        {"prompt_input": REQUEST, "prompt_output": {"type": "chat", "messages": [SAID]}},
        {"input": REQUEST, "output": {"completion": "It is 3C."}},
        {"messages": json.dumps(REQUEST["messages"]), "response": json.dumps(COMPLETION)},
        {"messages": REQUEST["messages"], "response": COMPLETION, "optional_params": {"tools": [TOOL]}},
        {
            "request": REQUEST,
            "response": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "It is 3C."}]}
            | {"stop_reason": "end_turn"},
        },
        {
            "input": {"inputBodyJson": {"messages": BLOCKS}},
            "output": {
                "outputBodyJson": {"output": {"message": {"role": "assistant", "content": [{"text": "It is 3C."}]}}}
            },
        },
    ],
)
def test_a_gateways_log_is_a_request_and_its_answer(row: dict[str, Any]) -> None:
    assert read(row, "exchange") == RUN


@pytest.mark.parametrize("key", ["response", "completion", "generation", "model_response"])
def test_calls_as_objects_are_the_answer_to_messages(key: str) -> None:
    row = {"messages": [ASKED], "tools": [TOOL], key: [{"name": "weather", "arguments": GIVEN}]}
    assert read(row, "exchange") == (Question("Oslo?"), CALL)


def test_a_call_that_is_told_in_blocks_and_beside_them_is_one_call() -> None:
    blocks = [{"type": "text", "text": "Look."}, {"type": "tool_use", "id": "1", "name": "weather", "input": GIVEN}]
    made = {"type": "ai", "content": blocks, "tool_calls": [{"name": "weather", "args": GIVEN, "id": "1"}]}
    turns = [{"type": "human", "content": "Oslo?"}, made, {"type": "tool", "content": "3C", "tool_call_id": "1"}]
    events = read({"messages": [*turns, {"type": "ai", "content": "It is 3C."}]}, "langchain")
    assert events == (Question("Oslo?"), Thought("Look.", said=True), CALL, RESULT, END)


STEP = {"thought": "Hm.", "tool_calls": [{"name": "weather", "arguments": GIVEN}], "next_observation": "3C"}
REPLY = {"thought": "It is 3C.", "tool_calls": [], "next_observation": "", "user_input": "Thanks"}


@pytest.mark.parametrize(
    "row",
    [
        {"query": "Oslo?", "steps": [STEP, REPLY]},
        {
            "inputs": {"input": "Oslo?"},
            "outputs": {
                "output": "It is 3C.",
                "intermediate_steps": [[{"tool": "weather", "tool_input": GIVEN, "log": "Hm.\nAction: w"}, "3C"]],
            },
        },
        {
            "chatInput": "Oslo?",
            "output": "It is 3C.",
            "intermediateSteps": [
                {"thought": "Hm.", "action": {"tool": "weather", "toolInput": GIVEN, "log": "w"}, "observation": "3C"}
            ],
        },
    ],
)
def test_steps_with_calls_of_their_own_are_read(row: dict[str, Any]) -> None:
    assert read(row, "steps") == (Question("Oslo?"), Thought("Hm."), CALL, RESULT, END)


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "assistant", "content": "", "tool_calls": [{**CALLED, "result": "3C"}]}],
        [{"role": "assistant", "content": "", "tool_calls": [{**CALLED, "output": "3C"}]}],
        [{**MADE, "tool_result": "3C"}],
        [MADE, {"role": "tool", "tool_call_id": "1", "output": "3C"}],
        [MADE, {"role": "assistant", "tool_call_id": "1", "content": "3C"}],
        [MADE, {"role": "user", "tool_call_id": "1", "content": "3C"}],
    ],
)
def test_a_result_under_any_key_or_role_is_never_said_by_the_model(turns: list[Any]) -> None:
    assert read({"messages": [ASKED, *turns, SAID], "tools": [TOOL]}, "respelled") == RUN


@pytest.mark.parametrize("key", ["Tools", "toolset", "candidate_tools", "function_list", "tools_json"])
def test_tools_are_found_under_any_key_that_speaks_of_them(key: str) -> None:
    for value in ([TOOL], json.dumps([TOOL])):
        found = trajectory({key: value, "messages": [ASKED, MADE, GAVE, SAID]}, "respelled")
        assert [tool.description for tool in found.tools] == ["tells it"] and found.events == RUN


def test_system_text_and_reasoning_are_found_under_other_keys() -> None:
    row = {"systemPrompt": "Be brief.", "messages": [ASKED, {**SAID, "thoughts": "Hm."}]}
    assert read(row, "respelled") == (System("Be brief."), Question("Oslo?"), Thought("Hm."), END)


@pytest.mark.parametrize("key", ["function_args", "toolArgs", "tool_args"])
def test_arguments_under_another_key_are_kept(key: str) -> None:
    call = {"function_name": "weather", key: GIVEN}
    assert read({"messages": [ASKED, {**MADE, "tool_calls": [call]}, GAVE, SAID]}, "openai") == RUN


def test_a_call_without_arguments_keeps_none() -> None:
    call = {"name": "weather", "id": "1", "type": "tool_call", "status": "done"}
    assert read({"messages": [ASKED, {**MADE, "tool_calls": [call]}]}, "openai")[-1] == Call("weather", {}, "c0")


@pytest.mark.parametrize(
    "said", ['weather(city="Oslo")', '[weather(city="Oslo")]', 'weather\n{"city": "Oslo"}', JSON_CALL]
)
def test_an_answer_that_is_nothing_but_a_declared_call_is_that_call(said: str) -> None:
    row = {"messages": [ASKED, {"role": "assistant", "content": said}], "tools": [TOOL]}
    assert trajectory(row, "toolace" if said[0] == "[" else "openai").events == RUN[:2]


def test_tables_of_calls_are_read_whatever_their_headings() -> None:
    gorilla = {"Instruction": "Oslo?", "Functions": [json.dumps(TOOL)], "Output": ['weather(city="Oslo")']}
    trelis = {"functionList": json.dumps(TOOL), "userPrompt": "Oslo?", "assistantResponse": JSON_CALL}
    for row in (gorilla, trelis):
        found = trajectory(row, "alpaca")
        assert found.events == RUN[:2] and [tool.description for tool in found.tools] == ["tells it"]


def test_actions_of_a_vision_agent_are_calls() -> None:
    acts = {
        "from": "gpt",
        "thoughts": "Hm.",
        "actions": [{"API_name": "weather", "API_params": GIVEN}],
        "value": "Look.",
    }
    row = {"conversations": [{"from": "human", "value": "Oslo?"}, acts]}
    assert read(row, "respelled") == (Question("Oslo?"), Thought("Hm."), Thought("Look.", said=True), CALL)


def test_a_list_of_items_is_a_run() -> None:
    call = {"type": "function_call", "call_id": "1", "name": "weather", "arguments": '{"city": "Oslo"}'}
    assert (
        read([ASKED, call, {"type": "function_call_output", "call_id": "1", "output": "3C"}, SAID], "responses") == RUN
    )
