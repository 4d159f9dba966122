"""Why a training run ended: its exit code and the end of its log, as one line with what to change."""

from __future__ import annotations

import re
import signal

import msgspec


class Cause(msgspec.Struct, frozen=True):
    """`code` names the kind; `text` is the line for the user."""

    code: str
    text: str


# The first that matches wins: what kills a run comes before what follows from it on the other ranks.
CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        "nan",
        r"swiftagent: the loss is (nan|inf|-inf) at step (\d+)",
        "the loss became {0} at step {1}: lower learning_rate, "
        "or set torch_dtype: bfloat16 (float16 overflows), or max_grad_norm: 0.5",
    ),
    (
        "remote-code",
        r"swiftagent: (.+) holds code of its own",
        "{0} holds code of its own; trust_remote_code: true runs it, if you trust who wrote it",
    ),
    (
        "disk-full",
        r"No space left on device|Disk quota exceeded|errno 28\b|enforce fail at inline_container|"
        r"unexpected pos \d+ vs \d+",
        "the disk is full: free space or move the run with runs=FOLDER; save_total_limit: 2 and "
        "save_only_model: true keep checkpoints small",
    ),
    (
        "gpu-memory",
        r"CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|"
        r"cudaErrorMemoryAllocation",
        "a GPU ran out of memory: micro_batch: N (tokens, fewer than planned; the step stays the "
        "same) or a lower max_length; then gradient_checkpointing: true, deepspeed: zero2 or zero3, or quant_bits: 4",
    ),
    (
        "host-memory",
        r"DefaultCPUAllocator: (?:can't allocate|not enough) memory|MemoryError|Cannot allocate memory|"
        r"std::bad_alloc|oom-kill",
        "the machine's memory ran out: fewer processes, smaller batch or max_length, dataset_num_proc: 1, "
        "or streaming: true",
    ),
    (
        "nccl-timeout",
        r"Watchdog caught collective operation timeout|NCCL.*[Tt]imeout|ncclSystemError|NCCL error|"
        r"Timed out waiting \d+ms for (?:recv|send)|Connection closed by peer|Application timeout caused pair closure",
        "the processes lost each other (a time-out): look for the rank that died first in the log; between machines "
        "check master, the port and NCCL_SOCKET_IFNAME; long tokenizing wants a larger ddp_timeout",
    ),
    ("address", r"EADDRINUSE|Address already in use", "the port is taken: give another with master=HOST:PORT"),
    (
        "driver",
        r"NVIDIA driver on your system is too old|CUDA driver version is insufficient|no kernel image is available",
        "the GPU driver does not fit this torch: update the driver, or install the torch build for its CUDA version",
    ),
    (
        "no-network",
        r"Max retries exceeded|Temporary failure in name resolution|ConnectionError|Network is unreachable",
        "the hub cannot be reached: download the model elsewhere and give its folder as model:",
    ),
    (
        "not-found",
        r"(?:RepositoryNotFound|HTTPError: .*404|NotExistError|does not exist on|model_id.*not exist).*",
        "the hub does not know this model or data set: check the spelling of model: and data:",
    ),
    (
        "model-type",
        r"Please explicitly pass the `model_type`|Failed to automatically match `model_type`",
        "ms-swift cannot tell what kind of model this is: add train.model_type and train.template",
    ),
    (
        "template",
        r"Please explicitly pass the `template|template_type.*not in|Please set.*template",
        "ms-swift cannot tell the chat template of this model: add train.template",
    ),
    (
        "data",
        r"Couldn't cast array of type|JSON parse error|DatasetGenerationError|ArrowInvalid",
        "ms-swift could not read the data: `swiftagent convert` makes training records of it, "
        "and names the broken rows",
    ),
    (
        "empty",
        r"corresponds to no data|train_dataset: None\b|train_dataset.*num_rows: 0|"
        r"`?num_samples`? (?:=|should be a positive).*0|dataset_sample.*0 rows",
        "no row is left to train on: every one failed or is longer than max_length; "
        "`swiftagent doctor CONFIG` names them",
    ),
    (
        "row",
        r"To avoid errors, you can pass `strict=False`",
        "a row cannot be encoded by this template: `swiftagent doctor CONFIG` names it",
    ),
    (
        "missing-package",
        r"ModuleNotFoundError: No module named '([^']+)'",
        "the package {0} is missing: pip install {0}",
    ),
    (
        "option",
        r"(?:ValueError|error): (?:remaining_argv|argument --|unrecognized arguments)(.*)",
        "ms-swift refused an option:{0}",
    ),
)
# Exit codes of a killed process, as Python (-9) and torchrun or a shell (137) report them.
KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}


def find_cause(exit_code: int, log: str) -> Cause:
    """The likely cause; the last error line of the log where none is recognised."""
    for code, pattern, text in CAUSES:
        match = re.search(pattern, log)
        if match:
            return Cause(code, text.format(*match.groups()) if match.groups() else text)
    # torchrun lists the ranks that it ended itself before the one that failed first
    rank = re.search(r"rank\s*:\s*(\d+).*?\n.*?exitcode\s*:\s*(-?\d+)", log.rpartition("Root Cause")[2])
    if exit_code in KILLED or (rank and int(rank.group(2)) in KILLED) or "Signal 9 (SIGKILL)" in log:
        who = f"rank {rank.group(1)}" if rank else "the trainer"
        return Cause(
            "killed",
            f"{who} was killed from outside (SIGKILL), most often because the machine's memory ran out: "
            "fewer processes, a smaller batch or max_length, then `swiftagent sft --resume`",
        )
    if exit_code < 0 or exit_code > 128:
        number = -exit_code if exit_code < 0 else exit_code - 128
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        return Cause(
            "signal", f"the trainer was stopped by {name}; `swiftagent sft --resume` resumes from the last checkpoint"
        )
    last = _last_error_line(log)
    return Cause("unknown", last or f"the trainer ended with exit code {exit_code} and without a message")


def disk_full() -> Cause:
    """For a log that could not be written, since it lies on the full disk itself."""
    return next(Cause(code, text) for code, _, text in CAUSES if code == "disk-full")


def _last_error_line(log: str) -> str:
    for line in reversed(log.splitlines()):
        match = re.match(r"(?:\[rank\d+\]:\s*)?((?:[\w.]+(?:Error|Exception|Exit))\b.*)", line.strip())
        if match and "ChildFailedError" not in line:
            return match.group(1)[:300]
    return ""
