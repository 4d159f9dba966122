"""From gold and predictions to metrics.json, with an engine that reads its lines from a list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swiftagent.agent.drive import Usage
from swiftagent.agent.loop import Generate
from swiftagent.agent.native import Native
from swiftagent.errors import SetupError
from swiftagent.evaluate.scoring import gold_from, score_model, summary
from swiftagent.evaluate.writing import Entry, Log, Writer, works_of
from swiftagent.scores.calls import Attempt, Predicted
from swiftagent.scores.gate import parse_gate
from swiftagent.trajectory.content import seen_in_training
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory

WEATHER = Tool("weather", "", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})


def weather(city: str, result: str, name: str) -> Trajectory:
    events = (
        Question(f"{city}?"),
        Call("weather", {"city": city}, "c0"),
        Observation(result, "c0"),
        Answer(f"{result} in {city}."),
    )
    return Trajectory(events, (WEATHER,), name, f"val.jsonl:{name}")


CHAT = Trajectory((Question("hello"), Answer("hi there")), (), "chat", "val.jsonl:9", "general")
WHO = Trajectory((Question("who are you?"), Answer("I am Ember.")), (), "who", "val.jsonl:10", "self-cognition")
ROWS = [weather("Oslo", "3C", "r0"), weather("Rome", "20C", "r1"), CHAT, WHO]


class Scripted:
    """Says what is asked for by the last message, as a well-trained model would, or only "hm"."""

    name = "scripted"

    def __init__(self, clever: bool = True) -> None:
        self.clever = clever
        self.usage = Usage()
        self.asked = 0

    def generate(self, request: Generate, *_: Any) -> Iterator[str]:
        self.asked += 1
        yield from self._text(request.messages) if self.clever else "hm"

    def _text(self, messages: list[dict[str, Any]]) -> str:
        question = next(m["content"] for m in messages if m["role"] == "user")
        if question == "hello":
            return "hi there"
        if question == "who are you?":
            return "I am Ember"
        city = question.rstrip("?")
        if messages[-1]["role"] == "user":
            return f'Thought: look\nAction: weather\nAction Input: {{"city": "{city}"}}\nObservation: 9C'
        return f"Thought: I now know the final answer\nFinal Answer: {messages[-1]['content'].strip()} in {city}."

    def close(self) -> None: ...


def nothing(more: int) -> None: ...


def written(engine: Scripted, log: Log, name: str) -> None:
    gold = gold_from(ROWS)
    Writer(name, engine, log).finish(works_of("step", gold.steps) + works_of("run", gold.tasks), nothing)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path / "predictions.jsonl", {"of": "test"})
    yield log
    log.close()


def test_a_perfect_model_and_one_that_only_hums(log: Log):
    written(Scripted(), log, "tuned")
    written(Scripted(clever=False), log, "base")
    gold = gold_from(ROWS)
    scored = {
        name: score_model(gold, log.of(name, "step"), log.of(name, "run"), {}, own_name="Ember")
        for name in ("base", "tuned")
    }
    values = {name: {k: v.value for k, v in found.ratios.estimates().items() if v.n} for name, found in scored.items()}
    perfect = {
        "parsable",
        "call_exact",
        "parallel_match",
        "schema_valid",
        "no_call_recall",
        "no_call_precision",
        "answer_exact",
    }
    perfect |= {"free_calls", "free_finished", "self_cognition", "Plan.EM", "Act.EM", "Avg.F1"}
    assert {name for name in perfect if values["tuned"][name] != 1.0} == set()
    assert values["tuned"]["steps_to_finish"] == 1.0
    assert values["base"]["call_exact"] == values["base"]["free_calls"] == values["base"]["self_cognition"] == 0.0
    rules = parse_gate({"call_exact": {"min": 0.9, "gain": 0.5}, "parsable": {"min": 0.5}})
    told = summary(gold, scored, {}, rules)
    found = told["difference"]["call_exact"]
    assert (found["value"], found["n"], found["test"]) == (1.0, 2, "McNemar exact")
    # the tuned model answers at other steps than the base: no pairs of right and wrong
    assert told["difference"]["no_call_precision"]["test"] == "paired bootstrap"
    assert told["gate"]["passed"] is True
    assert told["tuned"]["call_exact"] == {"value": 1.0, "n": 2, "low": pytest.approx(0.158, abs=0.001), "high": 1.0}
    assert told["groups"]["tuned"]["tool"]["weather"]["call_exact"]["n"] == 2
    assert told["data"]["steps"] == 6


def test_the_stop_word_ends_a_step_and_an_invented_result_is_not_read(log: Log):
    written(Scripted(), log, "tuned")
    entry = log.of("tuned", "step")["r0#0"]
    assert [call.arguments for call in entry.calls] == [{"city": "Oslo"}]
    assert "9C" not in (entry.answer or "")


def test_parallel_calls_are_asked_for_one_after_the_other(log: Log):
    events = (
        Question("Oslo?"),
        Call("weather", {"city": "Oslo"}, "c0"),
        Call("weather", {"city": "Rome"}, "c1"),
        Observation("3C", "c0"),
        Observation("20C", "c1"),
        Answer("done"),
    )
    gold = gold_from([Trajectory(events, (WEATHER,), "p")])

    class TwoCalls(Scripted):
        def _text(self, messages: list[dict[str, Any]]) -> str:
            city = "Rome" if messages[-1]["role"] == "user" else "Oslo"
            return f'Action: weather\nAction Input: {{"city": "{city}"}}'

    Writer("tuned", TwoCalls(), log).finish(works_of("step", gold.steps[:1]), nothing)
    entry = log.of("tuned", "step")["p#0"]
    assert [call.arguments["city"] for call in entry.calls] == ["Rome", "Oslo"]
    scored = score_model(gold_from([Trajectory(events[:-1], (WEATHER,), "p")]), {"p#0": entry}, {}, {})
    assert scored.ratios.estimates()["parallel_match"].value == 1.0


def test_an_evaluation_goes_on_where_it_stopped(tmp_path: Path):
    path = tmp_path / "predictions.jsonl"
    first = Log(path, {"of": "test"})
    written(Scripted(), first, "tuned")
    first.close()
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(lines[:4]) + b'\n{"model": "tuned", "kin')
    again = Log(path, {"of": "test"})
    engine = Scripted()
    written(engine, again, "tuned")
    again.close()
    assert again.resumed == 3
    assert len(again.entries) == len(first.entries)
    assert engine.asked < 10
    before = path.read_bytes()
    other = Log(path, {"of": "something else"})
    other.close()
    assert (other.resumed, other.aside) == (0, tmp_path / "predictions-1.jsonl")
    assert other.aside.read_bytes() == before
    Log(path, {"of": "something else"}, fresh=True).close()
    assert sorted(file.name for file in tmp_path.glob("p*")) == ["predictions-1.jsonl", "predictions.jsonl"]


def test_two_evaluations_do_not_write_into_one_folder(tmp_path: Path):
    first = Log(tmp_path / "eval" / "predictions.jsonl", {"of": "test"})
    with pytest.raises(
        SetupError, match="another evaluation is writing there; wait for it or choose another folder with -o"
    ):
        Log(tmp_path / "eval" / "predictions.jsonl", {"of": "test"})
    first.close()
    Log(tmp_path / "eval" / "predictions.jsonl", {"of": "test"}).close()


def test_rows_that_were_trained_on_are_refused_or_left_out():
    seen = seen_in_training([weather("Oslo", "3C", "t")])
    with pytest.raises(SetupError, match="1 of 4 rows to evaluate were trained on: val.jsonl:r0 is val.jsonl:t"):
        gold_from(ROWS, seen=seen)
    gold = gold_from(ROWS, seen=seen, drop_trained=True)
    assert ([row.id for row in gold.rows], gold.left_out) == (["r1", "chat", "who"], 1)
    with pytest.raises(SetupError, match="all 1 rows were trained on"):
        gold_from(ROWS[:1], seen=seen, drop_trained=True)


def test_nothing_to_evaluate():
    with pytest.raises(SetupError, match="holds no row"):
        gold_from([])
    with pytest.raises(SetupError, match="no row holds a call or an answer"):
        gold_from([Trajectory((Question("?"),), (), "q")])


def test_one_id_twice_is_told_apart_and_a_limit_is_spread():
    twice = gold_from([ROWS[0], ROWS[0], ROWS[1]])
    assert [row.id for row in twice.rows] == ["r0", "r0~2", "r1"]
    assert [row.id for row in gold_from(ROWS, limit=2).rows] == ["r0", "chat"]


def test_bits_per_byte_is_the_ratio_of_the_sums_over_plain_chat():
    gold = gold_from([CHAT, Trajectory((Question("bye"), Answer("see you soon")), (), "bye"), WHO, ROWS[0]])
    steps = {step.id: Predicted(answer="x") for step in gold.steps}
    bits = [
        Entry(model="tuned", kind="likelihood", id=step.id, bits=16.0, bytes=len(step.answer or ""))
        for step in gold.chats
    ]
    scored = score_model(gold, steps, {}, {entry.id: entry for entry in bits})
    found = scored.ratios.estimates(not_shares=["bits_per_byte"])["bits_per_byte"]
    assert (found.value, found.n) == (32 / (8 + 12), 2)


def test_native_calls_are_asked_for_and_read(log: Log):
    class NativeCalls(Scripted):
        declared: tuple[Tool, ...] = ()

        def generate(self, request: Generate, *_: Any) -> Iterator[str]:
            self.declared = request.tools
            yield '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'

    gold = gold_from(ROWS[:1])
    engine = NativeCalls()
    Writer("tuned", engine, log, Native()).finish(works_of("step", gold.steps[:1]), nothing)
    assert engine.declared == (WEATHER,)
    assert log.of("tuned", "step")["r0#0"].calls == (Attempt("weather", {"city": "Oslo"}),)
