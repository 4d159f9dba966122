"""Nothing in a model folder is run by loading it, and the tokens of its tokenizer are escaped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from swiftagent.errors import SetupError
from swiftagent.trajectory.escape import has_control_token

pytestmark = pytest.mark.needs_swift


@pytest.fixture
def model(tmp_path: Path, tiny_model: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def evil(tmp_path: Path) -> tuple[Path, Path]:
    """(a Python file, the file that it writes when it is run)."""
    code, mark = tmp_path / "elsewhere" / "evil.py", tmp_path / "was-run"
    code.parent.mkdir()
    code.write_text(f"open({str(mark)!r}, 'w').write('x')\n")
    return code, mark


def test_the_plugins_that_a_checkpoint_names_are_not_imported(model: Path, tmp_path: Path):
    from swiftagent.backend.template import open_trainer

    code, mark = evil(tmp_path)
    named = {
        "external_plugins": [str(code)],
        "custom_register_path": [str(code)],
        "template": "chatml",
        "model_type": "qwen2",
    }
    (model / "args.json").write_text(json.dumps(named))
    with open_trainer(str(model)) as trainer:
        assert trainer.template_name == "chatml"
    assert not mark.exists()


def test_an_adapter_with_code_is_refused_before_it_is_loaded(model: Path, tmp_path: Path):
    from swiftagent.backend.engine import load_engine

    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"r": 4}')
    (adapter / "adapter_model.bin").write_bytes(b"x")
    with pytest.raises(SetupError, match="adapter: this model brings its own code .weights as a pickle"):
        load_engine(str(model), str(adapter), template="qwen2_5")


def test_pickles_beside_safetensors_are_not_opened_and_alone_are_refused(
    model: Path, tmp_path: Path, swiftagent: Callable[..., object]
):
    from swiftagent.backend.engine import load_engine

    (model / "pytorch_model.bin").write_bytes(b"not a pickle")
    engine = load_engine(str(model), template="qwen2_5")
    assert engine.model is not None
    (model / "model.safetensors").unlink()
    with pytest.raises(SetupError, match="weights as a pickle"):
        load_engine(str(model), template="qwen2_5")


def test_the_tokens_of_a_loaded_tokenizer_are_escaped(model: Path):
    from swiftagent.backend.loading import Loading
    from swiftagent.backend.template import checked

    assert not has_control_token("<zy_token>")
    (model / "added_tokens.json").write_text('{"<zy_token>": 9000}')
    checked(Loading(str(model), template="qwen2_5"))
    assert has_control_token("<zy_token>")
