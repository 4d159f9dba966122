from __future__ import annotations

import pytest

from swiftagent.scores.calls import Attempt
from swiftagent.scores.reading import predicted_from_native, predicted_from_text


def test_a_call():
    found = predicted_from_text('Thought: look\nAction: weather\nAction Input: {"city": "Oslo"}\nObservation:')
    assert (found.calls, found.answer, found.parsable) == ((Attempt("weather", {"city": "Oslo"}),), None, True)


def test_an_answer():
    found = predicted_from_text("Thought: I now know the final answer\nFinal Answer: It is 3C.")
    assert (found.calls, found.answer, found.parsable) == ((), "It is 3C.", True)


def test_arguments_that_do_not_parse_keep_the_name():
    found = predicted_from_text('Action: weather\nAction Input: {"city": "Os\n')
    assert [(call.tool, call.parsed) for call in found.calls] == [("weather", False)]
    assert not found.parsable


def test_a_result_that_the_model_wrote():
    text = 'Action: weather\nAction Input: {"city": "Oslo"}\nObservation: 3C\nFinal Answer: 3C'
    assert predicted_from_text(text).invented_observation
    assert predicted_from_text(text).calls == (Attempt("weather", {"city": "Oslo"}),)


@pytest.mark.parametrize("text", ["", "  \n", "Thought: I wonder\n"])
def test_nothing_done(text: str):
    found = predicted_from_text(text)
    assert (found.calls, found.answer, found.parsable) == ((), None, False)


def test_text_outside_the_grammar_is_an_answer_but_not_readable():
    found = predicted_from_text("Hello! How can I help?")
    assert (found.answer, found.readable, found.parsable) == ("Hello! How can I help?", False, False)


def test_plain_chat():
    found = predicted_from_text("<think>\nhm\n</think>\n\nObservation: it rains", agentic=False)
    assert (found.answer, found.parsable) == ("Observation: it rains", True)
    assert predicted_from_text("Action: weather\nAction Input: {}", agentic=False).calls == (Attempt("weather", {}),)


def test_native_calls():
    text = '<think>\nhm\n</think>\n\n<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
    assert predicted_from_native(text).calls == (Attempt("weather", {"city": "Oslo"}),)
    cut = predicted_from_native('<tool_call>\n{"name": "weather", "arguments": {"city": \n</tool_call>')
    assert [(call.tool, call.parsed) for call in cut.calls] == [("weather", False)]
    assert predicted_from_native("<think>\nhm\n</think>\n\n3C").answer == "3C"
