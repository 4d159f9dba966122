"""Tasks on a Ray cluster instead of processes of this machine: the same functions, so the same bytes.

Tasks read the inputs and write to files in the output's work folder, so both lie on storage that every node sees. A
task whose worker dies is run again elsewhere; what the dead one left is never read.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from swiftagent.errors import SetupError, SwiftAgentError
from swiftagent.io.workers import Workers

Task = TypeVar("Task")
Result = TypeVar("Result")
_RETRIES = 8  # of one task whose worker was lost
_LAST_TASKS = 60  # seconds that tasks may still take when one has failed
_ANSWER = 20.0  # seconds that a cluster has to accept a connection
_WAITING = 4  # tasks a core that are handed out before the first results are back


class RayWorkers(Workers):
    """Like Workers, on the cluster at `address` ("auto" finds one on this machine), or on one started here."""

    def __init__(self, address: str | None, count: int | None = None) -> None:
        super().__init__(1)
        ray = _ray()
        self._ray = ray
        self._ours = not ray.is_initialized()
        self._stdout = contextlib.redirect_stdout(sys.stderr)  # where Ray prints that it lost a worker
        if self._ours:
            path = [str(Path(__file__).resolve().parents[2]), os.getcwd(), os.environ.get("PYTHONPATH", "")]
            options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
            options["runtime_env"] = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, path))}}
            _require_listener(address or "")
            try:
                if address:
                    del options["include_dashboard"]
                    ray.init(address=address, **options)
                else:
                    ray.init(address="local", num_cpus=count, **options)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise SetupError(f"no Ray cluster at {address or 'this machine'}: {_first_line(error)}") from error
        self._run = ray.remote(max_retries=_RETRIES, num_cpus=1)(_call)

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

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Yield (index of the task, result) as results arrive. Raises what a task raises, or SetupError where nodes are
        lost."""
        ray = self._ray
        window = max(8, _WAITING * int(ray.cluster_resources().get("CPU", 1)))
        waiting = iter(enumerate(tasks))
        running: dict[Any, int] = {}
        try:
            while True:
                while len(running) < window and (following := next(waiting, None)) is not None:
                    running[self._run.remote(function, following[1], os.getcwd())] = following[0]
                if not running:
                    return
                ready, _ = ray.wait(list(running), num_returns=1)
                for reference in ready:
                    index = running.pop(reference)
                    yield index, self._result(reference)
        except (SwiftAgentError, OSError):  # a task's: the others end before anybody clears up behind them
            for reference in running:
                ray.cancel(reference)
            ray.wait(list(running), num_returns=len(running), timeout=_LAST_TASKS) if running else None
            raise

    def _result(self, reference: Any) -> Any:
        try:
            fine, result = self._ray.get(reference)
        except (
            self._ray.exceptions.RayTaskError
        ) as error:  # a bug, or a node without swiftagent: its traceback shows it
            print(error, file=sys.stderr)
            raise SetupError(f"a task failed on the Ray cluster: {str(error).strip().splitlines()[-1]}") from error
        except self._ray.exceptions.RayError as error:
            raise SetupError(
                f"the Ray cluster lost a task for good: {_first_line(error)}; run again, it resumes"
            ) from error
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


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise SetupError("--engine ray needs Ray; pip install 'swiftagent[ray]'") from error
    return ray


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
