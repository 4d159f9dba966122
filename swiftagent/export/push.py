"""An exported folder uploaded to ModelScope or Hugging Face by the hub's own client, its model card among the files."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.backend.template import first_line
from swiftagent.errors import ConfigError, SetupError

MESSAGE = "Upload by swiftagent"


class Upload(msgspec.Struct):
    """What went where; with --dry-run, what would go. `files` are paths inside the repository."""

    hub: str
    repository: str
    address: str
    files: list[str]
    bytes: int
    uploaded: bool = False


def push(folder: Path, repository: str, hub: str, *, private: bool, token: str | None, dry_run: bool = False) -> Upload:
    """Create the repository where it is missing and upload a folder. `token`: else the client's own login.

    Raises ConfigError for a name that is not OWNER/NAME, SetupError for a folder that is not an export and
    where the hub refuses.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise ConfigError(f"export push: {repository!r} is not OWNER/NAME")
    files = _files(folder)
    upload = Upload(hub, repository, "", files, sum((folder / name).stat().st_size for name in files))
    if dry_run:
        return upload
    import httpx
    from modelscope_hub.errors import HubError

    try:
        with _quiet_clients():
            upload.address = _CLIENTS[hub](folder, repository, files, private, token)
    # Those of requests are OSErrors.
    except (HubError, httpx.HTTPError, OSError, ValueError, RuntimeError) as error:
        raise SetupError(f"{hub} did not take the upload to {repository}: {_first_line(error, token)}") from None
    upload.uploaded = True
    return upload


def _files(folder: Path) -> list[str]:
    """What is uploaded: everything but hidden files, such as the clients' own caches."""
    remedy = "make one with `swiftagent export merge` or `swiftagent export adapter` first"
    if not folder.is_dir():
        raise SetupError(f"{folder} is not a folder; {remedy}")
    if (folder / "trainer_state.json").exists() or (folder / "run.json").exists():
        raise SetupError(f"{folder} is a run or a checkpoint, with its optimizer and local paths; {remedy}")
    # Sorted, so that --dry-run lists them alike on every machine.
    paths = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    files = [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
    if "README.md" not in files:
        raise SetupError(f"{folder} holds no README.md, the model card; {remedy}")
    return files


def _to_hugging_face(folder: Path, repository: str, files: list[str], private: bool, token: str | None) -> str:
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    address = api.create_repo(repository, private=private, exist_ok=True)
    api.upload_folder(repo_id=repository, folder_path=str(folder), allow_patterns=files, commit_message=MESSAGE)
    return str(address)


def _to_modelscope(folder: Path, repository: str, files: list[str], private: bool, token: str | None) -> str:
    from modelscope.hub import api as modelscope_api
    from modelscope_hub.errors import StorageError

    # Not login(), which would write the token to this machine's disk.
    api = modelscope_api.HubApi(token=token)
    # The client calls every new repository Apache-2.0 unless it gets another licence; the model card names it.
    named = re.search(r"^license: *(\S+)", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    names = {"license": named[1] if named else "other", "visibility": "private" if private else "public"}
    api.create_repo(repository, repo_type="model", exist_ok=True, **names)
    reasons: list[str] = []
    options: dict[str, Any] = {"use_cache": False, "disable_tqdm": not sys.stderr.isatty()}
    options["progress_callback"] = lambda event: reasons.append(event.get("error") or "")
    try:
        api.upload_folder(repository, str(folder), allow_patterns=files, commit_message=MESSAGE, **options)
    # Which counts the files and does not say why.
    except StorageError as error:
        raise StorageError(next(filter(None, reasons), str(error))) from error
    return f"{api.endpoint}/models/{repository}"


_CLIENTS = {"hf": _to_hugging_face, "modelscope": _to_modelscope}


def _first_line(error: Exception, token: str | None) -> str:
    """The client's first sentence, without the token should it repeat that."""
    text = first_line(error).rstrip(".")
    if token:
        text = text.replace(token, "***")
    advice = "; check the name, and the token with --token or the client's own login"
    return f"{text}{advice if re.search(r'40[134]', text) else ''}"


@contextmanager
def _quiet_clients() -> Iterator[None]:
    """Silence stdout and logs of the clients: their errors say the same."""
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
