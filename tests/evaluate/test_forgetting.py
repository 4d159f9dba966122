"""What a tuned model forgot is said in words, with the answers that got worse."""

from __future__ import annotations

from swiftagent.evaluate.forgetting import forgetting
from swiftagent.evaluate.scoring import gold_from, score_model
from swiftagent.evaluate.writing import Entry
from swiftagent.trajectory.types import Answer, Question, Trajectory


def test_the_change_on_chat_has_its_interval_and_its_examples():
    rows = [Trajectory((Question(f"Why {n}?"), Answer(f"Because {n} is odd.")), (), f"r{n}") for n in range(8)]
    gold = gold_from(rows)

    def scored(model, bits, answer):
        steps = {step.id: Entry(model, "step", step.id, answer=answer(step)) for step in gold.steps}
        likelihoods = {step.id: Entry(model, "likelihood", step.id, bits=bits, bytes=10) for step in gold.chats}
        return score_model(gold, steps, {}, likelihoods)

    base = scored("base", 10.0, lambda step: step.answer)
    tuned = scored("tuned", 15.0, lambda step: "Action" if step.row == "r3" else step.answer)
    found = forgetting(gold, base, tuned)
    assert found["sentences"] == [
        "Against its base the tuned model needs +0.500 (+0.500 to +0.500) bits for a byte of held-out chat, n 8: "
        "it forgot.",
        "The ROUGE-L of its own answers to held-out chat changed by -0.125 (-0.375 to +0.000), n 8: "
        "no change beyond noise.",
        "1 of 8 answers got clearly further from the reference.",
    ]
    assert found["examples"] == [
        {"question": "Why 3?", "base": "Because 3 is odd.", "tuned": "Action", "reference": "Because 3 is odd."}
    ]
    about_itself = Trajectory((Question("x"), Answer("y")), (), "s", channel="self-cognition")
    assert forgetting(gold_from([about_itself]), base, tuned) is None
