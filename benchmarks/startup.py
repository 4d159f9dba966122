"""Time `swiftagent sft` with `preflight: off` against the bare `swift sft` of the same five tiny steps.

    python benchmarks/startup.py [--processes 2] [--repeat 3]

Both train a Qwen2 of 30,000 parameters on the CPU. The bare command gets the same options, but for those that we add
(`--check_model false`, our plugin). The shortest of the runs is compared: noise only makes a run longer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))

BARE = {
    "model_type": "qwen2",
    "template": "qwen2_5",
    "tuner_type": "lora",
    "lora_rank": 4,
    "learning_rate": 1e-3,
    "max_length": 1400,
    "max_steps": 5,
    "per_device_train_batch_size": 2,
    "logging_steps": 1,
    "dataloader_num_workers": 0,
    "save_steps": 100,
}
ON_A_CPU = {
    "gradient_accumulation_steps": 2,
    "use_cpu": "true",
    "torch_dtype": "float32",
    "fp16": "false",
    "bf16": "false",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=2)
    args = parser.parse_args()
    import made

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made.make_tiny_model(work / "tiny")
        made.write_rows(work / "data.jsonl", 40)
        (work / "tiny.yaml").write_text(
            f"model: tiny\ndata: data.jsonl\ngpus: 0\ncpu_processes: {args.processes}\nsequences_per_step: {4 * args.processes}\n"
            "preflight: off\ntrain:\n" + "".join(f"  {name}: {value}\n" for name, value in BARE.items())
        )
        options = {"model": "tiny", "dataset": "data.jsonl", "output_dir": "bare", **BARE, **ON_A_CPU}
        bare_words = ["sft", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        bare = [
            _time([str(Path(sys.executable).parent / "swift"), *bare_words], work, args.processes)
            for _ in range(args.repeat)
        ]
        ours = [_time([sys.executable, "-m", "swiftagent", "sft", "tiny.yaml"], work, 0) for _ in range(args.repeat)]
    ratio = min(ours) / min(bare)
    print(f"bare swift sft {min(bare):.1f} s, swiftagent sft {min(ours):.1f} s: {ratio:.2f} of it (limit 0.70)")
    return int(ratio > 0.7)


def _time(command: list[str], folder: Path, processes: int) -> float:
    shutil.rmtree(folder / "bare", ignore_errors=True)
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""} | ({"NPROC_PER_NODE": str(processes)} if processes > 1 else {})
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
