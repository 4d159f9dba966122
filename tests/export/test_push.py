"""`export push` with the hubs' own clients, against a hub on this machine that takes what they really send."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from upload_hub import UploadHub

Run = Callable[..., "CompletedProcess[str]"]
TOKEN = "secret-token-9d1"
CARD = "---\nbase_model: tiny\nlicense: mit\n---\n\n# mine\n"
pytestmark = pytest.mark.needs_swift


@pytest.fixture
def hub() -> Iterator[UploadHub]:
    with UploadHub() as hub:
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An exported adapter, and a hidden file that no hub is to see."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"\x00" * 5000)
    (folder / ".cache").write_text("mine")
    return folder


@pytest.mark.parametrize("name", ["hf", "modelscope"])
def test_a_folder_is_uploaded_whole_with_its_card(
    swiftagent: Run, tmp_path: Path, hub: UploadHub, folder: Path, name: str
):
    words = ["export", "push", folder, "fern/agent", "--hub", name, "--private", "--token", TOKEN, "--json"]
    done = swiftagent(*words, env=hub.env(tmp_path))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["files"] == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    assert told["uploaded"] and told["address"].startswith(hub.url)
    assert hub.files["fern/agent"] == {file: (folder / file).read_bytes() for file in told["files"]}
    assert TOKEN in hub.tokens
    assert TOKEN not in done.stdout + done.stderr
    assert sorted(path.name for path in folder.iterdir()) == [".cache", *told["files"]]
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == []
    created = hub.created["fern/agent"]
    if name == "hf":
        assert created["visibility"] == "private"
    else:
        assert (created["Visibility"], created["License"]) == (1, "mit")


@pytest.mark.parametrize("name", ["hf", "modelscope"])
@pytest.mark.parametrize("broken", ["create", "commit", "nobody"])
def test_a_hub_that_fails_is_one_line(
    swiftagent: Run, tmp_path: Path, hub: UploadHub, folder: Path, name: str, broken: str
):
    env = hub.env(tmp_path)
    if broken == "nobody":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
        env = {**env, "MODELSCOPE_ENDPOINT": nobody, "HF_ENDPOINT": nobody}
    hub.broken = {"create": "api/repos/create" if name == "hf" else "api/v1/models"}.get(broken, broken)
    done = swiftagent("export", "push", folder, "fern/agent", "--hub", name, "--token", TOKEN, env=env)
    assert done.returncode == 4
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith(f"error: {name} did not take the upload to fern/agent: ")
    assert TOKEN not in done.stderr
    assert hub.files == {}


def test_a_dry_run_sends_nothing(swiftagent: Run, tmp_path: Path, hub: UploadHub, folder: Path):
    done = swiftagent("export", "push", folder, "fern/agent", "--dry-run", "--json", env=hub.env(tmp_path))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["uploaded"], told["bytes"], len(told["files"])) == (False, 5000 + 2 + len(CARD), 3)
    assert hub.requests == []


def test_what_is_no_export_is_refused(swiftagent: Run, tmp_path: Path, folder: Path):
    checkpoint = tmp_path / "checkpoint-3"
    checkpoint.mkdir()
    (checkpoint / "README.md").write_text(CARD)
    (checkpoint / "trainer_state.json").write_text("{}")
    bare = tmp_path / "bare"
    bare.mkdir()
    cases = [
        ([folder], 2, "name the folder and the repository"),
        ([folder, "fern"], 2, "'fern' is not OWNER/NAME"),
        ([tmp_path / "gone", "fern/agent"], 4, "gone is not a folder"),
        ([bare, "fern/agent"], 4, "holds no README.md, the model card"),
        ([checkpoint, "fern/agent"], 4, "is a run or a checkpoint"),
    ]
    for words, code, sentence in cases:
        done = swiftagent("export", "push", *words)
        assert done.returncode == code
        assert sentence in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
