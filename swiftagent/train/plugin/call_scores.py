"""`eval_calls`: at each evaluation the model in training answers held-out questions, and the best checkpoint is the one
that calls best."""

from __future__ import annotations

import copy
import time
from typing import Any

import torch
from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]

from swiftagent.backend.engine import engine_over
from swiftagent.train.held_out import call_exact, read_held_out

SHARE = 0.05  # of the time of training that may go into it
FIRST = 4  # questions from which the time of the others is foretold


class CallScores:
    """`files` hold held-out records, of which at most `most` are asked: as many at every evaluation."""

    def __init__(self, files: list[str], most: int) -> None:
        self.held = read_held_out(files, most)
        self.steps, self.timed = self.held.calls, False
        self.began = time.monotonic()

    def score(self, trainer: Any) -> float:
        """The share of exact calls, on every rank what the first one found."""
        found = self._ask(trainer) if trainer.is_world_process_zero() else 0.0
        return float(broadcast_object_list([found])[0])

    def _ask(self, trainer: Any) -> float:
        model, was_training = trainer.accelerator.unwrap_model(trainer.model), trainer.model.training
        # The encoder changes what it is given, and the trainer still needs its template.
        engine = engine_over(model.eval(), copy.copy(trainer.template))
        try:
            if not self.timed:
                self._choose_how_many(engine)
            return call_exact(engine, self.steps, self.held.prompt)
        finally:
            engine.close()
            model.train(was_training)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _choose_how_many(self, engine: Any) -> None:
        """From the time since training began, which comes again before each evaluation."""
        self.timed, started = True, time.monotonic()
        call_exact(engine, self.steps[:FIRST], self.held.prompt)
        each = (time.monotonic() - started) / max(1, len(self.steps[:FIRST]))
        fitting = max(FIRST, int(SHARE * (started - self.began) / max(each, 1e-9)))
        if fitting < len(self.steps):
            print(f"swiftagent: eval_calls asks {fitting} of {len(self.steps)} questions: 5 % of the time", flush=True)
            self.steps = self.steps[:: -(-len(self.steps) // fitting)]
