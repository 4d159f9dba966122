"""What the launcher leaves for the training process: `plugin.json` in the run folder, which is the trainer's
output_dir."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from swiftagent.models.files import read_object


def run_folder() -> Path:
    """The run's folder, read from the words that ms-swift was started with."""
    return Path(sys.argv[sys.argv.index("--output_dir") + 1])


def settings() -> dict[str, Any]:
    """The launcher's settings; {} where it left none."""
    return read_object(run_folder() / "plugin.json")
