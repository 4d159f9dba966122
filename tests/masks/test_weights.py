"""What one run trains of its records: the last turn or step, kinds of text by weight."""

from __future__ import annotations

from swiftagent.masks.check import check_record
from swiftagent.masks.pieces import Totals
from swiftagent.masks.weights import Weights, normalised, train_only, weigh
from swiftagent.trajectory.record import Record, to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Thought, Tool, Trajectory

ROW = to_record(
    Trajectory(
        (
            Question("Oslo?"),
            Answer("3C."),
            Question("And Rome?"),
            Thought("look"),
            Call("weather", {"city": "Rome"}, "c0"),
            Observation("9C", "c0"),
            Answer("9C."),
        ),
        (Tool("weather"),),
    )
)
FIRST = "Thought: I now know the final answer\nFinal Answer: 3C."
CALL = 'Thought: look\nAction: weather\nAction Input: {"city": "Rome"}\nObservation:'
LAST = "Thought: I now know the final answer\nFinal Answer: 9C."


def trained(record: Record) -> list[str]:
    return [m["content"] for m in record["messages"] if m["role"] == "assistant" and m["content"] and "loss" not in m]


def assistant(record: Record) -> list[tuple[str, float]]:
    return [
        (m["content"], 0.0 if "loss" in m else m.get("loss_scale", 1.0))
        for m in record["messages"]
        if m["role"] == "assistant"
    ]


def is_clean(record: Record) -> bool:
    totals = Totals()
    check_record(record, 1, totals)
    return totals.clean


def test_all_is_the_record_itself():
    assert train_only(ROW, "all") is ROW


def test_last_turn_is_what_follows_the_last_question():
    assert trained(train_only(ROW, "last_turn")) == [CALL, LAST]
    assert is_clean(train_only(ROW, "last_turn"))


def test_last_step_is_what_follows_the_last_result():
    assert trained(train_only(ROW, "last_step")) == [LAST]
    assert is_clean(train_only(ROW, "last_step"))


def test_the_record_given_is_not_changed():
    before = [dict(message) for message in ROW["messages"]]
    train_only(ROW, "last_step")
    weigh(ROW, Weights(call=2))
    assert ROW["messages"] == before


def test_weights_cut_messages_where_tokens_are_cut_too():
    weighed = weigh(train_only(ROW, "last_turn"), Weights(thought=0.5, call=2, arguments=3, answer=1))
    assert assistant(weighed) == [
        (FIRST, 0.0),
        ("", 1.0),
        ("Thought: look\n", 0.5),
        ("Action: weather\nAction Input:", 2.0),
        (' {"city": "Rome"}\n', 3.0),
        ("Observation:", 2.0),
        (" 9C\n", 0.0),
        ("Thought: I now know the final answer\n", 0.5),
        ("Final Answer: 9C.", 1.0),
    ]
    assert is_clean(weighed)


def test_a_thought_of_weight_0_is_masked():
    assert trained(weigh(ROW, Weights(thought=0)))[1:] == [
        'Action: weather\nAction Input: {"city": "Rome"}\nObservation:',
        "Final Answer: 9C.",
    ]


def test_weights_of_1_change_nothing():
    assert weigh(ROW, Weights()) is ROW


def test_normalised_weights_have_a_mean_of_1_over_the_trained_text():
    weights = normalised(Weights(thought=1, call=4, arguments=8, answer=2), [ROW, ROW])
    assert abs(weights.arguments / weights.thought - 8) < 1e-4
    weighed = assistant(weigh(ROW, weights))
    size = sum(len(text) for text, weight in weighed if weight)
    assert abs(sum(len(text) * weight for text, weight in weighed) / size - 1) < 1e-5


def test_a_result_stands_alone_also_between_masked_steps():
    call = Call("weather", {}, "c0", trained=False)
    row = to_record(
        Trajectory(
            (Question("q"), call, Observation("a", "c0"), call, Observation("b", "c0"), Answer("x")), (Tool("weather"),)
        )
    )
    assert [text for text, _ in assistant(weigh(row, Weights(answer=2)))][1::2] == [" a\n", " b\n", "Final Answer: x"]
