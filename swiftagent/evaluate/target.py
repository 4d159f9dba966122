"""Which models an evaluation compares, on which data, and where it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from swiftagent.backend.engine import load_engine, resolve
from swiftagent.backend.loading import Loading, Server
from swiftagent.errors import ConfigError, SetupError
from swiftagent.io.shipped import find, shipped
from swiftagent.models.files import read_object, same_model
from swiftagent.train.config import Config
from swiftagent.train.inputs import validation_files
from swiftagent.train.runs import Run, find_run, newest_run

GENERAL = "general_heldout.jsonl"


class Model(msgspec.Struct, frozen=True):
    """A model to evaluate. `mark` tells two states of one folder apart."""

    name: str
    loading: Loading
    engine: str = "auto"
    server: Server | None = None

    @property
    def mark(self) -> str:
        place = Path(self.loading.adapter or self.loading.model)
        weights = sorted(place.glob("*.safetensors")) + sorted(place.glob("*.bin")) if place.is_dir() else []
        states = (f"{path.name}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in weights)
        return " ".join([self.name, *states])

    def load(self) -> Any:
        fields: dict[str, Any] = {**msgspec.structs.asdict(self.loading), "kind": self.engine, "server": self.server}
        # An adapter names its own base.
        if self.loading.adapter:
            fields["model"] = None
        return load_engine(**fields)


class Target(msgspec.Struct):
    """What `swiftagent eval` was asked for."""

    name: str
    folder: Path
    tuned: Model
    base: Model | None
    run: Run | None = None

    @property
    def models(self) -> dict[str, Model]:
        """The base, where there is one, and the tuned model."""
        return {name: each for name, each in (("base", self.base), ("tuned", self.tuned)) if each is not None}

    @property
    def about(self) -> dict[str, Any]:
        return {"name": self.name, "tuned": self.tuned.name, "base": self.base.name if self.base else None}

    @property
    def is_own_base(self) -> bool:
        """Whether the base is what the tuned model's adapter sits on, so that one of them is loaded for both."""
        tuned, base = self.tuned, self.base
        if base is None or base.loading.adapter or not tuned.loading.adapter or base.server or tuned.engine == "vllm":
            return False
        same = msgspec.structs.replace(tuned.loading, adapter=None, model=base.loading.model) == base.loading
        return same and same_model(base.loading.model, tuned.loading.model)


def target_of_run(run: Run, which: str, engine: str, settings: dict[str, Any]) -> Target:
    """A run's checkpoint against the model that it was trained from."""
    checkpoint = run.checkpoint(which)
    tuned = _model(str(checkpoint), None, run.template, engine, settings)
    base = None
    if run.model:
        loading = msgspec.structs.replace(tuned.loading, model=str(find(run.placed(run.model))), adapter=None)
        base = Model(run.model, loading, engine)
    return Target(run.name, run.folder / "eval", tuned, base, run)


def target_of_model(
    model: str | None, adapter: str | None, template: str | None, engine: str, settings: dict[str, Any]
) -> Target:
    """A model or adapter by its folder or hub id; an adapter is compared with its own base."""
    loading = resolve(model, adapter, template, **settings)
    tuned = Model(loading.adapter or loading.model, loading, engine)
    base = Model(loading.model, msgspec.structs.replace(loading, adapter=None), engine) if loading.adapter else None
    return Target(Path(tuned.name).name or tuned.name, Path("eval"), tuned, base)


def target_of_server(model: str, server: Server, template: str | None, model_type: str | None) -> Target:
    """A model behind a server with OpenAI's interface, by the server's own name for it."""
    loading = Loading(model, template=template, model_type=model_type)
    served = Model(f"{model} at {server.base_url}", loading, "openai", server)
    return Target(model.replace("/", "_"), Path("eval"), served, None)


def against(other: str, root: str, engine: str, settings: dict[str, Any]) -> Model:
    """The model that `--against` names: a run, else a model or adapter folder, or a hub id."""
    try:
        run = find_run(other, root)
    except SetupError as error:
        if Path(other).exists() or "/" in other:
            return _model(other, None, None, engine, settings)
        raise ConfigError(f"--against {error}; and there is no model folder of that name") from None
    return target_of_run(run, "best", engine, settings).tuned


def run_named(name: str | None, root: str) -> Run:
    return find_run(name, root) if name else newest_run(root)


def _model(model: str, adapter: str | None, template: str | None, engine: str, settings: dict[str, Any]) -> Model:
    return Model(model, resolve(model, adapter, template, **settings), engine)


def config_of(run: Run | None) -> Config | None:
    """The resolved config of a run, its files found from here; None where it is not recorded."""
    if run is None or not run.config:
        return None
    known = {key: value for key, value in run.config.items() if key in Config.__struct_fields__ and key != "gpus"}
    try:
        config = msgspec.convert(known, Config)
    except msgspec.ValidationError:
        return None
    val = None if config.val is None else tuple(map(run.placed, config.val))
    return msgspec.structs.replace(config, data=tuple(map(run.placed, config.data)), val=val)


def default_data(run: Run | None) -> list[str]:
    """The run's own validation split, and the shipped general set. Raises ConfigError where there is no split."""
    config = config_of(run)
    files = [str(find(path)) for path in validation_files(config)] if config else []
    files = [path for path in files if Path(path).exists()]
    if not files:
        raise ConfigError("nothing to evaluate on: the run has no validation split that can be found; give --data FILE")
    general = shipped("datasets") / GENERAL
    return [*files, str(general)] if general.is_file() else files


def training_files(run: Run | None) -> list[str]:
    """The training data of a run that can still be found."""
    return run.data_files() if run else []


def name_in(training: list[str]) -> str:
    """What a mix taught the model to call itself, by its manifest; "" where that names none."""
    for path in map(Path, training):
        try:
            sources = read_object(path.with_name(f"{path.stem}.manifest.json"))["recipe"]["sources"]
            names = [name for source in sources for name in source.get("name") or ()]
        except (KeyError, TypeError, AttributeError):
            continue
        if names and isinstance(names[0], str):
            return names[0]
    return ""
