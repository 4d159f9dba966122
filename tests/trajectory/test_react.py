"""A trajectory as spans: each piece of text, its role, and whether it is trained."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from strategies import trajectories

from swiftagent.trajectory.react import render
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Tool, Trajectory

ROW = Trajectory(
    (
        System("Be brief."),
        Question("Oslo?"),
        Thought("look"),
        Call("weather", {"city": "Oslo"}, "c0"),
        Observation("3C", "c0"),
        Answer("It is 3C."),
    ),
    (
        Tool(
            "weather",
            "tells the weather",
            {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        ),
    ),
)


def test_a_row_with_tools_is_react_text_that_knows_its_mask() -> None:
    system, *spans = [(span.role, span.text, span.trained) for span in render(ROW)]
    assert spans == [
        ("user", "Oslo?", False),
        ("assistant", "Thought: look\n", True),
        ("assistant", 'Action: weather\nAction Input: {"city": "Oslo"}\nObservation:', True),
        ("assistant", " 3C\n", False),
        ("assistant", "Thought: I now know the final answer\n", True),
        ("assistant", "Final Answer: It is 3C.", True),
    ]
    assert system[1].startswith("Be brief.\n\nAnswer the following questions as best you can.")
    assert system[1].endswith("Begin!")


def test_a_row_without_tools_is_plain_chat() -> None:
    row = Trajectory((Question("hi"), Thought("well"), Answer("Hello.")))
    assert [(span.role, span.text, span.trained) for span in render(row)] == [
        ("user", "hi", False),
        ("assistant", "<think>\nwell\n</think>\n\n", True),
        ("assistant", "Hello.", True),
    ]


def test_parallel_calls_each_stand_before_their_result() -> None:
    calls = (Call("a", {}, "c0"), Call("b", {}, "c1"), Observation("2", "c1"), Observation("1", "c0"), Answer("x"))
    texts = [span.text for span in render(Trajectory((Question("q"), *calls)))][2:6]
    assert texts == [
        "Action: a\nAction Input: {}\nObservation:",
        " 1\n",
        "Action: b\nAction Input: {}\nObservation:",
        " 2\n",
    ]


def test_the_prompt_speaks_the_language_of_the_question() -> None:
    tools = (Tool("weather"),)
    chinese = render(Trajectory((Question("奥斯陆天气怎么样?"), Answer("冷")), tools))[0].text
    assert chinese.startswith("尽你所能回答以下问题")
    assert render(Trajectory((Question("奥斯陆?"), Answer("冷")), tools), language="en")[0].text.startswith(
        "Answer the following"
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(trajectories())
def test_no_result_is_ever_trained_and_no_trained_step_is_lost(trajectory: Trajectory) -> None:
    spans = render(trajectory)
    assert all(not span.trained for span in spans if span.kind in ("system", "question", "observation"))
    trained = [span.kind for span in spans if span.trained and span.kind in ("call", "answer")]
    assert len(trained) == sum(isinstance(event, (Call, Answer)) and event.trained for event in trajectory.events)
