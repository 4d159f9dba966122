"""What a tuned model forgot: the paired change on held-out chat, and the answers that got worse."""

from __future__ import annotations

from typing import Any

from swiftagent.evaluate.scoring import Gold, Scored
from swiftagent.scores.calls import DecisionPoint
from swiftagent.scores.intervals import Ratios, paired_differences
from swiftagent.scores.text import rouge_l
from swiftagent.trajectory.types import Question

ROUGE = "answer_rouge_l"
CLEARLY = 0.2  # of ROUGE-L, between two answers to one question


def forgetting(gold: Gold, base: Scored, tuned: Scored, most: int = 3) -> dict[str, Any] | None:
    """metrics.json's `forgetting`: `answers` of held-out chat, the `change` of their ROUGE-L (tuned - base), how many
    got clearly `further` from the reference or `closer` to it, and as `examples` those furthest away (question, base,
    tuned, reference). None where the data holds no chat."""
    chats = {step.id: step for step in gold.chats}
    change = paired_differences(_ratios(chats, base), _ratios(chats, tuned), {})[ROUGE]
    if change.value is None:
        return None
    answers = [{score.step.id: score.predicted.answer or "" for score in scored.steps} for scored in (base, tuned)]
    rise = {
        name: rouge_l(answers[1][name], step.answer or "") - rouge_l(answers[0][name], step.answer or "")
        for name, step in chats.items()
        if name in answers[0] and name in answers[1]
    }
    further = sorted((change, name) for name, change in rise.items() if change <= -CLEARLY)
    closer = sum(change >= CLEARLY for change in rise.values())
    examples = [
        {"question": _question(chats[name]), "base": answers[0][name], "tuned": answers[1][name],
         "reference": chats[name].answer}
        for _, name in further[:most]
    ]  # fmt: skip
    counts = {"answers": len(chats), "further": len(further), "closer": closer}
    return {**counts, "change": change.as_dict(), "examples": examples}


def _ratios(chats: dict[str, DecisionPoint], scored: Scored) -> Ratios:
    ratios = Ratios((ROUGE,))
    for name, step in chats.items():
        if ROUGE in scored.parts.get(name, {}):
            ratios.add(step.row, {ROUGE: scored.parts[name][ROUGE]})
    return ratios


def _question(step: DecisionPoint) -> str:
    return next((event.text for event in reversed(step.context) if isinstance(event, Question)), "")
