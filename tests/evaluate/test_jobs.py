"""Jobs are the same code one at a time, in threads and in waves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from swiftagent.agent.drive import Usage
from swiftagent.agent.loop import Generate, Generated, Job
from swiftagent.evaluate.jobs import CachedEngine, finish_all


def says(messages: list[Any]) -> str:
    return f"{messages[0]['content']}{len(messages)}"


class OneByOne:
    """Answers with the first message and how many there are."""

    def __init__(self) -> None:
        self.usage = Usage()
        self.asked: list[int] = []  # prompts of each request

    def generate(self, request: Generate, *_: Any) -> Iterator[str]:
        self.asked.append(1)
        yield says(request.messages)


class Batches(OneByOne):
    def write_together(self, requests: Sequence[Generate], temperature: float) -> list[Generated]:
        self.asked.append(len(requests))
        return [Generated(says(request.messages)) for request in requests]


def job(name: str, steps: int) -> Job[str]:
    """Asks `steps` times, with one more message each time."""
    messages: list[Any] = [{"role": "user", "content": name}]
    texts = []
    for _ in range(steps):
        written = yield Generate(list(messages), "", 9, 0.0)
        texts.append(written.text)
        messages.append({"role": "assistant", "content": written.text})
    return " ".join(texts)


JOBS = [partial(job, name, steps) for name, steps in (("a", 1), ("b", 3), ("c", 1), ("d", 2))]
DONE = {"a1", "b1 b2 b3", "c1", "d1 d2"}


@pytest.mark.parametrize(
    ("engine", "at_a_time", "asked"),
    [
        (OneByOne(), 1, [1] * 7),
        (OneByOne(), None, [1] * 7),
        (OneByOne(), 3, [1] * 7),
        (Batches(), 1, [1] * 7),
        (Batches(), 2, [2, 2, 2, 1]),  # a+b, b+c, b+d, d
        (Batches(), None, [4, 2, 1]),
    ],
)
def test_every_job_is_finished(engine: OneByOne, at_a_time: int | None, asked: list[int]):
    assert set(finish_all(JOBS, CachedEngine(engine), at_a_time)) == DONE
    assert engine.asked == asked


@pytest.mark.parametrize("engine", [OneByOne(), Batches()])
def test_what_was_written_once_is_not_written_again(engine: OneByOne):
    cached = CachedEngine(engine)
    assert set(finish_all(JOBS, cached)) == DONE
    written = sum(engine.asked)
    assert set(finish_all(JOBS, cached)) == DONE
    assert sum(engine.asked) == written
    list(finish_all([partial(job, "a", 2)], cached))
    assert sum(engine.asked) == written + 1


def test_the_same_prompt_twice_in_a_wave_is_written_once():
    engine = Batches()
    assert list(finish_all([JOBS[0], JOBS[0]], CachedEngine(engine))) == ["a1", "a1"]
    assert engine.asked == [1]


def test_an_engine_that_fails_ends_the_threads():
    class Fails(OneByOne):
        def generate(self, request: Generate, *_: Any) -> Iterator[str]:
            raise OSError("gone")
            yield ""

    with pytest.raises(OSError, match="gone"):
        list(finish_all(JOBS, CachedEngine(Fails()), 2))
