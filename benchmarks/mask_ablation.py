"""What do masks buy? The same tiny model, data and seeds, trained on three kinds of labels, all made by ms-swift
itself:

    exact   the records as they are: results are not trained
    none    the same turns without marks, as agent data comes: everything in the assistant's turn is trained, results
    too react   as none, with ms-swift's `--loss_scale react`, which looks for keywords in the text

swiftagent mix ... -o mix.jsonl
python benchmarks/mask_ablation.py --mix mix.jsonl --seeds 3 -o ablation.jsonl
python benchmarks/mask_ablation.py --show ablation.jsonl
python benchmarks/mask_ablation.py --mix mix.jsonl --labels      (only what each kind of labels trains; seconds)

All weights are trained in a plain loop on ms-swift's labels; what comes out is measured on held-out rows:

    call_exact     the first call of a held-out question, tool and arguments exactly, with the stop word
    answer_exact   the final answer on gold results
    goes_on        after its call, without the stop word: the model writes a result of its own rather than ending
    bits_per_byte  of held-out chat
    result_bits    bits for a byte of held-out tool results: how much of the model went into learning what tools say

Each run is one line of the output; a run that is there is not done again.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from swiftagent.agent.loop import Generate
from swiftagent.backend.engine import load_engine
from swiftagent.backend.template import open_trainer
from swiftagent.evaluate.data import read_gold
from swiftagent.evaluate.scoring import Gold, gold_from
from swiftagent.io.jsonl import decode
from swiftagent.io.shipped import shipped
from swiftagent.scores.metrics import score_step
from swiftagent.scores.reading import predicted_from_text
from swiftagent.scores.values import same_text
from swiftagent.trajectory.react import STOP, render
from swiftagent.trajectory.record import to_messages, to_record
from swiftagent.trajectory.types import Trajectory

ARMS: dict[str, dict[str, Any]] = {
    "exact": {"is_binary_loss_scale": False},  # else weights on messages become 0 or 1
    "none": {},
    "react": {"loss_scale": "react", "is_binary_loss_scale": False},
}
MEASURES = ("call_exact", "answer_exact", "goes_on", "bits_per_byte", "result_bits")
Encoded = tuple[list[int], list[int], list[float]]


def without_marks(record: dict[str, Any]) -> dict[str, Any]:
    """The record as agent data comes without us: no marks, and an assistant's turn is one message that holds its
    results."""
    messages: list[dict[str, Any]] = []
    for message in record["messages"]:
        if messages and messages[-1]["role"] == message["role"] == "assistant":
            messages[-1]["content"] += message["content"]
        else:
            messages.append({"role": message["role"], "content": message["content"]})
    return {**record, "messages": messages}


def chosen_rows(path: Path, count: int, channel_share: dict[str, float] | None = None) -> list[dict[str, Any]]:
    """A fixed sample of the mix; `channel_share` gives each channel's share of `count` (else as in the mix)."""
    rows = [decode(line) for line in path.read_bytes().splitlines() if line.strip()]
    random.Random(0).shuffle(rows)
    if channel_share is None:
        return rows[:count]
    by_channel: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_channel[row["channel"]].append(row)
    chosen = []
    for channel, share in channel_share.items():
        wanted, there = round(count * share), by_channel[channel]
        chosen += [there[index % len(there)] for index in range(wanted)]
    return chosen


def encode(
    rows: list[dict[str, Any]], arm: str, model: str, template: str, longest: int, model_type: str = "qwen2"
) -> list[Encoded]:
    """(ids, labels, weights) of each row of at most `longest` tokens, as ms-swift trains it."""
    # Longer rows are left out below; beyond max_length ms-swift raises.
    settings = {"model_type": model_type, "max_length": 1 << 20, **ARMS[arm]}
    with tempfile.TemporaryDirectory() as folder, open_trainer(model, template, settings) as trainer:
        path = Path(folder) / "rows.jsonl"
        written = rows if arm == "exact" else [without_marks(row) for row in rows]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in written), encoding="utf-8")
        encoded = trainer.lazily_encoded(trainer.load_rows(path))
        found = [encoded[index] for index in range(len(written))]
    rows_of_arm = [
        (row["input_ids"], row["labels"], row.get("loss_scale") or [1.0] * len(row["labels"])) for row in found
    ]
    return [row for row in rows_of_arm if len(row[0]) <= longest]


def batches_of_like_length(rows: list[Encoded], batch: int, choose: random.Random) -> list[list[Encoded]]:
    """Every row once, in batches with little padding, in random order."""
    order = sorted(choose.sample(rows, len(rows)), key=lambda row: len(row[0]) // 32)
    batches = [order[start : start + batch] for start in range(0, len(order) - batch + 1, batch)]
    choose.shuffle(batches)
    return batches


def train(model: Any, rows: list[Encoded], seed: int, steps: int, batch: int, rate: float) -> None:
    """AdamW over all weights, cosine to zero; the loss as ms-swift takes it: weighted, over labelled tokens."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.05)
    choose = random.Random(seed)
    left: list[list[Encoded]] = []
    for _ in range(steps):
        if not left:
            left = batches_of_like_length(rows, batch, choose)
        picked = left.pop()
        width = max(len(ids) for ids, _, _ in picked)
        ids = torch.tensor([row[0] + [0] * (width - len(row[0])) for row in picked])
        labels = torch.tensor([row[1] + [-100] * (width - len(row[1])) for row in picked])[:, 1:]
        weights = torch.tensor([row[2] + [0.0] * (width - len(row[2])) for row in picked])[:, 1:]
        mask = torch.tensor([[1] * len(row[0]) + [0] * (width - len(row[0])) for row in picked])
        hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[:, :-1]
        trained = labels != -100
        losses = torch.nn.functional.cross_entropy(
            model.lm_head(hidden[trained]).float(), labels[trained], reduction="none"
        )
        loss = (losses * weights[trained]).sum() / trained.sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()


def measure(engine: Any, gold: Gold, goes_on_rows: int) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for step in gold.steps:
        first = step.id.endswith("#0")
        if not (step.calls and first) and not (step.answer and step.row in _agentic(gold) and not first):
            continue
        messages = to_messages(render(Trajectory(step.context, step.tools)))
        text = "".join(engine.generate(Generate(messages, STOP, 128)))
        predicted = predicted_from_text(text)
        if step.calls:
            found["call_exact"].append(float(score_step(step, predicted).right))
            if len(found["goes_on"]) < goes_on_rows:
                longer = "".join(engine.generate(Generate(messages, max_tokens=len(text.split()) + 80)))
                found["goes_on"].append(float(predicted_from_text(longer).invented_observation))
        else:
            found["answer_exact"].append(float(same_text(predicted.answer or "", step.answer or "")))
    means = {name: sum(values) / len(values) for name, values in found.items() if values}
    chat, agent = ([to_record(row) for row in gold.rows if row.is_agentic == kind] for kind in (False, True))
    for name, records, what in (("bits_per_byte", chat, "answer"), ("result_bits", agent, "result")):
        if (value := bits(engine, records, what)) is not None:
            means[name] = value
    return means


def _agentic(gold: Gold) -> set[str]:
    return {row.id for row in gold.rows if row.is_agentic}


@torch.inference_mode()
def bits(engine: Any, records: list[dict[str, Any]], what: str) -> float | None:
    """Bits for a byte of the answers of chat, or of the results of tool calls, on gold context; None where there are
    none."""
    total = size = 0.0
    for record in records:
        messages = record["messages"]
        for index, message in enumerate(messages):
            is_result = message["role"] == "assistant" and message.get("loss") is False and message["content"]
            is_answer = message["role"] == "assistant" and message.get("loss") is not False
            if not (is_result if what == "result" else is_answer):
                continue
            before, whole = engine.prompt.encode(messages[:index]), engine.prompt.encode(messages[: index + 1])
            start = next((n for n, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before))
            logits = engine.model(input_ids=torch.tensor([whole]), use_cache=False).logits[0, start - 1 : -1].float()
            chosen = torch.log_softmax(logits, dim=-1).gather(1, torch.tensor(whole)[start:, None])
            total -= float(chosen.sum()) / math.log(2)
            size += len(message["content"].encode())
    return total / size if size else None


def run(args: argparse.Namespace, arm: str, seed: int, rows: list[Encoded], gold: Gold) -> dict[str, Any]:
    started = time.monotonic()
    engine = load_engine(args.model, None, args.template, model_type="qwen2", device="cpu")
    torch.manual_seed(seed)
    train(engine.model, rows, seed, args.steps, args.batch, args.rate)
    trained = time.monotonic() - started
    found = measure(engine, gold, args.goes_on)
    labelled = sum(
        label != -100 and weight > 0
        for _, labels, weights in rows
        for label, weight in zip(labels, weights, strict=True)
    )
    seconds = {"train": round(trained, 1), "all": round(time.monotonic() - started, 1)}
    return {
        "arm": arm,
        "seed": seed,
        **found,
        "trained_tokens": labelled,
        "steps": args.steps,
        "rows": len(rows),
        "seconds": seconds,
    }


def show_labels(encoded: dict[str, list[Encoded]]) -> None:
    """How many tokens each kind of labels trains, and with which weights."""
    exact = 0
    print("| labels | rows | trained tokens | against exact | of them with weight 2 |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for arm, rows in encoded.items():
        weights = [
            weight
            for _, labels, row in rows
            for label, weight in zip(labels, row, strict=True)
            if label != -100 and weight > 0
        ]
        exact = exact or len(weights)
        print(
            f"| {arm} | {len(rows)} | {len(weights):,} | {len(weights) / exact - 1:+.1%} | "
            f"{sum(w > 1 for w in weights):,} |"
        )


def show(path: Path) -> None:
    """The mean of each measure over seeds, with its bootstrap 95 % interval."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    print("| labels | seeds | trained tokens | " + " | ".join(MEASURES) + " |")
    print("| --- | ---: | ---: | " + " | ".join("---:" for _ in MEASURES) + " |")
    for arm in arms:
        mine = [row for row in rows if row["arm"] == arm]
        cells = []
        for name in MEASURES:
            values = [row[name] for row in mine if name in row]
            cells.append(f"{statistics.mean(values):.3f} ({min(values):.3f}–{max(values):.3f})" if values else "–")
        print(f"| {arm} | {len(mine)} | {mine[0]['trained_tokens']:,} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mix", type=Path, help="training records")
    parser.add_argument(
        "--data", action="append", help="held-out rows (default: the shipped ones and MIX's own .val.jsonl)"
    )
    parser.add_argument("--model", default=str(shipped("datasets") / "tiny-base"))
    parser.add_argument("--template", default="chatml")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1200, help="rows of the mix that are trained on")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument(
        "--goes-on", type=int, default=40, help="questions that are also answered without the stop word"
    )
    parser.add_argument("--longest", type=int, default=400, help="tokens of the longest row that is trained on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("ablation.jsonl"))
    parser.add_argument("--labels", action="store_true", help="train nothing: print what each kind of labels trains")
    parser.add_argument("--show", type=Path, help="print the table of a finished ablation")
    args = parser.parse_args()
    if args.show:
        show(args.show)
        return
    torch.set_num_threads(args.threads)
    rows = chosen_rows(args.mix, args.rows)
    if args.labels:
        show_labels({arm: encode(rows, arm, args.model, args.template, args.longest) for arm in ARMS})
        return
    beside = args.mix.with_name(f"{args.mix.stem}.val.jsonl")
    data = args.data or [str(shipped("datasets") / "heldout.jsonl"), *([str(beside)] if beside.is_file() else [])]
    gold = gold_from(read_gold(data).rows)
    rows = chosen_rows(args.mix, args.rows)
    done = (
        {(row["arm"], row["seed"]) for row in map(json.loads, args.output.read_text().splitlines())}
        if args.output.is_file()
        else set()
    )
    encoded = {arm: encode(rows, arm, args.model, args.template, args.longest) for arm in ARMS}
    for seed in range(args.seeds):
        for arm in ARMS:
            if (arm, seed) not in done:
                line = json.dumps(run(args, arm, seed, encoded[arm], gold))
                print(line, flush=True)
                with args.output.open("a") as out:
                    out.write(line + "\n")
    show(args.output)


if __name__ == "__main__":
    main()
