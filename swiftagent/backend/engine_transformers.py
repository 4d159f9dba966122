"""Generation with transformers in a loop of our own, since ms-swift's engine discards the KV cache between steps.

The cache of a conversation is kept: of the next prompt only what comes after the longest common prefix is computed.
What the model sampled is re-encoded as training would write it (engine_prompt.py); where that gives other ids, the
cache is cut back to where they part.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from swiftagent.agent.drive import Usage
from swiftagent.agent.loop import Generate, Generated
from swiftagent.agent.sampling import PLAIN, Form, Sampling
from swiftagent.backend.engine_batch import BatchRow, can_batch, write_together
from swiftagent.backend.engine_prompt import PromptEncoder, common_prefix, open_template
from swiftagent.backend.loading import Loading
from swiftagent.backend.template import checked, code_is_run, first_line, quiet, with_adapter
from swiftagent.errors import ConfigError, SetupError
from swiftagent.formats.writers.openai import function_tool
from swiftagent.trajectory.record import Message

# KV caches held at once.
CONVERSATIONS = 4


class _Held:
    """The KV cache of one conversation and the ids that are in it."""

    def __init__(self, cache: Any) -> None:
        self.cache = cache
        self.ids: list[int] = []
        self.used = time.monotonic()


class TransformersEngine:
    """A model in this process. One generation runs at a time; others wait for it."""

    def __init__(self, loading: Loading, loaded: tuple[Any, Any] | None = None) -> None:
        """`loaded`: a model and its template that are in memory already."""
        self.name = f"transformers: {loading.adapter or loading.model}"
        self.loading = loading
        self.model, template = loaded or _load(loading)
        self.prompt = PromptEncoder(template)
        self.call_frame = self.prompt.call_frame
        self.tokenizer = self.prompt.tokenizer
        config = self.model.config.get_text_config()
        # Tokens of the longest text that the model takes.
        self.context = int(getattr(config, "max_position_embeddings", None) or 1 << 20)
        self._ends = self.prompt.end_tokens(self.model)
        self._specials = set(self.tokenizer.all_special_ids)
        self._held: list[_Held] = []
        self._lock = threading.Lock()
        # On the CPU and seeded, so that a sampled run is the same on every machine.
        self._random = torch.Generator(device="cpu").manual_seed(0)
        # Whether texts can be kept to a grammar.
        self.is_strict = importlib.util.find_spec("llguidance") is not None
        self._croppable = True
        self._is_base = False

    @torch.inference_mode()
    def generate(self, request: Generate, sampling: Sampling = PLAIN, usage: Usage | None = None) -> Iterator[str]:
        """Yield the text as it is written, up to and with a stop word, without the end token. `usage` takes what it
        cost."""
        row = self.row_of(request)
        ids = row.ids
        usage = usage or Usage()
        usage.prompt_tokens, usage.ended_by = len(ids), "length"
        with self._lock:
            if row.ended_by:
                return
            usage.ids = row.sampled
            held, common = self._find(ids)
            held.used, usage.prefilled = time.monotonic(), len(ids) - common
            logits = self._forward(held, ids[common:])
            choose, guide = self._chooser(sampling), self._guide(sampling.forms)
            while not row.ended_by:
                token = guide.forced() if guide else None
                if token is None:
                    # Tokens that were forced are computed together with the one before them.
                    new = row.sampled[len(held.ids) - len(ids) :]
                    logits = self._forward(held, new) if new else logits
                    token = int(choose(guide.masked(logits) if guide else logits))
                piece = row.take(token)
                usage.generated = row.tokens
                if guide and not row.ended_by and guide.is_over_after(token, piece):
                    piece += row.end("end")
                if piece:
                    yield piece
            usage.ended_by = row.ended_by

    def write_together(self, requests: Sequence[Generate], temperature: float = 0.0) -> list[Generated]:
        """Texts after many prompts, in one batch where the model can be batched; greedy where `temperature` is 0."""
        with self._lock:
            size = max(1, len(requests)) if can_batch(self.model) else 1
            parts = [requests[start : start + size] for start in range(0, len(requests), size)]
            choose = self._chooser(Sampling(temperature=temperature))
            return [text for part in parts for text in write_together(self, part, choose)]

    @torch.inference_mode()
    def answer_bits(self, messages: list[Message], answer: str) -> float | None:
        """The bits (-log2 p) that the model needs for `answer` after these messages, its end token not counted: what it
        has forgotten shows here first. None where the two do not fit the model's context."""
        prompt = self.prompt.encode(messages)
        whole = self.prompt.encode([*messages, {"role": "assistant", "content": answer}])
        start = common_prefix(prompt, whole)
        if not start < len(whole) <= self.context:
            return None
        ids = torch.tensor([whole], device=self.model.device)
        with self.weights():
            logits = self.model(input_ids=ids, use_cache=False, logits_to_keep=len(whole) - start + 1).logits
        chosen = torch.log_softmax(logits[0, :-1].float(), dim=-1).gather(1, ids[0, start:, None])
        return float(-chosen.sum()) / math.log(2)

    def row_of(self, request: Generate) -> BatchRow:
        """The prompt of a request, id for id as training has it, and how its text ends."""
        ids = self.prompt.encode(request.messages, [function_tool(tool) for tool in request.tools])
        # Special tokens are part of a native call.
        ends = self._ends if request.tools else self._ends | self._specials
        return BatchRow(ids, min(request.max_tokens, self.context - len(ids)), request.stop, ends, self.tokenizer)

    def weights(self) -> contextlib.AbstractContextManager[Any]:
        """A context in which an engine `without_adapter` computes with the base's weights alone."""
        return self.model.disable_adapter() if self._is_base else contextlib.nullcontext()

    def new_cache(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self.model.config)

    def without_adapter(self) -> TransformersEngine:
        """The base of the same loaded model, with KV caches of its own. Raises ConfigError where no adapter is
        loaded."""
        if not self.loading.adapter:
            raise ConfigError(
                "--compare: this model has no adapter, so there is no base to compare with; name an adapter's run"
            )
        base = copy.copy(self)
        base.name = f"transformers: {self.loading.model}"
        base._held, base._is_base = [], True
        return base

    def close(self) -> None:
        self._held.clear()

    def _find(self, ids: list[int]) -> tuple[_Held, int]:
        """The cache that shares most with these ids, cut back to what it shares; at least one id is left to compute."""
        best, common = None, 0
        # A cache that shares less than half of itself belongs to another conversation, which may come again.
        for held in self._held:
            shared = min(common_prefix(held.ids, ids), len(ids) - 1)
            if shared > common and 2 * shared >= len(held.ids):
                best, common = held, shared
        if best is not None and self._cut(best, common):
            return best, common
        if best is not None:
            self._held.remove(best)
        while len(self._held) >= CONVERSATIONS:
            self._held.remove(min(self._held, key=lambda held: held.used))
        self._held.append(_Held(self.new_cache()))
        return self._held[-1], 0

    def _cut(self, held: _Held, length: int) -> bool:
        """Cut a cache back to `length`; False where its kind cannot be cut (sliding windows, recurrent states)."""
        if len(held.ids) == length:
            return True
        layers = getattr(held.cache, "layers", ())
        if not self._croppable or any(getattr(layer, "is_sliding", False) for layer in layers):
            return False
        try:
            held.cache.crop(length - len(held.ids))  # negative: how many tokens go
        except (AttributeError, NotImplementedError, ValueError, RuntimeError):
            self._croppable = False
            return False
        del held.ids[length:]
        return True

    def _forward(self, held: _Held, ids: list[int]) -> torch.Tensor:
        tokens = torch.tensor([ids], device=self.model.device)
        with self.weights():
            out = self.model(input_ids=tokens, past_key_values=held.cache, use_cache=True, logits_to_keep=1)
        held.cache = out.past_key_values
        held.ids.extend(ids)
        return out.logits[0, -1].float()

    def _chooser(self, sampling: Sampling) -> Callable[[torch.Tensor], torch.Tensor]:
        """The choice of the next token from logits (vocabulary), or one for each row of them (rows x vocabulary)."""
        if sampling.temperature <= 0:
            return lambda logits: logits.argmax(-1)
        seed = sampling.seed
        random = self._random if seed is None else torch.Generator(device="cpu").manual_seed(seed % (1 << 63))

        def choose(logits: torch.Tensor) -> torch.Tensor:
            chances = torch.softmax(logits.float().cpu() / sampling.temperature, dim=-1)
            if sampling.top_p < 1:
                # Only the likeliest tokens that together reach this share.
                ordered, places = chances.sort(descending=True)
                kept = ordered * (ordered.cumsum(-1) - ordered < sampling.top_p)
                chances = torch.zeros_like(chances).scatter(-1, places, kept)
            return torch.multinomial(chances, 1, generator=random)[..., 0].to(logits.device)

        return choose

    @cached_property
    def _vocabulary(self) -> Any:
        """The tokenizer's vocabulary for llguidance, which takes about a second to make."""
        from llguidance.hf import from_tokenizer

        size = self.model.config.get_text_config().vocab_size
        return from_tokenizer(self.tokenizer, n_vocab=max(size, len(self.tokenizer)))

    def _guide(self, forms: tuple[Form, ...]) -> Guide | None:
        return Guide(self.tokenizer, self._vocabulary, forms) if forms else None


def _load(loading: Loading) -> tuple[Any, Any]:
    with quiet():
        from swift.model import get_model_processor

        found = checked(loading)
        on_gpu = loading.device != "cpu" and torch.cuda.is_available()
        settings: dict[str, Any] = {
            "torch_dtype": None if on_gpu else torch.float32,
            "device_map": ("auto" if loading.device == "auto" else loading.device) if on_gpu else "cpu",
            "model_type": found.model_type,
            "model_kwargs": {} if loading.trust_remote_code else {"use_safetensors": True},
        }
        try:
            with code_is_run(loading.trust_remote_code):
                model, processor = get_model_processor(found.model, **settings)
        except (OSError, ValueError, KeyError) as error:
            raise SetupError(f"{loading.model}: cannot be loaded: {first_line(error)}") from error
        if loading.adapter:
            model = with_adapter(model, Path(loading.adapter))
    return model.eval(), open_template(found, processor)


# grammars over the tokens, by llguidance: what may come next, and what must
# ---------------------------------------------------------------------------------------------------------------


class Guide:
    """Follows one generated text and constrains its tokens while a grammar applies."""

    def __init__(self, tokenizer: Any, vocabulary: Any, forms: tuple[Form, ...]) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._forms = forms
        self._matcher: Any = None
        self._form: Form | None = None
        # Where the text begins in which the next label is looked for.
        self._start = 0
        self._text = ""
        self._forced: list[int] = []
        self._begin("")

    def forced(self) -> int | None:
        """The token that must come next, as training would write it; None where there is a choice."""
        if self._matcher is not None and not self._forced:
            self._forced = self._matcher.compute_ff_tokens()
        return self._forced[0] if self._forced else None

    def masked(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits, -inf where the grammar allows no token."""
        if self._matcher is None:
            return logits
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = torch.from_numpy(np.unpackbits(bits, bitorder="little")[: logits.shape[-1]].astype(bool))
        if len(allowed) < logits.shape[-1]:
            allowed = torch.nn.functional.pad(allowed, (0, logits.shape[-1] - len(allowed)))
        return logits.masked_fill(~allowed.to(logits.device), float("-inf"))

    def is_over_after(self, token: int, piece: str) -> bool:
        """Record a generated token and its text; returns whether the text ends here."""
        self._text += piece
        del self._forced[:1]
        if self._matcher is None:
            self._look_for_labels()
            return False
        if not self._matcher.consume_token(token):
            self._matcher = None
        elif self._matcher.is_stopped() and not self._forced:
            is_last = self._form is not None and self._form.is_last
            self._matcher, self._start = None, len(self._text)
            return is_last
        return False

    def _look_for_labels(self) -> None:
        for form in self._forms:
            at_line = "^" if form.after[:1].isalpha() else ""
            label = re.compile(at_line + re.escape(form.after), re.M)
            if form.after and (found := label.search(self._text, self._start)):
                self._begin(form.after, self._text[found.end() :])
                return

    def _begin(self, after: str, rest: str = "") -> None:
        from llguidance import LLMatcher

        for form in self._forms:
            if form.after == after:
                matcher = LLMatcher(self._vocabulary, form.lark)
                # A token may reach over the end of the label; what it wrote otherwise is not the grammar's.
                ids = self._tokenizer.encode(rest, add_special_tokens=False) if rest else []
                fits = not matcher.is_error() and (not ids or matcher.consume_tokens(ids))
                self._matcher, self._form = (matcher, form) if fits else (None, None)
                self._start = len(self._text)
