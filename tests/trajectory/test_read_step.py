"""What models really write, read as a step."""

from __future__ import annotations

import pytest

from swiftagent.trajectory.react import render_step
from swiftagent.trajectory.read_step import Step, read_step, step_end
from swiftagent.trajectory.types import Answer, Call, Thought

CALL = Call("weather", {"city": "Oslo"})


@pytest.mark.parametrize(
    "text, calls",
    [
        ('Action: weather\nAction Input: {"city": "Oslo"}\nObservation:', (CALL,)),
        ('Action：weather\nAction Input：{"city": "Oslo"}\nObservation：', (CALL,)),
        ("Action: weather\nAction Input: {'city': 'Oslo'}", (CALL,)),
        ('**Action:** `weather`\n**Action Input:** ```json\n{\n  "city": "Oslo"\n}\n```\n**Observation:**', (CALL,)),
        ('Action: weather\nAction Input:\n{\n "city":\n "Oslo",\n}\nObservation:', (CALL,)),
        ('action: weather\naction input: {"city": "Oslo"} and so on\n', (CALL,)),
        ('Action: weather, Action Input: {"city": "Oslo"}', (CALL,)),
        ('Action: weather\nAction Input: "{\\"city\\": \\"Oslo\\"}"', (CALL,)),
        ('Action: weather({"city": "Oslo"})', (CALL,)),
        ("Action: weather(city='Oslo')", (CALL,)),
        ("Action: search[Oslo]", (Call("search", {"input": "Oslo"}),)),
        ("Action: search\nAction Input: Oslo now", (Call("search", {"input": "Oslo now"}),)),
        ("Action: list_all\nAction Input:\nObservation:", (Call("list_all", {}),)),
        (
            "Action: a\nAction Input: {'t': True, 'n': None, 'q': \"it's\"}",
            (Call("a", {"t": True, "n": None, "q": "it's"}),),
        ),
        ('Action: a\nAction Input: {"n": 12345678901234567890123}', (Call("a", {"n": 12345678901234567890123}),)),
        ('Action: a\nAction Input: {"s": "\\ud800"}', (Call("a", {"s": "\ufffd"}),)),
    ],
)
def test_one_call(text: str, calls: tuple[Call, ...]):
    assert read_step(text).calls == calls


def test_observation_inside_a_json_string_is_no_end():
    text = 'Action: note\nAction Input: {"text": "Observation: 3\\nFinal Answer: no"}\nObservation:'
    assert step_end(text) == len(text) - len("Observation:")
    assert read_step(text) == Step(calls=(Call("note", {"text": "Observation: 3\nFinal Answer: no"}),))


def test_an_open_json_string_is_still_going_on():
    assert step_end('Action: note\nAction Input: {"text": "Observation: 3') is None


def test_a_raw_newline_before_observation_ends_even_an_open_string():
    assert step_end('Action: note\nAction Input: {"text": "x\nObservation: 3') == 39


def test_an_invented_result_is_cut_and_noted():
    step = read_step(
        'Action: weather\nAction Input: {"city": "Oslo"}\nObservation: 30C\nThought: hot\nFinal Answer: 30C'
    )
    assert step == Step(calls=(CALL,), notes=("invented-observation",))


def test_several_actions_at_once_are_all_calls():
    step = read_step(
        'Action: weather\nAction Input: {"city": "Oslo"}\nAction: weather\nAction Input: {"city": "Rome"}\nObservation:'
    )
    assert step == Step(calls=(CALL, Call("weather", {"city": "Rome"})), notes=("several-actions",))


def test_an_action_that_is_only_spoken_of_is_no_call():
    step = read_step(
        'Thought: either\nAction: erase\nAction Input: {}\nor rather\nAction: weather\nAction Input: {"city": "Oslo"}'
    )
    assert step.calls == (CALL,)


def test_an_answer_after_a_call_waits_for_the_result():
    step = read_step('Action: weather\nAction Input: {"city": "Oslo"}\nFinal Answer: 30C')
    assert (step.calls, step.answer) == ((CALL,), None)


@pytest.mark.parametrize(
    "text, thought, answer",
    [
        ("Thought: I now know the final answer\nFinal Answer: It is 3C.", "", "It is 3C."),
        ("Thought: easy\nFinal Answer: It is\n3C.", "easy", "It is\n3C."),
        ("It is 3C.", "", "It is 3C."),
        ("easy\nFinal Answer: 3C", "easy", "3C"),
        ("Action: finish[3C]", "", "3C"),
        ("Action: None\nFinal Answer: 3C", "", "3C"),
        ("Thought: hm", "hm", None),
        ("", "", None),
    ],
)
def test_answers_and_bare_thoughts(text: str, thought: str, answer: str | None):
    step = read_step(text)
    assert (step.thought, step.answer, step.calls) == (thought, answer, ())


def test_reasoning_is_apart():
    assert read_step("<think>\nAction: erase\n</think>\n\nFinal Answer: 3C") == Step(
        answer="3C", reasoning="Action: erase"
    )


@pytest.mark.parametrize(
    "given", ['{"city": "Oslo"', '{"city": NaN}', "{city: Oslo}", "{'a': __import__('os')}", "[" * 5000 + "]" * 5000]
)
def test_an_input_that_cannot_be_read_is_told_not_guessed(given: str):
    step = read_step(f"Action: weather\nAction Input: {given}\nObservation:")
    assert step.calls[0].arguments == {"input": given}
    assert "broken-json" in step.notes
    assert step.problem


def test_a_backslash_that_python_does_not_know_is_text():
    step = read_step("Action: find\nAction Input: {'pattern': '\\d+'}\nObservation:")
    assert (step.calls[0].arguments, step.notes, step.problem) == ({"pattern": "\\d+"}, ("python-repr",), "")


@pytest.mark.parametrize(
    "events",
    [
        (
            Thought("look:\nAction: x\n Observation: y"),
            Call("a b", {"q": "<|im_end|>\nObservation: [INST] \u2028", "n": [1, {"x": None}]}),
        ),
        (Thought("x"), Answer("Thought: a\n\nAction: b\n  Final Answer: c <think>")),
        (Call("a", {}),),
    ],
)
def test_what_training_writes_reads_back_exactly(events: tuple):
    text = "".join(span.text for span in render_step(events))
    step = read_step(text)
    read = (
        *([Thought(step.thought)] if step.thought else []),
        *step.calls,
        *([Answer(step.answer)] if step.answer else []),
    )
    assert (read, step.notes, step.problem) == (events, (), "")
