"""The estimate's parameter, gradient and optimizer bytes are torch's own, counted on a model that is small enough to
make."""

from __future__ import annotations

from typing import Any

import pytest

from swiftagent.models.known import shape_of
from swiftagent.train.estimates import estimate

pytestmark = [pytest.mark.needs_swift, pytest.mark.filterwarnings("ignore")]
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def torch_model(family: str, tied: bool) -> Any:
    import transformers

    text = "Text" if family == "Gemma3" else ""
    config = getattr(transformers, f"{family}{text}Config")(
        vocab_size=300, tie_word_embeddings=tied, head_dim=8, **SIZES
    )
    return getattr(transformers, f"{family}ForCausalLM")(config)


def size(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ["Qwen2", "Qwen3", "Llama", "Gemma3"])
def test_full_training(family: str, tied: bool):
    import torch

    model = torch_model(family, tied)
    options = {"tuner_type": "full", "torch_dtype": "float32", "gradient_checkpointing": False}
    found = estimate(shape_of(model.config.to_dict()), options, length=8, gpus=1)
    optimizer = torch.optim.AdamW(model.parameters())
    model(input_ids=torch.ones(1, 8, dtype=torch.long), labels=torch.ones(1, 8, dtype=torch.long)).loss.backward()
    optimizer.step()
    parameters = list(model.parameters())
    moments = [state[name] for state in optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")]
    assert found.weights == size(parameters)
    assert found.gradients == size(parameter.grad for parameter in parameters)
    assert found.optimizer == size(moments)


@pytest.mark.parametrize("targets", [["all-linear"], ["all-linear", "all-embedding"], ["q_proj", "v_proj"]])
def test_lora(targets: list[str]):
    from peft import LoraConfig, get_peft_model

    model = torch_model("Qwen2", tied=False)
    shape = shape_of(model.config.to_dict())
    linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    names = {"all-linear": linear, "all-embedding": ["embed_tokens"]}
    modules = [module for target in targets for module in names.get(target, [target])]
    peft = get_peft_model(model, LoraConfig(r=4, target_modules=modules))
    trained = [parameter for parameter in peft.parameters() if parameter.requires_grad]
    options = {"lora_rank": 4, "target_modules": targets, "torch_dtype": "float32", "gradient_checkpointing": False}
    found = estimate(shape, options, length=8, gpus=1)
    assert found.trainable == sum(parameter.numel() for parameter in trained)
    assert (found.adapters, found.gradients) == (size(trained), size(trained))
