"""Sessions of coding agents, each as its program keeps or exports it."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.trajectory.types import Answer, Call, Observation, Question, Thought
from tests.support.weather import ASKED, CALLED, EVENTS, GIVEN, GIVEN_TEXT, MADE, read, refused


def text(told: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": told}]


def entry(id: str, parent: str | None, role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "message", "id": id, "parentId": parent, "message": {"role": role, "content": content, **more}}


PI_CALL = [{"type": "toolCall", "id": "a", "name": "weather", "arguments": GIVEN}]
PI = [
    {"type": "session", "version": 3, "id": "s", "timestamp": "t", "cwd": "/"},
    {"type": "model_change", "id": "0", "parentId": None, "provider": "p", "modelId": "m"},
    entry("1", "0", "user", "Oslo?"),
    entry("2", "1", "assistant", PI_CALL),
    entry("3", "2", "toolResult", text("3C"), toolCallId="a", toolName="weather", isError=False),
    entry("4", "3", "assistant", text("It is 3C.")),
]


def test_a_session_of_pi() -> None:
    assert read(PI, "pi") == [EVENTS]


def test_of_a_tree_of_pi_the_last_branch_is_read() -> None:
    left = [entry("x", "1", "assistant", text("I guess 9C.")), entry("y", "x", "user", "Look!")]
    assert read([*PI[:3], *left, *PI[3:]], "pi") == [EVENTS]


def test_the_first_sessions_of_pi_were_no_tree() -> None:
    def without_ids(line: dict[str, Any]) -> dict[str, Any]:
        return {key: told for key, told in line.items() if key not in ("id", "parentId")}

    assert read([PI[0], *map(without_ids, PI[2:])], "pi") == [EVENTS]


def test_what_the_user_ran_in_pi_is_their_word_unless_it_was_kept_from_the_model() -> None:
    ran = entry("1", None, "bashExecution", None, command="date", output="Monday")
    silent = entry("2", "1", "bashExecution", None, command="ls", output="x", excludeFromContext=True)
    said = [entry("3", "2", "user", "Day?"), entry("4", "3", "assistant", text("Monday."))]
    (found,) = read([PI[0], ran, silent, *said], "pi")
    assert found == (Question("Ran `date`\n```\nMonday\n```\n\nDay?"), Answer("Monday."))


def opencode(state: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    tool = {"type": "tool", "callID": "a", "tool": "weather", "state": state}
    return {
        "info": {"id": "ses", "title": "t"},
        "messages": [
            {"info": {"id": "1", "role": "user"}, "parts": text("Oslo?")},
            {
                "info": {"id": "2", "role": "assistant"},
                "parts": [{"type": "step-start"}, tool, {"type": "step-finish"}],
            },
            *({"info": {"id": "3", "role": "assistant"}, "parts": [part]} for part in more),
        ],
    }


DONE = {"status": "completed", "input": GIVEN, "output": "3C", "title": "t"}
FAILED = {"status": "error", "input": GIVEN, "error": "no such city"}
SAID = {"type": "text", "text": "It is 3C."}


def test_a_session_of_opencode() -> None:
    assert read([opencode(DONE, SAID)], "typed-parts") == [EVENTS]


def test_a_failed_call_of_opencode_and_reasoning() -> None:
    row = opencode(FAILED, {"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Where is that?"})
    after = (Observation("no such city", "c0"), Thought("Hm."), Answer("Where is that?"))
    assert read([row], "typed-parts") == [(ASKED, CALLED, *after)]


def gemini(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "sessionId": "s",
        "projectHash": "h",
        "startTime": "t",
        "messages": [
            {"id": "1", "type": "user", "content": "Oslo?"},
            {"id": "2", "type": "gemini", "content": "", "toolCalls": list(calls), **more},
            {"id": "3", "type": "info", "content": "Compressed."},
            {"id": "4", "type": "gemini", "content": "It is 3C.", "tokens": {}},
        ],
    }


def gemini_call(city: str, result: Any, **more: Any) -> dict[str, Any]:
    answered = [{"functionResponse": {"name": "weather", "response": {"output": result}}}]
    return {"name": "weather", "args": {"city": city}, "status": "success", "result": answered, **more}


def test_a_session_of_gemini_cli() -> None:
    assert read([gemini(gemini_call("Oslo", "3C", id="a"))], "gemini-cli") == [EVENTS]


def test_parallel_calls_of_gemini_cli_without_ids_of_which_one_was_cancelled() -> None:
    cancelled = {"name": "weather", "args": {"city": "Rome"}, "status": "cancelled", "resultDisplay": "Cancelled"}
    thoughts = [{"subject": "Weather", "description": "I look."}]
    made = (Thought("Weather: I look."), CALLED, Call("weather", {"city": "Rome"}, "c1"))
    given = (Observation("3C", "c0"), Observation("Cancelled", "c1"))
    row = gemini(gemini_call("Oslo", "3C"), cancelled, thoughts=thoughts)
    assert read([row], "gemini-cli") == [(ASKED, *made, *given, Answer("It is 3C."))]


def copilot(metadata: dict[str, Any], response: list[dict[str, Any]]) -> dict[str, Any]:
    asked = {"requestId": "r", "message": {"text": "Oslo?", "parts": []}}
    return {
        "requesterUsername": "u",
        "responderUsername": "GitHub Copilot",
        "requests": [{**asked, "response": response, "result": {"metadata": metadata}}],
    }


ROUND = {"response": "", "toolCalls": [{"id": "a", "name": "weather", "arguments": GIVEN_TEXT}]}
SHOWN = [{"kind": "thinking", "value": "private"}, {"kind": "toolInvocationSerialized", "toolId": "weather"}]
TREE = {"$mid": 21, "value": {"node": {"type": 1, "children": [{"type": 2, "text": "3C", "lineBreakBefore": True}]}}}


@pytest.mark.parametrize("content", [[{"$mid": 20, "value": "3C"}], [TREE]])
@pytest.mark.parametrize("rounds", [[ROUND], [ROUND, {"response": "It is 3C.", "toolCalls": []}]])
def test_a_chat_exported_from_copilot(content: list[Any], rounds: list[Any]) -> None:
    metadata = {"toolCallRounds": rounds, "toolCallResults": {"a": {"content": content}}}
    assert read([copilot(metadata, [*SHOWN, {"value": "It is 3C."}])], "copilot-chat") == [EVENTS]


def test_an_export_of_copilot_that_leaves_its_calls_out_is_rejected() -> None:
    assert refused(copilot({}, [*SHOWN, {"value": "It is 3C."}])) == "unread-call"


def item(message: dict[str, Any], context: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {"message": message, "contextItems": context or [], **more}


STATE = {"toolCallId": "a", "status": "done", "output": [{"name": "weather", "content": "3C"}]}
CONTINUE_CALL = {"role": "assistant", "content": "", "toolCalls": [MADE]}
TOLD = item({"role": "tool", "content": "3C", "toolCallId": "a"})
ANSWER = item({"role": "assistant", "content": "It is 3C."})


@pytest.mark.parametrize(
    "history",
    [
        [item(CONTINUE_CALL, toolCallStates=[STATE]), ANSWER],
        [item(CONTINUE_CALL, toolCallState=STATE), ANSWER],
        [item(CONTINUE_CALL, toolCallStates=[STATE]), TOLD, ANSWER],
        [item(CONTINUE_CALL), TOLD, ANSWER],
    ],
)
def test_a_session_of_continue(history: list[Any]) -> None:
    row = {"sessionId": "s", "title": "t", "workspaceDirectory": "/"}
    asked = item({"role": "user", "content": "Oslo?"})
    assert read([{**row, "history": [asked, *history]}], "continue") == [EVENTS]


def test_context_of_continue_stands_before_the_question() -> None:
    asked = item({"role": "user", "content": "Oslo?"}, [{"name": "a.py", "content": "x = 1"}])
    assert read([{"history": [asked, ANSWER]}])[0][0] == Question("x = 1\n\nOslo?")


TRAE_CALL = {"call_id": "a", "name": "weather", "arguments": GIVEN, "id": "i"}
TRAE_RESULT = {"call_id": "a", "success": True, "result": "3C", "error": None}
STEPS = [
    {"llm_response": {"content": ""}, "tool_calls": [TRAE_CALL], "tool_results": [TRAE_RESULT]},
    {"llm_response": {"content": "It is 3C."}, "tool_calls": None, "tool_results": None},
]
REQUESTS = [
    {"input_messages": [{"role": "user", "content": "Oslo?"}], "response": {"content": "", "tool_calls": [TRAE_CALL]}},
    {
        "input_messages": [{"role": "user", "content": None, "tool_result": TRAE_RESULT}],
        "response": {"content": "It is 3C.", "tool_calls": None},
    },
]


@pytest.mark.parametrize(("requests", "steps"), [(REQUESTS, STEPS), (REQUESTS, []), ([], STEPS)])
def test_a_trajectory_of_trae(requests: list[Any], steps: list[Any]) -> None:
    row = {"task": "Oslo?", "llm_interactions": requests, "agent_steps": steps, "final_result": "It is 3C."}
    assert read([{**row, "success": True}], "trae") == [EVENTS]
    assert refused({**row, "success": False}) == "failed-row"


CLINE_CALL = "<weather>\n<city>Oslo</city>\n</weather>"
DONE_TEXT = "<attempt_completion>\n<result>\nIt is 3C.\n</result>\n</attempt_completion>"


@pytest.mark.parametrize("keyed", [False, True], ids=["a file", "a row"])
@pytest.mark.parametrize("blocks", [False, True], ids=["text", "blocks"])
def test_a_conversation_of_cline(blocks: bool, keyed: bool) -> None:
    said = ["Oslo?", CLINE_CALL, "[weather for 'Oslo'] Result:\n3C", DONE_TEXT]
    roles = ("user", "assistant", "user", "assistant")
    turns = [{"role": role, "content": text(told) if blocks else told} for role, told in zip(roles, said, strict=True)]
    assert read([{"messages": turns}] if keyed else turns, "cline") == [EVENTS]


def test_what_a_call_of_cline_writes_is_its_argument_as_it_stands() -> None:
    body = "<a>\n  <path>x</path>\n</content>\n</a>"
    written = f"<write_to_file>\n<path>a.xml</path>\n<content>\n{body}\n</content>\n</write_to_file>"
    call = f"<thinking>I write.</thinking>\nDone soon.\n{written}"
    turns = [
        *({"role": "user", "content": "Write."}, {"role": "assistant", "content": call}),
        {"role": "user", "content": "[write_to_file for 'a.xml'] Result:\nThe tool failed: <error>"},
        {"role": "assistant", "content": DONE_TEXT},
        {"role": "user", "content": "[attempt_completion] Result:\nThanks, and now?"},
    ]
    (found,) = read([{"messages": turns}], "cline")
    assert found[1:] == (
        *(Thought("I write."), Thought("Done soon.", said=True)),
        Call("write_to_file", {"path": "a.xml", "content": body}, "c0"),
        *(Observation("The tool failed: <error>", "c0"), Answer("It is 3C.")),
    )
