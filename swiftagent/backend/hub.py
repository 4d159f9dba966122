"""Data files of a hub dataset on this disk: ModelScope's and Hugging Face's own clients, data files only, no remote
code.

Downloads resume, are checked against the hub's listing (size, SHA-256) and are found again without a network.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from swiftagent.backend.template import first_line
from swiftagent.errors import SetupError
from swiftagent.io.jsonl import write_json, write_lines
from swiftagent.io.shipped import user_folder
from swiftagent.io.storage import sha256_of
from swiftagent.mix.plan import Fetched, FetchedFile

# The order of choice where one split comes in several.
DATA = ("jsonl", "json", "csv", "tsv", "parquet", "arrow")
_DATA_FILE = re.compile(rf"(.+)\.({'|'.join(DATA)})(\.(gz|zst|bz2|xz))?", re.I)
NOT_DATA = re.compile(r"(dataset_infos?|configuration|config|croissant|package)\.json")
TRAIN = {"train", "training"}
HELD_OUT = {"validation", "valid", "val", "dev", "eval", "evaluation", "test", "testing"}


class Listed(msgspec.Struct):
    """One file as the hub lists it."""

    name: str
    size: int
    sha256: str = ""


def fetch(source: str, revision: str = "", say: Callable[[str], None] = lambda line: None) -> Fetched:
    """Bring the train split of `owner/name` (ModelScope) or `hf::owner/name` here.

    Raises SetupError with one line that says what to do: no network, no such dataset, a wrong hash, a full disk.
    """
    if not sys.stderr.isatty():  # the clients draw their bars with tqdm, which reads this when it is imported
        os.environ.setdefault("TQDM_DISABLE", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    hub: _ModelScope | _HuggingFace = _HuggingFace() if source.startswith("hf::") else _ModelScope()
    dataset = source.removeprefix("hf::").removeprefix("ms::")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", dataset) or ".." in dataset:
        raise SetupError(f"{source!r} is neither a file nor a hub id; a hub id is owner/name or hf::owner/name")
    try:
        return _fetch(hub, dataset, revision, say)
    except SetupError:
        raise
    # The clients raise errors of four libraries, which `_explained` tells apart.
    except Exception as error:
        known = None if _answer(error) else _remembered(hub, dataset, revision)
        if known is not None:
            say(f"{dataset}: {hub.where} cannot be reached, the copy on this disk is used ({known.revision})")
            return known
        raise SetupError(_explained(error, hub, dataset)) from error


def _fetch(hub: _ModelScope | _HuggingFace, dataset: str, revision: str, say: Callable[[str], None]) -> Fetched:
    exact, listed = hub.list_files(dataset, revision)
    unsafe = next((file.name for file in listed if not _is_safe(file.name)), None)
    if unsafe is not None:
        raise SetupError(f"{dataset}: the hub lists a file outside its folder, {unsafe!r}; nothing was fetched")
    wanted = train_files(listed, _splits(hub, dataset, exact, listed))
    if not wanted:
        return _from_loader(hub, dataset, exact, say)
    files = []
    for file in wanted:
        say(f"{dataset}: {file.name} ({file.size / 1e6:,.1f} MB)")
        path = hub.download(dataset, exact, file)
        files.append(FetchedFile(file.name, str(path), file.sha256 or sha256_of(str(path))))
    found = Fetched(dataset, hub.name, exact, files)
    write_json(_memory(hub, dataset, revision), msgspec.to_builtins(found))
    return found


def train_files(listed: Iterable[Listed], splits: dict[str, str] | None = None) -> list[Listed]:
    """The data files of the train split: what `splits` says, else what the names say; files of no split are train."""
    data = [
        (file, found)
        for file in sorted(listed, key=lambda file: file.name)
        if (found := _DATA_FILE.fullmatch(file.name)) and not NOT_DATA.fullmatch(PurePosixPath(file.name).name.lower())
    ]
    if splits:
        data = [pair for pair in data if splits.get(pair[0].name) in TRAIN]
    else:
        data = [pair for pair in data if not (pair[0].name.startswith(".") or pair[1][1].lower().endswith("_infos"))]
        named = [pair for pair in data if _words(pair[0].name) & TRAIN]
        data = named or [pair for pair in data if not _words(pair[0].name) & HELD_OUT]
    # Of files that differ only in their kind, the last here is kept: the first of DATA, and of its packings.
    ranked = sorted(data[::-1], key=lambda pair: -DATA.index(pair[1][2].lower()))
    best = {found[1]: file for file, found in ranked}
    return sorted(best.values(), key=lambda file: file.name)


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", name.lower()))


def _is_safe(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name


def _splits(hub: _ModelScope | _HuggingFace, dataset: str, revision: str, listed: list[Listed]) -> dict[str, str]:
    """File -> split as an old ModelScope dataset states it: NAME.json holds {subset: {split: {"meta": file}}}."""
    about = dataset.partition("/")[2] + ".json"
    file = next((file for file in listed if file.name == about and file.size < 100_000), None)
    if file is None:
        return {}
    try:
        subsets = json.loads(hub.download(dataset, revision, file).read_bytes())
        pairs = [pair for splits in subsets.values() for pair in splits.items()]
        return {files["meta"]: str(split) for split, files in pairs if isinstance(files.get("meta"), str)}
    except (ValueError, AttributeError, TypeError, KeyError):
        # A data file that bears the name of its dataset.
        return {}


def _memory(hub: _ModelScope | _HuggingFace, dataset: str, revision: str) -> Path:
    return hub.cache() / "swiftagent" / f"{dataset.replace('/', '--')}@{(revision or 'latest').replace('/', '-')}.json"


def _remembered(hub: _ModelScope | _HuggingFace, dataset: str, revision: str) -> Fetched | None:
    """The result of an earlier fetch, if every file is still there and unchanged."""
    try:
        known = msgspec.json.decode(_memory(hub, dataset, revision).read_bytes(), type=Fetched)
        whole = all(sha256_of(file.path) == file.sha256 for file in known.files)
    except (OSError, msgspec.MsgspecError):
        return None
    return known if whole else None


def _from_loader(hub: _ModelScope | _HuggingFace, dataset: str, revision: str, say: Callable[[str], None]) -> Fetched:
    """Rows of a dataset that has no data files on the hub, through its loader; its own code is not run."""
    if hub.name != "modelscope":
        raise SetupError(f"{dataset}: no data file ({', '.join(DATA)}) of a train split on {hub.where}")
    try:
        from modelscope import MsDataset

        say(f"{dataset}: no data file on the hub, asking its loader")
        rows = MsDataset.load(dataset, split="train", trust_remote_code=False)
    except Exception as error:
        raise SetupError(
            f"{dataset}: no data file ({', '.join(DATA)}) of a train split on {hub.where}, "
            f"and its loader failed ({first_line(error)}); download it by hand and give the file"
        ) from error
    path = _memory(hub, dataset, revision).with_suffix(".rows.jsonl")
    write_lines(path, (dict(row) for row in rows))
    return Fetched(dataset, hub.name, revision, [FetchedFile(path.name, str(path), sha256_of(str(path)))])


class _ModelScope:
    name = "modelscope"
    switch = "MODELSCOPE_ENDPOINT"

    def __init__(self) -> None:
        # A machine without a network should hear of it in seconds; downloads keep the client's own patience.
        os.environ.setdefault("MODELSCOPE_API_MAX_RETRIES", "2")
        os.environ.setdefault("MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS", "3")
        os.environ.setdefault("MODELSCOPE_LOG_LEVEL", "ERROR")
        from modelscope_hub import HubApi

        self._api = HubApi()
        self.where = getattr(self._api, "endpoint", None) or os.environ.get(self.switch, "modelscope.cn")

    def cache(self) -> Path:
        return user_folder("MODELSCOPE_CACHE", ".cache/modelscope")

    def list_files(self, dataset: str, revision: str) -> tuple[str, list[Listed]]:
        found = self._api.list_repo_files(dataset, "dataset", revision=revision or None)
        files = [file for file in found if file.type != "tree"]
        return revision or "master", [Listed(one.path, one.size or 0, (one.sha256 or "").lower()) for one in files]

    def download(self, dataset: str, revision: str, file: Listed) -> Path:
        wanted: dict[str, Any] = {"expected_sha256": file.sha256 or None, "file_size": file.size or None}
        return Path(self._api.download_file(dataset, "dataset", file.name, revision=revision, **wanted))


class _HuggingFace:
    name = "huggingface"
    switch = "HF_ENDPOINT"

    def __init__(self) -> None:
        from huggingface_hub import HfApi

        self._api = HfApi()
        self.where = self._api.endpoint

    def cache(self) -> Path:
        from huggingface_hub import constants

        return Path(constants.HF_HOME)

    def list_files(self, dataset: str, revision: str) -> tuple[str, list[Listed]]:
        about = self._api.dataset_info(dataset, revision=revision or None, files_metadata=True)
        found = about.siblings or ()
        files = [Listed(one.rfilename, one.size or 0, one.lfs.sha256 if one.lfs is not None else "") for one in found]
        return about.sha or revision or "main", files

    def download(self, dataset: str, revision: str, file: Listed) -> Path:
        given: dict[str, Any] = {"repo_type": "dataset", "revision": revision}
        for again in (False, True):
            path = Path(self._api.hf_hub_download(dataset, file.name, force_download=again, **given))
            if not file.sha256 or sha256_of(str(path)) == file.sha256:
                return path
        path.unlink()
        raise SetupError(f"{dataset}: {_WRONG_HASH.format(file.name)}")


_WRONG_HASH = "{} arrived with another size or hash than the hub lists, and was thrown away; run again later"
# What a hub answered, and why it did not, by words in the names of its client's errors.
_ANSWERS = {
    "NotExist|NotFound": "no such dataset on {where}; check the name, or `hf::` in front for Hugging Face",
    "Integrity|SizeMismatch": _WRONG_HASH.format("a file"),
    "Permission|Authentication|Gated": "{where} refuses it ({why}); log in with the hub's own client, then run again",
}
_SILENCE = {
    r"\b(RequestTimeoutError|TimeoutException|Timeout)\b": "it is too slow",
    r"\b(NetworkError|ConnectError|ConnectionError)\b": "no connection",
    r"\bServerError\b": "it answers with an error of its own",
}
_NOT_FETCHED = (
    "cannot be fetched from {where} ({why}); check the network or set {switch}, or give local files (--agent-source "
    "FILE --general-source FILE); what has arrived is kept, run again to resume"
)


def _answer(error: BaseException) -> str:
    """What the hub answered, "" where it did not: only then may a copy on this disk be used."""
    return _meaning(_ANSWERS, type(error).__name__)


def _meaning(table: dict[str, str], names: str) -> str:
    return next((meaning for words, meaning in table.items() if re.search(words, names)), "")


def _explained(error: BaseException, hub: _ModelScope | _HuggingFace, dataset: str) -> str:
    """One line for whatever a client raised: what happened, and what to do."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError):
        return (
            f"{dataset}: cannot store it under {hub.cache()}: {error.strerror}; free space or set another cache folder"
        )
    kinds = " ".join(kind.__name__ for kind in type(error).__mro__)
    why = _meaning(_SILENCE, kinds) or first_line(error)
    sentence = _answer(error) or _NOT_FETCHED
    return f"{dataset}: {sentence.format(where=hub.where, why=why, switch=hub.switch)}"
