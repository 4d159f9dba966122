"""An adapter merged into its base answers as base and adapter did, and nothing is half-written."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
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
    lora = LoraConfig(
        r=4, target_modules=["q_proj", "down_proj", "embed_tokens"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    with warnings.catch_warnings():  # peft warns of the very trap that is tested here
        warnings.simplefilter("ignore")
        adapted = get_peft_model(model, lora)
    adapted.save_pretrained(folder / "adapter", save_embedding_layers=False)
    return folder / "base", folder / "adapter"


def test_a_lora_on_a_tied_embedding_is_untied_before_it_is_merged(tied: tuple[Path, Path], tmp_path: Path):
    from swiftagent.export.merge import merge

    merged = merge(str(tied[0]), tied[1], tmp_path / "merged")
    assert merged.untied
    assert merged.max_difference < 1e-5
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["tie_word_embeddings"] is False
    assert {path.name for path in tmp_path.iterdir()} == {"merged"}


def test_a_merge_that_was_killed_is_gone_on_with(
    tied: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from swiftagent.export import merge as module

    out, base, adapter = tmp_path / "merged", tmp_path / "base", tied[1]
    shutil.copytree(tied[0], base)
    program = (
        "import os, sys; from pathlib import Path; from swiftagent.export import merge as m\n"
        "save_state = m.save_state\n"
        "m.save_state = lambda *facts: (save_state(*facts), os.kill(os.getpid(), 9))\n"
        "m.merge(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    killed = subprocess.run([sys.executable, "-c", program, base, adapter, out], capture_output=True)
    (left,) = tmp_path.glob(".merged.*.part")
    assert killed.returncode == -9 and not out.exists()
    saved = shutil.copytree(left, tmp_path / "saved")

    merged = module.merge(str(base), adapter, out)
    assert merged.resumed and merged.max_difference < 1e-5
    assert (out / "model.safetensors").stat().st_mtime_ns == (saved / "model.safetensors").stat().st_mtime_ns
    assert {path.name for path in tmp_path.iterdir()} == {"merged", "base", "saved"}
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")], "the marks are no part of a model"

    for spoil in (
        lambda: (left / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes()[:-9]),
        lambda: (base / "config.json").write_text((base / "config.json").read_text() + "\n"),
    ):
        shutil.rmtree(out)
        shutil.copytree(saved, left)
        spoil()
        assert not module.merge(str(base), adapter, out).resumed, "what does not fit is begun again"
        assert not left.exists()


def test_what_cannot_be_merged_leaves_nothing_behind(tied: tuple[Path, Path], tmp_path: Path):
    from swiftagent.export.merge import merge

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
    from swiftagent.export.merge import merge

    base = tmp_path / "base"
    base.mkdir()
    for file in tied[0].iterdir():
        (base / file.name).write_bytes(file.read_bytes())
    (base / "modeling.py").write_text("raise SystemExit('run')")
    with pytest.raises(SetupError, match="its own code"):
        merge(str(base), tied[1], tmp_path / "out")


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes, which quantises, is not installed"
)
@pytest.mark.filterwarnings("ignore")
def test_a_base_in_four_bits_is_dequantised_before_its_adapter_is_added(tiny_model: Path, tmp_path: Path):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    from swiftagent.export.merge import merge

    four_bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    model = AutoModelForCausalLM.from_pretrained(tiny_model, quantization_config=four_bits)
    model.save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "base")
    lora = LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, lora).save_pretrained(tmp_path / "adapter")
    merged = merge(str(tmp_path / "base"), tmp_path / "adapter", tmp_path / "merged", dtype="float32")
    assert merged.max_difference < 1e-4
    assert "quantization_config" not in json.loads((tmp_path / "merged" / "config.json").read_text())


def test_files_that_are_cut_short_are_named_before_anything_is_loaded(tied: tuple[Path, Path], tmp_path: Path):
    from swiftagent.export.merge import merge

    for number, part in enumerate(("base", "adapter")):
        copy = shutil.copytree(tied[number], tmp_path / part)
        weights = next(copy.glob("*.safetensors"))
        weights.write_bytes(weights.read_bytes()[:-50])
        base, adapter = (copy, tied[1]) if part == "base" else (tied[0], copy)
        with pytest.raises(SetupError, match="model.safetensors is cut or damaged"):
            merge(str(base), adapter, tmp_path / "out")


def test_an_adapter_of_another_base_does_not_fit(tied: tuple[Path, Path], tmp_path: Path):
    from made import make_tiny_model

    from swiftagent.export.merge import merge

    other = make_tiny_model(tmp_path / "other", hidden_size=48, num_attention_heads=2)
    with pytest.raises(SetupError, match="the adapter does not fit this base: size mismatch"):
        merge(str(other), tied[1], tmp_path / "out")
    assert not (tmp_path / "out").exists()
