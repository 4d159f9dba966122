"""Conversations inside a wrapping: preference pairs, requests with their responses, one text with a template's
marks."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought

HI, HELLO = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}
GO = {"role": "assistant", "content": "Go away."}
GREETING = (Question("Hi"), Answer("Hello."))


def read(row: Any, format: str) -> tuple[Event, ...]:
    ledger = Ledger()
    (found,) = read_trajectories([Row(row, "x:1")], Policy(), ledger)
    assert list(ledger.formats) == [format] and ledger.balanced
    return found.events


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi", "chosen": "Hello.", "rejected": "Go away."},
        {"instruction": "Hi", "input": "", "chosen": "Hello.", "rejected": "Go away."},
        {"prompt": [HI], "chosen": [HELLO], "rejected": [GO]},
        {"chosen": [HI, HELLO], "rejected": [HI, GO]},
        {"messages": [HI], "chosen": HELLO, "rejected": GO},
        {
            "conversations": [{"from": "human", "value": "Hi"}],
            "chosen": {"from": "gpt", "value": "Hello."},
            "rejected": {},
        },
        {"chosen_messages": [HI, HELLO], "rejected_messages": [HI, GO]},
        {"input": {"messages": [HI], "tools": []}, "preferred_output": [HELLO], "non_preferred_output": [GO]},
        {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello.", "rejected": "\n\nHuman: Hi\n\nAssistant: Go away."},
    ],
)
def test_the_preferred_answer_is_trained(row: dict[str, Any]) -> None:
    assert read(row, "preference") == GREETING


def test_earlier_turns_of_a_preference_pair_are_kept() -> None:
    row = {
        "instruction": "Bye",
        "history": [["Hi", "Hello."]],
        "system": "Be brief.",
        "chosen": "Bye.",
        "rejected": "No.",
    }
    assert read(row, "preference") == (System("Be brief."), *GREETING, Question("Bye"), Answer("Bye."))


@pytest.mark.parametrize(
    "row",
    [
        {"request": {"messages": [HI]}, "response": {"choices": [{"message": HELLO}]}},
        {"input": {"messages": [HI]}, "output": HELLO},
        {"input": [HI], "output": {"choices": [{"message": HELLO}]}},
        {"prompt": [HI], "completion": [HELLO]},
        {"prompt": [HI], "completion": "Hello."},
    ],
)
def test_a_request_and_its_response(row: dict[str, Any]) -> None:
    assert read(row, "exchange") == GREETING


TEXTS = [
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n",
    "<s>[INST] Hi [/INST] Hello. </s>",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>",
    "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n",
    "<|user|>\nHi</s>\n<|assistant|>\nHello.</s>\n",
    "### Human: Hi### Assistant: Hello.",
    "Below is an instruction that describes a task.\n\n### Instruction:\nHi\n\n### Response:\nHello.",
    "Human: Hi\n\nAssistant: Hello.",
    "The conversation between human and AI assistant.\n[|Human|] Hi\n[|AI|] Hello.\n[|Human|] ",
    "[Human]: Hi<eoh> [MOSS]: Hello.<eoa>",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_with_the_marks_of_a_template(text: str) -> None:
    assert read({"text": text}, "chat-text") == GREETING


def test_a_prompt_that_ends_where_the_completion_starts() -> None:
    prompt = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert read({"prompt": prompt, "completion": "Hello.<|im_end|>"}, "chat-text") == (System("Be brief."), *GREETING)


def test_calls_and_reasoning_inside_such_a_text() -> None:
    text = (
        '<|im_start|>system\n<tools>\n{"name": "get_w", "description": "d", "parameters": {}}\n</tools><|im_end|>\n'
        "<|im_start|>user\nOslo?<|im_end|>\n<|im_start|>assistant\n<think>\nI look.\n</think>\n"
        '<tool_call>\n{"name": "get_w", "arguments": {"city": "Oslo"}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\n3C\n</tool_response><|im_end|>\n<|im_start|>assistant\n3C.<|im_end|>\n"
    )
    assert read({"text": text}, "chat-text") == (
        *(
            Question("Oslo?"),
            Thought("I look."),
            Call("get_w", {"city": "Oslo"}, "c0"),
            Observation("3C", "c0"),
            Answer("3C."),
        ),
    )


@pytest.mark.parametrize("text", ["A story of [INST] and ### Human: marks.", "<|im_start|>user\nHi<|im_end|>\n"])
def test_a_text_without_an_answer_is_no_conversation(text: str) -> None:
    ledger = Ledger()
    assert not list(read_trajectories([Row({"text": text}, "x:1")], Policy(), ledger))
    assert ledger.reasons == {"unknown-format": 1}


def test_alpaca_with_its_text_beside_it_is_alpaca() -> None:
    row = {
        "instruction": "Hi",
        "input": "",
        "output": "Hello.",
        "text": "Below is an instruction.\n\n### Instruction:\nHi\n\n### Response:\nHello.",
    }
    assert read(row, "alpaca") == GREETING


def test_a_text_of_gpt_oss_tells_what_is_thought_called_and_answered() -> None:
    text = (
        "<|start|>system<|message|>Be brief.<|end|><|start|>user<|message|>Oslo?<|end|>"
        "<|start|>assistant<|channel|>analysis<|message|>I look.<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.weather "
        '<|constrain|>json<|message|>{"city":"Oslo"}<|call|>'
        "<|start|>functions.weather to=assistant<|channel|>commentary<|message|>3C<|end|>"
        "<|start|>assistant<|channel|>final<|message|>It is 3C.<|return|>"
    )
    assert read({"text": text}, "chat-text") == (
        *(System("Be brief."), Question("Oslo?"), Thought("I look."), Call("weather", {"city": "Oslo"}, "c0")),
        *(Observation("3C", "c0"), Answer("It is 3C.")),
    )


def refused(row: Any) -> str:
    ledger, rejected = Ledger(), []
    assert not list(read_trajectories([Row(row, "x:1")], Policy(), ledger, rejected.append)) and ledger.balanced
    return str(rejected[0]["code"])


def test_a_text_behind_an_open_call_may_be_its_result():
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    asked = {"messages": [HI, {"role": "assistant", "content": "", "tool_calls": [call]}]}
    assert refused({"input": asked, "output": "fire in hall 4"}) == "call-without-result"
    assert read({"input": {"messages": [HI]}, "output": "Hello."}, "exchange") == GREETING


def test_no_conversation_in_a_wrapping_is_left_out_in_silence():
    greeting = {"messages": [HI, HELLO]}
    assert refused({"samples": [greeting, {"prompt": "q", "strange": "an answer"}]}) == "unknown-format"
    assert refused({"sample": greeting, "example": {"messages": [HI, GO]}}) == "unread-turns"
    assert read({"sample": greeting}, "wrapped") == GREETING
