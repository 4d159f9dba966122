"""`response_format` over HTTP: with the extra a real model keeps to it, without it is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from served import Served, serving

openai = pytest.importorskip("openai", reason="the openai client is not installed (pip install openai)")

ASKED: list[Any] = [{"role": "user", "content": "Oslo?"}]
SHAPE = {
    "type": "object",
    "properties": {"city": {"enum": ["Oslo", "Rome"]}, "days": {"type": "integer", "maximum": 9, "minimum": 1}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
NAMED = {"name": "plan", "schema": SHAPE}
TOOLS = [{"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture(scope="module")
def real(root: Path) -> Iterator[Served]:
    """A model that was never trained on JSON, served as `swiftagent serve` does."""
    pytest.importorskip("llguidance", reason="llguidance is not installed (pip install llguidance)")
    from swiftagent.backend.engine import load_engine

    engine = load_engine(str(root / "datasets" / "tiny-base"), template="qwen2_5", model_type="qwen2", device="cpu")
    assert engine.is_strict
    with serving(engine, strict=engine.is_strict, temperature=1.5) as served:
        yield served


@pytest.mark.needs_swift
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_has_the_schema_that_was_asked_for(real: Served, stream: bool) -> None:
    wanted = {"type": "json_schema", "json_schema": NAMED}
    reply = real.ask(ASKED, response_format=wanted, stream=stream, max_tokens=90, seed=1)
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in reply)
        assert reply[-1].choices[0].finish_reason == "stop"
    else:
        text = reply.choices[0].message.content
    value = json.loads(text)
    assert list(value) == ["city", "days"]
    assert value["city"] in ("Oslo", "Rome")
    assert 1 <= value["days"] <= 9


@pytest.mark.needs_swift
@pytest.mark.filterwarnings("ignore")
def test_any_object_and_the_responses_interface(real: Served) -> None:
    text = real.ask(ASKED, response_format={"type": "json_object"}, max_tokens=400, seed=2).choices[0].message.content
    assert text.startswith("{")
    with real.client() as client:
        format: Any = {"type": "json_schema", **NAMED}
        said = client.responses.create(model="m", input="Oslo?", text={"format": format}, temperature=1.5)
    assert list(json.loads(said.output_text)) == ["city", "days"]


@pytest.mark.parametrize("tools", [[], TOOLS])
@pytest.mark.parametrize("wanted", [{"type": "json_object"}, {"type": "json_schema", "json_schema": NAMED}])
def test_without_the_extra_it_is_refused_by_name(serve: Callable[..., Served], wanted: Any, tools: list[Any]) -> None:
    with pytest.raises(openai.BadRequestError, match=r"pip install 'swiftagent\[strict\]'") as refused:
        serve("{}").ask(ASKED, response_format=wanted, tools=tools)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "response_format")
