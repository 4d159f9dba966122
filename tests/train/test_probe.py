"""A budget that the card cannot hold is stepped back from, and the trial leaves nothing behind."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.needs_swift, pytest.mark.filterwarnings("ignore")]


def test_a_budget_that_does_not_fit_is_stepped_back_from(capsys: pytest.CaptureFixture[str]):
    import torch

    from swiftagent.train.plugin.token_trainer import largest_that_runs

    tried = []

    def attempt(tokens: int) -> None:
        tried.append(tokens)
        if tokens > 5_000:
            raise torch.OutOfMemoryError

    assert largest_that_runs(attempt, 8_192) == 4_608
    assert tried == [8_192, 6_144, 4_608]
    assert "8,192 tokens do not fit into a micro-step; 6,144 are tried" in capsys.readouterr().out


def test_a_trial_leaves_gradients_and_random_state_as_they_were():
    import torch

    from swiftagent.train.plugin.token_trainer import nothing_left, row_of

    model, before = torch.nn.Linear(4, 4), torch.get_rng_state()
    with nothing_left(model, torch.device("cpu")):
        model(torch.randn(2, 4)).sum().backward()
        assert model.weight.grad is not None
    assert model.weight.grad is None
    assert torch.equal(torch.get_rng_state(), before)
    assert row_of(5, 2, "cpu")["position_ids"].tolist() == [[0, 1, 0, 1, 0]]
