"""Runs llama.cpp's convert_hf_to_gguf.py as a program of its own: `gguf_converter.py CONVERTER_FOLDER [its arguments]`.

The converter knows a tokenizer by the hash of some tokens, so one with Qwen's pre-tokenizer and another vocabulary (a
small model's) is unknown to it. Such a one is named by its pre-tokenizer's own pattern instead.
"""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from pathlib import Path
from typing import Any

# What llama.cpp implements under a name, by the split pattern that tokenizer.json gives.
_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {_PATTERN.replace("%s", ""): "qwen2", _PATTERN.replace("%s", "{1,3}"): "llama-bpe"}


def pre_tokenizer(folder: Path) -> str | None:
    """llama.cpp's name of the pre-tokenizer in a tokenizer.json, by its pattern."""
    stages = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")).get("pre_tokenizer") or {}
    for stage in stages.get("pretokenizers", [stages]):
        pattern = stage.get("pattern", {})
        if isinstance(pattern, dict) and pattern.get("Regex") in PATTERNS:
            return PATTERNS[pattern["Regex"]]
    return None


def main() -> None:
    converter, folder = Path(sys.argv[1]), Path(sys.argv[2])
    # This folder, whose modules must not shadow packages.
    sys.path.pop(0)
    sys.path[:0] = [str(converter), str(converter / "gguf-py")]
    model: Any = importlib.import_module("conversion.base").TextModel
    by_hash = model.get_vocab_base_pre

    def by_hash_or_pattern(self: Any, tokenizer: Any) -> str:
        try:
            return str(by_hash(self, tokenizer))
        except NotImplementedError:
            if name := pre_tokenizer(folder):
                return name
            raise

    model.get_vocab_base_pre = by_hash_or_pattern
    sys.argv = [str(converter / "convert_hf_to_gguf.py"), *sys.argv[2:]]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
