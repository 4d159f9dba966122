"""Cards that are not here: would a config fit one, and which settings would; and the shipped recipes in one line each:
model, method, memory and hours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.io.shipped import shipped
from swiftagent.models.known import ModelShape, known_shape
from swiftagent.train.advice import method
from swiftagent.train.config import Config, load
from swiftagent.train.estimates import GB, Effort, effort, estimate
from swiftagent.train.inputs import resolve
from swiftagent.train.launch import plan
from swiftagent.train.machine import OPTIONAL_PACKAGES, PACKAGES, Gpu, Machine
from swiftagent.train.options import TABLES

MEMORY_USED = 0.92  # share of a GPU's memory that a run may plan with
DEFAULT_LENGTH = 2048  # tokens that memory is estimated for where neither config nor data give a length
ROWS, TOKENS_A_ROW = 90_000, 450  # the published mix
GUIDE_ROWS = 93_000  # 30,000 rows of tool calling, 60,000 of general chat, 3,000 of self-cognition
_CARD = re.compile(r"(?:(\d+)\s*x\s*)?(.*)", re.I)
_MEMORY = re.compile(r"(?:[\w ]* )?(?:(\d+(?:\.\d+)?) ?(?:gi?b?)?)?(?: [a-z]\w*)*", re.I)
MOST = 1000  # gigabytes of a card: a larger number is a name that is not known


class Card(msgspec.Struct, frozen=True):
    """`count` GPUs of `memory` bytes each; `kind` names the class that their speed is taken of."""

    word: str
    count: int
    memory: int
    kind: str


class CardFit(msgspec.Struct, frozen=True):
    """What a config needs of one GPU of a card, in bytes, and with which settings it would fit where it does not."""

    card: str
    needed: float
    usable: float
    fits: bool
    remedy: str  # key=value words; "" where it fits, or where nothing helps


def parse_card(word: str) -> Card:
    """`24GB`, `8x80GB`, `8xH100` or `A100-40GB`; of a card by its memory alone the speed is that of the slowest sold
    with it. Raises ConfigError."""
    asked, gpus = _CARD.fullmatch(word.strip()), TABLES["gpus"]
    count, name = asked.groups() if asked else ("", "")
    name = re.sub("[-_ ]+", " ", name)
    kind = next((kind for kind in gpus if re.search(rf"(?:^| |RTX){kind}(?!\w)", name, re.I)), "")
    found = _MEMORY.fullmatch(re.split(kind, name, flags=re.I)[-1] if kind else name)
    memory = float(found[1] or (gpus[kind]["gigabytes"] if kind else 0)) if found else 0
    if count == "0" or not 0 < memory <= MOST:
        fact = "write the memory of a card, as 24GB, or several, as 8x80GB, or its name, one of"
        raise ConfigError(f"--gpu {word}: {fact} {', '.join(gpus)}")
    slowest = sorted((gpu["gigabytes"], gpu["teraflops"], name) for name, gpu in gpus.items())
    by_memory = next((name for gigabytes, _, name in slowest if memory <= gigabytes), slowest[-1][2])
    return Card(word, int(count or 1), int(memory * GB), kind or by_memory)


def fit(config: Config, card: Card) -> CardFit:
    """Whether a config fits. Raises ConfigError for a model whose shape is not known."""
    config = msgspec.structs.replace(config, gpus=card.count, nodes=None)
    gpus = tuple(Gpu(index, card.kind, card.memory, card.memory, (8, 0)) for index in range(card.count))
    # With every package: a card is asked about, no installation.
    packages = dict.fromkeys((*PACKAGES, *OPTIONAL_PACKAGES), "")
    inputs = resolve(config, Machine(gpus, memory=1 << 50, packages=packages))
    if inputs.shape is None:
        raise ConfigError(f"{config.model}: its size is not known here; name a model folder, or download it first")
    planned = plan(inputs, Path(config.runs) / "run")
    options, usable = planned.options, card.memory * MEMORY_USED
    length = int(options.get("max_length") or DEFAULT_LENGTH)
    by_tokens = planned.micro.memory if planned.micro else 0.0
    sizes: dict[str, Any] = {"length": length, "gpus": card.count, "distilled": config.distills}
    needed = by_tokens or estimate(inputs.shape, options, **sizes).total
    remedy = "" if needed <= usable else settings_that_fit(inputs.shape, options, usable, **sizes)
    return CardFit(card.word, needed, usable, needed <= usable, remedy)


def settings_that_fit(shape: ModelShape, options: dict[str, Any], usable: float, **sizes: Any) -> str:
    """The fewest changed settings with which it fits, as key=value words; "" where nothing helps. `sizes` are those of
    an estimate."""
    changes = list(_changes(options, sizes["length"], sizes["gpus"]))
    chosen = chain.from_iterable(combinations(changes, count) for count in range(1, len(changes) + 1))
    for changed in ({key: value for one in several for key, value in one.items()} for several in chosen):
        length = changed.get("max_length", sizes["length"])
        if estimate(shape, {**options, **changed}, **{**sizes, "length": length}).total <= usable:
            return " ".join(f"{key}={str(value).lower()}" for key, value in changed.items())
    return ""


def _changes(options: dict[str, Any], length: int, gpus: int) -> Iterator[dict[str, Any]]:
    """Settings that lower memory, the least harmful first."""
    if options.get("per_device_train_batch_size", 1) > 1:
        yield {"per_device_train_batch_size": 1}
    if not options.get("gradient_checkpointing", True):
        yield {"gradient_checkpointing": True}
    if gpus > 1 and not options.get("quant_bits"):
        yield {"deepspeed": "zero3"}
    if options.get("tuner_type") == "full":
        yield {"tuner_type": "lora"}
        yield {"tuner_type": "lora", "quant_bits": 4}
    elif not options.get("quant_bits"):
        yield {"quant_bits": 4}
    if length > 1024:
        yield {"max_length": 1024}


def recipes_on(card: Card) -> list[dict[str, Any]]:
    """What each recipe needs of a card, which settings fit, and how long the published mix takes there."""
    rows = []
    for path, config, shape in _recipes():
        if shape is None:
            continue
        found = fit(config, card)
        row: dict[str, Any] = {"name": path.stem, "memory": f"{found.needed / GB:.0f} GB", "fits": found.fits}
        row |= {"with": found.remedy, "tokens/s": 0, "hours": 0.0}
        if found.fits or found.remedy:
            takes = _effort(config, shape, GUIDE_ROWS, [card.kind] * card.count)
            row |= {"tokens/s": int(round(takes.tokens / (takes.hours * 3600), -2)), "hours": round(takes.hours, 1)}
        rows.append(row)
    return rows


def describe_recipes() -> list[dict[str, Any]]:
    """One mapping a recipe, by name; recipes of `mix` are not among them."""
    rows = []
    for path, config, shape in _recipes():
        options = config.train
        gpus = (config.gpus if config.gpus is not None else 1) * (config.nodes or 1)
        row: dict[str, Any] = {"name": path.stem, "model": config.model.rpartition("/")[2], "method": method(options)}
        row |= {"GPUs": gpus or "CPU", "memory": "", "hours": ""}
        if shape is not None and gpus:
            length = int(options.get("max_length", DEFAULT_LENGTH))
            needed = estimate(shape, options, length=length, gpus=gpus, distilled=config.distills).total
            hours = _effort(config, shape, ROWS, ["A100"] * gpus).hours
            row |= {"memory": f"{needed / GB:.0f} GB", "hours": f"{hours:.0f}" if hours >= 1 else "<1"}
        head = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        row["about"] = head.partition(".")[0].partition(":")[0]
        rows.append(row)
    return rows


def _recipes() -> Iterator[tuple[Path, Config, ModelShape | None]]:
    for path in sorted(shipped("configs").glob("*.yaml")):
        if not path.name.startswith("mix_"):
            config = load(path)
            yield path, config, known_shape(config.model)


def _effort(config: Config, shape: ModelShape, rows: int, gpus: list[str]) -> Effort:
    sequences, tokens = config.sequences_per_step or 16, rows * TOKENS_A_ROW
    return effort(shape, config.train, rows=rows, tokens=tokens, sequences=sequences, gpus=gpus)
