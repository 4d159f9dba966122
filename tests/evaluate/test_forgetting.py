"""What a tuned model forgot is one sentence of terminal, Markdown and page, with the answers that got worse."""

from __future__ import annotations

import pytest
from rich.console import Console

from swiftagent.commands.eval import show
from swiftagent.evaluate.page import page
from swiftagent.evaluate.report import forgotten, markdown
from swiftagent.evaluate.scoring import forgetting, gold_from, score_model, summary
from swiftagent.evaluate.session import Evaluation
from swiftagent.evaluate.writing import Entry
from swiftagent.io.language import in_chinese
from swiftagent.scores.calls import Predicted
from swiftagent.trajectory.types import Answer, Question, Trajectory

ROWS = [Trajectory((Question(f"Why {n}?"), Answer(f"Because {n} is odd.")), (), f"r{n}") for n in range(8)]
GOLD = gold_from(ROWS)
SENTENCE = (
    "On 8 held-out chat answers, against its base: bits per byte +0.500 (+0.500 to +0.500), ROUGE-L of its own answers "
    "−12.5 (−37.5 to +0.0); 1 got clearly further from the reference and 0 closer: it forgot."
)


def scored(model, bits, answer):
    steps = {step.id: Predicted(answer=answer(step)) for step in GOLD.steps}
    likelihoods = {
        step.id: Entry(model=model, kind="likelihood", id=step.id, bits=bits, bytes=10) for step in GOLD.chats
    }
    return score_model(GOLD, steps, {}, likelihoods if bits else {})


def evaluated(tuned_bits, base_bits=10.0):
    base = scored("base", base_bits, lambda step: step.answer)
    tuned = scored("tuned", tuned_bits, lambda step: "Action <b>" if step.row == "r3" else step.answer)
    found = summary(GOLD, {"base": base, "tuned": tuned}, about={"name": "run"})
    return {**found, "forgetting": forgetting(GOLD, base, tuned)}


def test_terminal_markdown_and_page_say_the_same_sentence_and_its_examples(
    tmp_path, capsys: pytest.CaptureFixture[str]
):
    found = evaluated(15.0)
    assert forgotten(found) == SENTENCE
    assert f"\n{SENTENCE}\n" in markdown(found)
    assert "| Why 3? | Because 3 is odd. | Action <b> |" in markdown(found)
    assert f"<p>{SENTENCE}</p>" in page(found, [])
    assert "<pre>Action &lt;b&gt;</pre>" in page(found, [])
    show(Evaluation(found, [], [], tmp_path), Console(width=100))
    shown = capsys.readouterr()
    assert SENTENCE in shown.err
    assert "Because 3 is odd." in shown.out
    assert in_chinese(SENTENCE).endswith("1 个回答明显远离参考，0 个更接近：有遗忘。")


def test_where_no_likelihood_was_measured_the_answers_decide():
    assert forgotten(evaluated(None, None)) == (
        "On 8 held-out chat answers, against its base: ROUGE-L of its own answers −12.5 (−37.5 to +0.0); 1 got clearly "
        "further from the reference and 0 closer: no forgetting beyond noise."
    )


def test_of_few_answers_nothing_is_said():
    found = evaluated(15.0)
    change = {**found["forgetting"]["change"], "n": 5}
    few = {**found, "difference": {}, "forgetting": {**found["forgetting"], "answers": 5, "change": change}}
    assert forgotten(few).endswith("and 0 closer: too few answers to tell.")


def test_what_is_said_of_itself_is_no_chat():
    about_itself = Trajectory((Question("x"), Answer("y")), (), "s", channel="self-cognition")
    base = scored("base", 10.0, lambda step: step.answer)
    assert forgetting(gold_from([about_itself]), base, base) is None
    assert forgotten({"difference": {}}) == ""
