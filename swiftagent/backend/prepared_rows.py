"""The copy of a training file that one run trains: its masks and weights set, its long rows made to fit, every change counted.

prepared = prepare_rows(Path("mix.jsonl"), folder / "train.jsonl", model, settings=train, train_on="last_turn", max_length=4096)
options |= prepared.options
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.backend.trainer_template import Trainer, open_trainer, quiet
from swiftagent.jsonl import read_lines, write_lines
from swiftagent.mask import malformed
from swiftagent.mask_fit import fit
from swiftagent.mask_weights import TrainOn, Weights, normalised, train_only, weigh
from swiftagent.record import Record


class Prepared(msgspec.Struct):
    """What was done: rows read and written; rows that were changed to fit, and how; rows that nothing could make fit, by place.

    options: what ms-swift must be told for these rows.
    """

    rows_in: int = 0
    rows_out: int = 0
    fitted: int = 0
    exchanges_dropped: int = 0
    results_shortened: int = 0
    characters_left_out: int = 0
    steps_dropped: int = 0
    too_long: list[str] = []
    weights: Weights | None = None
    options: dict[str, Any] = {}

    @property
    def changed(self) -> bool:
        """Whether the copy differs from the file at all."""
        return bool(self.fitted or self.too_long or self.options)


def prepare_rows(
    source: Path,
    target: Path,
    model: str,
    template: str | None = None,
    settings: dict[str, Any] | None = None,
    *,
    train_on: TrainOn = "all",
    weights: Weights | None = None,
    max_length: int | None = None,
    trust_remote_code: bool = False,
) -> Prepared:
    """Write `target` from `source`. The weights' proportions are kept and their mean over the trained text is set to 1.

    max_length: tokens; None leaves long rows alone. Raises as `labels.check_labels` does, and RowError for a line that is
    no JSON.
    """
    done = Prepared()
    if weights is not None and not weights.plain:
        done.weights = normalised(weights, (train_only(row.value, train_on) for row in read_lines(source)))
        done.options = {"is_binary_loss_scale": False}
    with ExitStack() as stack:
        trainer = None
        if max_length is not None:
            trainer = stack.enter_context(open_trainer(model, template, settings, trust_remote_code))
            stack.enter_context(quiet())
        done.rows_out = write_lines(target, _rows(source, train_on, max_length, trainer, done))
    return done


def _rows(source: Path, train_on: TrainOn, max_length: int | None, trainer: Trainer | None, done: Prepared) -> Iterator[Record]:
    for row in read_lines(source):
        done.rows_in += 1
        record: Record | None = row.value
        if record is None or malformed(record):  # a native row or one of the trainer's other formats stays as it is
            yield row.value
            continue
        record = train_only(record, train_on)
        if trainer is not None and max_length is not None:
            record, how = fit(record, max_length, trainer.length)
            done.fitted += how.changed and record is not None
            done.exchanges_dropped += how.exchanges
            done.results_shortened += how.results
            done.characters_left_out += how.characters
            done.steps_dropped += how.steps
        if record is None:
            done.too_long.append(row.where)
        else:
            yield weigh(record, done.weights) if done.weights else record
