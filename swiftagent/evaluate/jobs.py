"""Answers what jobs of an evaluation ask a model for: one at a time, in threads, or many together in one batch.

A job is a generator: it yields `Generate` and is sent what was `Generated`, as often as it wants, and returns its
entry. So a step, a run of many steps and a batch of them are the same code, and a test is a list of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import msgspec

from swiftagent.agent.drive import Usage, finish, write
from swiftagent.agent.loop import Generate, Generated, Job, Result
from swiftagent.agent.sampling import Sampling
from swiftagent.io.jsonl import without_surrogates

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
        return self._cached([request], lambda new: map(self._write, new))[0]

    def write_together(self, requests: Sequence[Generate]) -> list[Generated]:
        """The texts of many; those that are known, or asked for twice, are not written again."""
        return self._cached(requests, lambda new: map(_clean, self.engine.write_together(new, self.temperature)))

    def _cached(
        self, requests: Sequence[Generate], write: Callable[[list[Generate]], Iterable[Generated]]
    ) -> list[Generated]:
        if self.temperature:
            return list(write(list(requests)))
        names = [_key([each.messages, each.stop, each.max_tokens, each.tools]) for each in requests]
        new = {name: request for name, request in zip(names, requests, strict=True) if name not in self._known}
        if new:
            self._known.update(zip(new, write([*new.values()]), strict=True))
        return [self._known[name] for name in names]

    def _write(self, request: Generate) -> Generated:
        sampling = Sampling(temperature=self.temperature)
        return finish(write(self.engine, request, Usage(), sampling=sampling), lambda text: None)


def _clean(written: Generated) -> Generated:
    return msgspec.structs.replace(written, text=without_surrogates(written.text))


def finish_all(
    jobs: Sequence[Callable[[], Job[Result]]], cached: CachedEngine, at_a_time: int | None = None
) -> Iterator[Result]:
    """Finish every job, `at_a_time` of them at once (None: a batch where the engine takes one, else one by one).

    Entries come as they are finished.
    """
    batches = hasattr(cached.engine, "write_together")
    at_a_time = at_a_time or (BATCH if batches else int(getattr(cached.engine, "at_a_time", 1)))
    if at_a_time > 1 and batches:
        yield from _in_waves(jobs, cached, at_a_time)
    elif at_a_time > 1:
        with ThreadPoolExecutor(at_a_time) as pool:
            # On Ctrl-C, jobs that have not begun are dropped by `map`.
            yield from pool.map(lambda job: finish(job(), cached.write), jobs)
    else:
        yield from (finish(job(), cached.write) for job in jobs)


def _in_waves(jobs: Sequence[Callable[[], Job[Result]]], cached: CachedEngine, at_a_time: int) -> Iterator[Result]:
    """Each wave writes the next text of every open job; where a job ends, the next takes its place."""
    begun: Iterator[tuple[Job[Result], Any]] = ((job(), None) for job in jobs)
    answered = begun
    while True:
        asking: list[tuple[Job[Result], Generate]] = []
        while len(asking) < at_a_time and (pair := next(answered, None)):
            job, text = pair
            try:
                asking.append((job, job.send(text)))
            except StopIteration as done:
                yield done.value
        if not asking:
            return
        texts = cached.write_together([request for _, request in asking])
        answered = chain(zip([job for job, _ in asking], texts, strict=True), begun)
