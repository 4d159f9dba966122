"""What another program did beside training, as commands of ours: evaluation, export, chat, serving, a check of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swiftagent.train.foreign_data import command, first_of, names_of, sources_of
from swiftagent.train.foreign_names import ADAPTERS, HELD_OUT, MODELS, foreign_names
from swiftagent.train.foreign_text import Foreign
from swiftagent.train.options import options

Notes = list[tuple[str, str]]
_TEST, _CHECKED = "datasets/test.jsonl", "datasets/checked.jsonl"


def command_of(foreign: Foreign, place: Path) -> tuple[list[str], Notes]:
    """Our commands for one task that is no training, and (name, reason) of what they do not carry over."""
    settings, task = foreign.settings, foreign.task
    named = first_of(settings, *HELD_OUT, "dataset") if task in ("eval", "check") else None
    sources, notes = sources_of(foreign, names_of(named), place)
    # Settings of a training say how the model was made; only what is no such setting is missed here.
    names = foreign_names()
    known = {*names.needless, *ADAPTERS, *names.today, *options(), "stage", "port", "default_system"}
    unused = [key for key, value in settings.items() if key not in known and value not in (None, "")]
    left_out = [(key, f"not needed to {task}, or without a counterpart") for key in unused]
    return _commands(foreign, sources), [*notes, *left_out]


def _commands(foreign: Foreign, sources: list[str]) -> list[str]:
    settings = foreign.settings
    adapters = first_of(settings, *ADAPTERS)
    model = ("--model", first_of(settings, *MODELS))
    adapter = ("--adapter", str(adapters[0] if isinstance(adapters, list) else adapters or "").split(",")[0])
    match foreign.task:
        case "eval":
            # Gold is read as training data is; an entry of dataset_info.json becomes a file first.
            first = [command("swiftagent", "convert", sources, ("-o", _TEST))] if "#" in "".join(sources) else []
            data = [("--data", source) for source in ([_TEST] if first else sources or ["FILL_IN.jsonl"])]
            rest: list[Any] = [("--step-tokens", settings.get("max_new_tokens")), ("-o", settings.get("output_dir"))]
            return [*first, command("swiftagent", "eval", model, adapter, *data, *rest)]
        case "export":
            output = first_of(settings, "export_dir", "output_dir") or "merged"
            size = f"{settings['export_size']}GB" if settings.get("export_size") else ""
            how = [("-o", output), ("--max-shard-size", size)]
            pushed = first_of(settings, "export_hub_model_id", "hub_model_id")
            push = [command("swiftagent", "export", "push", output, pushed)] if pushed else []
            return [command("swiftagent", "export", "merge", model, adapter, *how), *push]
        case "check":
            convert = command("swiftagent", "convert", sources or "FILL_IN.json", ("-o", _CHECKED))
            return [convert, command("swiftagent", "inspect", _CHECKED, "--check", model)]
        case "infer":
            system = ("--system", first_of(settings, "system", "default_system"))
            return [command("swiftagent", "infer", "--react", model, adapter, system)]
    return [command("swiftagent", "serve", model, adapter, ("--port", settings.get("port")))]
