"""Whether and how the steps of a run are cut by tokens, and by which attention: from the machine's packages and the
options, nothing imported. The budget of a micro-step, and whether activations are recomputed, are what takes the least
time by prediction among what fits into the GPU by estimate. And the cutting itself, which the trainer asks for."""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from swiftagent.io.shipped import user_folder
from swiftagent.models.known import ModelShape
from swiftagent.train.estimates import USED, estimate, operations, recomputes, teraflops
from swiftagent.train.inputs import Inputs
from swiftagent.train.machine import Machine
from swiftagent.train.options import TABLES

GUESSED_ROW, GUESSED_LENGTH = 450.0, 2048  # tokens of a row, and of the longest, where nothing was measured
UNSEEN_GPU = 24e9  # bytes that a plan for GPUs of another machine reckons with
# What `train/plugin` takes hold of in these packages was tried on these versions.
TRIED = {"ms-swift": ("4.6.",), "transformers": ("5.17.", "5.19.")}
# Attention by ms-swift's name, the package that has it, and the GPUs that it runs on; the fastest first.
FLASH: dict[str, tuple[str, list[int]]] = TABLES["flash"]
TORCH_VARLEN = (2, 10)  # torch.nn.attention.varlen
CPU_BUDGET = 1  # a sequence at a time: on a CPU, batches only add padding
PLANNED = 0.85  # share of a GPU's free memory that a plan may fill by its own estimate
STEP = 1024  # tokens between two budgets that are compared
MOST = 65_536  # tokens: beyond, launching kernels costs nothing any more
SLACK = 1.25  # a step's tokens, of its mean, beyond which a larger budget brings nothing
# Seconds a layer to launch a forward and a backward pass with recomputation, fitted to three runs of an H100.
LAUNCH = 0.018


class MicroPlan(msgspec.Struct, frozen=True):
    """How an optimizer step is cut. `tokens` is the budget of a micro-step; memory in bytes of one GPU, time in
    seconds a step, both predicted (0 where there is nothing to predict from)."""

    tokens: int
    micro_steps: int
    checkpointing: bool | None
    attention: str
    memory: float = 0.0
    seconds: float = 0.0
    fits: bool = True


class LaunchPlan(msgspec.Struct, kw_only=True):
    """What will be started, decided step by step. `options` are ms-swift's, `env` is what is added to the environment;
    `notes` hold what was decided, `warnings` what is off; `tokens_a_row` was measured, or is 0."""

    inputs: Inputs
    options: dict[str, Any]
    device: str  # "cpu" | "gpu"
    processes: int  # on this node
    nodes: int
    node_rank: int
    gpu_names: list[str]  # of all that train, as far as they are here
    tokens_a_row: float
    argv: list[str] = []
    env: dict[str, str] = {}
    batch: int = 1  # sequences a process holds at once
    accumulation: int = 1
    sequences_per_step: int = 1
    notes: list[str] = []
    warnings: list[str] = []
    micro: MicroPlan | None = None  # how a step is cut by tokens; None: into batches of sequences
    token_trainer: bool = False  # whether the trainer is ours, which only versions that were tried allow

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    @property
    def ranks(self) -> int:
        """Processes of all nodes."""
        return self.processes * self.nodes


def cut_steps(draft: LaunchPlan, sequences: int) -> MicroPlan | None:
    """The plan for `sequences` of one rank a step; None where steps stay batches of sequences."""
    options, inputs, asked = draft.options, draft.inputs, draft.inputs.config.micro_batch
    by_sequences = asked == "sequences" or (asked == "auto" and draft.device == "cpu")
    reason = "" if by_sequences else reason_for_sequences(inputs, options)
    if reason:
        draft.note(f"batches of sequences: {reason}")
    if by_sequences or reason:
        _take_flash(draft)
        return None
    fastest, why = choose_attention(inputs.machine)
    name = options.setdefault("attn_impl", fastest)
    draft.note(f"attention {name}: {why if name == fastest else 'as configured'}")
    options["padding_free"] = True
    budget = asked if isinstance(asked, int) else 0
    if draft.device == "cpu":
        return MicroPlan(budget or CPU_BUDGET, 0, options.get("gradient_checkpointing"), name)
    _use_liger(draft)
    micro = _choose_budget(draft, sequences, budget)
    options["gradient_checkpointing"] = micro.checkpointing
    recomputed = "with" if micro.checkpointing else "no"
    draft.note(
        f"micro-steps of up to {micro.tokens:,} tokens, about {micro.micro_steps} a step, {recomputed} gradient "
        f"checkpointing: about {micro.memory / 1e9:.0f} GB a GPU and {micro.seconds:.1f} s a step"
    )
    return micro


def _take_flash(draft: LaunchPlan) -> None:
    """What batches of sequences take of the installed packages: flash attention without padding, liger's kernels."""
    options, machine = draft.options, draft.inputs.machine
    if draft.device == "cpu":
        return
    if "attn_impl" not in options and machine.capability >= (8, 0) and machine.has("flash-attn"):
        options["attn_impl"] = "flash_attn"
        draft.note("flash attention: flash-attn is installed")
    flash = str(options.get("attn_impl", "")).startswith("flash")
    if "padding_free" not in options and flash and not options.get("packing") and not draft.inputs.model.multimodal:
        options["padding_free"] = True
        draft.note("padding-free batches: flash attention takes sequences without padding")
    # Its fused loss holds no logits, which the loss per channel and per weight needs.
    if not options.get("enable_channel_loss"):
        _use_liger(draft)


def _use_liger(draft: LaunchPlan) -> None:
    if draft.inputs.machine.has("liger-kernel") and "use_liger_kernel" not in draft.options:
        draft.options["use_liger_kernel"] = True
        draft.note("liger kernels: liger-kernel is installed")


def _choose_budget(draft: LaunchPlan, sequences: int, budget: int) -> MicroPlan:
    """The plan with the least predicted time that fits into the GPUs here, or into those of `UNSEEN_GPU` bytes that the
    config names; where none does, the one that needs least, and `fits` is false. A budget that is given is kept."""
    config, shape, gpus = draft.inputs.config, draft.inputs.shape, draft.inputs.machine.gpus
    assert shape is not None, "the shape of a model whose attention is known is known too"
    mean = draft.tokens_a_row or GUESSED_ROW
    longest = int(draft.options.get("max_length") or GUESSED_LENGTH)
    room = PLANNED * min((gpu.free for gpu in gpus), default=UNSEEN_GPU)
    sizes: dict[str, Any] = {"gpus": draft.ranks, "by_tokens": True, "distilled": config.distills}

    def predicted(tokens: int, recomputed: bool) -> MicroPlan:
        options = {**draft.options, "gradient_checkpointing": recomputed}
        # A row longer than the budget has a micro-step to itself.
        needed = estimate(shape, options, length=max(tokens, longest), **sizes).total
        # Rows are whole, so a micro-step is on average not quite full.
        count = math.ceil(sequences / max(1, int(tokens // max(mean, 1))))
        seconds = _seconds(shape, options, count, sequences * mean, mean, gpus[0].name if gpus else "")
        return MicroPlan(tokens, count, recomputed, options["attn_impl"], needed, seconds, needed <= room)

    asked = config.train.get("gradient_checkpointing")
    most = min(MOST, max(STEP, STEP * math.ceil(SLACK * sequences * mean / STEP)))
    budgets = [budget] if budget else range(STEP, most + 1, STEP)
    plans = [predicted(tokens, way) for way in ((False, True) if asked is None else (asked,)) for tokens in budgets]
    # Of two that take as long, the larger: where rows are longer than usual, it needs no further micro-step.
    fastest = min((one for one in plans if one.fits), key=lambda one: (one.seconds, -one.tokens), default=None)
    return fastest or min(plans, key=lambda one: one.memory)


def _seconds(
    shape: ModelShape, options: dict[str, Any], micro_steps: int, tokens: float, mean: float, gpu: str
) -> float:
    """Of an optimizer step of `tokens`, `mean` of them a row: launching the kernels of each micro-step, then the
    operations."""
    passes = 4 if recomputes(options) else 3
    launching = micro_steps * shape.layers * LAUNCH * passes / 4
    # With a block mask, attention computes every pair of tokens of a micro-step.
    reach = tokens / micro_steps if options["attn_impl"] == "sdpa" else mean / 2
    pairs = 4 * shape.hidden * shape.layers * reach * passes
    work = tokens * (operations(shape, options) + pairs)
    return launching + work / (teraflops(gpu) * 1e12 * USED)


def reason_for_sequences(inputs: Inputs, options: dict[str, Any]) -> str:
    """Why steps stay batches of sequences; "" where they can be cut by tokens."""
    if reason := reason_for_another_trainer(inputs.machine, options):
        return reason
    for name, reason in TABLES["by_sequences"].items():
        if options.get(name):
            return str(reason)
    if options.get("padding_free") is False:
        return "padding_free: false"
    if inputs.model.multimodal:
        return "images and their text are kept in batches"
    if inputs.shape is None or not inputs.shape.full_attention:
        return f"{inputs.config.model} is not known to have full causal attention in every layer"
    return ""


def reason_for_another_trainer(machine: Machine, options: dict[str, Any]) -> str:
    """Why the trainer is not ours; "" where it is."""
    if unknown := untried(machine):
        return f"cutting steps by tokens was not tried on {unknown}"
    if int(options.get("sequence_parallel_size", 1)) > 1:
        return "sequence_parallel_size shares each sequence between GPUs"
    whole = options.get("task_type", "causal_lm") == "causal_lm" and options.get("truncation_strategy") != "split"
    return "" if whole else "only fine-tuning of whole rows is cut by tokens"


def untried(machine: Machine) -> str:
    """The first package whose version the plugin was not tried on, with its version; "" where there is none."""
    for package, prefixes in TRIED.items():
        version = machine.packages.get(package, "")
        if version and not version.startswith(prefixes):
            return f"{package} {version}"
    return ""


def choose_attention(machine: Machine) -> tuple[str, str]:
    """The fastest attention without padding that this machine has, by its name for ms-swift, and why: torch's own with
    a block mask needs nothing."""
    for name, (package, needed) in FLASH.items():
        if machine.capability >= tuple(needed) and machine.has(package) and (package != "kernels" or _kernel_on_disk()):
            return name, f"{package} is installed"
    version = tuple(map(int, re.findall(r"\d+", machine.packages.get("torch", ""))))
    if machine.capability >= (8, 0) and version[:2] >= TORCH_VARLEN:
        return "swiftagent_varlen", "torch's own for sequences of any length"
    return "sdpa", "torch's own with a block mask"


def _kernel_on_disk() -> bool:
    folder = user_folder("HF_HOME", ".cache/huggingface") / "hub" / "models--kernels-community--flash-attn2"
    return folder.is_dir()


# the cutting: the same sequences, in as few forward passes as the budget allows, and as much work for each rank
# ---------------------------------------------------------------------------------------------------------------

# Rows of the data, by number. A row that is there only so that no micro-step is empty has `~number`: it is computed,
# since every rank must take part, and not trained.
MicroStep = list[int]


def cut_step(rows: Sequence[int], lengths: Sequence[int], *, budget: int, ranks: int) -> list[list[MicroStep]]:
    """The micro-steps of each rank, the same number for all: as few as hold `rows` within `budget` tokens each.

    `lengths` are tokens by row number. A row longer than the budget has a micro-step to itself.
    """
    long = sum(lengths[row] >= budget for row in rows)
    rest = sum(lengths[row] for row in rows if lengths[row] < budget)
    # The fewest that can do are what the tokens fill; a micro-step for each row is always enough.
    for count in range(math.ceil((long + rest / budget) / ranks), math.ceil(len(rows) / ranks) + 1):
        bins = _evenly(rows, lengths, count * ranks)
        if all(len(micro) < 2 or _tokens(micro, lengths) <= budget for micro in bins):
            break
    return _deal([micro or [~min(rows, key=lengths.__getitem__)] for micro in bins], lengths, ranks)


def batches(count: int, size: int, *, ranks: int) -> list[list[MicroStep]]:
    """Batches of each rank, as many for all, of rows 0 to `count` in their order, `size` in each."""
    groups = [list(range(start, min(start + size, count))) for start in range(0, count, size)]
    groups += [[~0]] * (-len(groups) % ranks)
    return [groups[rank::ranks] for rank in range(ranks)]


def _evenly(rows: Sequence[int], lengths: Sequence[int], count: int) -> list[MicroStep]:
    """`count` groups of nearly the same tokens: the longest row goes first, each into the emptiest group."""
    groups: list[MicroStep] = [[] for _ in range(count)]
    emptiest = [(0, number) for number in range(count)]
    for row in sorted(rows, key=lambda row: (-lengths[row], row)):
        tokens, number = emptiest[0]
        groups[number].append(row)
        heapq.heapreplace(emptiest, (tokens + lengths[row], number))
    return groups


def _deal(micro_steps: list[MicroStep], lengths: Sequence[int], ranks: int) -> list[list[MicroStep]]:
    """The same number to each rank, largest first, there and back, so that no rank waits long for another."""
    ordered = sorted(micro_steps, key=lambda micro: -_tokens(micro, lengths))
    rounds = [ordered[start : start + ranks] for start in range(0, len(ordered), ranks)]
    dealt = [one if number % 2 == 0 else one[::-1] for number, one in enumerate(rounds)]
    return [[one[rank] for one in dealt] for rank in range(ranks)]


def _tokens(micro: MicroStep, lengths: Sequence[int]) -> int:
    return sum(lengths[row] if row >= 0 else lengths[~row] for row in micro)
