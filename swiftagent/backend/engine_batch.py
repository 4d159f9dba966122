"""Batched generation with a TransformersEngine: what takes an evaluation from hours to minutes.

Prompts are padded on the left and decoded together; a row that is done makes room as soon as half of them are.
No KV cache is kept for the next step: prompts of many conversations would not fit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from swiftagent.agent.loop import Generate, Generated
from swiftagent.errors import SetupError
from swiftagent.trajectory.read_step import step_end


class TextDecoder:
    """Token ids to text, piece by piece: a character is held back until all its bytes are there."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        # The ids whose text is decoded again, so that a space between tokens is not lost.
        self.start = 0
        self.decoded = 0

    def add(self, token: int) -> str:
        self.ids.append(token)
        before = self._decode(self.start, self.decoded)
        now = self._decode(self.start, len(self.ids))
        if now.endswith("\ufffd") and len(self.ids) - self.decoded < 8:
            return ""
        piece = now[len(before) :]
        self.start, self.decoded = self.decoded, len(self.ids)
        return piece

    def rest(self) -> str:
        return self._decode(self.start, len(self.ids))[len(self._decode(self.start, self.decoded)) :]

    def _decode(self, start: int, end: int) -> str:
        ids = self.ids[start:end]
        return str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


class BatchRow:
    """One prompt of a batch and its generated text."""

    def __init__(self, ids: list[int], room: int, stop: str, ends: set[int], tokenizer: Any) -> None:
        self.ids = ids
        self.room = room
        self.stop = stop
        self.ends = ends
        self.tokenizer = tokenizer
        self.restart()

    def restart(self) -> None:
        self._decoder = TextDecoder(self.tokenizer)
        self.text = ""
        # The tokens of the text, and the one that ended it.
        self.sampled: list[int] = []
        self.ended_by = "" if self.room > 0 else "length"

    @property
    def tokens(self) -> int:
        return len(self._decoder.ids)

    def take(self, token: int) -> str:
        """Add a generated token; `ended_by` is set where the row ends with it. Returns the new text."""
        self.sampled.append(token)
        if token in self.ends:
            return self.end("end")
        piece = self._decoder.add(token)
        self.text += piece
        if self.stop and (":" in piece or "：" in piece) and step_end(self.text) is not None:
            return piece + self.end("stop")
        return piece + (self.end("length") if self.tokens >= self.room else "")

    def end(self, by: str) -> str:
        """End the row. Returns the characters that were held back."""
        self.ended_by, rest = by, self._decoder.rest()
        self.text += rest
        return rest


def can_batch(model: Any) -> bool:
    """Whether padding on the left changes nothing: not for states that see every token, nor for positions in a
    picture."""
    return not getattr(model, "_is_stateful", False) and not hasattr(model.config, "vision_config")


Choose = Callable[[torch.Tensor], torch.Tensor]


@torch.inference_mode()
def write_together(engine: Any, requests: Sequence[Generate], choose: Choose) -> list[Generated]:
    """The text generated after each request. Raises SetupError where not even one prompt fits the GPU's memory.

    choose: picks a token for each row of logits (rows x vocabulary).
    """
    started = time.monotonic()
    rows = [engine.row_of(request) for request in requests]
    _decode_what_fits(engine, [row for row in rows if not row.ended_by], choose)
    seconds = (time.monotonic() - started) / max(1, len(rows))
    return [Generated(row.text, row.tokens, seconds, row.ended_by) for row in rows]


def _decode_what_fits(engine: Any, rows: list[BatchRow], choose: Choose) -> None:
    """Decode the rows, in halves where the GPU's memory does not hold all of them."""
    try:
        _decode(engine, rows, choose)
        return
    except torch.OutOfMemoryError:
        if len(rows) == 1:
            tokens = len(rows[0].ids)
            raise SetupError(f"the GPU's memory does not hold a prompt of {tokens:,} tokens beside the model") from None
    torch.cuda.empty_cache()
    for row in rows:
        row.restart()
    middle = len(rows) // 2
    _decode_what_fits(engine, rows[:middle], choose)
    _decode_what_fits(engine, rows[middle:], choose)


def _decode(engine: Any, rows: list[BatchRow], choose: Choose) -> None:
    if not rows:
        return
    longest = max(len(row.ids) for row in rows)
    device = engine.model.device
    # Padding is masked, so any id will do.
    padded = [[row.ids[0]] * (longest - len(row.ids)) + row.ids for row in rows]
    seen = [[0] * (longest - len(row.ids)) + [1] * len(row.ids) for row in rows]
    tokens, mask = torch.tensor(padded, device=device), torch.tensor(seen, device=device)
    cache = engine.new_cache()
    while True:
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        with engine.weights():
            inputs = {"input_ids": tokens, "attention_mask": mask, "position_ids": positions}
            out = engine.model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
        chosen = choose(out.logits[:, -1])
        for row, token in zip(rows, chosen.tolist(), strict=True):
            if not row.ended_by:
                row.take(token)
        open_rows = [index for index, row in enumerate(rows) if not row.ended_by]
        if not open_rows:
            return
        # Rows that are done cost as much as others, but to take them out copies the cache: so at every half.
        if 2 * len(open_rows) <= len(rows):
            kept = torch.tensor(open_rows, device=device)
            cache.batch_select_indices(kept)
            rows, chosen, mask = [rows[index] for index in open_rows], chosen[kept], mask[kept]
        tokens = chosen[:, None]
        mask = torch.cat([mask, torch.ones_like(tokens)], dim=-1)
