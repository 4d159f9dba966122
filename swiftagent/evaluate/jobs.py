"""Answers what jobs of an evaluation ask a model for: one at a time, in threads, or many together in one batch.

A job is a generator: it yields `Generate` and is sent what was `Generated`, as often as it wants, and returns its
entry. So a step, a run of many steps and a batch of them are the same code, and a test is a list of texts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from swiftagent.agent.drive import RequestRefused, Usage, write
from swiftagent.agent.loop import Generate, Generated
from swiftagent.agent.sampling import Sampling
from swiftagent.io.jsonl import without_surrogates

Entry = TypeVar("Entry")
Job = Generator[Generate, Generated, Entry]

BATCH = 16

_key = msgspec.json.Encoder(order="deterministic").encode


class CachedEngine:
    """An engine with a cache: greedy text is the same each time, and free runs begin as next steps do.
    What is sampled is written anew for every request."""

    def __init__(self, engine: Any, temperature: float = 0.0) -> None:
        self.engine = engine
        self.temperature = temperature
        self._known: dict[bytes, Generated] = {}

    def write(self, request: Generate) -> Generated:
        """The text of one request, read no further than its stop word."""
        if self.temperature:
            return self._write(request)
        name = _name(request)
        if name not in self._known:
            self._known[name] = self._write(request)
        return self._known[name]

    def write_together(self, requests: Sequence[Generate]) -> list[Generated]:
        """The texts of many; those that are known, or asked for twice, are not written again."""
        if self.temperature:
            return [_clean(each) for each in self.engine.write_together(list(requests), self.temperature)]
        names = [_name(request) for request in requests]
        new = {name: request for name, request in zip(names, requests, strict=True) if name not in self._known}
        if new:
            for name, written in zip(new, self.engine.write_together(list(new.values())), strict=True):
                self._known[name] = _clean(written)
        return [self._known[name] for name in names]

    def _write(self, request: Generate) -> Generated:
        writing = write(self.engine, request, Usage(), sampling=Sampling(temperature=self.temperature))
        try:
            while True:
                next(writing)
        except StopIteration as done:
            written: Generated = done.value
            return written


def _clean(written: Generated) -> Generated:
    return msgspec.structs.replace(written, text=without_surrogates(written.text))


def _name(request: Generate) -> bytes:
    return _key([request.messages, request.stop, request.max_tokens, request.tools])


def finish(job: Job[Entry], write: Callable[[Generate], Generated]) -> Entry:
    """Answer one job's requests until it is done."""
    try:
        request = next(job)
        while True:
            try:
                written = write(request)
            # A job may know what to make of it.
            except RequestRefused as error:
                request = job.throw(error)
            else:
                request = job.send(written)
    except StopIteration as done:
        result: Entry = done.value
        return result


def finish_all(
    jobs: Sequence[Callable[[], Job[Entry]]], cached: CachedEngine, at_a_time: int | None = None
) -> Iterator[Entry]:
    """Finish every job, `at_a_time` of them at once (None: a batch where the engine takes one, else one by one).

    Entries come as they are finished.
    """
    batches = hasattr(cached.engine, "write_together")
    at_a_time = at_a_time or (BATCH if batches else int(getattr(cached.engine, "at_a_time", 1)))
    if at_a_time > 1 and batches:
        yield from _in_waves(jobs, cached, at_a_time)
    elif at_a_time > 1:
        yield from _in_threads(jobs, cached, at_a_time)
    else:
        yield from (finish(job(), cached.write) for job in jobs)


def _in_waves(jobs: Sequence[Callable[[], Job[Entry]]], cached: CachedEngine, at_a_time: int) -> Iterator[Entry]:
    """Each wave writes the next text of every open job; where a job ends, the next takes its place."""
    waiting = iter(jobs)
    open_jobs: list[tuple[Job[Entry], Generate]] = []
    while True:
        while len(open_jobs) < at_a_time:
            begun = next(waiting, None)
            if begun is None:
                break
            job = begun()
            open_jobs.append((job, next(job)))
        if not open_jobs:
            return
        texts = cached.write_together([request for _, request in open_jobs])
        going_on = []
        for (job, _), text in zip(open_jobs, texts, strict=True):
            try:
                going_on.append((job, job.send(text)))
            except StopIteration as done:
                yield done.value
        open_jobs = going_on


def _in_threads(jobs: Sequence[Callable[[], Job[Entry]]], cached: CachedEngine, at_a_time: int) -> Iterator[Entry]:
    """On Ctrl-C, jobs that have not begun are dropped."""
    stopped = threading.Event()

    def one(job: Callable[[], Job[Entry]]) -> Entry | None:
        return None if stopped.is_set() else finish(job(), cached.write)

    with ThreadPoolExecutor(at_a_time) as pool:
        try:
            for entry in pool.map(one, jobs):
                if entry is not None:
                    yield entry
        finally:
            stopped.set()
