"""A run whose steps are cut by tokens is the run of padded batches; `benchmarks/steps_equal.py` is the long form."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.needs_swift


def test_steps_cut_by_tokens_are_the_steps_of_padded_batches(root: Path, tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    import steps_equal

    work = steps_equal.make_work(tmp_path, steps=10, rows=18)  # steps of 8, 8 and 2: the third is a short one
    padded = steps_equal.train(work, "padded", 1, "sequences")
    cut = steps_equal.train(work, "cut", 1, 2048)
    found = steps_equal.difference(padded, cut)
    assert found["equal"], found
    lines = [json.loads(line) for line in (cut / "metrics.jsonl").read_text().splitlines()]
    assert {line["padding"] for line in lines if "loss" in line} == {0}
    assert [line["micro_steps"] for line in lines if "loss" in line][:5] == [4, 3, 1, 3, 3]
    assert steps_equal.describe(padded, 1, "A")["padding"] > 0.1
    plan = json.loads((cut / "run.json").read_text())["plan"]
    assert (plan["micro_batch"], plan["micro_step_tokens"], plan["attention"]) == ("tokens", 2048, "sdpa")
    assert (plan["measured"]["padding"], plan["measured"]["mfu"], plan["measured"]["attention"]) == (0, None, "sdpa")
    _evaluation_is_the_mean_of_all_trained_tokens(work, [line for line in lines if "eval_loss" in line][-1])
    _a_resume_may_have_another_budget(steps_equal, work, padded, cut)


def _a_resume_may_have_another_budget(steps_equal: ModuleType, work: Path, padded: Path, cut: Path) -> None:
    after = steps_equal.RESUMED_AFTER
    before = steps_equal.describe(cut, 1, "B", after)["micro_steps"]
    again = steps_equal.resumed(work, cut, 512)
    assert steps_equal.describe(again, 1, "B", after)["micro_steps"] > before
    found = steps_equal.difference(padded, again)
    assert found["equal"], found


def _evaluation_is_the_mean_of_all_trained_tokens(work: Path, line: dict[str, float]) -> None:
    from swiftagent.backend.template import open_trainer, quiet

    trained = {"agent": 0, "general": 0}
    options = {"model_type": "qwen2", "template": "qwen2_5"}
    with open_trainer(str(work / "model"), None, options, False) as trainer, quiet():
        rows = trainer.load_rows(work / "data.val.jsonl")
        encoded = trainer.lazily_encoded(rows)
        for number in range(len(rows)):
            trained[rows[number]["channel"]] += sum(label != -100 for label in encoded[number]["labels"])
    mean = sum(trained[name] * line[f"eval_loss_{name}"] for name in trained) / sum(trained.values())
    assert line["eval_loss"] == pytest.approx(mean, rel=1e-5)
