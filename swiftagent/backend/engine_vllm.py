"""vLLM in this process, prefix caching on, so that of each step's prompt only what is new is computed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swiftagent.agent.drive import Usage
from swiftagent.agent.loop import Generate, Generated
from swiftagent.agent.sampling import PLAIN, Sampling
from swiftagent.backend.engine_prompt import PromptEncoder, open_template
from swiftagent.backend.loading import Loading
from swiftagent.backend.template import checked, first_line, quiet
from swiftagent.errors import SetupError
from swiftagent.formats.writers.openai import function_tool
from swiftagent.models.files import read_object
from swiftagent.trajectory.record import Message
from swiftagent.trajectory.types import Tool


class VllmEngine:
    """A model in vLLM. A step's text comes in one piece."""

    def __init__(self, loading: Loading) -> None:
        from vllm import LLM

        self.name = f"vllm: {loading.adapter or loading.model}"
        with quiet():
            loading = checked(loading)
            self.prompt = PromptEncoder(open_template(loading))
        self.read_calls, self.call_frame = self.prompt.read_calls, self.prompt.call_frame
        try:
            self._llm = LLM(
                model=loading.model,
                enable_prefix_caching=True,
                enable_lora=loading.adapter is not None,
                max_lora_rank=int(read_object(Path(loading.adapter or "", "adapter_config.json")).get("r", 16)),
                trust_remote_code=loading.trust_remote_code,
            )
        except (ValueError, RuntimeError) as error:
            raise SetupError(f"{loading.model}: vLLM cannot load it: {first_line(error)}") from error
        self._lora: Any = None
        if loading.adapter:
            from vllm.lora.request import LoRARequest

            self._lora = LoRARequest("adapter", 1, loading.adapter)
        self._lock = threading.Lock()

    def generate(
        self,
        messages: list[Message],
        *,
        stop: Sequence[str] = (),
        max_tokens: int = 1024,
        temperature: float = 0.0,
        tools: tuple[Tool, ...] = (),
        usage: Usage | None = None,
        sampling: Sampling = PLAIN,
    ) -> Iterator[str]:
        request = Generate(messages, stop[0] if stop else "", max_tokens, 0.0, tools)
        [written] = self.write_together([request], temperature, usage, sampling)
        yield written.text

    def write_together(
        self,
        requests: Sequence[Generate],
        temperature: float = 0.0,
        usage: Usage | None = None,
        sampling: Sampling = PLAIN,
    ) -> list[Generated]:
        """Texts after many prompts, which vLLM batches; greedy where `temperature` is 0. `usage` takes the counts of
        the last one."""
        from vllm import SamplingParams

        prompts = [
            self.prompt.encode(request.messages, [function_tool(tool) for tool in request.tools])
            for request in requests
        ]
        samplings = [
            SamplingParams(
                max_tokens=request.max_tokens,
                temperature=temperature,
                top_p=sampling.top_p,
                seed=sampling.seed,
                # The text ends with its stop word, as with the other engines.
                stop=[request.stop] if request.stop else None,
                include_stop_str_in_output=True,
                stop_token_ids=sorted(self.prompt.end_tokens()),
                skip_special_tokens=not request.tools,
            )
            for request in requests
        ]
        with self._lock:
            started = time.monotonic()
            inputs = [{"prompt_token_ids": ids} for ids in prompts]
            done = self._llm.generate(inputs, samplings, lora_request=self._lora, use_tqdm=False)
            seconds = (time.monotonic() - started) / max(1, len(requests))
        written, usage = [], usage or Usage()
        for ids, answer in zip(prompts, done, strict=True):
            out = answer.outputs[0]
            by_word = "stop" if isinstance(out.stop_reason, str) else "end"
            ended_by = {"length": "length"}.get(out.finish_reason, by_word)
            cached = getattr(answer, "num_cached_tokens", 0) or 0
            usage.prompt_tokens, usage.prefilled = len(ids), len(ids) - cached
            usage.generated, usage.ended_by, usage.ids = len(out.token_ids), ended_by, list(out.token_ids)
            written.append(Generated(out.text, len(out.token_ids), seconds, ended_by))
        return written

    def close(self) -> None:
        """vLLM ends with the process."""
