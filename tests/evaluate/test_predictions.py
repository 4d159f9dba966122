"""Existing output is lined up with gold by id, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swiftagent.errors import ConfigError, RowError
from swiftagent.evaluate.predictions import align, is_llamafactory, llamafactory_gold
from swiftagent.evaluate.scoring import Gold, gold_from, score_model
from swiftagent.evaluate.session import EvaluationOptions, evaluate_predictions
from swiftagent.evaluate.writing import Entry
from swiftagent.io.jsonl import BadRow, Row, decode, encode
from swiftagent.scores.calls import Predicted
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory


def row(name: str, city: str) -> Trajectory:
    events = (Question(f"{city}?"), Call("weather", {"city": city}, "c0"), Observation("3C", "c0"), Answer("3C"))
    return Trajectory(events, (Tool("weather"),), name, f"gold:{name}")


def gold() -> Gold:
    return gold_from([row("a", "Oslo"), row("b", "Rome")])


def raw(*values: dict[str, Any]) -> list[Row]:
    return [Row(value, f"p.jsonl:{number}") for number, value in enumerate(values, 1)]


def call(city: str) -> str:
    return f'Action: weather\nAction Input: {{"city": "{city}"}}'


def exact(kept: Gold, entries: dict[str, Predicted]) -> tuple[float | None, int]:
    found = score_model(kept, entries, {}, {}).ratios.estimates()["call_exact"]
    return found.value, found.n


def test_texts_by_row_id_are_of_the_first_step():
    kept, entries = align(gold(), raw({"id": "b", "text": call("Rome")}, {"id": "a", "predict": call("Bern")}), {})
    assert [step.id for step in kept.steps] == ["a#0", "b#0"]
    assert exact(kept, entries) == (0.5, 2)


def test_texts_by_step_id():
    rows = raw(
        *(
            {"id": f"{name}#{n}", "text": text}
            for name in "ab"
            for n, text in enumerate([call("Oslo"), "Final Answer: 3C"])
        )
    )
    kept, entries = align(gold(), rows, {})
    assert len(kept.steps) == 4
    assert exact(kept, entries) == (0.5, 2)


def test_our_own_log():
    entries = [Entry(model="tuned", kind="step", id=step.id, answer="3C") for step in gold().steps]
    lines: list[dict[str, Any]] = [
        {"settings": {}},
        decode(encode(Entry(model="base", kind="step", id="a#0"))),
        *map(decode, map(encode, entries)),
    ]
    kept, found = align(gold(), raw(*lines), {})
    assert found == {entry.id: entry for entry in entries}
    assert exact(kept, found) == (0.0, 2)


def test_whole_conversations_predict_steps_in_order():
    done = {
        "p.jsonl:1": row("a", "Oslo"),
        "p.jsonl:2": Trajectory((Question("Rome?"), Answer("20C")), (), "b", "p.jsonl:2"),
    }
    kept, entries = align(gold(), raw({"id": "a"}, {"id": "b"}), done)
    assert exact(kept, entries) == (0.5, 2)
    assert entries["b#0"].answer == "20C"
    assert entries["b#1"].answer is None


def test_bfcl_results():
    rows = raw({"id": "a", "result": [{"weather": '{"city": "Oslo"}'}]}, {"id": "b", "result": call("Rome")})
    assert exact(*align(gold(), rows, {})) == (1.0, 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([{"id": "a", "text": "x"}], "1 of 2 decision points have no prediction: b#0"),
        (
            [{"id": "a", "text": "x"}, {"id": "zz", "text": "x"}],
            r"1 predictions have an id that gold does not have: p.jsonl:2 \(zz\)",
        ),
        ([{"text": "x"}], "p.jsonl:1: a prediction needs the `id` of its gold row"),
        ([{"id": "a", "other": 1}], "p.jsonl:1: no prediction; expected one of result, text"),
        ([{"settings": {}}], "2 of 2 decision points have no prediction"),
    ],
)
def test_what_does_not_line_up_is_refused(values: list[dict[str, Any]], message: str):
    with pytest.raises(RowError, match=message):
        align(gold(), raw(*values), {})


def test_llamafactory_brings_its_gold():
    prompt = "You have access to the following tools: weather"
    rows = raw(
        {"prompt": prompt, "label": call("Oslo"), "predict": call("Oslo")},
        {
            "prompt": prompt,
            "label": json.dumps({"name": "weather", "arguments": {"city": "Rome"}}),
            "predict": call("Rome"),
        },
        {"prompt": prompt, "label": "I cannot do that.", "predict": call("Rome")},
        {"prompt": prompt, "label": call("Bern"), "predict": ""},
    )
    kept, entries = llamafactory_gold(rows)
    found = score_model(kept, entries, {}, {}).ratios.estimates()
    assert is_llamafactory(rows[0].value)
    assert (found["call_exact"].value, found["call_exact"].n) == (2 / 3, 3)
    assert (found["no_call_recall"].value, found["parsable"].value) == (0.0, 0.75)


def test_llamafactory_rows_without_gold_are_refused():
    with pytest.raises(RowError, match=r"p.jsonl:1: the label holds neither a call nor an answer"):
        llamafactory_gold(raw({"label": "", "predict": "x"}))
    with pytest.raises(RowError, match=r"p.jsonl:2: expected `predict` and `label`"):
        llamafactory_gold(raw({"label": "a", "predict": "x"}, {"predict": "x"}))


def test_a_file_without_predictions_is_refused(tmp_path: Path):
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(ConfigError, match="holds no row"):
        evaluate_predictions(str(tmp_path / "empty.jsonl"), EvaluationOptions(), tmp_path)


@pytest.mark.parametrize(
    "text",
    ['{"name": "Ann", "age": 7}', '```json\n{"name": "Ann", "age": 7}\n```', '[{"name": "Ann"}, {"name": "Bo"}]'],
)
def test_json_with_a_name_is_an_answer_not_a_call(text: str):
    rows = [Row({"prompt": "Read: Ann, 7", "label": '{"name": "Ann", "age": 7}', "predict": text}, "p:1")]
    found, entries = llamafactory_gold(rows)
    assert found.steps[0].calls == ()
    assert (entries["row0#0"].calls, entries["row0#0"].answer) == ((), text)


def test_two_predictions_for_one_row_are_refused():
    twice = [Row({"id": "a", "text": "x"}, "p:1"), Row({"id": "a", "text": "y"}, "p:2")]
    with pytest.raises(RowError, match="p:2: a second prediction for 'a'; the first is p:1"):
        align(gold(), twice, {})


def test_a_line_cut_short_is_named():
    with pytest.raises(RowError, match="p:1: not JSON: cut"):
        align(gold(), [BadRow('{"id', "p:1", error=RowError("bad", "not JSON: cut"))], {})


@pytest.mark.parametrize(
    "text", ['[f(a={"k": 1})]', '{"name": "f", "arguments": {"a": {"k": 1}}}', '[{"f": {"a": {"k": 1}}}]']
)
def test_calls_are_calls(text: str):
    _, entries = llamafactory_gold([Row({"prompt": "tools: f", "label": "x", "predict": text}, "p:1")])
    assert [(made.tool, made.arguments) for made in entries["row0#0"].calls] == [("f", {"a": {"k": 1}})]


@pytest.mark.parametrize(
    "text",
    [
        '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}}]',
        '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Oslo"}<|call|>',
        "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>",
        "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>",
    ],
)
@pytest.mark.parametrize("key", ["text", "result"])
def test_call_marks_of_every_family_are_calls(text: str, key: str):
    kept, entries = align(gold_from([row("a", "Oslo")]), raw({"id": "a", key: text}), {})
    assert exact(kept, entries) == (1.0, 1)


def test_names_without_their_dots_are_matched():
    events = (Question("?"), Call("geo.weather", {"city": "Oslo"}, "c0"), Observation("3C", "c0"))
    dotted = Trajectory(events, (Tool("geo.weather"),), "a", "gold:a")
    kept, entries = align(gold_from([dotted]), raw({"id": "a", "result": [{"geo_weather": '{"city": "Oslo"}'}]}), {})
    assert exact(kept, entries) == (1.0, 1)
