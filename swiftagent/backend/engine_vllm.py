"""vLLM's server on this machine, prefix caching on, so that of each step's prompt only what is new is computed."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from swiftagent.backend.engine_openai import OpenAIEngine
from swiftagent.backend.engine_prompt import PromptEncoder, open_template
from swiftagent.backend.loading import Loading, Server
from swiftagent.backend.template import checked, quiet
from swiftagent.errors import SetupError, reason_in
from swiftagent.formats.writers.openai import function_tool
from swiftagent.models.files import read_object
from swiftagent.tools.processes import supervised
from swiftagent.trajectory.record import Message
from swiftagent.trajectory.types import Tool

_LONGEST_LINE = 1 << 20  # bytes of the server's log


class VllmEngine(OpenAIEngine):
    """A model in vLLM, whose server ends with this process. Prompts are written here, those of native calls too."""

    # Requests that it batches.
    at_a_time = 16

    def __init__(self, loading: Loading) -> None:
        with quiet():
            found = checked(loading)
            encoder = PromptEncoder(open_template(found))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (closed by close)
        command = supervised(_command(found, port), _LONGEST_LINE)
        # Ctrl-C stops a step and not the server.
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, start_new_session=True)
        super().__init__(Server(f"http://127.0.0.1:{port}/v1"), "model", encoder)
        self.name = f"vllm: {loading.adapter or loading.model}"
        self.call_frame = encoder.call_frame
        self._extra = {"stop_token_ids": sorted(encoder.end_tokens()), "return_token_ids": True}
        self._extra["stream_options"] = {"include_usage": True}
        try:
            self._wait_for_it(loading.model)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        super().close()
        self._process.terminate()
        self._process.wait()
        self._log.close()

    def _wait_for_it(self, model: str) -> None:
        while self._process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if self._client.get(f"{self.base_url.removesuffix('/v1')}/health").is_success:
                    return
            time.sleep(0.5)
        self._log.seek(0)
        raise SetupError(f"{model}: vLLM cannot load it: {reason_in(self._log.read())}")

    def _request(self, way: str, messages: list[Message], tools: tuple[Tool, ...]) -> tuple[str, dict[str, Any]]:
        prompt = self.encoder.encode(messages, [function_tool(tool) for tool in tools])
        # The marks of native calls are special tokens in some models.
        return "/completions", {"prompt": prompt, "skip_special_tokens": not tools}


def _command(loading: Loading, port: int) -> list[str]:
    """The server under the name `model`, which is the adapter's where there is one."""
    named = ["--served-model-name", "model"]
    if loading.adapter:
        rank = read_object(Path(loading.adapter, "adapter_config.json")).get("r", 16)
        named = ["--enable-lora", "--max-lora-rank", str(rank), "--lora-modules", f"model={loading.adapter}"]
    named += ["--trust-remote-code"] if loading.trust_remote_code else []
    place = ["--host", "127.0.0.1", "--port", str(port)]
    return ["vllm", "serve", loading.model, "--enable-prefix-caching", *place, *named]
