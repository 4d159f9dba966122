"""Tasks on a Ray cluster instead of processes of this machine: the same functions, so the same bytes.

Tasks read the inputs and write to files in the output's work folder, so both lie on storage that every node sees. A
task whose worker dies is run again elsewhere; what the dead one left is never read.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Sized
from pathlib import Path
from typing import Any

from swiftagent.errors import SetupError, SwiftAgentError
from swiftagent.io.workers import Workers

_RETRIES = 8  # of one task whose worker was lost
_LAST_TASKS = 60  # seconds that tasks may still take when one has failed
_ANSWER = 20.0  # seconds that a cluster has to accept a connection
_WAITING = 4  # tasks a core that are handed out before the first results are back


class RayWorkers(Workers):
    """Like Workers, on the cluster at `address` ("auto" finds one on this machine), or on one started here."""

    def __init__(self, address: str | None, count: int | None = None) -> None:
        super().__init__(1)
        try:
            import ray
        except ImportError as error:
            raise SetupError("--engine ray needs Ray; pip install 'swiftagent[ray]'") from error
        self._ray = ray
        self._ours = not ray.is_initialized()
        self._stdout = contextlib.redirect_stdout(sys.stderr)  # where Ray prints that it lost a worker
        if self._ours:
            path = [str(Path(__file__).resolve().parents[2]), os.getcwd(), os.environ.get("PYTHONPATH", "")]
            options: dict[str, Any] = {"num_cpus": count, "include_dashboard": False} if not address else {}
            options["runtime_env"] = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, path))}}
            _require_listener(address or "")
            try:
                ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **options)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise SetupError(f"no Ray cluster at {address or 'this machine'}: {_first_line(error)}") from error
        self._run = ray.remote(max_retries=_RETRIES, num_cpus=1)(_call)
        self._window = max(8, _WAITING * int(ray.cluster_resources().get("CPU", 1)))

    @property
    def alone(self) -> bool:
        return False

    def __enter__(self) -> RayWorkers:
        self._stdout.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            self._ray.shutdown()
        self._stdout.__exit__(None, None, None)

    def _room(self, running: Sized) -> int:
        return self._window - len(running)

    def _start(self, function: Callable[[Any], Any], task: Any) -> Any:
        return self._run.remote(function, task, os.getcwd())

    def _finished(self, running: list[Any]) -> list[Any]:
        return list(self._ray.wait(running, num_returns=1)[0])

    def _end(self, running: list[Any]) -> None:
        for reference in running:
            self._ray.cancel(reference)
        if running:
            self._ray.wait(running, num_returns=len(running), timeout=_LAST_TASKS)

    def _result(self, reference: Any) -> Any:
        try:
            fine, result = self._ray.get(reference)
        # A bug, or a node without swiftagent: its traceback shows it.
        except self._ray.exceptions.RayTaskError as error:
            print(error, file=sys.stderr)
            raise SetupError(f"a task failed on the Ray cluster: {str(error).strip().splitlines()[-1]}") from error
        except self._ray.exceptions.RayError as error:
            lost = f"the Ray cluster lost a task for good: {_first_line(error)}; run again, it resumes"
            raise SetupError(lost) from error
        if not fine:
            raise result
        return result


def _require_listener(address: str) -> None:
    """Raise SetupError where nothing listens at HOST:PORT: Ray itself would go on asking."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER).close()
    except (OSError, OverflowError) as error:
        raise SetupError(
            f"--ray-address {address}: no Ray cluster answers ({error}); `ray status` there shows whether one runs, "
            "and without the option one is started here"
        ) from None


def _call(function: Callable[[Any], Any], task: Any, folder: str) -> tuple[bool, Any]:
    """Run a task where the command was given, so that paths mean the same."""
    try:
        if os.getcwd() != folder:
            os.chdir(folder)
        return True, function(task)
    except (SwiftAgentError, OSError) as error:
        return False, error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
