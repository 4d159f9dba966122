"""Where values come from: what a conversation says, in its own spelling or another."""

from __future__ import annotations

import pytest

from swiftagent.clean.values import Context, given_values
from swiftagent.trajectory.types import Answer, Call, Json, Observation, Question, Tool, Trajectory


@pytest.mark.parametrize(
    ("said", "value", "is_grounded"),
    [
        ("a 15% tip", 0.15, True),
        ("a 20% tip", 0.2, True),
        ("a 15% tip", 0.2, False),
        ("a loan of $50k", 50000, True),
        ("two rooms", "2", True),
        ("I feel nauseous", "nausea", True),
        ("book me a hotel", "hotel booking", True),
        ("100 Euros", "EUR", True),
        ("the Europe desk", "rope", False),
        ("look at pier_29.png", "pier_29.png", True),
        ("look at pier_29.png", "pier_46.png", False),
        ("my name is Ann Lee", {"first": "Ann", "last": "Lee"}, True),
        ("on March 25th, 2023 at 2 pm", "2023-03-25 14:00:00", True),
        ("on March 25th, 2023 at 2 pm", "2023-03-25 08:30:00", False),
        ("on March 25th, 2023 at 2 pm", "2019-03-25 08:30:00", False),
        ("until March 25th", "2023-03-25 23:59:59", True),
        ("tomorrow at 9", "2024-05-02 09:00", True),
        ("how old is she today", "5185-33-39", False),
        ("明天上午", "2024-05-02", True),
        ("10月1日上午10:00", "2022年10月1日早上10点", True),
        ("from October 1, 2022", "10/01/2022", True),
        ("from October 1, 2022", "11/02/2022", False),
        ("a loan over 30 years", 360, True),
        ("a loan over 30 dollars", 360, False),
        ("the third floor", 3, True),
        ("5000 Japanese Yen", "JPY", True),
        ("the price of Netflix", "NFLX", True),
        ("the price of Netflix", "MSFT", False),
        ("for $100", "USD", True),
        ("for $100", "EUR", False),
        ("into Spanish", "es", True),
        ("into Spanish", "fr", False),
        ("call 555 01 99", "555-0199", True),
        ("call 555 01 99", "555-0198", False),
        ("my health data", "QueryHealthData", True),
        ("on March 25th, 2023 at 2 pm", "2023-03-25T14:00:00Z", True),
        ("what is it", "T", False),
        ("j" * 100_000 + "p" * 100_000, "JPY", False),
        ("a room on July 15th", "hotel room July 15 2023", True),
        ("a room on July 15th, 2022", "hotel room July 15 2023", False),
    ],
)
def test_values_are_found_as_they_are_said(said: str, value: Json, is_grounded: bool):
    context = Context()
    context.add(said)
    assert context.grounds(value) is is_grounded


def test_what_only_a_conversation_gives_is_looked_for_in_all_that_was_said_before():
    unit = {"enum": ["celsius", "kelvin"]}
    tool = Tool("weather", "", {"properties": {"city": {}, "unit": unit, "days": {"default": 3}, "note": {}}})
    prose = "It seems that the user wants to know what to wear in the morning of that day"
    events = (
        Question("Is it cold?"),
        Answer("Where? In Oslo?"),
        Question("Yes."),
        Call("weather", {"city": "Oslo", "unit": "celsius", "days": 3, "note": prose}, "a"),
        Observation("3 degrees", "a"),
        Call("weather", {"city": "Rome"}, "b", trained=False),
        Call("weather", {"city": "Bern", "unit": "rankine"}, "c"),
    )
    found = [
        (each.slot, each.place, each.value, each.is_grounded) for each in given_values(Trajectory(events, (tool,)))
    ]
    assert found == [
        ("weather.city", 3, "Oslo", True),
        ("weather.city", 6, "Bern", False),
        ("weather.unit", 6, "rankine", False),
    ]
