"""Prompts written on together give what each gives alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swiftagent.agent.drive import Usage
from swiftagent.agent.loop import Generate, Generated
from swiftagent.errors import SetupError

pytestmark = pytest.mark.needs_swift

QUESTIONS = ["What is a lake?", "你好", "Copy these words: red, seven, Oslo, the old bridge, 12, 苹果.", "Why?", "1"]


@pytest.fixture(scope="module")
def engine(root: Path) -> Iterator[Any]:
    from swiftagent.backend.engine import load_engine

    engine = load_engine(str(root / "datasets" / "tiny-base"), None, "chatml", model_type="qwen2", device="cpu")
    yield engine
    engine.close()


def asked(question: str, max_tokens: int = 24) -> Generate:
    return Generate([{"role": "user", "content": question}], "", max_tokens, 0.0)


def alone(engine: Any, request: Generate) -> tuple[str, int, str]:
    usage = Usage()
    text = "".join(engine.generate(request, usage=usage))
    return text, usage.generated, usage.ended_by


def told(written: Generated) -> tuple[str, int, str]:
    return written.text, written.tokens, written.ended_by


def test_prompts_of_many_lengths_are_written_on_as_alone(engine: Any):
    requests = [asked(question) for question in QUESTIONS] + [asked(QUESTIONS[0], 2)]
    found = [told(written) for written in engine.write_together(requests)]
    assert found == [alone(engine, request) for request in requests]
    assert {ended_by for *_, ended_by in found} == {"end", "length"}


def test_a_prompt_without_room_is_not_written_on(engine: Any):
    long, short = engine.write_together([asked("word " * 3000), asked(QUESTIONS[0])])
    assert told(long) == ("", 0, "length")
    assert told(short) == alone(engine, asked(QUESTIONS[0]))
    assert engine.write_together([]) == []


def test_what_does_not_fit_the_memory_is_written_in_halves(engine: Any):
    import torch

    def full(limit: int) -> Any:
        def check(model: Any, args: Any, kwargs: Any) -> None:
            if len(kwargs["input_ids"]) > limit:
                raise torch.OutOfMemoryError("CUDA out of memory")

        return engine.model.register_forward_pre_hook(check, with_kwargs=True)

    requests = [asked(question, 6) for question in QUESTIONS]
    wanted = [alone(engine, request) for request in requests]
    hook = full(2)
    assert [told(written) for written in engine.write_together(requests)] == wanted
    hook.remove()
    hook = full(0)
    with pytest.raises(SetupError, match="the GPU's memory does not hold a prompt of [0-9]+ tokens beside the model"):
        engine.write_together(requests)
    hook.remove()
