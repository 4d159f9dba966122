"""Whether steps cut by tokens are the steps of padded batches: the same losses, gradient norms and adapter.

    python benchmarks/steps_equal.py [--steps 20] [--ranks 1 2] [--budgets 256 1024 8192] [--json FILE]
    python benchmarks/steps_equal.py --ranks 2 --budgets 1024 --steps 10 --deepspeed zero2

A Qwen2 of 30,000 parameters, LoRA without dropout, float32, 8 sequences a step, channels and weights. Plan A is
ms-swift's own: padded batches of 4. Each plan B cuts the same steps by a budget of tokens; the last one is killed after
step 7 and resumed with another budget. Exit code 1 where a figure differs by more than 1e-5 of it.

`times`: how many times A's seconds are B's, step by step, the middle of all steps: both train the same sequences in a
step, so a step of one is compared with the same step of the other.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent / "support")]
RELATIVE, ADAPTER = 1e-5, 1e-4
ROWS = 74  # 9 steps of 8 and one of 2: the last step of an epoch is a short one
RESUMED_AFTER = 7
COMPARED = ("loss", "grad_norm", "loss_agent", "loss_general", "eval_loss", "eval_loss_agent", "eval_loss_general")
CONFIG = """model: model
data: data.jsonl
gpus: 0
preflight: off
sequences_per_step: 8
weights: {{call: 2, answer: 0.5}}
train:
  model_type: qwen2
  template: qwen2_5
  tuner_type: lora
  lora_rank: 4
  lora_dropout: 0
  learning_rate: 1e-3
  max_length: 1400
  max_steps: {steps}
  per_device_train_batch_size: 4
  per_device_eval_batch_size: 3
  eval_steps: 5
  save_steps: {saved}
  logging_steps: 1
  dataloader_num_workers: 0
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--budgets", type=int, nargs="+", default=[256, 1024, 8192])
    parser.add_argument("--deepspeed", choices=("zero1", "zero2", "zero3"), help="in float32, with two ranks or more")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    words = [f"deepspeed={args.deepspeed}", "torch_dtype=float32"] if args.deepspeed else []
    with tempfile.TemporaryDirectory() as folder:
        work = make_work(Path(folder), args.steps)
        found = [line for ranks in args.ranks for line in compare(work, ranks, args.budgets, words)]
    for line in found:
        print("  ".join(f"{name} {value}" for name, value in line.items()))
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(0 if all(line.get("equal", True) for line in found) else 1)


def make_work(folder: Path, steps: int, rows: int = ROWS) -> Path:
    """A folder with the model, its data and the config."""
    import made

    made.make_tiny_model(folder / "model")
    draw = random.Random(0)
    for name, count in (("data", rows), ("data.val", 7)):
        kinds = ["general" if number % 3 == 0 else "agent" for number in range(count)]
        drawn = [made.record(n, kind, result="x" * draw.randint(5, 250)) for n, kind in enumerate(kinds)]
        made.write_rows(folder / f"{name}.jsonl", 0, drawn)
    (folder / "equal.yaml").write_text(CONFIG.format(steps=steps, saved=RESUMED_AFTER))
    return folder


def compare(work: Path, ranks: int, budgets: list[int], words: list[str]) -> list[dict[str, Any]]:
    """One line a plan: what it took, and how far it is from plan A. `words` change the config of all."""
    padded = train(work, f"a{ranks}", ranks, "sequences", words)
    lines = [describe(padded, ranks, "A, batch 4")]
    cut: list[Path] = []
    for budget in budgets:
        cut.append(train(work, f"b{ranks}-{budget}", ranks, budget, words))
        line = describe(cut[-1], ranks, f"B, {budget:,} tokens") | {"times": times(padded, cut[-1])}
        lines.append(line | difference(padded, cut[-1]))
    again = resumed(work, cut[-1], budgets[0])
    plan = f"B, {budgets[-1]:,}, resumed with {budgets[0]:,}"
    lines.append(describe(again, ranks, plan, after=RESUMED_AFTER) | difference(padded, again))
    return lines


def train(work: Path, name: str, ranks: int, micro_batch: str | int, words: Sequence[str] = ()) -> Path:
    """The run folder; `seconds.txt` in it holds the seconds from the first step to the last."""
    ours = [f"name={name}", f"cpu_processes={ranks}", f"micro_batch={micro_batch}"]
    return _sft(work, ["equal.yaml", *ours, *words], name)


def resumed(work: Path, run: Path, budget: int) -> Path:
    """The run again from its checkpoint at `RESUMED_AFTER`, cut by another budget."""
    for checkpoint in run.glob("checkpoint-*"):
        if checkpoint.name != f"checkpoint-{RESUMED_AFTER}":
            shutil.rmtree(checkpoint)
    return _sft(work, ["--resume", run.name, f"micro_batch={budget}"], run.name)


def _sft(work: Path, words: list[str], name: str) -> Path:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "swiftagent", "sft", *words], cwd=work, capture_output=True, text=True)
    log = work / "runs" / name / "log.txt"
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}\n{log.read_text()[-3000:] if log.is_file() else ''}")
    (log.parent / "seconds.txt").write_text(f"{time.monotonic() - began:.1f}")
    return log.parent


def _lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def metrics(run: Path) -> dict[tuple[int, str], float]:
    """Figures by step and name."""
    return {(line["step"], name): line[name] for line in _lines(run) for name in COMPARED if name in line}


def times(padded: Path, cut: Path) -> float:
    """How many times the seconds of a step's other plan, the middle of all steps but the first."""
    seconds = [[line["seconds_of_steps"] for line in _lines(run) if "loss" in line][1:] for run in (padded, cut)]
    return round(statistics.median(one / other for one, other in zip(*seconds, strict=True)), 2)


def describe(run: Path, ranks: int, plan: str, after: int = 0) -> dict[str, Any]:
    """What the steps `after` a step were made of."""
    steps = [line for line in _lines(run) if "loss" in line and line["step"] > after]
    seconds = sum(line["seconds_of_steps"] for line in steps[1:])
    return {
        "ranks": ranks, "plan": plan, "micro_steps": sum(line["micro_steps"] for line in steps) / len(steps),
        "padding": round(sum(line["padding"] for line in steps) / len(steps), 4),
        "training": round(seconds, 2), "whole": float((run / "seconds.txt").read_text()),
    }  # fmt: skip


def difference(one: Path, other: Path) -> dict[str, Any]:
    """The largest relative difference of any figure, and the largest of the final adapters."""
    from safetensors.torch import load_file

    ours, theirs = metrics(one), metrics(other)
    apart = {key: abs(ours[key] - theirs[key]) / max(abs(ours[key]), 1e-12) for key in ours.keys() & theirs.keys()}
    worst = max(apart, key=apart.__getitem__)
    last = max(step for step, _ in ours)
    adapters = [load_file(run / f"checkpoint-{last}" / "adapter_model.safetensors") for run in (one, other)]
    furthest = max(float((adapters[0][name] - adapters[1][name]).abs().max()) for name in adapters[0])
    equal = ours.keys() == theirs.keys() and apart[worst] <= RELATIVE and furthest < ADAPTER
    found = {"relative": f"{apart[worst]:.1e}", "at": f"{worst[1]}@{worst[0]}", "adapter": f"{furthest:.1e}"}
    return found | {"figures": len(apart), "equal": equal}


if __name__ == "__main__":
    main()
