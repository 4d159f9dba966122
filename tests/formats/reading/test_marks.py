"""Calls in the marks of single models: each says the same, and what the tool gave is no question."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swiftagent.convert.reading import Policy, read_trajectories
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Thought

TOOL = {"role": "tool", "content": "3C"}
LOOK = Thought("I look.", said=True)
CALL = Call("weather", {"city": "Oslo"}, "c0")
END = (Observation("3C", "c0"), Answer("It is 3C."))


def events(assistant: str, result: dict[str, str] = TOOL, **beside: Any) -> tuple[Event, ...]:
    turns = [
        {"role": "user", "content": "Oslo?"},
        {"role": "assistant", "content": assistant},
        result,
        {"role": "assistant", "content": "It is 3C."},
    ]
    (found,) = read_trajectories([Row({"messages": turns, **beside}, "x:1")], Policy())
    return found.events[1:]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


GIVEN = '{"city": "Oslo"}'
INVOKE = '<invoke name="weather">\n<parameter name="city">Oslo</parameter>\n</invoke>'


@pytest.mark.parametrize(
    "said",
    [
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"
        + GIVEN
        + "<|tool_call_end|><|tool_calls_section_end|>",
        '<|action_start|><|plugin|>\n{"name": "weather", "parameters": {"city": "Oslo"}}<|action_end|>\n',
        '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Oslo"}}]<|END_ACTION|>',
        'Action: ```json\n[{"tool_name": "weather", "parameters": {"city": "Oslo"}}]\n```',
        f"<function_calls>\n{INVOKE}\n</function_calls>",
        f"<minimax:tool_call>\n{INVOKE}\n</minimax:tool_call>",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="weather">\n<｜DSML｜parameter name="city" string="true">Oslo'
        "</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
        '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Oslo"}<|call|>',
        '```tool_code\nprint(default_api.weather(city="Oslo"))\n```',
    ],
)
def test_a_call_in_the_marks_of_a_model(said: str) -> None:
    assert events("I look.\n" + said) == (LOOK, CALL, *END)


@pytest.mark.parametrize(
    ("said", "result"),
    [
        (
            f"<function_calls>{INVOKE}</function_calls>",
            "<function_results><result><stdout>3C</stdout></result></function_results>",
        ),
        ("```tool_code\nweather(city='Oslo')\n```", "```tool_output\n3C\n```"),
        ("<function=weather>\n<parameter=city>Oslo</parameter>\n</function>", "EXECUTION RESULT of [weather]:\n3C"),
    ],
)
def test_a_result_in_a_user_turn_is_a_result(said: str, result: str) -> None:
    assert events(said, user(result)) == (CALL, *END)


def test_where_the_environment_speaks_in_user_turns_all_of_them_are_results() -> None:
    def bash(command: str) -> dict[str, str]:
        said = f"<function=bash>\n<parameter=command>{command}</parameter>\n</function>"
        return {"role": "assistant", "content": said}

    silent = "Your command ran successfully and did not produce any output."
    turns = [user("Clean"), bash("ls"), user("OBSERVATION:\na.py"), bash("rm a.py"), user(silent), END_OF_RUN]
    (found,) = read_trajectories([Row({"messages": turns}, "x:1")], Policy())
    assert [event for event in found.events if isinstance(event, (Observation, Question))] == [
        *(Question("Clean"), Observation("a.py", "c0"), Observation(silent, "c1"))
    ]


END_OF_RUN = {"role": "assistant", "content": "Done."}


def test_code_of_codeact_is_a_call_and_what_it_printed_its_result() -> None:
    code = "print(weather('Oslo'))"
    call = Call("python", {"code": code}, "c0")
    assert events(f"I look.\n<execute>\n{code}\n</execute>", user("Observation:\n3C")) == (LOOK, call, *END)


def test_reasoning_in_the_marks_of_a_model() -> None:
    said = "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>"
    assert events(said, user("Sure?"))[:2] == (Thought("hm"), Answer("Yes."))
    said = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>"
    assert events(said, user("Sure?"))[:2] == (Thought("hm"), Answer("Yes."))


@pytest.mark.parametrize(
    "text", ["Use <execute> and </execute> here.", "`<invoke>` calls", "The action:\n```json\n[1]\n```"]
)
def test_words_about_marks_stay_words(text: str) -> None:
    assert events(text, user("And?"))[0] == Answer(text)


def test_a_user_turn_that_speaks_of_an_observation_stays_a_question() -> None:
    assert events("Hm.", user("Observation: it rains"))[1] == Question("Observation: it rains")


TOOLS = [
    {
        "name": "weather",
        "description": "d",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "tool", "name": "weather", "parameters": {"city": "Oslo"}, "observation": "3C"}],
        [
            {"role": "assistant", "metadata": "weather", "content": "```python\ntool_call(city='Oslo')\n```"},
            {"role": "observation", "content": "3C"},
        ],
        [{"role": "assistant", "content": "weather\n" + GIVEN}, {"role": "observation", "content": "3C"}],
        [{"role": "assistant", "content": json.dumps({"name": "weather", "arguments": {"city": "Oslo"}})}, TOOL],
    ],
)
def test_calls_of_chatglm_and_calls_as_plain_json(turns: list[dict[str, Any]]) -> None:
    row = {
        "messages": [
            {"role": "system", "content": "", "tools": TOOLS},
            {"role": "user", "content": "Oslo?"},
            *turns,
            {"role": "assistant", "content": "It is 3C."},
        ]
    }
    (found,) = read_trajectories([Row(row, "x:1")], Policy())
    assert [tool.name for tool in found.tools] == ["weather"]
    assert found.events == (Question("Oslo?"), CALL, *END)


@pytest.mark.parametrize("given", [{"message": "Done.", "task_completed": "true"}, {"answer": "Done."}, {}])
def test_a_run_ends_on_what_its_last_call_finishes_with(given: dict[str, str]) -> None:
    def call(name: str, arguments: dict[str, str]) -> dict[str, Any]:
        return {"id": name, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}

    turns = [
        {"role": "user", "content": "List"},
        {"role": "assistant", "content": None, "tool_calls": [call("ls", {})]},
        {"role": "tool", "tool_call_id": "ls", "content": "a.py"},
        {"role": "assistant", "content": None if given else "Done.", "tool_calls": [call("finish", given)]},
    ]
    (found,) = read_trajectories([Row({"messages": turns}, "x:1")], Policy())
    assert found.events == (Question("List"), Call("ls", {}, "c0"), Observation("a.py", "c0"), Answer("Done."))


def test_tools_in_the_system_text_of_a_question_and_its_answer() -> None:
    tool = (
        '{"function": "weather", "description": "d", "arguments": [{"name": "city", "type": "string", '
        '"description": "c"}]}'
    )
    row = {
        "systemPrompt": f"You are kind. The following functions are available:\n\n{tool}",
        "userPrompt": "Oslo?",
        "assistantResponse": '{"function": "weather", "arguments": {"city": "Oslo"}}',
    }
    (found,) = read_trajectories([Row(row, "x:1")], Policy())
    assert [tool.name for tool in found.tools] == ["weather"] and list(found.tools[0].parameters["properties"]) == [
        "city"
    ]
    assert found.events[-1] == Call("weather", {"city": "Oslo"}, "c0")


def test_the_command_of_a_turn_of_mini_swe_agent_is_a_call() -> None:
    said = "I look.\n\n```bash\nls -la\n```"
    result = "<returncode>0</returncode>\n<output>\na.py\n</output>"
    assert events(said, user(result)) == (
        *(LOOK, Call("bash", {"command": "ls -la"}, "c0")),
        *(Observation(result, "c0"), Answer("It is 3C.")),
    )
    assert events(said, user("And then?"))[0] == Answer(said)
