"""What a GPU does a second: `swiftagent sft` as it plans, the bare published command, and ours with parts left out.

    python benchmarks/gpu.py --minutes 8                # on a GPU: a Qwen2.5-7B of random weights
    python benchmarks/gpu.py --minutes 5 --rehearse     # on a CPU, with a tiny model planned for an H100
    python benchmarks/gpu.py --wheels > wheels.txt      # what it needs, for a GPU machine without a network:
    pip download --dest wheels -r wheels.txt            # here, then there: pip install --no-index --find-links wheels

Rows are made up: 60 to 2,048 tokens, 430 on average, as many to a step as the published recipe takes (64). Variants run
one after another, in the order of the table, in one process: none loads a model, its weights are drawn on the GPU. What
no longer fits into the minutes is skipped and said so. Needs no network.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import random
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

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
    "model_type": "qwen2", "template": "qwen2_5", "tuner_type": "lora", "torch_dtype": "bfloat16",
    "target_modules": ["all-linear", "all-embedding"], "lora_rank": 8, "lora_alpha": 32, "lora_dropout": 0.05,
    "learning_rate": 5e-5, "max_length": 2048, "per_device_train_batch_size": 2, "logging_steps": 1,
    "save_strategy": "no",
}  # fmt: skip
BARE = {"add_version": False, "gradient_checkpointing": True, "check_model": False, "output_dir": "bare"}
ON_A_CPU = {"use_cpu": True, "torch_dtype": "float32", "bf16": False, "fp16": False}
MEAN, LONGEST = 430, 2048  # tokens of a row
AROUND = 330  # of them, what a row of ours holds besides its result
FOR_A_GPU = ("bitsandbytes", "liger-kernel", "flash-attn-4>=4.0.0b1", "nvidia-cutlass-dsl[cu13]")  # 4 has only betas


class Variant(NamedTuple):
    """What is changed of the published recipe, what must be installed, and the seconds that it needs on an H100."""

    name: str
    changed: dict[str, Any] = {}
    steps: int = 8
    seconds: int = 45
    package: str = ""
    model: str = "7B"
    needs_gpu: bool = False


BY_SEQUENCES = {"micro_batch": "sequences"}
OURS, BARE_COMMAND, EVALUATION = "ours as planned", "bare ms-swift, the published command", "eval, 32 at a time"
VARIANTS = (
    Variant(OURS),
    Variant(BARE_COMMAND, steps=2, seconds=60),
    Variant("ours, batches of sequences", {**BY_SEQUENCES, "gradient_checkpointing": True}, steps=4, seconds=90),
    Variant("ours, recomputed", {"gradient_checkpointing": True}),
    Variant("ours, all logits", {"use_logits_to_keep": False, "micro_batch": 4096}, steps=6),
    Variant(
        "out of memory, explained",
        {**BY_SEQUENCES, "per_device_train_batch_size": 64, "gradient_checkpointing": False},
        steps=2, seconds=20, needs_gpu=True,
    ),
    Variant("QLoRA", {"quant_bits": 4, "quant_method": "bnb"}, package="bitsandbytes", seconds=90, needs_gpu=True),
    Variant("packing", {"packing": True}, steps=4),
    Variant("0.5B, ours as planned", model="0.5B", seconds=20),
    Variant(EVALUATION, seconds=25),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, with a tiny model")
    parser.add_argument("--wheels", action="store_true", help="list what a GPU machine with this Python needs")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.wheels:
        print(*wheels(), sep="\n")
        return
    end, found = time.monotonic() + 60 * args.minutes, []
    with tempfile.TemporaryDirectory() as folder, _output_into(Path(folder) / "log.txt") as out:
        bench = Bench(Path(folder), rehearse=args.rehearse)
        for variant in VARIANTS:
            found.append({"variant": variant.name} | bench.measure(variant, end - time.monotonic()))
            print("  ".join(f"{name} {value}" for name, value in found[-1].items()), file=out, flush=True)
        said = f"foretold of {bench.gpu.name}, measured on this CPU" if args.rehearse else verdict(found)
        print(f"machine: {bench.gpu.name}", said, sep="\n", file=out)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(any("failed" in line for line in found))


def verdict(found: list[dict[str, Any]]) -> str:
    """How far the plan was off, and how many times the bare command it is."""
    by_name = {line["variant"]: line for line in found}
    ours, bare = by_name[OURS], by_name[BARE_COMMAND]
    parts = []
    for name in ("GB", "s/step"):
        if ours.get(name) and ours.get(f"{name} foretold"):
            parts.append(f"{name} foretold {ours[f'{name} foretold'] / ours[name] - 1:+.0%}")
    if ours.get("tokens/s") and bare.get("tokens/s"):
        parts.append(f"{ours['tokens/s'] / bare['tokens/s']:.1f} times the bare command")
    return "; ".join(parts) or "ours and the bare command were not both measured"


class Bench:
    """A folder with rows and models, and the GPU that runs are planned for."""

    def __init__(self, folder: Path, *, rehearse: bool) -> None:
        import made
        import torch
        from transformers import AutoModelForCausalLM

        from swiftagent.train.machine import GIB, Gpu, Machine, look, packages

        self.rehearse, self.sequences = rehearse, 4 if rehearse else 64
        self.machine = look()
        if rehearse:
            described = Gpu(0, "NVIDIA H100 80GB HBM3", 80 * GIB, 79 * GIB, (9, 0))
            self.machine = Machine((described,), cpus=16, packages=packages())
        elif not torch.cuda.is_available():
            raise SystemExit("no GPU here; --rehearse runs the script on a CPU with a tiny model")
        self.gpu = self.machine.gpus[0]
        os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
        os.chdir(folder)
        drawn, longest = random.Random(0), (LONGEST if not rehearse else 700) - AROUND - 70
        lengths = [min(longest, int(drawn.expovariate(1 / (MEAN - AROUND)))) for _ in range(40 if rehearse else 1500)]
        rows = [made.record(number, result="x" * max(1, length)) for number, length in enumerate(lengths)]
        made.write_rows(Path("data.jsonl"), 0, rows)
        self.tokens_a_row = float(MEAN)
        self.from_disk = AutoModelForCausalLM.from_pretrained
        AutoModelForCausalLM.from_pretrained = self._drawn

    def measure(self, variant: Variant, left: float) -> dict[str, Any]:
        """Figures of a variant, or why there are none."""
        if variant.package and importlib.util.find_spec(variant.package) is None:
            return {"skipped": f"{variant.package} is not installed"}
        if self.rehearse and variant.needs_gpu:
            return {"skipped": "needs a GPU"}
        if left < variant.seconds:
            return {"skipped": f"needs {variant.seconds} s, {max(0, left):.0f} are left"}
        run = {BARE_COMMAND: self._bare, EVALUATION: self._evaluation}.get(variant.name, self._ours)
        try:
            return run(variant)
        except (Exception, SystemExit) as error:  # whatever a variant raises, the next one may run
            return self._explained(variant, error)
        finally:
            _free_memory()

    def _explained(self, variant: Variant, error: BaseException) -> dict[str, Any]:
        from swiftagent.train.follow import find_cause

        text = "".join(traceback.format_exception(error))
        print(text, flush=True)
        cause = find_cause(1, text)
        asked = variant.name.startswith("out of memory") and cause.code == "gpu-memory"
        return {"said" if asked else "failed": cause.text}

    def _model(self, variant: Variant, *, weights: bool = False) -> Path:
        """A folder with a tokenizer and the shape; with its weights only where they are quantized as they are read."""
        import made
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        folder = Path("tiny" if self.rehearse else variant.model)
        if not folder.exists():
            made.make_tiny_model(folder)
            shape = json.loads((folder / "config.json").read_text()) | SHAPES[folder.name]
            (folder / "config.json").write_text(json.dumps(shape))
        if weights:
            with torch.device("cuda"):
                drawn = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.bfloat16)
            drawn.save_pretrained(folder)
        return folder

    def _drawn(self, folder: str, *words: Any, config: Any, **how: Any) -> Any:
        """In place of a model that is read from the disk."""
        import torch
        from transformers import AutoModelForCausalLM

        if how.get("quantization_config"):
            return self.from_disk(folder, *words, config=config, **how)
        dtype = how.get("dtype") or how.get("torch_dtype") or torch.float32
        with torch.device("cpu" if self.rehearse else "cuda"):
            return AutoModelForCausalLM.from_config(
                config, dtype=dtype, attn_implementation=config._attn_implementation
            )

    def _ours(self, variant: Variant) -> dict[str, Any]:
        from swiftagent.io.jsonl import write_json
        from swiftagent.train.config import TOP_KEYS, load
        from swiftagent.train.estimates import estimate
        from swiftagent.train.inputs import resolve
        from swiftagent.train.launch import plan
        from swiftagent.train.session import settings_of_the_plugin

        options = {**PUBLISHED, **variant.changed, "max_steps": self._steps(variant)}
        ours = {name: options.pop(name) for name in list(options) if name in TOP_KEYS}
        ours |= {"model": str(self._model(variant, weights="quant_bits" in options)), "data": "data.jsonl", "gpus": 1}
        text = json.dumps({**ours, "sequences_per_step": self.sequences, "train": options})
        run = Path("runs") / variant.name.replace(" ", "-")
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(text, encoding="utf-8")
        inputs = resolve(load(run / "config.yaml"), self.machine)
        planned = plan(inputs, run, tokens_a_row=self.tokens_a_row)
        write_json(run / "plugin.json", settings_of_the_plugin(inputs, planned))
        print(variant.name, planned.notes, planned.warnings, sep="\n", flush=True)
        self._train(planned.options)
        micro, memory = planned.micro, planned.micro.memory if planned.micro else 0.0
        if not micro and inputs.shape:
            memory = estimate(inputs.shape, planned.options, length=LONGEST, gpus=1).total
        return self._figures(run) | {"GB foretold": round(memory / 1e9, 1)} | (
            {"s/step foretold": round(micro.seconds, 2)} if micro else {}
        )  # fmt: skip

    def _steps(self, variant: Variant) -> int:
        return 2 if self.rehearse else variant.steps

    def _bare(self, variant: Variant) -> dict[str, Any]:
        options = {"model": str(self._model(variant)), "dataset": ["data.jsonl"], **PUBLISHED, **BARE}
        options |= {"max_steps": self._steps(variant), "gradient_accumulation_steps": self.sequences // 2}
        with _ms_swift_as_it_is():
            history = self._train(options)["log_history"]
        seconds = (
            next(float(line["train_runtime"]) for line in history if "train_runtime" in line) / options["max_steps"]
        )
        return {"tokens/s": round(self.sequences * self.tokens_a_row / seconds), "s/step": round(seconds, 2)} | (
            {} if self.rehearse else {"GB": round(_reserved() / 1e9, 1)}
        )

    def _train(self, options: dict[str, Any]) -> Any:
        """By ms-swift's own class, in this process."""
        from swift.pipelines.train.sft import SwiftSft

        from swiftagent.train.options import as_words

        options = {**options, **(ON_A_CPU if self.rehearse else {})}
        words = [word for item in options.items() for word in as_words(*item)]
        sys.argv = ["sft.py", *words]  # which the plugin reads
        return SwiftSft(words).main()

    def _figures(self, run: Path) -> dict[str, Any]:
        """The middle of the measured steps, the first two left out where there are more."""
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        steps = [line for line in lines if "loss" in line]
        loaded = json.loads((run / "loaded.json").read_text())
        if "packing" not in run.name:
            self.tokens_a_row = loaded["tokens"] / loaded["rows"]

        def middle(name: str) -> Any:
            values = sorted(line[name] for line in steps[2:] or steps if line.get(name) is not None)
            return values[len(values) // 2] if values else None

        return {
            "tokens/s": middle("tokens_per_second"), "padding": middle("padding"), "mfu": middle("mfu"),
            "micro-steps": middle("micro_steps"), "attention": steps[-1]["attention"],
            "GB": middle("memory_reserved_gb"), "s/step": middle("seconds_of_steps"),
        }  # fmt: skip

    def _evaluation(self, variant: Variant) -> dict[str, Any]:
        """What `eval` does most: many prompts written on together."""
        from swiftagent.agent.loop import Generate
        from swiftagent.backend.engine import load_engine

        device = "cpu" if self.rehearse else "auto"
        engine = load_engine(str(self._model(variant)), template="qwen2_5", device=device, model_type="qwen2")
        rows = [json.loads(line) for line in Path("data.jsonl").read_text().splitlines()[:32]]
        asked = [Generate(row["messages"][:2], "", 16 if self.rehearse else 128, 600.0) for row in rows]
        engine.write_together(asked[:2])
        began = time.monotonic()
        tokens = sum(text.tokens for text in engine.write_together(asked))
        seconds = time.monotonic() - began
        return {"written tokens/s": round(tokens / seconds), "tokens": tokens, "s": round(seconds, 1)}


@contextmanager
def _ms_swift_as_it_is() -> Iterator[None]:
    """Without what the plugin has put in the place of its parts."""
    from swift import dataset
    from swift.pipelines.train import sft
    from swift.trainers import TrainerFactory

    ours = sft.AddLengthPreprocessor, sft.LazyLLMDataset, dict(TrainerFactory.TRAINER_MAPPING)
    sft.AddLengthPreprocessor, sft.LazyLLMDataset = dataset.AddLengthPreprocessor, dataset.LazyLLMDataset
    TrainerFactory.TRAINER_MAPPING["causal_lm"] = "swift.trainers.Seq2SeqTrainer"
    try:
        yield
    finally:
        sft.AddLengthPreprocessor, sft.LazyLLMDataset, mapping = ours
        TrainerFactory.TRAINER_MAPPING.update(mapping)


@contextmanager
def _output_into(log: Path) -> Iterator[TextIO]:
    """All that is written goes into a file, but for what is written to the text that this gives."""
    with os.fdopen(os.dup(1), "w") as out, log.open("wb") as file:
        error = os.dup(2)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield out
        except BaseException:
            out.write(log.read_text(errors="replace")[-4000:])
            raise
        finally:
            out.flush()
            os.dup2(out.fileno(), 1)
            os.dup2(error, 2)


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _reserved() -> int:
    import torch

    return int(torch.cuda.max_memory_reserved())


def wheels() -> list[str]:
    """The packages of an installation on a GPU machine with this Python: the locked ones, and what stands apart."""
    locks, about = ROOT / "scripts" / "locks", f"python{sys.version_info.major}.{sys.version_info.minor}.txt"
    locked = re.findall(r"(?m)^[\w.\[\]-]+==[^\s;\\]+", (locks / about).read_text())
    torch = re.findall(r"(?m)^torch==\S+", (ROOT / "scripts" / "constraints.txt").read_text())
    return [*torch, *locked, *FOR_A_GPU]


if __name__ == "__main__":
    main()
