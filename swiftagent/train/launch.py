"""From a config and a machine to the exact words that start ms-swift: nothing is imported, nothing is started here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.backend.template import template_of_chat_template
from swiftagent.errors import ConfigError, RowError
from swiftagent.io.jsonl import parse_json
from swiftagent.io.shipped import find
from swiftagent.models.files import read_object
from swiftagent.models.known import KnownModel, known_model
from swiftagent.models.shape import ModelShape, known_shape, shape_of
from swiftagent.train.cluster import Place, find_place, free_port
from swiftagent.train.config import Config
from swiftagent.train.machine import Machine, trainer_entry
from swiftagent.train.memory import estimate
from swiftagent.train.options import as_words

PLUGIN = Path(__file__).parent / "plugin" / "swiftagent_trainer_plugin.py"
DEFAULT_SEQUENCES = 16  # ms-swift's own default
FLASH = "flash_attn"
AMPLE = 0.7  # share of the free memory that a run without gradient checkpointing may be estimated at
HALF_PRECISION_CPU = {"torch_dtype": "bfloat16", "bf16": True, "fp16": False}
FULL_PRECISION = {"torch_dtype": "float32", "bf16": False, "fp16": False}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What will be started. `env` is what is added to the environment; `notes` say what was decided, `warnings` what is
    off."""

    argv: list[str]
    env: dict[str, str]
    options: dict[str, Any]
    device: str  # "cpu" | "gpu"
    processes: int  # on this node
    nodes: int
    node_rank: int
    batch: int  # sequences a process holds at once
    accumulation: int
    sequences_per_step: int
    notes: list[str]
    warnings: list[str]


class _Draft(msgspec.Struct):
    options: dict[str, Any]
    notes: list[str] = []
    warnings: list[str] = []


def plan(
    config: Config,
    machine: Machine,
    folder: Path,
    *,
    as_configured: bool = False,
    resume: str = "",
    tokens_a_row: float = 0.0,
) -> Plan:
    """Plan the launch on this machine; `as_configured` plans for the GPUs the config names although they are not here.
    `tokens_a_row`, where it was measured, keeps the sequences of a step when rows are packed.

    Raises ConfigError where several nodes are asked for and cannot be found.
    """
    place = find_place(config, lenient=as_configured)
    gpus = _gpus_to_use(config, machine, as_configured)
    processes = gpus or config.cpu_processes
    model = recognise(config)
    draft = _Draft(_own_options(config, folder, model))
    if place.address == "MASTER_HOST":
        draft.warnings.append(
            "which machine is the first is not said: master=HOST:PORT node_rank=N (or SLURM's variables)"
        )
    _choose_precision(config, draft, on_gpu=gpus > 0)
    _choose_kernels(machine, draft, model, on_gpu=gpus > 0)
    if gpus < (config.gpus or 0):
        here = (
            f"{gpus} GPU{'s' if gpus > 1 else ''}"
            if gpus
            else f"the CPU ({processes} process{'es' if processes > 1 else ''})"
        )
        draft.warnings.append(f"gpus: {config.gpus} asked for, {len(machine.gpus)} here; training on {here}")
    elif config.gpus is None and not gpus:
        draft.warnings.append("no GPU here; training on the CPU")
    packed = _rows_a_pack(draft, tokens_a_row)
    batch, accumulation, sequences = _batch(config, draft, processes * place.nodes, packed)
    if gpus:
        _choose_checkpointing(config, machine, draft, batch, processes * place.nodes)
    options = {**draft.options, "per_device_train_batch_size": batch, "gradient_accumulation_steps": accumulation}
    if resume:
        options["resume_from_checkpoint"] = resume
    return Plan(
        argv=[*_launcher(place, processes, options), *[word for item in options.items() for word in as_words(*item)]],
        env=_environment(machine, gpus, processes),
        options=options,
        device="gpu" if gpus else "cpu",
        processes=processes,
        nodes=place.nodes,
        node_rank=place.rank,
        batch=batch,
        accumulation=accumulation,
        sequences_per_step=sequences,
        notes=draft.notes,
        warnings=draft.warnings,
    )


def local_files(entries: tuple[str, ...]) -> list[Path]:
    """The files among `data` entries; hub ids are left out. `FILE#100` (ms-swift's sampling) names FILE."""
    paths = [find(_file_of(entry)) for entry in entries]
    return [path for entry, path in zip(entries, paths, strict=True) if not is_hub_id(entry)]


def _file_of(entry: str) -> str:
    """The file that an entry names: `FILE` or `FILE#100`."""
    return entry if Path(entry).exists() else entry.rpartition("#")[0] or entry


def is_hub_id(entry: str) -> bool:
    """Whether an entry names a data set or model of a hub rather than a file: `owner/name`, `ms::...`, `hf::...`."""
    name = entry.rpartition("#")[0] or entry
    if find(name).exists() or find(entry).exists():
        return False
    if name.startswith(("ms::", "hf::", "ms:", "hf:")):
        return True
    suffix = Path(name).suffix.lower()
    return (
        name.count("/") == 1
        and not name.startswith((".", "/", "~"))
        and suffix not in (".jsonl", ".json", ".csv", ".txt")
    )


def validation_files(config: Config) -> tuple[str, ...]:
    """`val` as given, else `x.val.jsonl` beside each `x.jsonl`, or beside the folder x of shards, where it exists."""
    if config.val is not None:
        return config.val
    files = [path for path in local_files(config.data) if path.name]
    beside = (path.with_name(f"{path.stem}.val{path.suffix}") for path in files)
    above = (
        path.parent.with_name(f"{path.parent.name}.val.jsonl")
        for path in files
        if "-of-" in path.name and path.parent.name
    )
    return tuple(dict.fromkeys(str(path) for path in (*beside, *above) if path.is_file()))


def first_row(path: Path) -> dict[str, Any]:
    """The first row of a JSONL file; {} where there is none or it cannot be read."""
    try:
        with path.open("rb") as lines:
            line = next((line for line in lines if line.strip()), b"{}")
        row = parse_json(line)[0]
    except (OSError, RowError):  # a broken row is the preflight's to tell, with its place
        return {}
    return row if isinstance(row, dict) else {}


def recognise(config: Config) -> KnownModel:
    """What kind of model it is and its template: as the config says, as its trainer wrote down beside it, by its name,
    by its config.json, by the text of its chat template.
    """
    folder = Path(config.model)
    written = read_object(folder / "args.json") if folder.is_dir() else {}
    train = {key: written[key] for key in ("model_type", "template") if written.get(key)} | config.train
    known = known_model(config.model, train, _config_json(config.model))
    if known.template or not folder.is_dir():
        return known
    try:
        template = template_of_chat_template(folder)
    except ConfigError:
        return known
    return known_model(config.model, {**train, "template": template}, _config_json(config.model))


def model_shape(model: str) -> ModelShape | None:
    """The model's shape from its folder, or a known hub model's; None where neither is at hand."""
    config = _config_json(model)
    return shape_of(config) if config else known_shape(model)


def _config_json(model: str) -> dict[str, Any] | None:
    path = Path(model) / "config.json"
    return read_object(path) if path.is_file() else None


def _gpus_to_use(config: Config, machine: Machine, as_configured: bool) -> int:
    if config.gpus is None:
        return len(machine.gpus)
    return config.gpus if as_configured else min(config.gpus, len(machine.gpus))


def _own_options(config: Config, folder: Path, model: KnownModel) -> dict[str, Any]:
    """What ms-swift is told besides the config's own `train:`, which wins wherever both speak."""
    data, val = _datasets(config.data), _datasets(validation_files(config))
    if needs_copy(config):
        made = copies(config, folder)
        data, val = (
            [f"{made[_file_of(entry)]}{entry.removeprefix(_file_of(entry))}" for entry in entries]
            for entries in (config.data, validation_files(config))
        )
    files = [path for path in local_files(config.data) if path.is_file()]
    first = first_row(files[0]) if files else {"channel": ""}  # not made yet: `swiftagent mix` writes channels
    options: dict[str, Any] = {"model": config.model}
    if Path(config.model).is_dir():  # a hub id is known by its name
        named = {"model_type": model.model_type, "template": model.template}
        options |= {name: value for name, value in named.items() if value}
    options["dataset"] = data
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
    if "channel" in first:
        options["enable_channel_loss"] = True
    if (
        model.thinking
        and "tools" not in first
        and not {"enable_thinking", "add_non_thinking_prefix"} & set(config.train)
    ):
        # With the defaults, training puts an empty think block into every turn and inference only into the last.
        options |= {"add_non_thinking_prefix": False, "enable_thinking": True}
    if any(weight not in (0, 1) for weight in config.weights.values()):
        options["is_binary_loss_scale"] = False  # else every weight becomes 0 or 1
    options |= config.train
    options["external_plugins"] = [str(PLUGIN), *config.train.get("external_plugins", [])]
    options["callbacks"] = ["swiftagent", *config.train.get("callbacks", [])]
    return options


def _datasets(entries: tuple[str, ...]) -> list[str]:
    """Each entry as ms-swift is given it: a hub id or a path as it stands, a shipped file by its full path."""
    return [
        entry if is_hub_id(entry) or Path(entry).exists() or "#" in entry else str(find(entry)) for entry in entries
    ]


def needs_copy(config: Config) -> bool:
    """Whether the run trains a changed copy of its data: other weights, or only the last step or turn."""
    return config.train_on != "all" or bool(config.weights)


def copies(config: Config, folder: Path) -> dict[str, Path]:
    """Where the run keeps its changed copy of each data and validation file; those of one name are told apart."""
    made: dict[str, Path] = {}
    for file in map(_file_of, (*config.data, *validation_files(config))):
        copy, number = folder / "data" / Path(file).name, 1
        while file not in made and copy in made.values():
            number += 1
            copy = copy.with_name(f"{Path(file).stem}-{number}{Path(file).suffix}")
        made.setdefault(file, copy)
    return made


def _choose_precision(config: Config, draft: _Draft, *, on_gpu: bool) -> None:
    if on_gpu:
        return
    options = draft.options
    options["use_cpu"] = True
    half = "deepspeed" in options  # DeepSpeed on a CPU refuses float16, and float32 with ms-swift's settings
    options |= HALF_PRECISION_CPU if half or options.get("torch_dtype") == "bfloat16" else FULL_PRECISION
    options.pop("attn_impl", None)
    options.pop("padding_free", None)
    options.pop("use_liger_kernel", None)
    for gone in ("packing", "quant_method", "quant_bits"):
        if options.pop(gone, None):
            draft.warnings.append(f"train.{gone} needs a GPU and is left out on the CPU")
    if config.train.get("torch_dtype") == "float16":
        draft.warnings.append("train.torch_dtype: float16 does not train on a CPU; float32 is used")


def _choose_kernels(machine: Machine, draft: _Draft, model: KnownModel, *, on_gpu: bool) -> None:
    """Flash attention, padding-free and liger where this machine has them and the config does not speak of them."""
    options = draft.options
    if not on_gpu:
        return
    capable = bool(machine.gpus) and min(gpu.capability for gpu in machine.gpus) >= (8, 0)
    if "torch_dtype" not in options and machine.gpus:
        options["torch_dtype"] = "bfloat16" if capable else "float16"
        draft.notes.append(f"{options['torch_dtype']}: what {machine.gpus[0].name} computes fastest")
    flash = capable and machine.has("flash-attn")
    if "attn_impl" not in options and flash:
        options["attn_impl"] = FLASH
        draft.notes.append("flash attention: flash-attn is installed")
    flash_used = str(options.get("attn_impl", "")).startswith("flash")
    if "padding_free" not in options and flash_used and not options.get("packing") and not model.multimodal:
        options["padding_free"] = True
        draft.notes.append("padding-free batches: flash attention takes sequences without padding")
    if options.get("packing") and not flash_used:
        draft.warnings.append("train.packing needs flash attention (pip install flash-attn) and attn_impl: flash_attn")
    # liger's fused loss holds no logits, which the loss per channel and per weight needs
    if machine.has("liger-kernel") and "use_liger_kernel" not in options and not options.get("enable_channel_loss"):
        options["use_liger_kernel"] = True
        draft.notes.append("liger kernels: liger-kernel is installed")


def _choose_checkpointing(config: Config, machine: Machine, draft: _Draft, batch: int, gpus: int) -> None:
    """Recomputing activations costs a third of the time: it is switched off where the estimate leaves ample room
    without."""
    shape, length = model_shape(config.model), draft.options.get("max_length")
    if "gradient_checkpointing" in draft.options or shape is None or not length or not machine.gpus:
        return
    room = min(gpu.free for gpu in machine.gpus)
    needed = estimate(shape, draft.options, batch=batch, length=int(length), gpus=gpus, checkpointing=False).total
    if needed < AMPLE * room:
        draft.options["gradient_checkpointing"] = False
        draft.notes.append(
            f"no gradient checkpointing: about {needed / 1e9:.0f} of {room / 1e9:.0f} GB are needed without"
        )


def _rows_a_pack(draft: _Draft, tokens_a_row: float) -> int:
    """Sequences that one packed row holds; 1 without packing, or where the rows were not measured."""
    length = draft.options.get("packing_length") or draft.options.get("max_length")
    if not draft.options.get("packing"):
        return 1
    if not tokens_a_row or not length:
        draft.warnings.append(
            "train.packing: a step counts packs, not sequences; the preflight measures how many a pack holds"
        )
        return 1
    rows = max(1, round(int(length) / tokens_a_row))
    draft.notes.append(f"packing: about {rows} sequences of {tokens_a_row:.0f} tokens in each pack of {length}")
    return rows


def _batch(config: Config, draft: _Draft, processes: int, packed: int) -> tuple[int, int, int]:
    """Batch of one process, accumulation, and the sequences of one optimizer step that they make.

    A row of the batch holds `packed` sequences.
    """
    options = draft.options
    replicas = max(1, processes // int(options.get("sequence_parallel_size", 1)))
    batch = int(options.get("per_device_train_batch_size", 1))
    given = options.get("gradient_accumulation_steps")
    if config.sequences_per_step is None and given:
        return batch, int(given), batch * int(given) * replicas * packed
    asked = config.sequences_per_step or DEFAULT_SEQUENCES
    wanted = max(1, round(asked / packed))
    if batch * replicas > wanted:
        smaller = max(1, wanted // replicas)
        draft.notes.append(
            f"batch {smaller} instead of {batch} a process: {wanted} sequences a step on {replicas} processes"
        )
        batch = smaller
    accumulation = max(1, round(wanted / (batch * replicas)))
    sequences = batch * accumulation * replicas * packed
    if sequences != asked and packed == 1:
        draft.warnings.append(
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
    env = {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    if gpus:
        chosen = [str(gpu.index) for gpu in machine.gpus[:gpus]]
        if chosen and (len(chosen) < len(machine.gpus) or "CUDA_VISIBLE_DEVICES" in os.environ):
            env["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
        env["PYTORCH_CUDA_ALLOC_CONF"] = os.environ.get("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    else:
        env["CUDA_VISIBLE_DEVICES"] = ""
    if "OMP_NUM_THREADS" not in os.environ:
        env["OMP_NUM_THREADS"] = str(max(1, machine.cpus // processes)) if not gpus else "1"
    if not gpus:
        env["OMP_WAIT_POLICY"] = (
            "PASSIVE"  # threads that spin while they wait take the cores from each other on a busy machine
        )
    return env
