"""vLLM in this process, prefix caching on, so that of each step's prompt only what is new is computed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from swiftagent.backend.engine import Loading
from swiftagent.backend.engine_files import checked_folder
from swiftagent.backend.engine_openai import function_of
from swiftagent.backend.engine_prompt import PromptEncoder, open_template
from swiftagent.backend.trainer_template import quiet
from swiftagent.errors import SetupError
from swiftagent.loop_drive import Usage
from swiftagent.record import Message
from swiftagent.trajectory import Tool


class VllmEngine:
    """A model in vLLM. A step's text comes in one piece."""

    def __init__(self, loading: Loading) -> None:
        from vllm import LLM

        self.name = f"vllm: {loading.adapter or loading.model}"
        with quiet():
            folder, template_type = checked_folder(loading)
            self.prompt = PromptEncoder(open_template(folder, template_type, loading))
        try:
            self._llm = LLM(
                model=folder,
                enable_prefix_caching=True,
                enable_lora=loading.adapter is not None,
                max_lora_rank=_rank(loading.adapter),
                trust_remote_code=loading.trust_remote_code,
            )
        except (ValueError, RuntimeError) as error:
            raise SetupError(f"{loading.model}: vLLM cannot load it: {str(error).strip().splitlines()[-1]}") from error
        self._lora: Any = None
        if loading.adapter:
            from vllm.lora.request import LoRARequest

            self._lora = LoRARequest("adapter", 1, loading.adapter)
        self.usage = Usage()
        self._lock = threading.Lock()

    def generate(
        self,
        messages: list[Message],
        *,
        stop: Sequence[str] = (),
        max_tokens: int = 1024,
        temperature: float = 0.0,
        tools: tuple[Tool, ...] = (),
    ) -> Iterator[str]:
        from vllm import SamplingParams

        ids = self.prompt.encode(messages, [function_of(tool) for tool in tools])
        sampling = SamplingParams(
            max_tokens=max_tokens,
            temperature=temperature,
            stop=list(stop) or None,
            include_stop_str_in_output=True,
            stop_token_ids=sorted(self.prompt.end_tokens()),
            skip_special_tokens=not tools,
        )
        with self._lock:
            (done,) = self._llm.generate({"prompt_token_ids": ids}, sampling, lora_request=self._lora, use_tqdm=False)
        written = done.outputs[0]
        ended_by = {"length": "length"}.get(written.finish_reason, "stop" if isinstance(written.stop_reason, str) else "end")
        cached = getattr(done, "num_cached_tokens", 0) or 0
        self.usage = Usage(len(ids), len(ids) - cached, len(written.token_ids), ended_by)
        yield written.text

    def read_calls(self, text: str) -> list[tuple[str, str]]:
        return self.prompt.read_calls(text)

    def close(self) -> None:
        """vLLM ends with the process."""


def _rank(adapter: str | None) -> int:
    import json
    from pathlib import Path

    if adapter is None:
        return 16
    return int(json.loads((Path(adapter) / "adapter_config.json").read_text(encoding="utf-8")).get("r", 16))
