"""What a tuned model forgot, in words: the paired change on held-out chat, and the answers that got worse."""

from __future__ import annotations

from typing import Any

from swiftagent.evaluate.scoring import Gold, Scored
from swiftagent.scores.intervals import Ratios, paired_differences
from swiftagent.scores.text import rouge_l
from swiftagent.trajectory.types import Question

MEASURES = ("bits_per_byte", "answer_rouge_l")
CLEARLY = 0.2  # of ROUGE-L, between two answers to one question


def forgetting(gold: Gold, base: Scored, tuned: Scored, most: int = 3) -> dict[str, Any] | None:
    """`sentences`, and `examples` (question, base, tuned, reference) of answers that got clearly further from the
    reference, the worst first; None where no chat was measured for both models."""
    chats = {step.id: step for step in gold.chats}
    sums: list[Ratios] = []
    for scored in (base, tuned):
        ratios = Ratios(MEASURES)
        for name, step in chats.items():
            parts = scored.parts.get(name, {})
            ratios.add(step.row, {measure: parts[measure] for measure in MEASURES if measure in parts})
        sums.append(ratios)
    found = paired_differences(sums[0], sums[1], {}, not_shares=("bits_per_byte",))
    sentences = [text for measure in MEASURES if (text := _sentence(measure, found[measure]))]
    texts = [{score.step.id: score.predicted.answer or "" for score in scored.steps} for scored in (base, tuned)]
    fallen = []
    for name in chats.keys() & texts[0].keys() & texts[1].keys():
        wanted = chats[name].answer or ""
        drop = rouge_l(texts[0][name], wanted) - rouge_l(texts[1][name], wanted)
        fallen += [(-drop, name)] if drop >= CLEARLY else []
    if not sentences:
        return None
    sentences.append(f"{len(fallen)} of {len(chats)} answers got clearly further from the reference.")
    examples = [
        {"question": _question(chats[name]), "base": texts[0][name], "tuned": texts[1][name],
         "reference": chats[name].answer}
        for _, name in sorted(fallen)[:most]
    ]  # fmt: skip
    return {"sentences": sentences, "examples": examples}


def _sentence(measure: str, change: Any) -> str:
    if change.value is None:
        return ""
    likelihood = measure == "bits_per_byte"
    what = "bits for a byte of held-out chat" if likelihood else "ROUGE-L of its own answers to held-out chat"
    worse = (change.value > 0) == likelihood
    verdict = "no change beyond noise" if change.is_noise else "it forgot" if worse else "it gained"
    spread = f"{change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f})"
    return f"Against its base the tuned model needs {spread} {what}, n {change.n}: {verdict}." if likelihood else (
        f"The {what} changed by {spread}, n {change.n}: {verdict}."
    )  # fmt: skip


def _question(step: Any) -> str:
    return next((event.text for event in reversed(step.context) if isinstance(event, Question)), "")
