"""One arm of `real_base.py`: a LoRA trained in a plain loop on ms-swift's own labels, and what comes of it."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from mask_ablation import Encoded
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from support.real_data import NAME

from swiftagent.agent.loop import Generate
from swiftagent.backend.engine import load_engine
from swiftagent.evaluate.scoring import Gold, score_model
from swiftagent.evaluate.writing import Log, Writer, works_of
from swiftagent.train.plugin.losses import divergence
from swiftagent.trajectory.react import render
from swiftagent.trajectory.record import Message, to_messages, to_record
from swiftagent.trajectory.types import Observation, Trajectory

Group = tuple[list[Encoded], float]  # rows, and how many of them a step takes
Parts = dict[str, dict[str, tuple[float, float]]]  # by question: metric: (reached, out of)
TEMPLATE = "chatml"
OWN_TOKENS = 40  # of an answer that the base writes
STEP_TOKENS = 56  # of a call with its thought


def tuned_engine(model: Path, rank: int, seed: int, device: str) -> Any:
    """The base with a fresh LoRA on all linear layers."""
    engine = load_engine(str(model), None, TEMPLATE, model_type=model_type(model), device=device)
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    engine.model = get_peft_model(engine.model, config)
    return engine


def model_type(model: Path) -> str:
    return str(json.loads((model / "config.json").read_text())["model_type"])


class Batches:
    """Batches of like composition: `agent` agent rows, then chat and self-cognition rows in proportion; every row once
    before one comes again."""

    def __init__(self, groups: Sequence[Group], seed: int) -> None:
        self.groups, self.choose = groups, random.Random(seed)
        self.left: list[list[int]] = [[] for _ in groups]
        self.owed = [0.0] * len(groups)

    def next(self) -> list[list[Encoded]]:
        """The rows of a step by group."""
        picked: list[list[Encoded]] = [[] for _ in self.groups]
        for number, (rows, each_step) in enumerate(self.groups):
            self.owed[number] += each_step if rows else 0.0
            while self.owed[number] >= 1:
                self.left[number] = self.left[number] or self.choose.sample(range(len(rows)), len(rows))
                picked[number].append(rows[self.left[number].pop()])
                self.owed[number] -= 1
        return picked


def train(model: Any, batches: Batches, steps: int, rate: float, distil: bool) -> Iterator[float]:
    """AdamW, 10 % warm-up, cosine to zero; yields the loss of each step, which is over its trained tokens, as
    ms-swift's is. `distil`: chat rows (group 1) keep to the base."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1, pct_start=0.1)
    for _ in range(steps):
        model.train()
        groups = batches.next()
        tokens = sum(label != -100 for rows in groups for _, labels, _ in rows for label in labels[1:])
        total = 0.0
        for number, rows in enumerate(groups):
            if rows:  # agent rows are three times as long as chat: together they would be padded mostly
                with torch.autocast(model.device.type, dtype=torch.bfloat16):
                    loss = summed_loss(model, rows, distil and number == 1) / tokens
                loss.backward()
                total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        model.eval()
        yield total


def summed_loss(model: Any, rows: list[Encoded], distil: bool) -> Any:
    """The summed loss of the rows' trained tokens: weighted cross-entropy, or the divergence from the base."""
    columns = zip(*rows, strict=True)
    ids, labels, weights = (padded(c, fill).to(model.device) for c, fill in zip(columns, (0, -100, 0.0), strict=True))
    labels, weights = labels[:, 1:], weights[:, 1:]
    trained = labels != -100
    logits = trained_logits(model, ids, trained)
    if distil:
        with torch.no_grad(), model.disable_adapter():
            wanted = trained_logits(model, ids, trained)
        return divergence(wanted, logits).sum()
    return (torch.nn.functional.cross_entropy(logits, labels[trained], reduction="none") * weights[trained]).sum()


def padded(rows: Sequence[Any], fill: float) -> Any:
    """Rows as one tensor, filled up on the right, where a causal model does not look."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=fill)


def trained_logits(model: Any, ids: Any, trained: Any) -> Any:
    plain = model.get_base_model()
    hidden = plain.model(input_ids=ids, use_cache=False).last_hidden_state
    return plain.lm_head(hidden[:, :-1][trained]).float()


def apply_scaled(engine: Any, adapter: Path, scale: float) -> None:
    """An adapter that was trained before, at another scale."""
    set_peft_model_state_dict(engine.model, load_file(adapter / "adapter_model.safetensors"))
    for part in engine.model.modules():
        if isinstance(getattr(part, "scaling", None), dict):
            part.scaling = {name: value * scale for name, value in part.scaling.items()}
    engine.model.eval()


def answers_of_base(engine: Any, prompts: Sequence[list[Message]]) -> list[str]:
    """What the untouched base answers to each, greedily, in batches of 16."""
    asked = [Generate(messages, "", OWN_TOKENS, 0.0) for messages in prompts]
    batches = [asked[start : start + 16] for start in range(0, len(asked), 16)]
    with engine.model.disable_adapter():
        return [reply.text for batch in batches for reply in engine.write_together(batch)]


def prompts_of(gold: Gold) -> list[list[Message]]:
    return [to_messages(render(Trajectory(step.context, step.tools))) for step in gold.steps]


def measure(
    engine: Any, questions: dict[str, Gold], base_answers: Sequence[str], name: str, log: Path, tokens: int
) -> Parts:
    """Everything that is measured of a finished arm; what was predicted, in `tokens` at most, is in `log`."""
    parts = calls(engine, questions, ("seen", "unseen", "no-call", "self"), name, log, tokens)
    own = prompts_of(questions["chat"])
    for step, messages, answer in zip(questions["chat"].steps, own, base_answers, strict=True):
        reference, _ = answer_fit(engine, messages, step.answer or "")
        wanted, alike = answer_fit(engine, messages, answer)
        parts[f"chat {step.id}"] = {"bits_per_byte": reference, "own_bits": wanted, "agreement": alike}
    parts |= _invented(engine, questions["seen"], tokens)
    for number, (messages, result) in enumerate(_results(questions["seen"])):
        parts[f"result {number}"] = {"result_bits": answer_fit(engine, messages, result)[0]}
    return parts


def calls(
    engine: Any,
    questions: dict[str, Gold],
    kinds: Sequence[str],
    name: str,
    log: Path | None = None,
    tokens: int = STEP_TOKENS,
) -> Parts:
    """The next step at each held-out question, scored; metrics of calls are named after the kind of question."""
    found: Parts = {}
    golds = {kind: questions[kind] for kind in kinds if kind in questions}
    steps = written(engine, [step for gold in golds.values() for step in gold.steps], name, log, tokens)
    for kind, gold in golds.items():
        scored = score_model(gold, steps, {}, {}, own_name=NAME)
        for row, parts in zip(scored.ratios.ids, scored.ratios.parts, strict=True):
            named = {_named(metric, kind): part for metric, part in parts.items()}
            found[f"{kind} {row}"] = {metric: part for metric, part in named.items() if metric}
    return found


def written(
    engine: Any, steps: Sequence[Any], name: str, log: Path | None, tokens: int, stop: bool = True
) -> dict[str, Any]:
    """What the model writes at each step, by the step's id; it stays in `log`."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Log(log or Path(folder) / "log.jsonl", {"name": name})) as kept,
    ):
        writer = Writer(name, engine, kept, step_tokens=tokens, at_a_time=32, stop=stop)
        writer.finish(works_of("step", steps), lambda more: None)
        return kept.of(name, "step")


def _named(metric: str, kind: str) -> str:
    if metric in ("call_exact", "tool_name"):
        return f"{metric} {kind}"
    return metric if metric in ("no_call_precision", "no_call_recall", "self_cognition") else ""


def _invented(engine: Any, gold: Gold, tokens: int, count: int = 8) -> Parts:
    """Whether, without the stop word, the model writes a result of its own after its call."""
    steps = written(engine, gold.steps[:count], "free", None, tokens, stop=False)
    return {f"free {name}": {"invented": (float(step.invented_observation), 1.0)} for name, step in steps.items()}


def _results(gold: Gold, count: int = 8) -> list[tuple[list[Message], str]]:
    """Held-out results of tools with what stands before them."""
    found = []
    for row in gold.rows[:count]:
        messages = to_record(row)["messages"]
        place = next((n for n, m in enumerate(messages) if m["role"] == "assistant" and m.get("loss") is False), None)
        if place and any(isinstance(event, Observation) for event in row.events):
            found.append((messages[:place], messages[place]["content"]))
    return found


@torch.inference_mode()
def answer_fit(engine: Any, messages: list[Message], answer: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """(bits, bytes) that the model needs for an answer, and (tokens of it that it would write itself, tokens)."""
    before = engine.prompt.encode(messages)
    whole = engine.prompt.encode([*messages, {"role": "assistant", "content": answer}])
    start = next((n for n, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before))
    ids = torch.tensor([whole], device=engine.model.device)
    with engine.weights():
        logits = engine.model(input_ids=ids, use_cache=False, logits_to_keep=len(whole) - start + 1).logits
    logits, wanted = logits[0, :-1].float(), ids[0, start:]
    bits = -torch.log_softmax(logits, dim=-1).gather(1, wanted[:, None]).sum() / torch.log(torch.tensor(2.0))
    alike = (logits.argmax(-1) == wanted).sum()
    return (float(bits), float(len(answer.encode()))), (float(alike), float(len(wanted)))


def rewritten(engine: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chat rows with the last answer written by the base itself, earlier ones as context alone."""
    prompts = [row["messages"][:-1] for row in rows]
    context = [
        [{**message, "loss": False} if message["role"] == "assistant" else message for message in p] for p in prompts
    ]
    answers = answers_of_base(engine, prompts)
    return [
        {**row, "messages": [*before, {"role": "assistant", "content": answer}]}
        for row, before, answer in zip(rows, context, answers, strict=True)
        if answer.strip()
    ]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
