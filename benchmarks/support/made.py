"""A Qwen2 of 30,000 parameters with a byte-level tokenizer, and training records: what the tests and benchmarks
train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory

WEATHER = Tool(
    "weather",
    "How warm a town is.",
    {"type": "object", "properties": {"town": {"type": "integer"}}, "required": ["town"]},
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def make_tiny_model(folder: Path, **changes: Any) -> Path:
    """A folder that ms-swift trains with `model_type: qwen2, template: qwen2_5`; `changes` are those of its config."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, set_seed

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", additional_special_tokens=SPECIAL
    )
    fast.save_pretrained(folder)
    set_seed(0)
    config = {
        "vocab_size": 264,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
        "eos_token_id": fast.convert_tokens_to_ids("<|im_end|>"),
        "pad_token_id": fast.convert_tokens_to_ids("<|endoftext|>"),
    }
    Qwen2ForCausalLM(Qwen2Config(**{**config, **changes})).save_pretrained(folder)
    return folder


def record(number: int, channel: str = "agent", result: str = "3C") -> dict[str, Any]:
    """One training record: a ReAct step with its result masked, or plain chat."""
    call = (Call("weather", {"town": number}, "c0"), Observation(result, "c0"), Answer(f"{number}C"))
    events = (
        Question(f"How warm is town {number}?"),
        *(call if channel == "agent" else (Answer(f"Town {number} is warm."),)),
    )
    tools = (WEATHER,) if channel == "agent" else ()
    return to_record(Trajectory(events, tools, str(number), f"made:{number}", channel))


def write_rows(path: Path, count: int, rows: list[dict[str, Any]] | None = None) -> Path:
    """Write rows as JSONL; without rows, `count` records that alternate the channels agent and general."""
    rows = rows or [record(number, "general" if number % 2 else "agent") for number in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
