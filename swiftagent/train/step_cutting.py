"""Whether and how the steps of a run are cut by tokens, on the machine and with the options that it has."""

from __future__ import annotations

from typing import Any

import msgspec

from swiftagent.train.inputs import Inputs
from swiftagent.train.kernels import CPU_BUDGET, choose_attention, reason_for_sequences
from swiftagent.train.micro_plan import PLANNED, Load, MicroPlan, choose

GUESSED_ROW, GUESSED_LENGTH = 450.0, 2048  # tokens of a row, and of the longest, where nothing was measured
UNSEEN_GPU = 24e9  # bytes that a plan for GPUs of another machine reckons with


class Cut(msgspec.Struct, frozen=True):
    """What is to be cut: `sequences` of one process a step, on `processes` of all machines. `options` are ms-swift's,
    as planned so far, and take what is decided."""

    inputs: Inputs
    options: dict[str, Any]
    sequences: int
    processes: int
    on_gpu: bool
    tokens_a_row: float = 0.0

    @property
    def asked(self) -> int:
        """The budget that the config gives; 0 where it gives none."""
        micro_batch = self.inputs.config.micro_batch
        return micro_batch if isinstance(micro_batch, int) else 0


def cut_steps(cut: Cut) -> tuple[MicroPlan | None, list[str]]:
    """The plan, None where steps stay batches of sequences, and the lines that report what was decided."""
    options, inputs = cut.options, cut.inputs
    one_by_one = cut.asked == 1 or not (cut.on_gpu or cut.asked)
    if reason := reason_for_sequences(inputs, options, one_by_one=one_by_one):
        lines = [] if inputs.config.micro_batch == "sequences" else [f"batches of sequences: {reason}"]
        return None, [*lines, *(_flash_batches(cut) if cut.on_gpu else [])]
    if one_by_one:
        return MicroPlan(CPU_BUDGET, cut.sequences, options.get("gradient_checkpointing"), "sdpa"), []
    attention = choose_attention(inputs.machine)
    name = options.setdefault("attn_impl", attention.name)
    notes = [f"attention {name}: {attention.why if name == attention.name else 'as configured'}"]
    options["padding_free"] = True
    if not cut.on_gpu:
        return MicroPlan(cut.asked, 0, options.get("gradient_checkpointing"), name), notes
    if inputs.machine.has("liger-kernel") and "use_liger_kernel" not in options:
        options["use_liger_kernel"] = True
        notes.append("liger kernels: liger-kernel is installed")
    micro = choose_budget(cut)
    options["gradient_checkpointing"] = micro.checkpointing
    return micro, [*notes, _line(micro)]


def _flash_batches(cut: Cut) -> list[str]:
    """What batches of sequences take of the installed packages: flash attention without padding, liger's kernels."""
    options, machine, lines = cut.options, cut.inputs.machine, list[str]()
    capable = bool(machine.gpus) and min(gpu.capability for gpu in machine.gpus) >= (8, 0)
    if "attn_impl" not in options and capable and machine.has("flash-attn"):
        options["attn_impl"] = "flash_attn"
        lines.append("flash attention: flash-attn is installed")
    flash = str(options.get("attn_impl", "")).startswith("flash")
    if "padding_free" not in options and flash and not options.get("packing") and not cut.inputs.model.multimodal:
        options["padding_free"] = True
        lines.append("padding-free batches: flash attention takes sequences without padding")
    # Its fused loss holds no logits, which the loss per channel and per weight needs.
    if machine.has("liger-kernel") and "use_liger_kernel" not in options and not options.get("enable_channel_loss"):
        options["use_liger_kernel"] = True
        lines.append("liger kernels: liger-kernel is installed")
    return lines


def choose_budget(cut: Cut) -> MicroPlan:
    """By predicted time, for the GPUs here, or for those of `UNSEEN_GPU` bytes that the config names."""
    inputs, gpus = cut.inputs, cut.inputs.machine.gpus
    assert inputs.shape is not None, "the shape of a model whose attention is known is known too"
    load = Load(
        cut.sequences,
        cut.tokens_a_row or GUESSED_ROW,
        int(cut.options.get("max_length") or GUESSED_LENGTH),
        cut.processes,
        PLANNED * min((gpu.free for gpu in gpus), default=UNSEEN_GPU),
        gpus[0].name if gpus else "",
    )
    own = {"gradient_checkpointing": inputs.config.train.get("gradient_checkpointing")}
    return choose(inputs.shape, cut.options | own, load, str(cut.options["attn_impl"]), cut.asked)


def _line(micro: MicroPlan) -> str:
    recomputed = "with" if micro.checkpointing else "no"
    return (
        f"micro-steps of up to {micro.tokens:,} tokens, about {micro.micro_steps} a step, {recomputed} gradient "
        f"checkpointing: about {micro.memory / 1e9:.0f} GB a GPU and {micro.seconds:.1f} s a step"
    )
