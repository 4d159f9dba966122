"""A few forked processes that take tasks through pipes. They end with their parent, also when it is killed."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence, Sized
from itertools import islice
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
        if count > 1:
            import multiprocessing

            context = multiprocessing.get_context("fork")
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, [*self._pipes, ours]), daemon=True)
                process.start()
                theirs.close()
                self._pipes.append(ours)
                self._processes.append(process)
        self._idle: list[Any] = list(self._pipes)

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

    def in_order(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Yield the results in the order of their tasks; what comes before its turn waits. What a task raises is raised
        here.

        Raises SetupError where a process was killed, as the system does when memory runs out, or nodes are lost.
        """
        if self.alone or len(tasks) == 1:
            yield from map(function, tasks)
            return
        waiting, running, early, due = iter(enumerate(tasks)), dict[Any, int](), dict[int, Any](), 0
        try:
            while True:
                for index, task in islice(waiting, self._room(running)):
                    running[self._start(function, task)] = index
                while due in early:
                    yield early.pop(due)
                    due += 1
                if not running:
                    return
                for each in self._finished(list(running)):
                    index = running.pop(each)  # first: it is not waited for where its task has failed
                    early[index] = self._result(each)
        except (SwiftAgentError, OSError):  # a task's: the others end before anybody clears up behind them
            self._end(list(running))
            raise

    def _room(self, running: Sized) -> int:
        """How many tasks can be handed out beside those that are running."""
        return len(self._idle)

    def _start(self, function: Callable[[Any], Any], task: Any) -> Any:
        """Hand a task out; what is returned stands for it."""
        pipe = self._idle.pop()
        pipe.send((function, task))
        return pipe

    def _finished(self, running: list[Any]) -> list[Any]:
        """Some of them, once they are done."""
        from multiprocessing.connection import wait

        return wait(running)

    def _result(self, pipe: Any) -> Any:
        try:
            fine, result = pipe.recv()
        except EOFError:
            raise SetupError(
                "a worker process was killed, perhaps for want of memory; run again, or with --processes 1"
            ) from None
        self._idle.append(pipe)
        if not fine:
            raise result
        return result

    def _end(self, running: list[Any]) -> None:
        for pipe in running:
            with contextlib.suppress(SwiftAgentError, OSError):
                self._result(pipe)


def cores() -> int:
    """How many processes this process may keep busy."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    # Of a bug multiprocessing prints the traceback, and the parent sees that the process ended.
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)
