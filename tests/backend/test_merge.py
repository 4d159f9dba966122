"""An adapter merged into its base answers as base and adapter did, and nothing is half-written."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from swiftagent.errors import ConfigError, SetupError

pytestmark = pytest.mark.needs_swift


@pytest.fixture(scope="module")
def tied(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tied base and a LoRA on everything, the embedding included, with weights that change its answers."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoTokenizer, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("tied")
    config = AutoConfig.from_pretrained(tiny_model)
    config.tie_word_embeddings = True
    model = Qwen2ForCausalLM(config)
    model.save_pretrained(folder / "base")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder / "base")
    lora = LoraConfig(r=4, target_modules=["q_proj", "down_proj", "embed_tokens"], init_lora_weights=False, task_type="CAUSAL_LM")
    with warnings.catch_warnings():  # peft warns of the very trap that is tested here
        warnings.simplefilter("ignore")
        adapted = get_peft_model(model, lora)
    adapted.save_pretrained(folder / "adapter", save_embedding_layers=False)
    return folder / "base", folder / "adapter"


def test_a_lora_on_a_tied_embedding_is_untied_before_it_is_merged(tied: tuple[Path, Path], tmp_path: Path):
    from swiftagent.backend.merge import merge

    merged = merge(str(tied[0]), tied[1], tmp_path / "merged")
    assert merged.untied
    assert merged.max_difference < 1e-5
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["tie_word_embeddings"] is False
    assert {path.name for path in tmp_path.iterdir()} == {"merged"}


def test_what_cannot_be_merged_leaves_nothing_behind(tied: tuple[Path, Path], tmp_path: Path):
    from swiftagent.backend.merge import merge

    base, adapter = tied
    used = tmp_path / "used"
    used.mkdir()
    (used / "mine").write_text("mine")
    cases = [
        (lambda: merge(str(tmp_path / "gone"), adapter, tmp_path / "out"), SetupError, "is not a folder here"),
        (lambda: merge(str(base), tmp_path / "gone", tmp_path / "out"), SetupError, "no complete adapter"),
        (lambda: merge(str(base), adapter, used), SetupError, "not empty"),
        (lambda: merge(str(base), adapter, tmp_path / "out", dtype="int3"), ConfigError, "--dtype int3"),
        (lambda: merge(str(base), adapter, Path("/proc/out")), SetupError, "/proc has 0.0 kB free"),
        (lambda: merge(str(base), adapter, Path("/dev/null/out")), SetupError, "cannot write"),
    ]
    for attempt, kind, sentence in cases:
        with pytest.raises(kind, match=sentence):
            attempt()
    assert (used / "mine").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


def test_a_model_that_brings_code_is_not_loaded(tied: tuple[Path, Path], tmp_path: Path):
    from swiftagent.backend.merge import merge

    base = tmp_path / "base"
    base.mkdir()
    for file in tied[0].iterdir():
        (base / file.name).write_bytes(file.read_bytes())
    (base / "modeling.py").write_text("raise SystemExit('run')")
    with pytest.raises(SetupError, match="its own code"):
        merge(str(base), tied[1], tmp_path / "out")
