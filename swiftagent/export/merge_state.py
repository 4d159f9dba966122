"""The state of a merge whose weights are written, from which a killed merge resumes."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from swiftagent import __version__
from swiftagent.models.files import safetensors_fault

# The logits of base and adapter on the probes. It is written last, so where it is whole, so are the weights.
STATE = ".merge.safetensors"
_LIBRARIES = ("torch", "transformers", "peft")


def fingerprint(folders: list[Path], *settings: str) -> str:
    """Of the files of base and adapter (names, sizes, times), the settings, and the programs."""
    digest = hashlib.sha256("\0".join([__version__, *settings, *map(version, _LIBRARIES)]).encode())
    # Sizes and times stand for contents: hashing a model takes as long as merging it.
    for folder in folders:
        for file in sorted(path for path in folder.iterdir() if path.is_file()):
            about = file.stat()
            digest.update(f"\0{file.absolute()}\0{about.st_size}\0{about.st_mtime_ns}".encode())
    return digest.hexdigest()


def save_state(folder: Path, made_of: str, untied: bool, logits: list[Any]) -> None:
    """Record that every weight is written. made_of: a hash of everything that the weights follow from."""
    from safetensors.torch import save_file

    facts = {"made_of": made_of, "untied": "yes" if untied else ""}
    save_file({str(number): tensor for number, tensor in enumerate(logits)}, folder / STATE, facts)


def is_written(folder: Path, made_of: str) -> bool:
    """Whether all weights of this very merge are there."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / STATE, "pt") as state:
            same = state.metadata()["made_of"] == made_of
    except (OSError, SafetensorError):
        return False
    return same and not any(map(safetensors_fault, folder.glob("*.safetensors")))


def take_state(folder: Path) -> tuple[list[Any], bool]:
    """(the saved logits, whether the output head was untied); it is removed, since it is not part of the model."""
    from safetensors import safe_open

    with safe_open(folder / STATE, "pt") as state:
        logits = [state.get_tensor(str(number)) for number in range(len(state.keys()))]
        untied = bool(state.metadata()["untied"])
    (folder / STATE).unlink()
    return logits, untied
