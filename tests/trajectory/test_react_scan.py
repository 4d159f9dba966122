"""Labels in every spelling, and what an action asks for."""

from __future__ import annotations

import pytest

from swiftagent.trajectory.react_scan import Action, final_text, labels, read_action, sections
from swiftagent.trajectory.read_step import read_step, step_end


@pytest.mark.parametrize(
    "text",
    [
        "Thought: a\nFinal Answer: Plan:\n**Action:** call\n行动：打电话\n观察：看\nAction 1: go\n  Action: x",
        "**Thought:** a\n**Final Answer:** Plan:\n行动：打电话\nAction 1: go",
        "思考：a\n最终答案：Plan:\n**Action:** call\nAction 1: go",
    ],
)
def test_labels_of_another_spelling_are_text(text: str):
    assert [label.kind for label in labels(text)] == ["thought", "answer"]
    step = read_step(text)
    assert step.thought == "a" and step.answer is not None and "go" in step.answer
    assert step_end(text) is None


def test_an_unlabelled_chinese_answer_does_not_end_at_a_line_that_looks_like_a_label():
    text = "结论如下\n观察：天气冷"
    assert (step_end(text), read_step(text).answer) == (None, text)


def test_an_input_reaches_over_labels_inside_its_json():
    text = 'Action: note\nAction Input: {"a": "x\nAction: y"}\nObservation:'
    assert [section.kind for section in sections(text)] == ["action", "input", "observation"]


@pytest.mark.parametrize(
    ("line", "given", "action"),
    [
        ("`add`", "{}", Action("add", "{}", "", "input")),
        ("add (adds)", "Plus({})", Action("add", "{}", "", "input")),
        ("add\nor not", "{}", Action("add", "{}", "or not", "input")),
        ("add(a=1)", None, Action("add", {"a": 1}, "", "brackets")),
        ("search[a (b)]", None, Action("search", {"input": "a (b)"}, "", "brackets")),
        ("search\n tea", None, Action("search", {"input": "tea"}, "", "below")),
        ("```bash\nls\n```", None, Action("bash", {"input": "ls"}, "", "fence")),
        ('{"tool": "add", "args": {"a": 1}} so', None, Action("add", {"a": 1}, "so", "blob")),
        ("None", None, Action("None", {}, "", "below")),
    ],
)
def test_an_action_in_each_spelling(line: str, given: str | None, action: Action):
    assert read_action(line, given) == action


def test_what_finish_was_given():
    assert final_text('{"return_type": "give_answer", "final_answer": "3C"}') == "3C"
    assert final_text({"input": "3C"}) == "3C"
    assert final_text(" 3C ") == "3C"


def test_a_declared_tool_may_be_called_answer():
    text = 'Action: answer\nAction Input: {"text": "x"}'
    assert read_step(text).answer == "x"
    assert [call.tool for call in read_step(text, ["answer"]).calls] == ["answer"]


def test_a_result_may_be_called_so_directly_behind_an_input_alone():
    text = '想法：查\n动作：w\n动作输入：{"a": 1}\n结果：3\n最终答案：三\n结果：很好'
    assert [label.kind for label in labels(text)] == ["thought", "action", "input", "observation", "answer"]
