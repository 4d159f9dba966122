"""What writing prompts in batches saves an evaluation, and whether it changes a text.

python benchmarks/batch.py runs/demo/checkpoint-180 [--sizes 1 4 16 32]

The held-out questions of datasets/ are answered step by step on gold context, once for each size, on one core.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from swiftagent.backend.engine import load_engine
from swiftagent.evaluate.data import read_gold
from swiftagent.evaluate.scoring import gold_from
from swiftagent.evaluate.writing import Log, Writer, works_of
from swiftagent.io.shipped import shipped


def main() -> None:
    import tempfile

    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("adapter")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16, 32])
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    gold = gold_from(read_gold([str(shipped("datasets") / "heldout.jsonl")]).rows)
    engine = load_engine(None, args.adapter, device=args.device)
    texts: dict[int, list[str]] = {}
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            log = Log(Path(folder) / "predictions.jsonl", {})
            wall, cpu = time.monotonic(), time.process_time()
            Writer("tuned", engine, log, step_tokens=128, at_a_time=size).finish(
                works_of("step", gold.steps), lambda more: None
            )
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
            log.close()
            texts[size] = [log.of("tuned", "step")[step.id].text for step in gold.steps]
        other = sum(one != two for one, two in zip(texts[args.sizes[0]], texts[size], strict=True))
        print(f"{size:>3} at a time: {len(gold.steps)} steps, {cpu:.1f} s of CPU, {wall:.1f} s, {other} texts differ")


if __name__ == "__main__":
    main()
