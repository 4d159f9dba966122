from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swiftagent.errors import RowError, SetupError
from swiftagent.evaluate.bfcl_files import is_bfcl, predicted_from_result, read_bfcl
from swiftagent.evaluate.scoring import gold_from, score_model
from swiftagent.scores.calls import Attempt, Predicted

AREA = {
    "name": "area",
    "description": "",
    "parameters": {
        "type": "dict",
        "properties": {"base": {"type": "float"}, "unit": {"type": "string"}},
        "required": ["base"],
    },
}
QUESTION = {"id": "simple_python_0", "question": [[{"role": "user", "content": "Area?"}]], "function": [AREA]}
ANSWER = {"id": "simple_python_0", "ground_truth": [{"area": {"base": [2.5], "unit": ["", "m"]}}]}


@pytest.mark.parametrize(
    "result",
    [
        'Thought: x\nAction: area\nAction Input: {"base": 2.5}',
        [{"area": '{"base": 2.5}'}],
        [{"area": {"base": 2.5}}],
        '[{"name": "area", "arguments": {"base": 2.5}}]',
        '[{"area": "{\\"base\\": 2.5}"}]',
        "[area(base=2.5)]",
        "area(base=2.5)",
        "```python\n[area(base=2.5)]\n```",
        '```json\n[{"area": {"base": 2.5}}]\n```',
        '<tool_call>\n{"name": "area", "arguments": {"base": 2.5}}\n</tool_call>',
    ],
)
def test_results_of_every_spelling(result: Any):
    assert predicted_from_result(result).calls == (Attempt("area", {"base": 2.5}),)


def test_a_result_without_a_call():
    assert predicted_from_result("I cannot.").answer == "I cannot."
    assert predicted_from_result([]).calls == ()
    assert predicted_from_result("[]").calls == ()
    assert predicted_from_result("Nothing (yet), sorry [see above].").calls == ()
    assert predicted_from_result("[area(base=2.5").answer == "[area(base=2.5"


def test_questions_and_answers_become_gold(tmp_path: Path):
    (tmp_path / "x.jsonl").write_text(json.dumps(QUESTION))
    with pytest.raises(SetupError, match="no accepted answers beside them"):
        read_bfcl(tmp_path / "x.jsonl")
    (tmp_path / "possible_answer").mkdir()
    (tmp_path / "possible_answer" / "x.jsonl").write_text(json.dumps(ANSWER))
    rows, items = read_bfcl(tmp_path / "x.jsonl")
    gold = gold_from(rows)
    assert is_bfcl(QUESTION)
    assert rows[0].tools[0].parameters["properties"]["base"] == {"type": "number"}
    made = Predicted((Attempt("area", {"base": 2.5, "unit": "M"}),))
    found = score_model(gold, {"simple_python_0#0": made}, {}, {}, bfcl=items).ratios.estimates()
    assert (found["bfcl_ast"].value, found["call_exact"].value) == (1.0, 0.0)


def test_a_question_without_its_answer_is_refused(tmp_path: Path):
    (tmp_path / "x.jsonl").write_text(json.dumps(QUESTION))
    (tmp_path / "x_answer.jsonl").write_text(json.dumps({**ANSWER, "id": "other"}))
    with pytest.raises(RowError, match=r"x.jsonl:1: no accepted answer for 'simple_python_0'"):
        read_bfcl(tmp_path / "x.jsonl")


@pytest.mark.parametrize("broken", ['{"id": "simple_pyt', "[1]", '"text"'])
def test_a_broken_row_is_told_with_its_place(tmp_path: Path, broken: str):
    (tmp_path / "x.jsonl").write_text(json.dumps(QUESTION) + "\n")
    (tmp_path / "x_answer.jsonl").write_text(f"{json.dumps(ANSWER)}\n{broken}\n")
    with pytest.raises(RowError, match=r"x_answer\.jsonl:2"):
        read_bfcl(tmp_path / "x.jsonl")


def test_multi_turn_items_are_refused(shared: Path):
    with pytest.raises((RowError, SetupError)):
        read_bfcl(shared / "data" / "bfcl_multi_turn_base.jsonl")
