"""Runs inside every ms-swift process of a run (`--external_plugins`): counts the rows that were really loaded, writes
metrics.jsonl, saves and stops when asked to, refuses code from a model's repository.

It lies in a folder of its own because ms-swift puts the folder of a plugin first on sys.path. It reads what it needs
from `plugin.json` in the run folder, which is the trainer's output_dir.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]
from swift.callbacks import TrainerCallback, callbacks_map
from swift.model import model_meta, register

if str(Path(__file__).parents[3]) not in sys.path:
    sys.path.append(str(Path(__file__).parents[3]))  # a checkout that is not installed
from swiftagent.io.jsonl import write_json
from swiftagent.models.files import own_code
from swiftagent.train.follow import die_with_parent
from swiftagent.train.plugin.encoded_rows import LEFT_OUT, encode_once, fates, settings


def refuse_code_from_the_model() -> None:
    """ms-swift always trusts a model's own code; such a folder is refused before it is loaded, unless the config trusts
    it."""
    if settings().get("trust_remote_code"):
        return
    register.ModelLoader.default_trust_remote_code = False
    read_info = model_meta._get_model_info

    def checked(model_dir: str, *args: Any, **kwargs: Any) -> Any:
        if own_code(Path(model_dir)):
            raise SystemExit(f"swiftagent: {model_dir} holds code of its own; trust_remote_code: true runs it")
        return read_info(model_dir, *args, **kwargs)

    model_meta._get_model_info = checked


class RunFolder(TrainerCallback):  # type: ignore[misc]  # ms-swift has no types
    """Writes what happens into the run folder, and stops at a step's end when the launcher asks."""

    def __init__(self, args: Any, trainer: Any) -> None:
        super().__init__(args, trainer)
        self.folder = Path(args.output_dir)
        self.tokens_per_step = 0.0
        self.began = self.last = (0, time.time())  # step and time: of the first step, and of the line of metrics before

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # A request of an earlier run in this folder is void.
        if state.is_world_process_zero:
            (self.folder / "stop-requested").unlink(missing_ok=True)
        rows, tokens = _rows_and_tokens(self.trainer.train_dataset)
        sequences = self.trainer.get_total_train_batch_size(args)
        self.tokens_per_step = tokens / rows * sequences if rows else 0.0
        if not state.is_world_process_zero:
            return
        val_rows, _ = _rows_and_tokens(self.trainer.eval_dataset)
        loaded = {"rows": rows, "tokens": tokens, "val_rows": val_rows, "max_steps": state.max_steps}
        loaded |= {"epochs": args.num_train_epochs, "sequences_per_step": sequences}
        loaded |= {"started_at_step": state.global_step, **_fates()}
        write_json(self.folder / "loaded.json", loaded)
        self.began = self.last = (state.global_step, time.time())

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if not state.is_world_process_zero or not logs:
            return
        now = time.time()
        line = {"step": state.global_step, "max_steps": state.max_steps, "time": round(now, 3)}
        figures = {key: value for key, value in logs.items() if isinstance(value, (int, float))}
        line |= {key: value for key, value in figures.items() if math.isfinite(value)}
        if lost := [key for key, value in figures.items() if not math.isfinite(value)]:
            line["not_finite"] = lost  # JSON has no NaN
        if "loss" in logs and state.global_step > self.last[0]:
            step, then = self.last
            line["seconds_of_steps"] = round(now - then, 4)
            line |= self._pace(state.global_step - step, max(now - then, 1e-9))
            line["seconds_per_step"] = round((now - self.began[1]) / (state.global_step - self.began[0]), 3)
            line["memory_gib"] = round(_most_memory() / 2**30, 2)
            self.last = (state.global_step, now)
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        loss = logs.get("loss", logs.get("eval_loss", 0.0))
        if isinstance(loss, float) and not math.isfinite(loss):
            raise SystemExit(f"swiftagent: the loss is {loss} at step {state.global_step}")

    def _pace(self, steps: int, seconds: float) -> dict[str, Any]:
        """Tokens a second without padding, of all ranks, and what the steps since the last line were made of."""
        tally = getattr(self.trainer, "tally", None)
        if tally is None:
            return {"tokens_per_second": round(self.tokens_per_step * steps / seconds, 1)}
        tokens = tally["real"] * self.trainer.args.world_size  # ranks have nearly as many
        share = settings().get("mfu_of_a_token")  # of the launcher, which knows the GPUs and the model's size
        figures = {
            "tokens_per_second": round(tokens / seconds, 1),
            "micro_steps": round(tally["batches"] / steps, 2),
            "micro_step_tokens": tally["longest"],
            "padding": round(1 - tally["real"] / max(1, tally["computed"]), 4),
            "mfu": round(share * tokens / seconds, 4) if share else None,
            "memory_reserved_gb": round(_most_memory() / 1e9, 2) if on_a_gpu() else None,
            "attention": self.trainer.template.get_base_model(self.trainer.model).config._attn_implementation,
        }
        tally.clear()
        return figures

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            from swiftagent.train.loss_curves import draw

            draw(self.folder)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # What rank 0 sees, for all: ranks that stop at different steps would wait for each other for ever.
        if broadcast_object_list([(self.folder / "stop-requested").exists()])[0]:
            control.should_save = True
            control.should_training_stop = True


def _fates() -> dict[str, dict[str, int]]:
    """What became of rows over max_length, by channel: `too_long` were left out, `shortened` made to fit."""
    found: dict[str, dict[str, int]] = {"too_long": {}, "shortened": {}}
    for (fate, channel), rows in fates.items():
        found["too_long" if fate == LEFT_OUT else "shortened"][channel] = rows
    return found


def on_a_gpu() -> bool:
    return bool(torch.cuda.is_available() and torch.cuda.is_initialized())


def _most_memory() -> int:
    """Bytes that this process took at most: of its GPU where it has one, else of the machine's memory."""
    if on_a_gpu():
        return int(torch.cuda.max_memory_reserved())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _rows_and_tokens(dataset: Any) -> tuple[int, int]:
    """Rows that training will see, and their tokens where ms-swift counted them."""
    if dataset is None or not hasattr(dataset, "__len__"):
        return 0, 0
    inner = getattr(dataset, "dataset", dataset)
    inner = getattr(inner, "dataset", inner)
    lengths = inner["lengths"] if hasattr(inner, "column_names") and "lengths" in inner.column_names else []
    tokens = sum(max(length) if isinstance(length, list) else length for length in lengths)
    return len(dataset), int(tokens)


def join_the_process_group_on_a_cpu() -> None:
    """ZeRO-3 asks for the world's size while the model is loaded, and on a CPU nothing has joined the ranks by then."""
    words = sys.argv
    if "--deepspeed" in words and "--use_cpu" in words and "RANK" in os.environ:
        import deepspeed

        deepspeed.init_distributed(dist_backend="gloo")


callbacks_map["swiftagent"] = RunFolder
# A checkpoint's args.json names this file to `swift infer` and the like too: they train nothing.
if "--output_dir" in sys.argv:
    die_with_parent()
    join_the_process_group_on_a_cpu()
    encode_once()
    refuse_code_from_the_model()
    if settings().get("token_trainer"):
        from swiftagent.train.plugin.ms_swift import cut_steps_by_tokens

        cut_steps_by_tokens()
