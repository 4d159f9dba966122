"""Loads an engine: a model folder or hub id with its adapter, by ms-swift's template, or a server over HTTP.

engine = load_engine("Qwen/Qwen2.5-7B-Instruct", adapter="runs/x/checkpoint-100")
for piece in engine.generate(messages, stop=["\\nObservation:"], max_tokens=512, temperature=0): ...
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from swiftagent.backend.loading import TEMPLATE_SETTINGS, Loading, Server
from swiftagent.errors import ConfigError, SetupError
from swiftagent.models.files import read_object, same_model

Kind = Literal["auto", "transformers", "vllm", "openai"]


def load_engine(
    model: str | None = None,
    adapter: str | None = None,
    template: str | None = None,
    kind: Kind = "auto",
    *,
    server: Server | None = None,
    **settings: Any,
) -> Any:
    """An engine over this model. Raises ConfigError for an adapter of another base, SetupError where it cannot be
    loaded.

    server: of the kind "openai", where `model` is the server's own name for it. settings: further fields of Loading.
    """
    if kind == "openai" or (kind == "auto" and server is not None):
        return _of_server(server, model, template, settings.get("model_type"))
    loading = resolve(model, adapter, template, **settings)
    if kind == "vllm":
        if shutil.which("vllm") is None:
            raise SetupError("--engine vllm: vLLM is not installed; pip install vllm, or use --engine transformers")
        from swiftagent.backend.engine_vllm import VllmEngine

        return VllmEngine(loading)
    from swiftagent.backend.engine_transformers import TransformersEngine

    return TransformersEngine(loading)


def engine_over(model: Any, template: Any) -> Any:
    """An engine over a model that is in memory already. The template is changed: give a copy of one in use."""
    from swiftagent.backend.engine_transformers import TransformersEngine

    return TransformersEngine(Loading("in memory"), (model, template))


def _of_server(server: Server | None, model: str | None, template: str | None, kind: str | None) -> Any:
    from swiftagent.backend.engine_openai import OpenAIEngine

    if server is None or not model:
        raise ConfigError(
            "--engine openai: name the server and its model, as in --base-url http://127.0.0.1:8000/v1 --model NAME"
        )
    encoder = None
    tokenizer = server.tokenizer or (model if (Path(model) / "tokenizer_config.json").is_file() else None)
    if tokenizer is not None:
        from swiftagent.backend.engine_prompt import PromptEncoder
        from swiftagent.backend.template import open_trainer

        with open_trainer(tokenizer, template, {"model_type": kind} if kind else None) as trainer:
            encoder = PromptEncoder(trainer.template)
    return OpenAIEngine(server, model, encoder)


def resolve(model: str | None, adapter: str | None, template: str | None = None, **settings: Any) -> Loading:
    """The settings to load with: an adapter's base and the template of its training come from the files beside it."""
    if model is not None and adapter is None and (Path(model) / "adapter_config.json").is_file():
        model, adapter = None, model
    given = {name: value for name, value in settings.items() if value is not None}
    if adapter is None and model is None:
        raise ConfigError("no model: give --model M or --adapter A")
    # What ms-swift saved beside a checkpoint.
    trained = read_object(Path(adapter or model or "") / "args.json")
    known = {name: trained[name] for name in TEMPLATE_SETTINGS if trained.get(name) is not None}
    given = {"template": template or trained.get("template"), **known, **given}
    if adapter is None:
        return Loading(model or "", **given)
    config = read_object(Path(adapter) / "adapter_config.json")
    if not config:
        raise ConfigError(f"--adapter {adapter}: no adapter_config.json in this folder")
    base = trained.get("model") or config.get("base_model_name_or_path") or ""
    if model is None and not base:
        raise ConfigError(f"--adapter {adapter}: it does not say which base it belongs to; give it with --model")
    if model is not None and base and not same_model(model, base):
        raise ConfigError(
            f"--adapter {adapter}: it was trained on {base}, not on {model}; leave --model out, or give that base"
        )
    return Loading(model or base, adapter, **given)
