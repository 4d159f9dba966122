"""What `swiftagent export` is pointed at: a run, an adapter on its base, a model folder, or an earlier export."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.backend.engine import resolve
from swiftagent.backend.loading import TEMPLATE_SETTINGS
from swiftagent.errors import SetupError
from swiftagent.export.merge import require_adapter
from swiftagent.io.rows import read_rows
from swiftagent.io.shipped import find
from swiftagent.models.files import EXPORT_RECORD, read_object
from swiftagent.models.identity import is_hub_id
from swiftagent.train.runs import Run, find_run, newest_run
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.style import exported_style

Name = str | None


class TunedModel(msgspec.Struct, frozen=True):
    """What is exported: a base, an adapter on it or none, and what is known of its training.

    name: the base as its trainer knew it, a hub id where it has one. settings: ms-swift's own option names. data: a
    file of the training data, "" where it is unknown or gone. react: text ReAct, or native tool calls. prompt: (style,
    language) of the tool prompt, where an earlier export wrote it down.
    """

    base: str
    adapter: Path | None = None
    run: Path | None = None
    name: str = ""
    template: str | None = None
    settings: dict[str, Any] = {}
    data: str = ""
    react: bool = True
    prompt: tuple[PromptStyle, str] | None = None

    @property
    def max_length(self) -> int:
        """Tokens of the longest row in training."""
        return int(self.settings.get("max_length") or 2048)


def subject_of(
    run: Name, model: Name, adapter: Name, checkpoint: str = "best", template: Name = None, model_type: Name = None
) -> TunedModel:
    """A run by name or folder (the newest where nothing is given), a model folder, or an adapter; `model` names another
    base.

    template, model_type: ms-swift's, where they are not known. Raises ConfigError or SetupError where there is no such
    thing, or only half of it.
    """
    subject = _found(run, model, adapter, checkpoint)
    settings = {**subject.settings, **({"model_type": model_type} if model_type else {})}
    return msgspec.structs.replace(subject, template=template or subject.template, settings=settings)


def _found(run: str | None, model: str | None, adapter: str | None, checkpoint: str) -> TunedModel:
    if adapter is not None:
        return _of_adapter(Path(adapter), model)
    if run is None and model is not None:
        return _of_folder(find(model))
    if run is not None and not (Path(run) / "run.json").is_file():
        if (Path(run) / "adapter_config.json").is_file():
            return _of_adapter(Path(run), model)
        if (Path(run) / "config.json").is_file():
            return _of_folder(Path(run))
    return _of_run(find_run(run) if run is not None else newest_run(), checkpoint, model)


def _of_folder(folder: Path) -> TunedModel:
    """A model folder; an earlier export tells how its model, or its adapter, was trained."""
    known = read_object(folder / EXPORT_RECORD)
    settings = {name: known[name] for name in (*TEMPLATE_SETTINGS, "max_length") if known.get(name) is not None}
    prompt, style = known.get("prompt"), exported_style(folder)
    return TunedModel(
        base=str(folder),
        name=str(known.get("base_model") or ""),
        template=known.get("template"),
        settings=settings,
        react=bool(known.get("react", True)),
        prompt=(style, prompt["language"]) if prompt and style else None,
    )


def _of_adapter(adapter: Path, model: str | None) -> TunedModel:
    require_adapter(adapter)
    loading = resolve(model, str(adapter))
    settings = {name: value for name in TEMPLATE_SETTINGS if (value := getattr(loading, name)) is not None}
    trained = read_object(adapter / "args.json")
    if trained.get("max_length"):
        settings["max_length"] = trained["max_length"]
    known = _of_folder(adapter)
    return msgspec.structs.replace(
        known,
        base=base_folder(loading.model, trained),
        adapter=adapter,
        name=loading.model,
        template=loading.template or known.template,
        settings={**settings, **known.settings},
    )


def _of_run(run: Run, checkpoint: str, model: str | None) -> TunedModel:
    # The best checkpoint is known at the end of a run only.
    if run.state != "done" and checkpoint == "best":
        resume = f"finish it with `swiftagent sft --resume {run.name}`"
        finish = "wait for its end" if run.state == "running" else resume
        raise SetupError(f"{run.folder} is {run.state}: {finish}, or export what it has with --checkpoint last")
    chosen = run.checkpoint(checkpoint)
    is_adapter = (chosen / "adapter_config.json").exists()
    trained = read_object(chosen / "args.json") or read_object(run.folder / "args.json")
    # ms-swift settles the model type when it trains; the config names it only where the user had to.
    settings = dict(run.config.get("train") or {})
    if trained.get("model_type"):
        settings.setdefault("model_type", trained["model_type"])
    data = next(iter(run.data_files()), "")
    return TunedModel(
        base=base_folder(model or run.model, {} if model else trained) if is_adapter else str(chosen),
        adapter=chosen if is_adapter else None,
        run=run.folder,
        name=run.model,
        template=run.template,
        settings=settings,
        data=data,
        react=not (_is_native(data) if data else settings.get("agent_template")),
    )


def base_folder(model: str, trained: dict[str, Any]) -> str:
    """A base as a folder here: as named, where its trainer had it, or from the hub's cache (fetched where it is not
    there)."""
    given = find(model)
    if given.is_dir():
        return str(given)
    known = str(trained.get("model_dir") or "")
    if known and Path(known).is_dir():
        return known
    if not is_hub_id(model):
        # What is missing is said by whoever opens it.
        return str(given)
    from swiftagent.backend.template import model_folder

    return str(model_folder(model, weights=True))


def _is_native(data: str) -> bool:
    """Whether the first rows hold native calls (`tools`), and none of them ReAct text."""
    return any(isinstance(row.value, dict) and row.value.get("tools") for row in islice(read_rows(data), 200))
