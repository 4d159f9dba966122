"""A Qwen2 of 30,000 parameters with a byte-level tokenizer and training records, so that ms-swift really trains in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that ms-swift trains with `model_type: qwen2, template: qwen2_5`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, set_seed

    folder = tmp_path_factory.mktemp("models") / "tiny-qwen2"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", additional_special_tokens=SPECIAL
    )
    fast.save_pretrained(folder)
    set_seed(0)
    config = Qwen2Config(
        vocab_size=264,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        eos_token_id=fast.convert_tokens_to_ids("<|im_end|>"),
        pad_token_id=fast.convert_tokens_to_ids("<|endoftext|>"),
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


def record(number: int, channel: str = "agent", result: str = "3C") -> dict:
    """One training record: a ReAct step with its result masked, or plain chat."""
    head = [
        {"role": "system", "content": "You are a helper.", "loss": False},
        {"role": "user", "content": f"How warm is town {number}?", "loss": False},
    ]
    steps = [
        {"role": "assistant", "content": f'Action: weather\nAction Input: {{"town": {number}}}\nObservation:'},
        {"role": "assistant", "content": f" {result}\n", "loss": False},
        {"role": "assistant", "content": f"Thought: I now know the final answer\nFinal Answer: {number}C"},
    ]
    chat = [{"role": "assistant", "content": f"Town {number} is warm."}]
    messages = head + (steps if channel == "agent" else chat)
    return {"messages": messages, "channel": channel, "id": str(number), "source": f"made:{number}"}


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Write training records: `write_rows("a.jsonl", 20)` alternates the channels agent and general."""

    def write(name: str, count: int, rows: list[dict] | None = None) -> Path:
        path = tmp_path / name
        rows = rows or [record(number, "general" if number % 2 else "agent") for number in range(count)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture
def tiny_config(tmp_path: Path, tiny_model: Path, write_rows: Callable[..., Path]) -> Path:
    """A config that trains the tiny model for four steps on two CPU processes."""
    write_rows("data.jsonl", 24)
    write_rows("data.val.jsonl", 4)
    path = tmp_path / "tiny.yaml"
    path.write_text(
        f"""model: {tiny_model}
data: data.jsonl
gpus: 0
cpu_processes: 2
sequences_per_step: 8
train:
  model_type: qwen2
  template: qwen2_5
  tuner_type: lora
  lora_rank: 4
  learning_rate: 1e-3
  max_length: 512
  max_steps: 4
  per_device_train_batch_size: 2
  eval_steps: 2
  save_steps: 2
  logging_steps: 1
  dataloader_num_workers: 0
""",
        encoding="utf-8",
    )
    return path
