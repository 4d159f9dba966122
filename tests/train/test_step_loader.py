"""Steps of the loader hold what ms-swift's own sampler deals out, in the seed's order."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.needs_swift, pytest.mark.filterwarnings("ignore")]


def steps(rows: int, ranks: int, skip: int = 0, epoch: int = 0) -> list[set[int]]:
    """Rows of each step over all ranks, as ours deals them."""
    from swiftagent.train.plugin.step_loader import StepSampler

    samplers = [
        StepSampler(lengths=[9] * rows, sequences=8, budget=20, rank=rank, ranks=ranks, seed=42, skip=skip)
        for rank in range(ranks)
    ]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    return [
        {row for rank in dealt for micro in rank for row in micro if row >= 0} for dealt in zip(*samplers, strict=True)
    ]


def of_ms_swift(monkeypatch: pytest.MonkeyPatch, rows: int, ranks: int, epoch: int = 0) -> list[set[int]]:
    from swift.dataloader import BatchSamplerShard

    dealt: list[list[list[int]]] = []
    for rank in range(ranks):
        monkeypatch.setattr(BatchSamplerShard, "rank", rank)
        monkeypatch.setattr(BatchSamplerShard, "world_size", ranks)
        sampler = BatchSamplerShard(rows, batch_size=8 // ranks, shuffle=True, drop_last=False, data_seed=42)
        sampler.set_epoch(epoch)
        dealt.append(list(sampler))
    return [{row for batch in batches for row in batch} for batches in zip(*dealt, strict=True)]


@pytest.mark.parametrize(("ranks", "epoch"), [(1, 0), (2, 0), (4, 1)])
def test_each_step_has_the_sequences_that_ms_swift_puts_into_it(monkeypatch: pytest.MonkeyPatch, ranks: int, epoch):
    assert steps(28, ranks, epoch=epoch) == of_ms_swift(monkeypatch, 28, ranks, epoch)


def test_rows_that_ms_swift_drops_are_given_to_the_last_step(monkeypatch: pytest.MonkeyPatch):
    ours, theirs = steps(31, 4), of_ms_swift(monkeypatch, 31, 4)
    assert ours[:-1] == theirs[:-1]
    assert ours[-1] - theirs[-1] == {28, 29, 30}
    assert set().union(*ours) == set(range(31))


def test_a_resumed_epoch_leaves_out_the_steps_that_were_made():
    assert steps(28, 2, skip=2) == steps(28, 2)[2:]


def test_a_row_that_only_fills_a_rank_is_not_trained():
    from swiftagent.train.plugin.step_loader import MicroSteps

    rows = [{"input_ids": [1, 2], "labels": [-100, 2]}]
    assert MicroSteps(rows)[[~0]] == [{"input_ids": [1, 2], "labels": [-100, -100]}]
