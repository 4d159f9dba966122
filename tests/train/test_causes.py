"""What a log and an exit code say about the end of a run."""

from __future__ import annotations

import pytest

from swiftagent.train.follow import find_cause

TORCHRUN_KILLED = """
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
Failures:
[1]:
  rank      : 0 (local_rank: 0)
  exitcode  : -15 (pid: 5819)  (SIGTERM)
Root Cause (first observed failure):
[0]:
  time      : 2026-11-23_04:33:39
  host      : node
  rank      : 3 (local_rank: 3)
  exitcode  : -9 (pid: 5820)
  traceback : Signal 9 (SIGKILL) received by PID 5820
"""


@pytest.mark.parametrize(
    ("exit_code", "log", "code"),
    [
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.32 GiB. GPU 0 has ...", "gpu-memory"),
        (
            1,
            "RuntimeError: [enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried",
            "host-memory",
        ),
        (1, "OSError: [Errno 28] No space left on device: 'runs/x/checkpoint-100'", "disk-full"),
        (1, "RuntimeError: [enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0", "disk-full"),
        (
            1,
            "[Rank 2] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=12, OpType=ALLREDUCE)",
            "nccl-timeout",
        ),
        (
            1,
            "RuntimeError: [../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:12",
            "nccl-timeout",
        ),
        (1, "swiftagent: the loss is nan at step 40", "nan"),
        (1, TORCHRUN_KILLED, "killed"),
        (-9, "", "killed"),
        (137, "", "killed"),
        (-15, "", "signal"),
        (1, "The server socket has failed to bind: EADDRINUSE", "address"),
        (1, "requests.exceptions.ConnectionError: HTTPSConnectionPool: Max retries exceeded with url", "no-network"),
        (1, 'ValueError: Instruction "train" corresponds to no data!', "empty"),
        (1, "[INFO:swift] train_dataset: None\nTypeError: 'NoneType' object is not iterable", "empty"),
        (1, "ModuleNotFoundError: No module named 'bitsandbytes'", "missing-package"),
        (1, "[rank0]: ValueError: something of its own", "unknown"),
        (3, "", "unknown"),
    ],
)
def test_cause_is_recognised(exit_code: int, log: str, code: str):
    assert find_cause(exit_code, log).code == code


def test_what_killed_a_run_comes_before_what_followed():
    log = (
        "torch.OutOfMemoryError: CUDA out of memory.\n[Rank 1] Watchdog caught collective operation timeout"
        + TORCHRUN_KILLED
    )
    assert find_cause(1, log).code == "gpu-memory"


def test_the_line_names_rank_and_remedy():
    assert find_cause(1, TORCHRUN_KILLED).text.startswith(
        "rank 3 was killed from outside (SIGKILL), most often because"
    )
    assert find_cause(1, "x\n[rank0]: ValueError: a thing\nmore").text == "ValueError: a thing"
    assert find_cause(3, "").text == "the trainer ended with exit code 3 and without a message"
