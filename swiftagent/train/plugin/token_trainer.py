"""ms-swift's trainer with two differences: an optimizer step may be cut into micro-steps by tokens, by a budget that is
tried on the card before the first step, and an evaluation weighs every trained token the same.

All that is private to ms-swift and taken hold of here and in `ms_swift.py` was tried on the versions that
`swiftagent.train.step_cutting.TRIED` names.
"""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from accelerate.utils import DistributedType, broadcast_object_list, gather_object  # type: ignore[import-untyped]
from swift.dataloader import DataLoaderShard
from swift.dataset import LazyLLMDataset
from swift.trainers import Seq2SeqTrainer
from swift.utils import seed_worker

from swiftagent.backend.engine import engine_over
from swiftagent.io.jsonl import write_json
from swiftagent.models.files import read_object
from swiftagent.train.held_out import BEST_BY, call_exact, read_held_out
from swiftagent.train.plugin.attention import VARLEN, sequence_bounds
from swiftagent.train.plugin.encoded_rows import run_folder, settings
from swiftagent.train.plugin.losses import PLAIN_HEADS, ChunkedLoss, SelfDistillation
from swiftagent.train.plugin.step_loader import UNTRAINED, MicroSteps, StepSampler, batch_of, step_of
from swiftagent.train.step_cutting import batches


class TokenTrainer(Seq2SeqTrainer):  # type: ignore[misc]  # ms-swift has no types
    """`budget` is in tokens a micro-step; None keeps ms-swift's batches of sequences."""

    def __init__(self, model: Any, args: Any, *positional: Any, **named: Any) -> None:
        given = settings()
        self.budget: int | None = given.get("micro_step_tokens")
        self.distillation = SelfDistillation() if given.get("method") == "self-distill" else None
        self.call_scores = CallScores(given["held_out"], given["eval_calls"]) if given.get("eval_calls") else None
        self.sequences = args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size
        if self.budget:
            # One item of the loader is a step, so the loop has nothing to accumulate. DeepSpeed has read its own number
            # by now and needs it: with 1 its offloaded gradients are not summed.
            args.gradient_accumulation_steps = 1
        self.tally, self.probed = Counter[str](), False
        super().__init__(model, args, *positional, **named)
        # A divergence needs the logits that chunks never put together.
        self.chunked = self._chunked_loss() if self.budget and not self.distillation else None

    def _chunked_loss(self) -> ChunkedLoss | None:
        """Where a batch is one row, so that ms-swift keeps trained tokens only, and nobody asks for the logits."""
        model, args = self.template.get_base_model(self.model), self.args
        plain = type(model).__name__ in PLAIN_HEADS and self.template.padding_free and self.get_use_logits_to_keep()
        asked = self.compute_metrics is not None or args.acc_strategy != "token" or args.tuner_backend == "unsloth"
        return ChunkedLoss(model.get_output_embeddings()) if plain and not asked else None

    # loading
    # ------------------------------------------------------------------------------------------------------------

    def get_train_dataloader(self, skip_batches: int = 0) -> Any:
        """One item an optimizer step, where steps are cut by tokens."""
        if not self.budget:
            return super().get_train_dataloader(skip_batches)
        if self.chunked and self.args.device.type == "cuda" and not (self.is_deepspeed_enabled or self.is_fsdp_enabled):
            self._probe()
        seed = (self.args.data_seed or 0) if self.args.train_dataloader_shuffle else None
        sampler = self._sampler(self.train_dataset, self.sequences, self.budget, seed=seed, skip=skip_batches)
        collate = partial(step_of, collate=self.data_collator)
        return self._loader(self.train_dataset, sampler, collate)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Each row once: the trainer's own loader repeats rows so that every rank has as many."""
        rows = self.eval_dataset if eval_dataset is None else eval_dataset
        if not isinstance(rows, LazyLLMDataset):
            return super().get_eval_dataloader(eval_dataset)
        if self.budget:
            mine = next(iter(self._sampler(rows, len(rows), self.budget)))
        else:
            size, ranks = self.args.eval_batch_size, self.args.world_size
            mine = batches(len(rows), size, ranks=ranks)[self.args.process_index]
        return self._loader(rows, [[micro] for micro in mine], partial(batch_of, collate=self.data_collator))

    def _probe(self) -> None:
        """Once, before anything is wrapped: where parameters are shared between GPUs the estimate stands."""
        longest = max(self._lengths(self.train_dataset))
        if self.budget and not self.probed:
            # A row longer than the budget has a micro-step to itself, which no smaller budget helps.
            self.budget = largest_that_runs(self._attempt, max(self.budget, longest))
            self.probed = True

    def _attempt(self, tokens: int) -> None:
        longest = max(self._lengths(self.train_dataset))
        with nothing_left(self.model, self.args.device), self.accelerator.autocast():
            self.model.train()
            inputs = self._prepare_inputs(row_of(tokens, longest, self.args.device))
            self.compute_loss(self.model, inputs, num_items_in_batch=torch.tensor(tokens)).backward()
        self.custom_metrics["train"].clear()

    def _sampler(self, rows: Any, sequences: int, budget: int, **order: Any) -> StepSampler:
        ranks = {"rank": self.args.process_index, "ranks": self.args.world_size}
        return StepSampler(lengths=self._lengths(rows), sequences=sequences, budget=budget, **ranks, **order)

    def _lengths(self, rows: Any) -> list[int]:
        return [max(length) if isinstance(length, list) else length for length in rows["lengths"]]

    def _loader(self, rows: Any, batches: Any, collate: Any) -> Any:
        args = self.args
        options = {
            "num_workers": args.dataloader_num_workers,
            "pin_memory": args.dataloader_pin_memory,
            "persistent_workers": args.dataloader_persistent_workers,
            "prefetch_factor": args.dataloader_prefetch_factor,
            "worker_init_fn": partial(seed_worker, num_workers=args.dataloader_num_workers, rank=args.process_index),
            **self._maybe_multiprocessing_context(args),
        }
        device = self.accelerator.device
        return DataLoaderShard(MicroSteps(rows), device=device, batch_sampler=batches, collate_fn=collate, **options)

    # a step
    # ------------------------------------------------------------------------------------------------------------

    def get_total_train_batch_size(self, args: Any) -> int:
        """Sequences of an optimizer step."""
        return int(self.sequences)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """The loss of a step, its micro-steps one after another; gradients are exchanged at the last."""
        micro_steps = inputs.get("micro_steps")
        if micro_steps is None:
            self._count([inputs])
            return super().training_step(model, inputs, num_items_in_batch)
        self._count(micro_steps)
        loss = torch.zeros((), device=self.args.device)
        for number, micro in enumerate(micro_steps, 1):
            with self._exchanging(model, last=number == len(micro_steps)):
                loss += super().training_step(model, micro, num_items_in_batch)
        return loss

    def _exchanging(self, model: Any, *, last: bool) -> Any:
        """As the trainer's own loop does between the batches that it accumulates."""
        state = self.accelerator.gradient_state
        state._set_sync_gradients(last)
        each = state.plugin_kwargs.get("sync_each_batch", False)
        deepspeed = self.accelerator.distributed_type == DistributedType.DEEPSPEED
        return nullcontext() if last or each or deepspeed else self.accelerator.no_sync(model=model)

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        inputs = super()._prepare_inputs(inputs)
        by_token = self.chunked or self.distillation or not self.model.training
        if by_token and "loss_scale" not in inputs and "labels" in inputs:
            # With weights, ms-swift makes the loss of each token, which is what is wanted here.
            inputs["loss_scale"] = torch.ones_like(inputs["labels"], dtype=torch.float32)
        return inputs

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """As ms-swift computes it; in an evaluation the losses of all trained tokens are kept as well, and `eval_loss`
        is their mean."""
        inputs.pop("skip_logits", None)  # what liger's own loss is asked for, which is not used
        labels = inputs["labels"]
        if self.distillation and self.model.training:
            self.distillation.foresee(self, inputs)
        if self.chunked and self.label_smoother is None:
            self.chunked.targets = labels.roll(-1, dims=-1)[0]
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if not self.model.training and isinstance(outputs.loss, torch.Tensor) and outputs.loss.dim():
            trained = labels.roll(-1, dims=-1).view(-1) != UNTRAINED
            self.custom_metrics["eval"]["loss"].update(outputs.loss.detach().view(-1)[trained])
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *positional: Any, **named: Any) -> dict[str, float]:
        """As ms-swift evaluates, and where held-out questions are asked `eval_call_exact` as well."""
        metrics: dict[str, float] = super().evaluate(*positional, **named)
        if self.call_scores:
            metrics["eval_call_exact"] = self.call_scores.score(self)
            self.log({"eval_call_exact": metrics["eval_call_exact"]})
            metrics[f"eval_{BEST_BY}"] = metrics["eval_call_exact"] - TIE * metrics.get("eval_loss", 0.0)
        return metrics

    def _compute_acc(self, outputs: Any, labels: Any, cu_seqlens: Any = None) -> None:
        if not self.chunked:
            super()._compute_acc(outputs, labels, cu_seqlens=cu_seqlens)
            return
        trained = labels.roll(-1, dims=-1)[0] != UNTRAINED
        hits = outputs.logits[0, :, 1][trained]
        if len(hits):
            mode = "train" if self.model.training else "eval"
            self.custom_metrics[mode]["token_acc"].update(hits)

    def _count(self, batches: list[dict[str, Any]]) -> None:
        """Of the steps since the last line of metrics: micro-steps, the tokens that were real and computed, and the
        most at once."""
        for batch in batches:
            ids, mask = batch.get("input_ids"), batch.get("attention_mask")
            if ids is not None:  # images are embedded beforehand
                real = ids.numel() if mask is None else int(mask.sum())
                self.tally.update(batches=1, real=real, computed=ids.numel())
                self.tally["longest"] = max(self.tally["longest"], ids.numel())


# `eval_calls`: at each evaluation the model in training answers held-out questions, and the best checkpoint is the one
# that calls best
# ---------------------------------------------------------------------------------------------------------------

SHARE = 0.05  # of the time of training that may go into it
TIE = 1e-6  # of the loss: among checkpoints that call equally well it decides
FIRST = 4  # questions from which the time of the others is foretold
ASKED = "eval_calls.json"  # in the run folder


class CallScores:
    """`files` hold held-out records, of which at most `most` are asked: as many at every evaluation."""

    def __init__(self, files: list[str], most: int) -> None:
        self.held = read_held_out(files, most)
        self.steps, self.timed = self.held.calls, False
        self.began = time.monotonic()
        # A run that resumes asks the same, so that its scores compare with those before.
        if asked := read_object(run_folder() / ASKED).get("questions"):
            self._take(asked)

    def score(self, trainer: Any) -> float:
        """The share of exact calls, on every rank what the first one found."""
        found = self._ask(trainer) if trainer.is_world_process_zero() else 0.0
        return float(broadcast_object_list([found])[0])

    def _ask(self, trainer: Any) -> float:
        model, was_training = trainer.accelerator.unwrap_model(trainer.model), trainer.model.training
        # The encoder changes what it is given, and the trainer still needs its template.
        engine = engine_over(model.eval(), copy.copy(trainer.template))
        config = trainer.template.get_base_model(model).config
        attention = config._attn_implementation
        # Prompts of a batch are padded and have no bounds of sequences.
        config._attn_implementation = "sdpa" if attention == VARLEN else attention
        try:
            # Before the first step nothing says how long training takes.
            if not self.timed and trainer.state.global_step:
                self._choose_how_many(engine)
            return call_exact(engine, self.steps if self.timed else self.steps[:FIRST], self.held.grammar)
        finally:
            config._attn_implementation = attention
            engine.close()
            model.train(was_training)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _choose_how_many(self, engine: Any) -> None:
        """From the time since training began, which comes again before each evaluation."""
        started = time.monotonic()
        call_exact(engine, self.steps[:FIRST], self.held.grammar)
        each = (time.monotonic() - started) / max(1, len(self.steps[:FIRST]))
        fitting = max(FIRST, int(SHARE * (started - self.began) / max(each, 1e-9)))
        if fitting < len(self.steps):
            print(f"swiftagent: eval_calls asks {fitting} of {len(self.steps)} questions: 5 % of the time", flush=True)
        self._take(fitting)
        write_json(run_folder() / ASKED, {"questions": len(self.steps)})

    def _take(self, most: int) -> None:
        """So many questions, spread over all."""
        self.timed, self.steps = True, self.steps[:: -(-len(self.steps) // most) or 1]


# the budget tried
# ---------------------------------------------------------------------------------------------------------------

TRIES = 6
STEP_BACK = 3, 4  # of the budget, each time that the card runs out of memory


def largest_that_runs(attempt: Callable[[int], None], budget: int) -> int:
    """The budget, or what is left of it after as many steps back as the card of any rank needs."""
    for _ in range(TRIES):
        fits = budget
        try:
            attempt(budget)
        except torch.OutOfMemoryError:
            fits = max(1, budget * STEP_BACK[0] // STEP_BACK[1])
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        agreed = min(gather_object([fits]))
        if agreed == budget:
            break
        print(f"swiftagent: {budget:,} tokens do not fit into a micro-step; {agreed:,} are tried", flush=True)
        budget = agreed
    return budget


def row_of(tokens: int, longest: int, device: Any) -> dict[str, Any]:
    """A micro-step of `tokens`, all but the first of each trained, in sequences of `longest`."""
    position_ids = (torch.arange(tokens, device=device) % longest)[None]
    ids = torch.zeros_like(position_ids)
    labels = ids.masked_fill(position_ids == 0, UNTRAINED)  # nothing foretells a first token
    return {"input_ids": ids, "labels": labels, "position_ids": position_ids, **sequence_bounds(position_ids)}


@contextmanager
def nothing_left(model: Any, device: Any) -> Iterator[None]:
    """Room is taken as the optimizer will take it (two moments in float32); gradients and random state are as they
    were."""
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        moments = torch.empty(8 * trained, dtype=torch.uint8, device=device)
        try:
            yield
        finally:
            del moments
            model.zero_grad(set_to_none=True)
