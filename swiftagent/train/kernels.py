"""Which attention a run uses, and whether its steps may be cut by tokens: decided from the machine's packages and the
options, nothing imported."""

from __future__ import annotations

from typing import Any

import msgspec

from swiftagent.io.shipped import user_folder
from swiftagent.train.inputs import Inputs
from swiftagent.train.machine import Machine

# What `train/plugin` takes hold of in these packages was tried on these versions.
TRIED = {"ms-swift": ("4.6.",), "transformers": ("5.17.", "5.19.")}
TORCH_VARLEN = (2, 10)  # torch.nn.attention.varlen
CPU_BUDGET = 1  # a sequence at a time: on a CPU, batches only add padding
# Options under which steps stay batches of sequences, and why.
BY_SEQUENCES = {
    "streaming": "streaming reads rows as they come",
    "lazy_tokenize": "lazy_tokenize knows no lengths beforehand",
    "packing": "packing cuts the rows itself",
    "group_by_length": "group_by_length orders the rows itself",
    "dataloader_drop_last": "dataloader_drop_last drops batches of sequences",
    "label_smoothing_factor": "label smoothing takes the mean of each batch",
    "enable_dft_loss": "the DFT loss needs all logits",
    "predict_with_generate": "predict_with_generate evaluates by batches",
    "eval_metric": "eval_metric needs all logits",
    "loss_type": "loss_type is a loss of its own",
    "router_aux_loss_coef": "the router's loss depends on the batch",
    "deepspeed_autotp_size": "tensor parallelism shares the rows between GPUs",
    "cached_dataset": "cached_dataset was not tried with it",
}


class Attention(msgspec.Struct, frozen=True):
    """An attention that keeps sequences of one row apart: its name for ms-swift, and the line that reports it."""

    name: str
    why: str


def reason_for_sequences(inputs: Inputs, options: dict[str, Any], *, one_by_one: bool) -> str:
    """Why steps stay batches of sequences; "" where they can be cut by tokens. `one_by_one` needs no attention that
    keeps sequences apart."""
    if inputs.config.micro_batch == "sequences":
        return "micro_batch: sequences"
    if unknown := untried(inputs.machine):
        return f"cutting steps by tokens was not tried on {unknown}"
    for name, reason in BY_SEQUENCES.items():
        if options.get(name):
            return reason
    if int(options.get("sequence_parallel_size", 1)) > 1:
        return "sequence_parallel_size shares each sequence between GPUs"
    if options.get("task_type", "causal_lm") != "causal_lm" or options.get("truncation_strategy") == "split":
        return "only fine-tuning of whole rows is cut by tokens"
    return "" if one_by_one else _reason_for_padding(inputs, options)


def _reason_for_padding(inputs: Inputs, options: dict[str, Any]) -> str:
    if options.get("padding_free") is False:
        return "padding_free: false"
    if inputs.model.multimodal:
        return "images and their text are kept in batches"
    if inputs.shape is None or not inputs.shape.full_attention:
        return f"{inputs.config.model} is not known to have full causal attention in every layer"
    return ""


def untried(machine: Machine) -> str:
    """The first package whose version the plugin was not tried on, with its version; "" where there is none."""
    for package, prefixes in TRIED.items():
        version = machine.packages.get(package, "")
        if version and not version.startswith(prefixes):
            return f"{package} {version}"
    return ""


def choose_attention(machine: Machine) -> Attention:
    """The fastest attention without padding that this machine has; torch's own with a block mask needs nothing."""
    capability = min((gpu.capability for gpu in machine.gpus), default=(0, 0))
    if capability >= (9, 0) and machine.has("flash-attn-3"):
        return Attention("flash_attention_3", "flash-attn-3 is installed")
    if capability >= (8, 0) and machine.has("flash-attn"):
        return Attention("flash_attn", "flash-attn is installed")
    if capability >= (8, 0) and machine.has("kernels") and _kernel_on_disk():
        return Attention("kernels-community/flash-attn2", "a build for `kernels` is on disk")
    if capability >= (9, 0) and machine.has("flash-attn-4"):
        return Attention("flash_attention_4", "flash-attn-4 is installed")
    if capability >= (8, 0) and _at_least(machine.packages.get("torch", ""), TORCH_VARLEN):
        return Attention("swiftagent_varlen", "torch's own for sequences of any length")
    return Attention("sdpa", "torch's own with a block mask")


def _kernel_on_disk() -> bool:
    folder = user_folder("HF_HOME", ".cache/huggingface") / "hub" / "models--kernels-community--flash-attn2"
    return folder.is_dir()


def _at_least(version: str, wanted: tuple[int, int]) -> bool:
    digits = version.split(".")[:2]
    return len(digits) == 2 and all(part.isdigit() for part in digits) and tuple(map(int, digits)) >= wanted
