"""Faults of a model folder are named before anything is loaded."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from swiftagent.models.files import (
    CODE_KEYS,
    adapter_problems,
    known_parts,
    model_problems,
    own_code,
    own_tokens,
    safetensors_fault,
)


def tensors(path: Path, cut: int = 0) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    body = struct.pack("<Q", len(header)) + header + bytes(16)
    path.write_bytes(body[: len(body) - cut])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "qwen2"}')
    (folder / "tokenizer.json").write_text('{"a": 1}')
    tensors(folder / "model.safetensors")
    return folder


def said(model: Path, **settings: bool) -> list[str]:
    return [
        line.partition(f"model: {model}: ")[2]
        for line in model_problems(str(model), "a.yaml:1", **{"trust_remote_code": False, **settings})
    ]


def test_a_whole_model_has_no_problems(model: Path):
    assert said(model) == []


def test_a_missing_tokenizer_is_named(model: Path):
    (model / "tokenizer.json").unlink()
    assert said(model) == ["no tokenizer in it (tokenizer.json or tokenizer.model); copy it from the base model"]


def test_cut_weights_are_named(model: Path):
    tensors(model / "model.safetensors", cut=5)
    assert said(model)[0].startswith("model.safetensors is cut or damaged (incomplete")


def test_a_missing_shard_is_named(model: Path):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert said(model) == ["1 of 2 weight files are missing (model-00002-of-00002.safetensors); download them again"]


@pytest.mark.parametrize("key", CODE_KEYS)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "generation_config.json", "deep/er/own.json"])
def test_a_reference_to_code_is_refused_unless_trusted(model: Path, name: str, key: str):
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_text(json.dumps({"inner": [{key: {"AutoModel": "other/repository--modeling.X"}}]}))
    assert said(model) == [
        f"holds code of its own ({key} in {name}), which loading would run; trust_remote_code: true allows it"
    ]
    assert said(model, trust_remote_code=True) == []


@pytest.mark.parametrize("name", ["modeling.py", "custom_generate/generate.py", "a/b/.c/D.PY"])
def test_a_python_file_anywhere_is_refused_unless_trusted(model: Path, name: str):
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_text("print('run')")
    assert own_code(model) == name
    assert said(model, trust_remote_code=True) == []


def test_code_behind_a_linked_folder_is_found_and_a_loop_of_links_ends(model: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "generate.py").write_text("")
    (model / "loop").symlink_to(model)
    assert own_code(model) == ""
    (model / "custom_generate").symlink_to(tmp_path / "elsewhere")
    assert own_code(model) == "custom_generate/generate.py"


def test_an_unset_reference_is_not_one(model: Path):
    (model / "generation_config.json").write_text('{"custom_generate": null, "auto_map": {}}')
    assert own_code(model) == ""


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pth", "adapter_model.bin"])
def test_weights_that_are_pickles_alone_are_refused_unless_trusted(model: Path, name: str):
    (model / name).write_bytes(b"")
    assert own_code(model) == ""  # not opened beside safetensors
    (model / "model.safetensors").rename(model / "decoy.safetensors")  # a name that no loader looks for
    assert own_code(model) == f"weights as a pickle, {name}, and not as safetensors"
    assert said(model, trust_remote_code=True) == []


def test_an_index_of_safetensors_that_names_a_pickle_is_refused(model: Path):
    (model / "model.safetensors.index.json").write_text('{"weight_map": {"a": "weights.bin"}}')
    (model / "weights.bin").write_bytes(b"")
    assert own_code(model) == "weights as a pickle, weights.bin, and not as safetensors"


def test_a_folder_without_a_model_is_one_problem(tmp_path: Path):
    assert said(tmp_path) == ["no config.json in it; download the model again, whole"]


def test_a_gguf_is_one_problem_whatever_lies_beside_it(model: Path):
    (model / "model-q4.gguf").write_bytes(b"GGUF")
    assert said(model) == []  # its safetensors are trained
    (model / "model.safetensors").unlink()
    (fault,) = said(model)
    assert fault.startswith("a GGUF, which is made to run")
    for name in ("owner/Model-7B-GGUF", "nowhere.gguf", str(model / "model-q4.gguf")):
        (problem,) = model_problems(name, "x", trust_remote_code=False)
        assert f"model: {name}: a GGUF" in problem


def test_the_parts_of_a_model_are_those_of_its_tensors(model: Path):
    tensors(model / "model-2.safetensors")
    assert known_parts(model) == {"a"}
    (model / "model-2.safetensors").unlink()
    tensors(model / "model.safetensors", cut=5)
    assert known_parts(model) == set()


def test_a_hub_id_is_believed_and_a_missing_folder_is_not():
    assert model_problems("Qwen/Qwen3-8B", "x", trust_remote_code=False) == []
    assert model_problems("./nowhere", "a.yaml:1", trust_remote_code=False) == [
        "a.yaml:1: model: ./nowhere: no such folder, and no hub id (owner/name) either"
    ]


def test_an_adapter_of_another_base_is_refused(tmp_path: Path):
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "Qwen/Qwen2.5-7B-Instruct"}')
    assert adapter_problems(str(tmp_path), "owner/qwen2.5-7b-instruct", "a.yaml:2") == [
        f"a.yaml:2: adapters: {tmp_path}: no weights in it (*.safetensors); download it again, whole"
    ]
    tensors(tmp_path / "adapter_model.safetensors")
    assert adapter_problems(str(tmp_path), "Qwen/Qwen3-8B", "a.yaml:2") == [
        f"a.yaml:2: adapters: {tmp_path}: trained on Qwen/Qwen2.5-7B-Instruct, not on Qwen/Qwen3-8B; "
        "give model: Qwen/Qwen2.5-7B-Instruct"
    ]
    assert adapter_problems(str(tmp_path), "/cache/Qwen2___5-7B-Instruct", "x") == []


def test_an_adapter_of_another_base_of_the_same_name_is_refused(tmp_path: Path):
    for place, layers in (("mine", 4), ("moved", 4), ("other", 9)):
        (tmp_path / place / "model").mkdir(parents=True)
        (tmp_path / place / "model" / "config.json").write_text(
            json.dumps({"model_type": "qwen2", "num_hidden_layers": layers})
        )
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    tensors(adapter / "adapter_model.safetensors")
    (adapter / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(tmp_path / "mine" / "model")})
    )
    assert adapter_problems(str(adapter), str(tmp_path / "moved" / "model"), "a.yaml:1") == []
    (problem,) = adapter_problems(str(adapter), str(tmp_path / "other" / "model"), "a.yaml:1")
    assert "trained on" in problem


def test_a_file_that_is_no_safetensors_is_unreadable(tmp_path: Path):
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", 4) + b"{no}" + bytes(8))
    assert safetensors_fault(tmp_path / "x.safetensors").startswith("cut or damaged (key must be a string")


@pytest.mark.parametrize("name", ["modeling.py", "deep/custom_generate/generate.PY", "adapter_model.bin"])
def test_an_adapter_with_code_of_its_own_is_refused_unless_trusted(tmp_path: Path, name: str):
    (tmp_path / "adapter_config.json").write_text('{"r": 4}')
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("x")
    if name != "adapter_model.bin":
        tensors(tmp_path / "adapter_model.safetensors")
    (problem,) = adapter_problems(str(tmp_path), "m", "a.yaml:2")
    assert "holds code of its own (" in problem and Path(name).name in problem
    assert adapter_problems(str(tmp_path), "m", "a.yaml:2", trust_remote_code=True) == []


def test_the_pickles_of_a_finished_run_are_no_code_of_its_adapter(tmp_path: Path):
    tensors(tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text('{"megatron_config": null}')
    for name in ("training_args.bin", "optimizer.pt", "rng_state_0.pth"):
        (tmp_path / name).write_bytes(b"x")
    assert adapter_problems(str(tmp_path), "m", "a.yaml:2") == []


def test_the_tokens_of_a_tokenizer_are_read_from_its_files(tmp_path: Path):
    (tmp_path / "tokenizer.json").write_text('{"added_tokens": [{"id": 1, "content": "<a>"}]}')
    decoder = {"added_tokens_decoder": {"2": {"content": "<b>"}}, "additional_special_tokens": ["<c>", 7]}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(decoder))
    (tmp_path / "added_tokens.json").write_text('{"<d>": 4}')
    (tmp_path / "special_tokens_map.json").write_text('{"eos_token": {"content": "<e>"}, "more": ["<f>"]}')
    assert own_tokens(tmp_path) == {"<a>", "<b>", "<c>", "<d>", "<e>", "<f>"}
    assert own_tokens(tmp_path / "missing") == set()
