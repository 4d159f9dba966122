"""What a run needs, estimated from shapes: memory of one GPU in bytes (weights, adapters, gradients, optimizer,
activations), steps, tokens and hours."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.io.yaml_file import plain_value
from swiftagent.models.files import read_object
from swiftagent.models.known import ModelShape
from swiftagent.train.options import TABLES

GB = 1_000_000_000
CUDA_CONTEXT = 0.6 * GB  # what a process takes before its first tensor, with cuBLAS workspaces
ALLOCATOR = 0.05  # share of all tensors that torch's allocator holds besides, in blocks that fit none
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Bytes a weight, with block scales (double quantization for 4 bits).
QUANTIZED = {4: 0.5 + 1 / 64 * 1.03, 8: 1.0 + 1 / 64}
LOGITS = 10  # bytes a logit at its peak: bfloat16, its float32 copy and its gradient
# Bytes a logit that `method: self-distill` adds on chat: those of the base in bfloat16, and what the divergence of the
# two keeps in float32 (30 in all where plain cross-entropy takes 14, as the peak of a CPU process shows).
LOGITS_OF_BASE = 16
MASK = 3  # bytes for each pair of tokens of a block mask: truth values, and what the kernel makes of them
OFFLOADED = 16  # bytes a trained weight that offloading keeps: float32 weight, two moments and gradient
LIVE = 1_000_000_000  # weights that ms-swift's zero3_offload has on a GPU at once
CHUNK = 1024  # tokens whose logits exist at once where the loss is computed in chunks
ATTENTION, MLP = 10, 4  # tensors of a layer's inside, in hidden and intermediate sizes, that backward needs
OTHER_GPU, ONE_CPU = 100, 0.05
USED = 0.35  # share of the arithmetic that fine-tuning reaches


class MemoryEstimate(msgspec.Struct, frozen=True):
    """Bytes on each GPU, by what holds them, and the parameter counts they come from."""

    parameters: int
    trainable: int
    weights: float
    adapters: float
    gradients: float
    optimizer: float
    activations: float
    overhead: float
    total: float
    host: float = 0.0  # of the machines' own memory, all together, where DeepSpeed offloads to it


def estimate(
    shape: ModelShape, options: dict[str, Any], *, length: int, gpus: int, by_tokens: bool = False,
    distilled: bool = False,
) -> MemoryEstimate:  # fmt: skip
    """`options` are ms-swift's own, as planned; `length` the tokens of the longest row, or `by_tokens` those of a
    micro-step; `gpus` all of the run; `distilled`: the base's logits are held beside the model's own."""
    full = options.get("tuner_type", "lora") == "full"
    dtype = BYTES.get(str(options.get("torch_dtype", "bfloat16")), 2)
    trainable = shape.parameters if full else adapter_parameters(shape, options)
    stage, states_out, weights_out = zero(options)
    weights = _weight_bytes(shape, options, dtype)
    # DeepSpeed keeps a float32 master beside two moments; without it the moments have the type of what is trained.
    kept = dtype if full else BYTES[str(options.get("lora_dtype") or "float32")]
    optim = str(options.get("optim", ""))
    moments = 0 if re.search("adafactor|lomo|sgd|galore", optim) else 2 if re.search("[48]bit", optim) else 2 * kept
    optimizer = trainable * (12 if stage and kept == 2 else moments)
    gradients = trainable * kept
    share = max(1, gpus)
    host = trainable * OFFLOADED * (states_out == "cpu") + weights * (weights_out == "cpu")
    tensors = {
        "weights": min(weights, 2 * LIVE) if weights_out else weights / share if stage >= 3 else weights,
        "adapters": 0 if full else trainable * kept / (share if stage >= 3 else 1),
        "gradients": gradients / (share if stage >= 2 else 1),
        "optimizer": 0 if states_out else optimizer / (share if stage >= 1 else 1),
        "activations": _activation_bytes(shape, options, length, by_tokens, distilled),
    }
    held = sum(tensors.values())
    overhead = CUDA_CONTEXT + ALLOCATOR * held
    return MemoryEstimate(shape.parameters, trainable, **tensors, overhead=overhead, total=held + overhead, host=host)


def recomputes(options: dict[str, Any]) -> bool:
    """Whether activations are recomputed: unless the options say otherwise, ms-swift does."""
    return options.get("gradient_checkpointing") is not False


def _activation_bytes(shape: ModelShape, options: dict[str, Any], length: int, by_tokens: bool, both: bool) -> float:
    """What backward needs, in bfloat16: every layer's inside, or each layer's input and one inside; and the logits."""
    tokens = length if by_tokens else length * int(options.get("per_device_train_batch_size", 1))
    inside = tokens * 2 * (ATTENTION * shape.hidden + MLP * shape.intermediate)
    layers = shape.layers * tokens * 2 * shape.hidden + inside if recomputes(options) else shape.layers * inside
    mask = MASK * tokens**2 if by_tokens and options.get("attn_impl") == "sdpa" else 0
    # A divergence needs the logits that chunks never put together.
    at_once = min(tokens, CHUNK) if by_tokens and not both else tokens
    return float(layers + mask + at_once * shape.vocabulary * (LOGITS + (LOGITS_OF_BASE if both else 0)))


def adapter_parameters(shape: ModelShape, options: dict[str, Any]) -> int:
    """LoRA's own parameters; other tuners are counted as LoRA of the same rank."""
    rank = int(options.get("lora_rank", 8))
    targets = options.get("target_modules") or ["all-linear"]
    chosen = [linear for linear in shape.linears if "all-linear" in targets or linear.name in targets]
    count = sum(linear.count * rank * (linear.rows + linear.columns) for linear in chosen)
    if {"all-embedding", "embed_tokens"} & set(targets):
        count += rank * (shape.vocabulary + shape.hidden)
    return count


def zero(options: dict[str, Any]) -> tuple[int, str, str]:
    """Of DeepSpeed, by a mapping, JSON, a file or ms-swift's name ("zero3_offload"): its stage, 1, 2 or 3, or 0 where
    every GPU holds everything; and where outside the GPUs the optimizer's states, and the weights, are kept: "cpu",
    "nvme" or "". FSDP shards like stage 3."""
    if options.get("fsdp"):
        return 3, "", ""
    named = options.get("deepspeed") or ""
    if found := re.fullmatch(r"zero(\d)(_offload)?", str(named)):
        return int(found[1]), "cpu" if found[2] else "", "cpu" if found[0] == "zero3_offload" else ""
    text = str(named).lstrip()
    mapping = named if isinstance(named, dict) else plain_value(text) if text[:1] == "{" else read_object(Path(text))
    chosen = _inner(mapping, "zero_optimization")
    devices = [str(_inner(chosen, f"offload_{what}").get("device", "none")) for what in ("optimizer", "param")]
    states, weights = ("" if device == "none" else device for device in devices)
    stage = chosen.get("stage")
    return stage if isinstance(stage, int) else 0, states, weights


def _inner(mapping: Any, name: str) -> dict[str, Any]:
    found = mapping.get(name) if isinstance(mapping, dict) else None
    return found if isinstance(found, dict) else {}


def _weight_bytes(shape: ModelShape, options: dict[str, Any], dtype: int) -> float:
    bits = int(options.get("quant_bits") or (8 if options.get("quant_method") == "fp8" else shape.bits))
    if not bits:
        return float(shape.parameters * dtype)
    embeddings = (1 if shape.tied else 2) * shape.vocabulary * shape.hidden
    linears = sum(linear.count * linear.rows * linear.columns for linear in shape.linears)
    # What was quantized before may be a mixture of experts; what is quantized now are the linear layers.
    quantized = shape.parameters - embeddings if shape.bits else linears
    return quantized * QUANTIZED.get(bits, bits / 8 + 1 / 64) + (shape.parameters - quantized) * dtype


class Effort(msgspec.Struct, frozen=True):
    """Estimates but for `steps`, which is exact where the rows are."""

    steps: int
    tokens: int
    hours: float


def effort(
    shape: ModelShape | None, options: dict[str, Any], *, rows: int, tokens: int, sequences: int, gpus: list[str]
) -> Effort:  # fmt: skip
    """`tokens` of one epoch, `sequences` a step; `gpus` are the names of all that train, [] for a CPU."""
    epochs = float(options.get("num_train_epochs", 3))
    steps_an_epoch = max(1, math.ceil(rows / sequences))
    limit = int(options.get("max_steps", -1))
    steps = limit if limit > 0 else math.ceil(steps_an_epoch * epochs)
    seen = int(tokens * steps / steps_an_epoch)
    if shape is None:
        return Effort(steps, seen, 0.0)
    work = seen * operations(shape, options)
    speed = sum(teraflops(name) for name in gpus) or ONE_CPU
    return Effort(steps, seen, work / (speed * 1e12 * USED) / 3600)


def operations(shape: ModelShape, options: dict[str, Any]) -> float:
    """Of training a token, without attention: forward 2 a parameter, backward by activations 2, by weights 2 where they
    are trained, forward again where it is recomputed."""
    trained = shape.parameters if options.get("tuner_type") == "full" else adapter_parameters(shape, options)
    return float(4 * shape.parameters + 2 * trained + (2 * shape.parameters if recomputes(options) else 0))


def teraflops(gpu: str) -> float:
    """Of a GPU by its name, as nvidia-smi gives it."""
    return next((known["teraflops"] for name, known in TABLES["gpus"].items() if name in gpu), OTHER_GPU)


def mfu(shape: ModelShape, tokens_per_second: float, gpus: list[str]) -> float | None:
    """Model FLOPs utilisation: 6 operations a parameter and token, recomputation not counted, as a share of the data
    sheets' arithmetic (Chowdhery et al., 2022, appendix B, without attention). None without a GPU."""
    peak = sum(teraflops(name) for name in gpus) * 1e12
    return 6 * shape.parameters * tokens_per_second / peak if peak else None
