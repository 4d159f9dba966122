"""From a config and a machine to the exact words that start ms-swift: nothing is imported, nothing is started here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from swiftagent.io.shipped import find
from swiftagent.train.config import Config
from swiftagent.train.estimates import estimate
from swiftagent.train.held_out import BEST_BY
from swiftagent.train.inputs import Inputs, file_of, is_hub_entry
from swiftagent.train.machine import Machine, Place, find_place, free_port, trainer_entry
from swiftagent.train.options import as_words
from swiftagent.train.step_cutting import LaunchPlan, choose_attention, cut_steps, reason_for_another_trainer

PLUGIN = Path(__file__).parent / "plugin" / "swiftagent_trainer_plugin.py"
DEFAULT_SEQUENCES = 16  # ms-swift's own default
AMPLE = 0.7  # share of the free memory that a run without gradient checkpointing may be estimated at
HALF_PRECISION_CPU = {"torch_dtype": "bfloat16", "bf16": True, "fp16": False}
KERNELS = ("attn_impl", "padding_free", "use_liger_kernel")  # which a CPU has not: the same result without
GPU_ALONE = ("packing", "quant_method", "quant_bits")
FULL_PRECISION = {"torch_dtype": "float32", "bf16": False, "fp16": False}


def plan(
    inputs: Inputs, folder: Path, *, as_configured: bool = False, resume: str = "", tokens_a_row: float = 0.0
) -> LaunchPlan:
    """Plan the launch on this machine; `as_configured` plans for the GPUs the config names although they are not here.
    `tokens_a_row`, where it was measured, keeps the sequences of a step when rows are packed.

    Raises ConfigError where several nodes are asked for and cannot be found.
    """
    config, machine = inputs.config, inputs.machine
    place = find_place(config, lenient=as_configured)
    asked = len(machine.gpus) if config.gpus is None else config.gpus
    gpus = asked if as_configured else min(asked, len(machine.gpus))
    draft = LaunchPlan(
        inputs=inputs, options=_own_options(inputs, folder), device="gpu" if gpus else "cpu",
        processes=gpus or config.cpu_processes, nodes=place.nodes, node_rank=place.rank,
        gpu_names=[gpu.name for gpu in machine.gpus[:gpus]] * place.nodes, tokens_a_row=tokens_a_row,
    )  # fmt: skip
    if place.address == "MASTER_HOST":
        draft.warn("the first machine is not given: master=HOST:PORT node_rank=N (or SLURM's variables)")
    if gpus:
        _choose_kernels(draft)
    else:
        _choose_precision(draft)
    if gpus < asked:
        cpu = f"the CPU ({draft.processes} processes)" if draft.processes > 1 else "the CPU (1 process)"
        here = f"{gpus} GPU{'s' if gpus > 1 else ''}" if gpus else cpu
        draft.warn(f"gpus: {asked} asked for, {len(machine.gpus)} here; training on {here}")
    elif config.gpus is None and not gpus:
        draft.warn("no GPU here; training on the CPU")
    draft.batch, draft.accumulation, draft.sequences_per_step = _batch(draft)
    draft.micro = cut_steps(draft, draft.batch * draft.accumulation)
    if draft.micro:
        draft.batch, draft.accumulation = 1, draft.batch * draft.accumulation
    elif gpus:
        _choose_checkpointing(draft)
    options = draft.options
    options["per_device_train_batch_size"] = draft.batch
    options["gradient_accumulation_steps"] = draft.accumulation
    if resume:
        options["resume_from_checkpoint"] = resume
    words = [word for item in options.items() for word in as_words(*item)]
    draft.argv = [*_launcher(place, draft.processes, options), *words]
    draft.env = _environment(machine, gpus, draft.processes)
    draft.token_trainer = not reason_for_another_trainer(machine, options)
    return draft


def _own_options(inputs: Inputs, folder: Path) -> dict[str, Any]:
    """The options besides the config's own `train:`, which wins wherever both set one."""
    config, model = inputs.config, inputs.model
    options: dict[str, Any] = {"model": config.model}
    if Path(config.model).is_dir():  # a hub id is known by its name
        named = {"model_type": model.model_type, "template": model.template}
        options |= {name: value for name, value in named.items() if value}
    options["dataset"], val = _datasets(inputs, folder)
    if val and "split_dataset_ratio" not in config.train:
        options["val_dataset"] = val
    options |= {
        "output_dir": str(folder),
        "run_name": folder.name,  # what trackers show; else the whole path
        "add_version": False,
        "check_model": False,  # else ms-swift asks the hub about local folders: 7 s offline, the run's settings online
        "strict": True,  # else rows that fail vanish
        "logging_nan_inf_filter": False,  # else a loss of NaN is logged as the mean of the others
        "disable_tqdm": True,  # the log stays readable; metrics.jsonl has every figure
    }
    if "channel" in inputs.first_row:
        options["enable_channel_loss"] = True
    chosen = {"enable_thinking", "add_non_thinking_prefix"} & set(config.train)
    if model.thinking and "tools" not in inputs.first_row and not chosen:
        # With the defaults, training puts an empty think block into every turn and inference only into the last.
        options |= {"add_non_thinking_prefix": False, "enable_thinking": True}
    if any(weight not in (0, 1) for weight in config.weights.values()):
        options["is_binary_loss_scale"] = False  # else every weight becomes 0 or 1
    if config.eval_calls:
        options |= {"metric_for_best_model": BEST_BY, "greater_is_better": True}
    options |= config.train
    options["external_plugins"] = [str(PLUGIN), *config.train.get("external_plugins", [])]
    options["callbacks"] = ["swiftagent", *config.train.get("callbacks", [])]
    return options


def _datasets(inputs: Inputs, folder: Path) -> tuple[list[str], list[str]]:
    """`data` and `val` as ms-swift is given them: a hub id or a path as it stands, a shipped file by its full path, a
    changed copy by its place in the run folder."""
    made = copies(inputs, folder) if needs_copy(inputs.config) else {}

    def given(entry: str) -> str:
        file = file_of(entry)
        if file in made:
            return f"{made[file]}{entry.removeprefix(file)}"
        return entry if is_hub_entry(entry) or Path(entry).exists() or "#" in entry else str(find(entry))

    return [given(entry) for entry in inputs.config.data], [given(entry) for entry in inputs.val]


def needs_copy(config: Config) -> bool:
    """Whether the run trains a changed copy of its data: other weights, or only the last step or turn."""
    return config.train_on != "all" or bool(config.weights)


def copies(inputs: Inputs, folder: Path) -> dict[str, Path]:
    """Where the run keeps its changed copy of each data and validation file; files of one name get a number."""
    made: dict[str, Path] = {}
    for file in map(file_of, (*inputs.config.data, *inputs.val)):
        copy, number = folder / "data" / Path(file).name, 1
        while file not in made and copy in made.values():
            number += 1
            copy = copy.with_name(f"{Path(file).stem}-{number}{Path(file).suffix}")
        made.setdefault(file, copy)
    return made


def _choose_precision(draft: LaunchPlan) -> None:
    """What a CPU trains in, and without the options that only a GPU has."""
    options = draft.options
    options["use_cpu"] = True
    if options.get("torch_dtype") == "float16":
        draft.warn("train.torch_dtype: float16 does not train on a CPU; float32 is used")
    # DeepSpeed on a CPU refuses float16, which is what ms-swift takes where nothing is said.
    asked = options.get("torch_dtype", "bfloat16" if "deepspeed" in options else "float32")
    options |= HALF_PRECISION_CPU if asked == "bfloat16" else FULL_PRECISION
    for gone in KERNELS:
        options.pop(gone, None)
    for gone in GPU_ALONE:
        if options.pop(gone, None):
            draft.warn(f"train.{gone} needs a GPU and is left out on the CPU")


def _choose_kernels(draft: LaunchPlan) -> None:
    """The type that this machine computes fastest in, where the config sets none."""
    options, machine = draft.options, draft.inputs.machine
    if "torch_dtype" not in options and machine.gpus:
        options["torch_dtype"] = "bfloat16" if machine.capability >= (8, 0) else "float16"
        draft.note(f"{options['torch_dtype']}: what {machine.gpus[0].name} computes fastest")
    if options.get("packing") and "attn_impl" not in options:
        options["attn_impl"], why = choose_attention(machine)
        draft.note(f"attention {options['attn_impl']}: {why}")


def _choose_checkpointing(draft: LaunchPlan) -> None:
    """Recomputing activations costs a third of the time: it is switched off where the estimate leaves ample room
    without."""
    inputs, length = draft.inputs, draft.options.get("max_length")
    room = min((gpu.free for gpu in inputs.machine.gpus), default=0)
    if "gradient_checkpointing" in draft.options or inputs.shape is None or not length or not room:
        return
    options = {**draft.options, "per_device_train_batch_size": draft.batch, "gradient_checkpointing": False}
    distilled = inputs.config.distills
    needed = estimate(inputs.shape, options, length=int(length), gpus=draft.ranks, distilled=distilled).total
    if needed < AMPLE * room:
        draft.options["gradient_checkpointing"] = False
        draft.note(f"no gradient checkpointing: about {needed / 1e9:.0f} of {room / 1e9:.0f} GB are needed without")


def _rows_a_pack(draft: LaunchPlan) -> int:
    """Sequences that one packed row holds; 1 without packing, or where the rows were not measured."""
    length = draft.options.get("packing_length") or draft.options.get("max_length")
    if not draft.options.get("packing"):
        return 1
    if not draft.tokens_a_row or not length:
        draft.warn("train.packing: a step counts packs, not sequences; the preflight measures how many a pack holds")
        return 1
    rows = max(1, round(int(length) / draft.tokens_a_row))
    draft.note(f"packing: about {rows} sequences of {draft.tokens_a_row:.0f} tokens in each pack of {length}")
    return rows


def _batch(draft: LaunchPlan) -> tuple[int, int, int]:
    """Batch of one process, accumulation, and the sequences of one optimizer step that they make; a row of the batch
    holds several where rows are packed."""
    options, config, packed = draft.options, draft.inputs.config, _rows_a_pack(draft)
    replicas = max(1, draft.ranks // int(options.get("sequence_parallel_size", 1)))
    batch = int(options.get("per_device_train_batch_size", 1))
    given = options.get("gradient_accumulation_steps")
    if config.sequences_per_step is None and given:
        return batch, int(given), batch * int(given) * replicas * packed
    asked = config.sequences_per_step or DEFAULT_SEQUENCES
    wanted = max(1, round(asked / packed))
    if batch * replicas > wanted:
        smaller = max(1, wanted // replicas)
        draft.note(f"batch {smaller} instead of {batch} a process: {wanted} sequences a step on {replicas} processes")
        batch = smaller
    accumulation = max(1, round(wanted / (batch * replicas)))
    sequences = batch * accumulation * replicas * packed
    if sequences != asked and packed == 1:
        draft.warn(
            f"sequences_per_step: {asked} is no multiple of {batch} x {replicas} processes; {sequences} a step are used"
        )
    return batch, accumulation, sequences


def _launcher(place: Place, processes: int, options: dict[str, Any]) -> list[str]:
    """The words before the options. One process needs no torchrun, unless DeepSpeed or FSDP wants a process group."""
    entry = trainer_entry() or "swift/cli/sft.py"
    if processes * place.nodes == 1 and not options.get("deepspeed") and not options.get("fsdp"):
        return [sys.executable, entry]
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
    if place.nodes > 1:
        words += ["--nnodes", str(place.nodes), "--node_rank", str(place.rank)]
    return [*words, "--master_addr", place.address, "--master_port", str(place.port or free_port()), entry]


def _environment(machine: Machine, gpus: int, processes: int) -> dict[str, str]:
    threads = "1" if gpus else str(max(1, machine.cpus // processes))
    env = {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    env |= {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": threads}
    if not gpus:
        # Threads that spin while they wait take the cores from each other on a busy machine.
        return env | {"CUDA_VISIBLE_DEVICES": "", "OMP_WAIT_POLICY": "PASSIVE"}
    chosen = [str(gpu.index) for gpu in machine.gpus[:gpus]]
    if chosen and (len(chosen) < len(machine.gpus) or "CUDA_VISIBLE_DEVICES" in os.environ):
        env["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
    allocator = os.environ.get("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    return env | {"PYTORCH_CUDA_ALLOC_CONF": allocator}
