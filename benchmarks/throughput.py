"""Tokens a second on one GPU: the settings that `swiftagent sft` chooses against the bare published command.

    python benchmarks/throughput.py [--rows 2000] [--steps 30]

Trains a Qwen2.5-0.5B of random weights with a byte-level tokenizer, LoRA on all linear layers, 64 sequences a step,
rows of about 450 tokens. Tokens are counted without padding, seconds from the trainer's own `train_runtime`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
PUBLISHED: dict[str, Any] = {
    "model_type": "qwen2",
    "template": "qwen2_5",
    "tuner_type": "lora",
    "target_modules": "all-linear",
    "torch_dtype": "bfloat16",
    "lora_rank": 8,
    "lora_alpha": 32,
    "learning_rate": 5e-5,
    "per_device_train_batch_size": 2,
    "max_length": 2048,
    "logging_steps": 5,
    "save_strategy": "no",
}
SEQUENCES = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    import made
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("no GPU here: throughput is not measured")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made.make_tiny_model(
            work / "model", vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
            num_attention_heads=14, num_key_value_heads=2, tie_word_embeddings=True,
        )  # fmt: skip
        draw = random.Random(0)
        made.write_rows(
            work / "data.jsonl", 0, [made.record(n, result="x" * draw.randint(50, 600)) for n in range(args.rows)]
        )
        options = {**PUBLISHED, "max_steps": args.steps}
        bare = _bare(work, {**options, "gradient_accumulation_steps": SEQUENCES // 2})
        text = "".join(f"  {name}: {value}\n" for name, value in options.items())
        (work / "ours.yaml").write_text(
            f"model: model\ndata: data.jsonl\ngpus: 1\nsequences_per_step: {SEQUENCES}\npreflight: off\ntrain:\n{text}"
        )
        _run([sys.executable, "-m", "swiftagent", "sft", "ours.yaml"], work)
        loaded = json.loads((work / "runs" / "ours" / "loaded.json").read_text())
        tokens = loaded["tokens"] / loaded["rows"] * SEQUENCES * args.steps
        ours = _seconds(work / "runs" / "ours")
    print(
        f"{torch.cuda.get_device_name()}: bare {tokens / bare:,.0f} tokens/s, swiftagent sft {tokens / ours:,.0f} tokens/s"
    )


def _bare(work: Path, options: dict[str, Any]) -> float:
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    swift = str(Path(sys.executable).parent / "swift")
    _run(
        [
            swift,
            "sft",
            "--model",
            "model",
            "--dataset",
            "data.jsonl",
            "--output_dir",
            "bare",
            "--add_version",
            "false",
            *words,
        ],
        work,
    )
    return _seconds(work / "bare")


def _seconds(folder: Path) -> float:
    lines = [json.loads(line) for line in (folder / "logging.jsonl").read_text().splitlines()]
    return float(next(line["train_runtime"] for line in lines if "train_runtime" in line))


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "CUDA_VISIBLE_DEVICES": "0"}, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{(done.stdout + done.stderr)[-3000:]}")


if __name__ == "__main__":
    main()
