"""Rows in keys, marks and languages that no reader is made for: read as calls and results, or refused by a code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swiftagent.convert.reading import read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Observation, Question

GIVEN = {"port": "Nes"}
DECLARED = [{"name": "tide", "description": "the tide", "parameters": {"type": "object", "properties": {"port": {}}}}]
STEP = {"tool": "tide", "tool_input": GIVEN, "log": "Thought: I look.\nAction: tide\nAction Input: {}"}
TAGGED = f'<tool_call>{{"name": "tide", "arguments": {json.dumps(GIVEN)}}}</tool_call>'
READ: dict[str, Any] = {
    "pairs of LangChain": {"input": "Tide?", "intermediate_steps": [[STEP, "LOW 4"]], "output": "Low."},
    "the last key of an agent's log": {
        "task": "Tide?",
        "steps": [{"thought": "I look.", "tool": "tide", "tool_input": GIVEN, "output": "LOW 4"}],
        "result": "Low.",
    },
    "a result inside its call": {
        "prompt": "Tide?",
        "tool_invocations": [{"toolName": "tide", "args": GIVEN, "result": "LOW 4"}],
        "completion": "Low.",
    },
    "a call of a server's tool": {
        "input": [{"role": "user", "content": "Tide?"}],
        "output": [
            {"type": "mcp_call", "id": "m", "name": "tide", "arguments": json.dumps(GIVEN), "output": "LOW 4"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Low."}]},
        ],
    },
    "turns with a speaker and an utterance": {
        "dialogue": [
            {"speaker": "user", "utterance": "Tide?"},
            {"speaker": "assistant", "utterance": TAGGED},
            {"speaker": "tool", "utterance": "LOW 4"},
            {"speaker": "assistant", "utterance": "Low."},
        ]
    },
    "pairs of a role and a text": {
        "conversation": [["user", "Tide?"], ["assistant", TAGGED], ["tool", "LOW 4"], ["assistant", "Low."]]
    },
    "a row that is one step": {
        "Query": "Tide?",
        "Thought": "I look.",
        "Action": "tide",
        "Action Input": json.dumps(GIVEN),
        "Observation": "LOW 4",
        "Final Answer": "Low.",
    },
    "a chat of LibreChat": {
        "conversationId": "c",
        "messages": [
            {
                "messageId": "1",
                "text": "Tide?",
                "isCreatedByUser": True,
                "children": [
                    {"messageId": "2", "text": "Dry.", "isCreatedByUser": False, "children": []},
                    {
                        "messageId": "3",
                        "isCreatedByUser": False,
                        "content": [
                            {"type": "text", "text": "I look."},
                            {
                                "type": "tool_call",
                                "tool_call": {"id": "k", "name": "tide", "args": json.dumps(GIVEN), "output": "LOW 4"},
                            },
                            {"type": "text", "text": "Low."},
                        ],
                    },
                ],
            }
        ],
    },
    "a result in the user's turn": {
        "messages": [
            {"role": "user", "content": "Tide?"},
            {"role": "assistant", "tool_calls": [{"id": "k", "function": {"name": "tide", "arguments": GIVEN}}]},
            {"role": "user", "content": "<tool_result>\nLOW 4\n</tool_result>"},
            {"role": "assistant", "content": "Low."},
        ]
    },
    "a result in the user's turn, in words of ReAct": {
        "messages": [
            {"role": "user", "content": "Tide?"},
            {"role": "assistant", "content": f"Action: tide\nAction Input: {json.dumps(GIVEN)}"},
            {"role": "user", "content": "<output>LOW 4</output>"},
            {"role": "assistant", "content": "Final Answer: Low."},
        ]
    },
}
ASKED = [{"role": "user", "content": "Tide?"}]
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Low."}]}
SERVED: dict[str, tuple[dict[str, Any], str, dict[str, Any], str]] = {  # item: tool, arguments, result
    "a search in files": (
        {"type": "file_search_call", "queries": ["Nes"], "results": [{"filename": "t.txt", "text": "LOW\n4"}]},
        "file_search",
        {"queries": ["Nes"]},
        "t.txt\nLOW\n4",
    ),
    "code": (
        {"type": "code_interpreter_call", "code": "tide()", "outputs": [{"type": "logs", "logs": "LOW 4"}]},
        "code_interpreter",
        {"code": "tide()"},
        "LOW 4",
    ),
}
CHATS: dict[str, Any] = {
    "name and text": {"turns": [{"name": "user", "text": "Tide?"}, {"name": "assistant", "text": "Low."}]},
    "author and message": {"messages": [{"author": "Human", "message": "Tide?"}, {"author": "AI", "message": "Low."}]},
    "a system that answers": {
        "dialog": [{"speaker": "USER", "utterance": "Tide?"}, {"speaker": "SYSTEM", "utterance": "Low."}]
    },
    "a step that calls nothing": {"Query": "Tide?", "Action": "None", "Action Input": "", "Final Answer": "Low."},
    "a step that is the answer": {"Query": "Tide?", "Action": "Final Answer", "Action Input": "Low."},
    "questions and answers": [["Tide?", "Low."]],
    "questions and answers under a key": {"conversations": [["Tide?", "Low."]]},
}
REFUSED = {
    "Gedanke: ich schaue\nAktion: tide\nEingabe: {}\nBeobachtung: LOW 4\nAntwort: Niedrig.": "unread-result",
    "思考: 調べる\n行動: tide\n行動入力: {}\n観察: LOW 4\n最終回答: 低い": "unread-result",
    '<details type="tool_calls" name="tide" result="LOW 4">\n</details>\nLow.': "unread-result",
    '«call» tide {"port": "Nes"} «/call»': "unread-call",
    "```yaml\ntool: tide\nargs:\n  port: Nes\n```": "unread-call",
}


def read(row: Any) -> tuple[list[Any], list[Any]]:
    rejects: list[Any] = []
    return list(read_trajectories([Row(row, "x:1")], reject=rejects.append)), rejects


@pytest.mark.parametrize("row", READ.values(), ids=READ)
def test_a_variant_keeps_its_call_and_its_result(row: Any) -> None:
    (found,), _ = read(row)
    call = next(place for place, event in enumerate(found.events) if isinstance(event, Call))
    assert found.events[call : call + 2] == (Call("tide", GIVEN, "c0"), Observation("LOW 4", "c0"))


@pytest.mark.parametrize("text", REFUSED)
def test_a_step_in_words_of_its_own_is_refused(text: str) -> None:
    turns = [{"role": "user", "content": "Tide?"}, {"role": "assistant", "content": text}]
    for row in ({"messages": turns, "tools": DECLARED}, *([{"messages": turns}] if "LOW 4" in text else [])):
        found, rejects = read(row)
        assert not found and rejects[0]["code"] == REFUSED[text]


def test_a_result_that_the_model_says_behind_its_call_is_refused() -> None:
    asked = {"role": "user", "content": "Tide?"}
    call = {"role": "assistant", "content": '<tool_call>{"name": "tide", "arguments": {}}</tool_call>'}
    found, rejects = read({"messages": [asked, call, {"role": "assistant", "content": "Tool result: LOW 4"}]})
    assert not found and rejects[0]["code"] == "unread-result"


@pytest.mark.parametrize("row", CHATS.values(), ids=CHATS)
def test_turns_under_other_names_are_a_chat(row: Any) -> None:
    (found,), _ = read(row)
    assert found.events == (Question("Tide?"), Answer("Low."))


@pytest.mark.parametrize(("item", "tool", "given", "result"), SERVED.values(), ids=SERVED)
def test_a_call_of_the_server_is_read_with_its_result(
    item: dict[str, Any], tool: str, given: dict[str, Any], result: str
) -> None:
    (found,), _ = read({"input": ASKED, "output": [item, SAID]})
    assert found.events[1:3] == (Call(tool, given, "c0"), Observation(result, "c0"))


@pytest.mark.parametrize(
    "item",
    (
        {"type": "web_search_call", "action": {"type": "search", "query": "tide"}},
        {"type": "file_search_call", "queries": ["tide"], "results": None},
        {"type": "image_generation_call", "result": "AAAA"},
        {"type": "some_new_call", "arguments": "{}"},
    ),
    ids=lambda item: item["type"],
)
def test_a_call_of_the_server_without_a_result_refuses_its_row(item: dict[str, Any]) -> None:
    found, rejects = read({"input": ASKED, "output": [item, SAID]})
    assert not found and rejects[0]["code"] == "unread-turns"


def test_a_picture_that_a_call_gave_is_a_placeholder() -> None:
    call = {"type": "computer_call", "call_id": "k", "action": {"type": "click", "x": 1}}
    seen = {"type": "computer_call_output", "call_id": "k", "output": {"image_url": "data:AAAA"}}
    (found,), _ = read({"input": [*ASKED, call, seen], "output": [SAID]})
    assert found.events[1:3] == (Call("computer", {"type": "click", "x": 1}, "c0"), Observation("<image>", "c0"))


def test_reasoning_without_text_is_left_out() -> None:
    (found,), _ = read({"input": ASKED, "output": [{"type": "reasoning", "summary": [], "content": None}, SAID]})
    assert found.events == (Question("Tide?"), Answer("Low."))


def test_a_run_of_swe_agent_keeps_its_commands() -> None:
    steps = [
        {"thought": "I look.", "action": "ls\n", "observation": "a.py\n", "response": "I look.\n```\nls\n```"},
        {"thought": "Done.", "action": "submit", "observation": "", "response": "Done.\n```\nsubmit\n```"},
    ]
    history = [{"role": "user", "content": "Demo", "is_demo": True}, {"role": "user", "content": "Fix it."}]
    (found,), _ = read({"trajectory": steps, "history": history})
    assert found.events[0] == Question("Fix it.")
    assert [event for event in found.events if isinstance(event, (Call, Observation))] == [
        Call("bash", {"command": "ls"}, "c0"),
        Observation("a.py\n", "c0"),
        Call("bash", {"command": "submit"}, "c1"),
    ]


def test_what_the_user_says_behind_a_result_is_not_lost() -> None:
    turns = [*ASKED, {"role": "assistant", "content": TAGGED}]
    turns += [{"role": "user", "content": "<tool_response>LOW 4</tool_response>\nBriefly."}]
    (found,), _ = read({"messages": [*turns, {"role": "assistant", "content": "Low."}]})
    assert found.events[2:4] == (Observation("LOW 4", "c0"), Question("Briefly."))


@pytest.mark.parametrize("tag", ("tool_result", "tool_output", "function_results"))
def test_a_result_of_the_user_that_answers_no_call_refuses_its_row(tag: str) -> None:
    told = {"role": "user", "content": f"<{tag}>LOW 4</{tag}>"}
    found, rejects = read({"messages": [told, {"role": "assistant", "content": "Low."}]})
    assert not found and rejects[0]["code"] == "unread-result"


def test_pairs_of_a_run_are_no_questions_and_answers() -> None:
    found, rejects = read({"trajectory": [["tide Nes", "LOW 4"], ["stop", "ended"]]})
    assert not found and rejects[0]["code"] == "unknown-format"
