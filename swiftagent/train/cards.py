"""Cards that are not here: would a config fit one, which settings would, and how fast a recipe runs there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.models.shape import ModelShape
from swiftagent.train.config import Config
from swiftagent.train.inputs import resolve
from swiftagent.train.launch import plan
from swiftagent.train.machine import OPTIONAL_PACKAGES, PACKAGES, Gpu, Machine
from swiftagent.train.memory import GB, estimate

MEMORY_USED = 0.92  # share of a GPU's memory that a run may plan with
DEFAULT_LENGTH = 2048  # tokens that memory is estimated for where neither config nor data give a length
# A card by the memory that is sold with it: the slower of its class.
CLASSES = ((16, "T4"), (24, "3090"), (48, "A40"), (80, "A100"), (141, "H200"), (192, "B200"))
_CARD = re.compile(r"(?:(\d+)x)?(\d+(?:\.\d+)?)\s*gi?b?", re.I)


class Card(msgspec.Struct, frozen=True):
    """`count` GPUs of `memory` bytes each; `kind` names the class that their speed is taken of."""

    word: str
    count: int
    memory: int
    kind: str

    @property
    def machine(self) -> Machine:
        """A machine with these GPUs alone, and every package: a card is asked about, no installation."""
        gpus = tuple(Gpu(index, self.kind, self.memory, self.memory, (8, 0)) for index in range(self.count))
        return Machine(gpus, memory=1 << 50, packages=dict.fromkeys((*PACKAGES, *OPTIONAL_PACKAGES), ""))


class CardFit(msgspec.Struct, frozen=True):
    """What a config needs of one GPU of a card, in bytes, and with which settings it would fit where it does not."""

    card: str
    needed: float
    usable: float
    remedy: str = ""  # key=value words; "" where it fits, or where nothing helps

    @property
    def fits(self) -> bool:
        return self.needed <= self.usable


def parse_card(word: str) -> Card:
    """`24GB` or `8x80GB`. Raises ConfigError."""
    found = _CARD.fullmatch(word.strip())
    if not found or not float(found[2]) or found[1] == "0":
        raise ConfigError(f"--gpu {word}: write the memory of a card, as 24GB, or several, as 8x80GB")
    size = float(found[2])
    kind = next((name for limit, name in CLASSES if size <= limit), CLASSES[-1][1])
    return Card(word, int(found[1] or 1), int(size * GB), kind)


def fit(config: Config, card: Card) -> CardFit:
    """Whether a config fits. Raises ConfigError for a model whose shape is not known."""
    config = msgspec.structs.replace(config, gpus=card.count, nodes=None)
    inputs = resolve(config, card.machine)
    if inputs.shape is None:
        raise ConfigError(f"{config.model}: its size is not known here; name a model folder, or download it first")
    planned = plan(inputs, Path(config.runs) / "run")
    options, usable = planned.options, card.memory * MEMORY_USED
    length = int(options.get("max_length") or DEFAULT_LENGTH)
    by_tokens = planned.micro.memory if planned.micro else 0.0
    sizes: dict[str, Any] = {"length": length, "gpus": card.count, "distilled": config.distills}
    needed = by_tokens or estimate(inputs.shape, options, **sizes).total
    remedy = "" if needed <= usable else settings_that_fit(inputs.shape, options, usable, **sizes)
    return CardFit(card.word, needed, usable, remedy)


def settings_that_fit(shape: ModelShape, options: dict[str, Any], usable: float, **sizes: Any) -> str:
    """The fewest changed settings with which it fits, as key=value words; "" where nothing helps. `sizes` are those of
    an estimate."""
    changes = list(_changes(options, sizes["length"], sizes["gpus"]))
    for count in range(1, len(changes) + 1):
        for chosen in combinations(changes, count):
            changed = {key: value for one in chosen for key, value in one.items()}
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
