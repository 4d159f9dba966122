"""The shipped tables are what the installed ms-swift says of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from swiftagent.train import options


@pytest.mark.needs_swift
@pytest.mark.filterwarnings("ignore")
def test_shipped_tables_equal_the_class(root: Path):
    import swift

    shipped = json.loads((root / "swiftagent/train/options.json").read_text())["ms_swift"]
    if shipped != swift.__version__:
        pytest.skip(f"the table is of ms-swift {shipped}, installed is {swift.__version__}")
    done = subprocess.run([sys.executable, root / "scripts/option_tables", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_another_version_may_know_more_and_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(options, "_other_version", lambda: "4.6.9")
    assert options.check_value("model_type", "brand_new")[1] == ""
    assert options.check_value("lora_bias", "al")[1].endswith("did you mean all?")
    said = "lora_rnak: unknown key of ms-swift 4.6.0, and 4.6.9 is installed, did you mean lora_rank?"
    assert options.unknown_key("lora_rnak", options.options()) == said
    assert options.unknown_key("adaptors", options.options()).endswith("did you mean adapters?")
