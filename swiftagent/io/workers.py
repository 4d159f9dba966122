"""A few forked processes that take tasks through pipes. They end with their parent, also when it is killed."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from swiftagent.errors import SetupError, SwiftAgentError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Task = TypeVar("Task")
Result = TypeVar("Result")


class Workers:
    """`count` processes; with one, tasks run in this process. Fork before threads are started."""

    def __init__(self, count: int) -> None:
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        if count < 2:
            return
        import multiprocessing

        context = multiprocessing.get_context("fork")
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, [*self._pipes, ours]), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    @property
    def alone(self) -> bool:
        """Whether tasks run in this process, one after the other."""
        return not self._pipes

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(0.2)
            if process.is_alive():
                process.kill()
                process.join()

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Yield (index of the task, result) as results arrive. What a task raises is raised here.

        Raises SetupError where a process was killed, as the system does when memory runs out.
        """
        if not self._pipes or len(tasks) == 1:
            for index, task in enumerate(tasks):
                yield index, function(task)
            return
        from multiprocessing.connection import wait

        waiting = iter(enumerate(tasks))
        busy: dict[Any, int] = {}
        for first, (index, task) in zip(self._pipes, waiting, strict=False):
            first.send((function, task))
            busy[first] = index
        try:
            while busy:
                for ready in wait(list(busy)):
                    pipe: Any = ready
                    index = busy.pop(pipe)
                    result = _receive(pipe)
                    following = next(waiting, None)
                    if following is not None:
                        pipe.send((function, following[1]))
                        busy[pipe] = following[0]
                    yield index, result
        except (
            SwiftAgentError,
            OSError,
        ):  # a task's: the other processes end theirs before anybody clears up behind them
            for pipe in busy:
                with contextlib.suppress(EOFError, OSError):
                    pipe.recv()
            raise

    def in_order(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Yield the results in the order of their tasks; what comes before its turn waits."""
        early: dict[int, Result] = {}
        due = 0
        for index, result in self.map(function, tasks):
            early[index] = result
            while due in early:
                yield early.pop(due)
                due += 1


def cores() -> int:
    """How many processes this process may keep busy."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _receive(pipe: Any) -> Any:
    try:
        fine, result = pipe.recv()
    except EOFError:
        raise SetupError(
            "a worker process was killed, perhaps for want of memory; run again, or with --processes 1"
        ) from None
    if not fine:
        raise result
    return result


def _serve(pipe: Connection, inherited: list[Connection]) -> None:
    """The life of one process: tasks until the parent closes the pipe or is gone."""
    for other in inherited:  # a pipe that a sibling holds open would never report the end of the parent
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)  # rows leave no cycles; looking for them costs a tenth of the time
    try:
        while True:
            function, task = pipe.recv()
            try:
                answer = (True, function(task))
            except (SwiftAgentError, OSError) as error:
                answer = (False, error)
            pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except Exception:  # a bug: its traceback is shown here, the parent sees that the process ended
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(0)
