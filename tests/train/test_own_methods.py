"""What `method`, `eval_calls` and `adapter_scale` decide; test_session.py trains with all three."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from made import record, write_rows

from swiftagent.agent.loop import Generated
from swiftagent.formats.writers.native import render
from swiftagent.train.advice import option_problems
from swiftagent.train.config import load
from swiftagent.train.held_out import (
    ScaleTrial,
    as_trained,
    call_exact,
    choose_scale,
    forgetting_limit,
    read_held_out,
    scale_checkpoint,
    scaled,
)
from swiftagent.train.inputs import resolve
from swiftagent.train.launch import plan
from swiftagent.train.machine import Machine
from swiftagent.train.preflight import examine
from swiftagent.trajectory.record import from_record


def unseen(done: int, of: int) -> None:
    pass


def test_the_scale_is_the_best_that_forgets_little_enough():
    trials = [ScaleTrial(1.0, 0.8, 0.4), ScaleTrial(0.5, 0.7, 0.1), ScaleTrial(0.3, 0.7, 0.05)]
    assert [choose_scale(trials, limit).scale for limit in (float("inf"), 0.2, 0.01)] == [1.0, 0.3, 0.3]
    assert choose_scale([ScaleTrial(0.5, 0.2, None), ScaleTrial(1.0, 0.6, None)], 0.0).scale == 1.0
    nothing_called = [ScaleTrial(0.3, 0.0, 0.1), ScaleTrial(1.0, 0.0, 0.4), ScaleTrial(0.5, 0.0, 0.2)]
    assert [choose_scale(nothing_called, limit).scale for limit in (float("inf"), 0.2, 0.01)] == [1.0, 0.5, 0.3]
    assert forgetting_limit({"bits_per_byte": {"rise": 0.05, "max": 2}, "call_exact": {"min": 0.5}}) == 0.05
    assert forgetting_limit(None) == float("inf")


def test_a_scale_reaches_every_alpha_of_an_adapter():
    config = {"lora_alpha": 32, "r": 8, "alpha_pattern": {"q_proj": 16}}
    assert scaled(config, 0.5) == {"lora_alpha": 16, "r": 8, "alpha_pattern": {"q_proj": 8.0}}


def test_a_checkpoint_is_scaled_once_and_resumes_as_it_was_trained(tmp_path: Path):
    trained = {"lora_alpha": 32, "r": 8, "alpha_pattern": {"q_proj": 16}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(trained))
    chosen = {"scale": 0.5, "tried": [], "trained": {"lora_alpha": 32, "alpha_pattern": {"q_proj": 16}}}
    (tmp_path / "adapter_scale.json").write_text(json.dumps(chosen))  # a run that was killed before it scaled
    for _ in range(2):
        scale_checkpoint(tmp_path, [], None, unseen)
        assert json.loads((tmp_path / "adapter_config.json").read_text()) == scaled(trained, 0.5)
    for _ in range(2):
        as_trained(tmp_path)
        assert json.loads((tmp_path / "adapter_config.json").read_text()) == trained
        assert not (tmp_path / "adapter_scale.json").exists()


class Wrote:
    """An engine that always writes the same, and keeps what it was asked."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, []

    def write_together(self, requests):
        self.asked += requests
        return [Generated(self.text) for _ in requests]


def test_calls_are_asked_for_as_the_rows_are_trained(tmp_path: Path):
    row = record(0, "agent")
    react = read_held_out([str(write_rows(tmp_path / "x.val.jsonl", 0, [row]))], 9)
    native_row = render(from_record(row))[0]
    native = read_held_out([str(write_rows(tmp_path / "y.val.jsonl", 0, [native_row]))], 9)
    call = react.calls[0].calls[0]
    given = {"name": call.tool, "arguments": call.arguments}
    for held, text, tools in (
        (react, f"Action: {call.tool}\nAction Input: {json.dumps(call.arguments)}\nObservation:", 0),
        (native, f"<tool_call>\n{json.dumps(given)}\n</tool_call>", 1),
    ):
        engine = Wrote(text)
        assert call_exact(engine, held.calls, held.grammar) == 1.0
        assert [len(request.tools) for request in engine.asked] == [tools]


def test_held_out_questions_are_first_calls_and_plain_chat(tmp_path: Path):
    rows = [record(n, "general" if n % 2 else "agent") for n in range(12)] + [record(50, "self-cognition")]
    held = read_held_out([str(write_rows(tmp_path / "x.val.jsonl", 0, rows))], 3)
    assert [step.calls[0].arguments["town"] for step in held.calls] == [0, 4, 8]
    assert [step.answer for step in held.chats] == ["Town 1 is warm.", "Town 5 is warm.", "Town 9 is warm."]


def test_what_cannot_be_combined_is_refused_before_training(tiny_config: Path, swiftagent: Callable[..., object]):
    (tiny_config.parent / "data.val.jsonl").unlink()
    words = ["method=self-distill", "eval_calls=9", "adapter_scale=auto", "use_dora=true", "tuner_type=full"]
    done = swiftagent("sft", tiny_config.name, *words)
    assert done.returncode == 4, done.stderr
    for fact in (
        "method: only a LoRA can be switched off or scaled",
        "eval_calls: there is no validation split",
        "adapter_scale: no scale reaches what train.use_dora changes",
    ):
        assert fact in done.stderr, done.stderr
    dry = swiftagent("sft", tiny_config.name, "eval_calls=9", "--dry-run")
    assert dry.returncode == 0 and "eval_calls: there is no validation split" in dry.stderr


ALL = ("method=self-distill", "eval_calls=9", "adapter_scale=auto")


@pytest.mark.parametrize(
    ("words", "keys", "fact"),
    [
        (["sequence_parallel_size=2"], "method eval_calls", "this run needs another trainer than ours: sequence_paral"),
        (["label_smoothing_factor=0.1"], "method", "train.label_smoothing_factor puts another loss in its place"),
        (["init_weights=pissa"], "method adapter_scale", "init_weights pissa changes the weights of the base too"),
        (["lora_bias=all"], "adapter_scale", "no scale reaches what train.lora_bias changes"),
        (["save_steps=3", "eval_steps=2"], "eval_calls", "save_steps 3 is no multiple of eval_steps 2"),
        (["val=chat.jsonl"], "eval_calls adapter_scale", "no row of the validation split calls a tool"),
        (["save_strategy=no"], "eval_calls adapter_scale", "there is no validation split that is evaluated"),
        (["init_weights=gaussian", "save_steps=4", "eval_steps=2"], "", ""),
        (["save_strategy=epoch"], "", ""),
    ],
)
def test_each_way_names_what_it_does_not_go_with(
    words: list[str], keys: str, fact: str, tiny_config: Path, monkeypatch
):
    monkeypatch.chdir(tiny_config.parent)
    write_rows(tiny_config.parent / "chat.jsonl", 0, [record(1, "general")])
    found = option_problems(resolve(load(tiny_config.name, [*ALL, *words]), Machine()))
    assert [problem.partition(fact)[0].split(": ")[-2] for problem in found] == keys.split(), found
    assert all(fact in problem for problem in found)


def test_chat_that_no_row_holds_is_not_kept(tiny_config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tiny_config.parent)
    write_rows(Path("data.jsonl"), 0, [record(n, "agent") for n in range(4)])
    inputs = resolve(load(tiny_config.name, ["method=self-distill"]), Machine(memory=1 << 40))
    report = examine(inputs, plan(inputs, Path("runs/tiny")), "sample")
    assert [problem.partition(": method: ")[2] for problem in report.problems] == [
        "no row of the data is in the channel general, so nothing would be kept"
    ]


@pytest.mark.needs_swift
@pytest.mark.filterwarnings("ignore")
def test_calls_are_scored_with_an_attention_that_takes_padding(tiny_model: Path, tmp_path: Path, monkeypatch):
    from swiftagent.backend.engine import load_engine
    from swiftagent.train.plugin import token_trainer
    from swiftagent.train.plugin.attention import VARLEN, register_varlen

    register_varlen()
    monkeypatch.setattr(token_trainer, "run_folder", lambda: tmp_path)
    loaded = load_engine(str(tiny_model), template="qwen2_5", model_type="qwen2", device="cpu")
    config, template = loaded.model.config, loaded.prompt.template
    trainer = SimpleNamespace(
        model=loaded.model, template=template, is_world_process_zero=lambda: True,
        accelerator=SimpleNamespace(unwrap_model=lambda model: model), state=SimpleNamespace(global_step=2),
    )  # fmt: skip
    config._attn_implementation = VARLEN
    rows = [record(n, "agent") for n in range(0, 24, 2)]
    scores = token_trainer.CallScores([str(write_rows(tmp_path / "x.val.jsonl", 0, rows))], 12)
    scores.began -= 1e9
    assert scores.score(trainer) == 0.0 and config._attn_implementation == VARLEN
    assert json.loads((tmp_path / "eval_calls.json").read_text()) == {"questions": 12}
    (tmp_path / "eval_calls.json").write_text('{"questions": 5}')
    resumed = token_trainer.CallScores([str(tmp_path / "x.val.jsonl")], 12)
    assert (len(resumed.steps), resumed.timed) == (4, True)


@pytest.mark.needs_swift
@pytest.mark.filterwarnings("ignore")
def test_chat_tokens_take_the_divergence_and_others_keep_their_loss(monkeypatch):
    import torch
    from swift.trainers import seq2seq_trainer

    from swiftagent.train.plugin.losses import SelfDistillation, chat_tokens

    monkeypatch.setattr(seq2seq_trainer, "per_token_loss_func", seq2seq_trainer.per_token_loss_func)
    distillation = SelfDistillation()
    labels = torch.tensor([[-100, 1, 2], [-100, 2, -100]])
    trainer = SimpleNamespace(template=SimpleNamespace(padding_free=False))
    distillation.chat = chat_tokens(trainer, {"channel": ["agent", "general"], "labels": labels})
    logits = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    wanted = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    distillation.wanted = wanted
    losses = distillation(SimpleNamespace(logits=logits), labels)
    cross = torch.nn.functional.cross_entropy(logits[0, :2], torch.tensor([1, 2]), reduction="none")
    apart = torch.nn.functional.kl_div(
        logits[1, 0].log_softmax(-1), wanted[3].log_softmax(-1), reduction="sum", log_target=True
    )
    assert torch.allclose(losses, torch.stack([*cross, torch.tensor(0.0), apart, torch.tensor(0.0), torch.tensor(0.0)]))
    losses[3].backward()
    assert torch.allclose(logits.grad[1, 0], logits[1, 0].softmax(-1) - wanted[3].softmax(-1), atol=1e-6)
    assert chat_tokens(trainer, {"channel": ["agent", "agent"], "labels": labels}) is None
