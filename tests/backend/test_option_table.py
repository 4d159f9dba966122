"""The shipped tables are what the installed ms-swift says of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from swiftagent.train import options

pytestmark = pytest.mark.needs_swift


@pytest.mark.filterwarnings("ignore")
def test_shipped_tables_equal_the_class():
    import swift

    from swiftagent.backend import option_table

    shipped = json.loads(option_table.TABLE.read_text())
    if shipped["ms_swift"] != swift.__version__:
        pytest.skip(f"the table is of ms-swift {shipped['ms_swift']}, installed is {swift.__version__}")
    assert option_table.build_table() == shipped
    # In a process of its own: other tests register models of theirs.
    code = "import json; from swiftagent.backend import option_table; print(json.dumps(option_table.build_models()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads(option_table.MODELS.read_text())


@pytest.mark.filterwarnings("ignore")
def test_words_equal_what_ms_swift_takes():
    import swift
    from swift.loss_scale.base import ALL_BASE_STRATEGY
    from swift.loss_scale.mapping import loss_scale_map
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    presets = {path.stem for path in (Path(swift.__file__).parent / "config").glob("*.json")}
    words = {name: set(known) for name, known in options.WORDS.items()}
    assert words["deepspeed"] | words["fsdp"] == presets
    assert words["loss_scale"] == {*ALL_BASE_STRATEGY, *loss_scale_map} - {"react"}
    assert words["report_to"] == {*INTEGRATION_TO_CALLBACK, "none", "all"}


def test_another_version_is_read_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(options, "_installed_version", lambda: "99.0")
    options.options.cache_clear()
    try:
        assert options.options()["learning_rate"].kinds == ("float",)
        (kept,) = tmp_path.rglob("*.json")
        assert kept.name == "trainer_options-99.0.json"
    finally:
        options.options.cache_clear()
