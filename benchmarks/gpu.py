"""What a GPU does a second: `swiftagent sft` as it plans, the bare published command, and ours with parts left out.

    python benchmarks/gpu.py --minutes 8                # on a GPU: a Qwen2.5-7B of random weights
    python benchmarks/gpu.py --minutes 5 --rehearse     # on a CPU: a tiny model, to see that the script works

Rows are made up: 60 to 2,048 tokens, 430 on average, as many to a step as the published recipe takes (64). Variants run
one after another, in the order of the table; what no longer fits into the minutes is skipped and said so. Each is a
process of its own, whose seconds before the first step do not count. Needs no network.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent / "support")]
SHAPES: dict[str, dict[str, Any]] = {
    "7B": {
        "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4,
    },
    "0.5B": {
        "vocab_size": 151936, "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
        "num_attention_heads": 14, "num_key_value_heads": 2,
    },
    "tiny": {},
}  # fmt: skip
PUBLISHED = {
    "model_type": "qwen2", "template": "qwen2_5", "tuner_type": "lora", "target_modules": "[all-linear, all-embedding]",
    "torch_dtype": "bfloat16", "lora_rank": 8, "lora_alpha": 32, "lora_dropout": 0.05, "learning_rate": 5e-5,
    "max_length": 2048, "per_device_train_batch_size": 2, "logging_steps": 1, "save_strategy": "no",
}  # fmt: skip
SEQUENCES, ROWS, MEAN, LONGEST = 64, 1500, 430, 2048
SECONDS_A_VARIANT = 45  # the least that is kept for one


class Variant(NamedTuple):
    """A name, what is changed on the command line, and what must be installed."""

    name: str
    words: tuple[str, ...] = ()
    package: str = ""
    model: str = "7B"
    fails: bool = False


VARIANTS = (
    Variant("ours as planned"),
    Variant("bare ms-swift, the published command"),
    Variant("ours, batches of sequences", ("micro_batch=sequences", "gradient_checkpointing=true")),
    Variant("ours, recomputed", ("gradient_checkpointing=true",)),
    Variant("ours, all logits", ("use_logits_to_keep=false", "micro_batch=4096")),
    Variant(
        "out of memory, explained",
        ("micro_batch=sequences", "per_device_train_batch_size=64", "gradient_checkpointing=false"),
        fails=True,
    ),
    Variant("QLoRA", ("quant_bits=4", "quant_method=bnb"), "bitsandbytes"),
    Variant("packing", ("packing=true",)),
    Variant("0.5B, ours as planned", model="0.5B"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--steps", type=int, default=12, help="of each variant; the bare command takes two")
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, with a tiny model")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    import torch

    if not args.rehearse and not torch.cuda.is_available():
        raise SystemExit("no GPU here; --rehearse runs the script on a CPU with a tiny model")
    end, found = time.monotonic() + 60 * args.minutes, []
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder), args.steps, args.rehearse)
        for variant in VARIANTS:
            found.append({"variant": variant.name} | work.measure(variant, end))
            print("  ".join(f"{name} {value}" for name, value in found[-1].items()), flush=True)
    print("machine:", "CPU, rehearsed" if args.rehearse else torch.cuda.get_device_name())
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")


class Work:
    """A folder with data, and each model made when a variant first needs it."""

    def __init__(self, folder: Path, steps: int, rehearse: bool) -> None:
        import made

        self.folder, self.steps, self.rehearse = folder, steps, rehearse
        draw = random.Random(0)
        # Bytes are tokens here; a row of ours has about 330 besides its result.
        lengths = [min(LONGEST - 400, int(draw.expovariate(1 / (MEAN - 330)))) for _ in range(ROWS)]
        kinds = [made.record(number, result="x" * max(1, length)) for number, length in enumerate(lengths)]
        made.write_rows(folder / "data.jsonl", 0, kinds[:200] if rehearse else kinds)
        self.tokens_a_row = 0.0

    def measure(self, variant: Variant, end: float) -> dict[str, Any]:
        """Figures of a variant, or why there are none."""
        if variant.package and importlib.util.find_spec(variant.package) is None:
            return {"skipped": f"{variant.package} is not installed"}
        if self.rehearse and (variant.fails or variant.package or "packing=true" in variant.words):
            return {"skipped": "needs a GPU"}
        if end - time.monotonic() < (10 if self.rehearse else SECONDS_A_VARIANT):
            return {"skipped": "no minutes left"}
        run = self._bare if variant.name.startswith("bare") else self._ours
        return run(variant, end)

    def _model(self, name: str) -> str:
        import made
        import torch

        shape = "tiny" if self.rehearse else name
        folder = self.folder / f"model-{shape}"
        if not folder.exists():
            torch.set_default_dtype(torch.bfloat16)
            with torch.device("cpu" if self.rehearse else "cuda"):
                made.make_tiny_model(folder, **SHAPES[shape])
            torch.set_default_dtype(torch.float32)
            if not self.rehearse:
                torch.cuda.empty_cache()
        return folder.name

    def _ours(self, variant: Variant, end: float) -> dict[str, Any]:
        name = variant.name.replace(" ", "-").replace(",", "").replace(".", "")
        options = "".join(f"  {key}: {value}\n" for key, value in {**PUBLISHED, "max_steps": self.steps}.items())
        head = f"model: {self._model(variant.model)}\ndata: data.jsonl\nname: {name}\nsequences_per_step: {SEQUENCES}\n"
        where = f"gpus: {0 if self.rehearse else 1}\n"
        (self.folder / f"{name}.yaml").write_text(f"{head}{where}train:\n{options}")
        words = [sys.executable, "-m", "swiftagent", "sft", f"{name}.yaml", *variant.words]
        done, problem = self._run(words, end)
        if variant.fails:
            return {"said": done.splitlines()[-1] if done.strip() else problem}
        return {"failed": problem} if problem else _figures(self.folder / "runs" / name, self)

    def _bare(self, variant: Variant, end: float) -> dict[str, Any]:
        options = {**PUBLISHED, "max_steps": 2, "gradient_accumulation_steps": SEQUENCES // 2}
        options |= {"model": self._model(variant.model), "dataset": "data.jsonl", "output_dir": "bare"}
        options |= {"add_version": "false", "gradient_checkpointing": "true", "check_model": "false"}
        options |= {"use_cpu": "true", "bf16": "true", "fp16": "false"} if self.rehearse else {}
        options["target_modules"] = "all-linear all-embedding"
        words = [word for key, value in options.items() for word in (f"--{key}", *str(value).split())]
        _, problem = self._run([str(Path(sys.executable).parent / "swift"), "sft", *words], end)
        if problem:
            return {"failed": problem}
        lines = [json.loads(line) for line in (self.folder / "bare" / "logging.jsonl").read_text().splitlines()]
        seconds = next(float(line["train_runtime"]) for line in lines if "train_runtime" in line)
        return {"tokens/s": round(2 * SEQUENCES * self.tokens_a_row / seconds), "s/step": round(seconds / 2, 2)}

    def _run(self, words: list[str], end: float) -> tuple[str, str]:
        """What it wrote to stderr, and its last line where it failed or took too long."""
        limit = max(5.0, end - time.monotonic())
        try:
            done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return "", "stopped: no minutes left"
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return done.stderr, last if done.returncode else ""


def _figures(run: Path, work: Work) -> dict[str, Any]:
    """The middle of the measured steps, the first two left out; memory and seconds as foretold and as measured."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line][2:]
    loaded, plan = (json.loads((run / name).read_text()) for name in ("loaded.json", "run.json"))
    work.tokens_a_row = loaded["tokens"] / max(1, loaded["rows"])
    plan = plan["plan"]

    def middle(name: str) -> Any:
        values = sorted(line[name] for line in steps if line.get(name) is not None)
        return values[len(values) // 2] if values else None

    return {
        "tokens/s": _rounded(middle("tokens_per_second")), "padding": middle("padding"), "mfu": middle("mfu"),
        "micro-steps": middle("micro_steps"), "attention": steps[-1]["attention"],
        "GB foretold": plan.get("memory_gb"), "GB": middle("memory_reserved_gb"),
        "s/step foretold": _rounded(plan.get("seconds_per_step")), "s/step": _rounded(middle("seconds_of_steps")),
    }  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


if __name__ == "__main__":
    main()
