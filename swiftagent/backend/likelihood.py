"""How many bits a model needs for the answers of held-out chat: what it has forgotten shows here first."""

from __future__ import annotations

import math
from typing import Any

import torch

from swiftagent.backend.engine_prompt import common_prefix
from swiftagent.trajectory.record import Message


@torch.inference_mode()
def answer_bits(engine: Any, messages: list[Message], answer: str) -> float | None:
    """The bits (-log2 p) of `answer` after these messages, its end token not counted.

    engine: a TransformersEngine. None where the two do not fit the model's context.
    """
    prompt: list[int] = engine.prompt.encode(messages)
    whole: list[int] = engine.prompt.encode([*messages, {"role": "assistant", "content": answer}])
    start = common_prefix(prompt, whole)
    config = engine.model.config
    if len(whole) <= start or len(whole) > (getattr(config, "max_position_embeddings", None) or len(whole)):
        return None
    ids = torch.tensor([whole], device=engine.model.device)
    wanted = len(whole) - start
    with engine.weights():
        logits = engine.model(input_ids=ids, use_cache=False, logits_to_keep=wanted + 1).logits[0, :-1].float()
    chosen = torch.log_softmax(logits, dim=-1).gather(1, ids[0, start:, None])
    return float(-chosen.sum()) / math.log(2)
