"""The commands that serve a model with its tools in vLLM."""

from __future__ import annotations

import shlex
from pathlib import Path

from swiftagent.export.subject import TunedModel

# vLLM's --tool-call-parser by the agent template that wrote the calls in training (docs.vllm.ai, "Tool calling").
PARSERS = {
    "hermes": "hermes",
    "llama3": "llama3_json",
    "llama4": "llama3_json",
    "mistral": "mistral",
    "qwen3_coder": "qwen3_xml",
    "qwen3_5": "qwen3_xml",
    "deepseek_v3_1": "deepseek_v31",
    "glm4_5": "glm45",
    "glm4_7": "glm47",
}


def vllm_commands(folder: str, subject: TunedModel, agent_template: str | None, template: str) -> dict[str, str]:
    """Serve a merged model: with native calls by vLLM's own parser, with ReAct text by `swiftagent serve` above
    vLLM."""
    words = ["vllm", "serve", folder, "--max-model-len", str(subject.max_length), "--enable-prefix-caching"]
    chat_template = Path(folder) / "chat_template.jinja"
    if chat_template.is_file():
        words += ["--chat-template", str(chat_template)]
    # vLLM has no parser of ReAct text.
    if subject.react:
        kind = subject.settings.get("model_type")
        serve = shlex.split("swiftagent serve --port 8001 --engine openai --base-url http://localhost:8000/v1")
        serve += ["--model", folder, "--template", template, *(["--model-type", str(kind)] if kind else [])]
        return {"engine": shlex.join(words), "openai_server": shlex.join(serve)}
    parser = PARSERS.get(agent_template or "")
    if parser is None:
        why = f"vLLM has no parser for calls of the agent template {agent_template}; use `swiftagent serve --native`"
        return {"engine": shlex.join(words), "tool_calls": why}
    return {"engine": shlex.join([*words, "--enable-auto-tool-choice", "--tool-call-parser", parser])}
