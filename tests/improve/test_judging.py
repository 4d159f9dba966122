from __future__ import annotations

from swiftagent.improve.judging import Try, judge, lesson, most_to_learn
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, Thought, Tool, Trajectory

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "Weather.", SCHEMA)
ASKED = Question("Is it warm in Rome?")
GOLD = (ASKED, Thought("I look it up."), Call("get_weather", {"city": "Rome"}, "c0"))


def row(*events: Event) -> Trajectory:
    return Trajectory(events or GOLD, (WEATHER,), "r")


def tried(city: object, *, failed: bool = False) -> Try:
    events = [Thought("Mine."), Call("get_weather", {"city": city}, "c0"), Observation("7", "c0"), Answer("7.")]
    return Try(events, ["c0"] if failed else [])


def reasons(*tries: Try, gold: bool = True) -> list[str]:
    return [verdict.reason for verdict in judge(row() if gold else row(ASKED), tries)]


def test_gold_the_schema_and_errors_judge_a_try() -> None:
    assert reasons(tried("Rome"), tried("Oslo"), tried(5), tried("Rome", failed=True)) == [
        "right", "wrong-call", "schema", "failed-call",
    ]  # fmt: skip
    assert reasons(Try([Answer("It is warm.")])) == ["wrong-call"]  # a missing call
    assert reasons(Try([Thought("...")], finished=False)) == ["no-answer"]


def test_without_gold_most_tries_have_to_agree() -> None:
    assert reasons(tried("Rome"), tried("Rome"), tried("Oslo"), gold=False) == ["right", "right", "no-agreement"]
    assert set(reasons(tried("Rome"), tried("Oslo"), gold=False)) == {"no-agreement"}


def test_the_users_own_check_judges_what_rules_let_pass() -> None:
    seen = []

    def check(question: str, calls: list[dict[str, object]], answer: str) -> bool:
        seen.append((question, calls, answer))
        return answer == "7."

    verdicts = judge(row(ASKED), [tried("Rome"), Try([Answer("8.")])], check)
    assert [verdict.reason for verdict in verdicts] == ["right", "check"]
    assert seen[0] == (ASKED.text, [{"tool": "get_weather", "arguments": {"city": "Rome"}}], "7.")


def test_a_wrong_call_that_ran_is_context_and_gold_is_taught_behind_it() -> None:
    tries = [tried("Rome"), tried("Oslo")]
    kind, learnt = lesson(row(), tries, judge(row(), tries)) or ("", row())
    assert kind == "corrected"
    trained = [text["content"] for text in to_record(learnt)["messages"] if text.get("loss", True)]
    assert len(trained) == 1
    assert '"Rome"' in trained[0]
    assert "Oslo" not in trained[0]


def test_a_wrong_step_that_never_ran_is_left_out() -> None:
    tries = [Try([Thought("Mine."), Call("get_weather", {"city": "Oslo"}, "c0")])]
    assert lesson(row(), tries, judge(row(), tries)) == ("taught", row())


def test_a_right_try_is_kept_in_the_models_own_words_and_a_wrong_one_without_gold_is_not() -> None:
    tries = [tried("Rome")]
    kind, learnt = lesson(row(), tries, judge(row(), tries)) or ("", row())
    assert (kind, learnt.events[1]) == ("kept", Thought("Mine."))
    split = [tried("Rome"), tried("Oslo")]
    assert lesson(row(ASKED), split, judge(row(ASKED), split)) is None


def test_right_steps_before_the_wrong_one_are_trained_and_the_rest_of_gold_follows() -> None:
    second = (Thought("And Oslo."), Call("get_weather", {"city": "Oslo"}, "c1"))
    asked = row(*GOLD, Observation("20", "c0"), *second)
    wrong = (
        Thought("And Kyiv."),
        Call("get_weather", {"city": "Kyiv"}, "c1"),
        Observation("3", "c1"),
        Answer("20, 3."),
    )
    tries = [Try([Thought("Mine."), GOLD[2], Observation("20", "c0"), *wrong])]
    kind, learnt = lesson(asked, tries, judge(asked, tries)) or ("", asked)
    assert kind == "corrected"
    trained = [(type(e).__name__, getattr(e, "arguments", "")) for e in learnt.events if getattr(e, "trained", False)]
    rome, oslo = ("Call", {"city": "Rome"}), ("Call", {"city": "Oslo"})
    assert trained == [("Thought", ""), rome, ("Thought", ""), oslo]
    assert learnt.events[-1] == Call("get_weather", {"city": "Oslo"}, "g-c1")
    assert to_record(learnt)


def test_as_many_right_tries_are_lessons_as_wrong_ones() -> None:
    row = Trajectory(())
    found = [("kept", row), ("kept", row), ("taught", row), ("kept", row), ("corrected", row)]
    assert [kind for kind, _ in most_to_learn(found)] == ["taught", "corrected", "kept", "kept"]
    assert most_to_learn(found[:2]) == found[:2]
