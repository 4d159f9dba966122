"""Which model is meant: a hub id or a path, a folder on this machine. One rule for all."""

from __future__ import annotations

import re
from pathlib import Path

from swiftagent.errors import SetupError
from swiftagent.io.shipped import find, user_folder

_NAME = re.compile(r"(?!\.)[\w.-]+/[\w.-]+")
# A name that ends so is a file's, also where the file is missing: no hub is asked for it.
_FILE = re.compile(r"\.(jsonl|ndjson|json|csv|tsv|txt|parquet|arrow|feather|zip)(\.(gz|zst|bz2|xz))?$", re.I)
_HUBS = ("ms::", "hf::", "ms:", "hf:")


def is_hub_id(name: str) -> bool:
    """Whether a name is one of a hub, `owner/name` or `hf::owner/name`, and of nothing on this machine."""
    if name.startswith(_HUBS):
        return True
    return bool(_NAME.fullmatch(name)) and not _FILE.search(name) and not find(name).exists()


def names_a_file(name: str) -> bool:
    """Whether a name ends as a data file does."""
    return bool(_FILE.search(name))


def hub_folder(model: str) -> Path | None:
    """The folder of a hub model that was downloaded before; a hub's cache holds it whole or not at all."""
    owner, _, name = model.partition("/")
    try:
        modelscope = user_folder("MODELSCOPE_CACHE", ".cache/modelscope/hub")
        huggingface = user_folder("HF_HOME", ".cache/huggingface") / "hub"
    # No home folder, so no cache in it.
    except SetupError:
        return None
    # ModelScope's caches write a dot so; Hugging Face's keep the name and add a snapshot.
    plain = name.replace(".", "___")
    candidates = [modelscope / "models" / owner / plain, modelscope / "hub" / "models" / owner / plain]
    candidates += sorted((modelscope / "models" / f"{owner}--{name}" / "snapshots").glob("*"))
    candidates += sorted((huggingface / f"models--{owner}--{name}" / "snapshots").glob("*"))
    return next((folder for folder in candidates if (folder / "config.json").is_file()), None)


def local_folder(model: str) -> Path | None:
    """A model's folder on this machine: as given, or from a hub's cache; None where it is not here."""
    return Path(model) if Path(model).is_dir() else hub_folder(model)


def bare_name(model: str) -> str:
    """The name by which ms-swift matches: hub caches keep it in their folder names."""
    inside_cache = re.search(r"/models(?:--|/)(?:.+?--)?(.+?)/snapshots/", model)
    name = inside_cache.group(1) if inside_cache else model.rstrip("/").rsplit("/", 1)[-1]
    return name.replace("___", ".").lower()
