"""The state of a merge whose weights are written, from which a killed merge resumes."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from swiftagent import __version__
from swiftagent.models.files import safetensors_fault

STATE, LOGITS = ".merge.json", ".logits.safetensors"
_LIBRARIES = ("torch", "transformers", "peft")


class Written(msgspec.Struct):
    """`made_of` is a hash of everything that the weights follow from; `files` are their sizes in bytes."""

    made_of: str
    untied: bool
    files: dict[str, int]


def fingerprint(folders: list[Path], *settings: str) -> str:
    """Of the files of base and adapter (names, sizes, times), the settings, and the programs."""
    digest = hashlib.sha256("\0".join([__version__, *settings, *map(version, _LIBRARIES)]).encode())
    # Sizes and times stand for contents: hashing a model takes as long as merging it.
    for folder in folders:
        for file in sorted(path for path in folder.iterdir() if path.is_file()):
            about = file.stat()
            digest.update(f"\0{file.absolute()}\0{about.st_size}\0{about.st_mtime_ns}".encode())
    return digest.hexdigest()


def save_state(folder: Path, made_of: str, untied: bool, logits: list[Any]) -> Written:
    """Record that every weight is written, and the logits of base and adapter on the probes."""
    from safetensors.torch import save_file

    save_file({str(number): tensor for number, tensor in enumerate(logits)}, folder / LOGITS)
    files = {file.name: file.stat().st_size for file in folder.iterdir() if file.is_file()}
    state = Written(made_of, untied, files)
    (folder / STATE).write_bytes(msgspec.json.encode(state))
    return state


def written(folder: Path, made_of: str) -> Written | None:
    """The saved state; None where it is of another merge, or a file is incomplete."""
    try:
        state = msgspec.json.decode((folder / STATE).read_bytes(), type=Written)
        whole = all((folder / name).stat().st_size == size for name, size in state.files.items())
    except (OSError, msgspec.MsgspecError):
        return None
    cut = any(safetensors_fault(folder / name) for name in state.files if name.endswith(".safetensors"))
    return state if whole and not cut and state.made_of == made_of else None


def take_logits(folder: Path) -> list[Any]:
    """The saved logits; state and logits are removed, since they are not part of the model."""
    from safetensors.torch import load_file

    tensors = load_file(folder / LOGITS)
    (folder / LOGITS).unlink()
    (folder / STATE).unlink()
    return [tensors[str(number)] for number in range(len(tensors))]
