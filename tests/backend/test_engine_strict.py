"""Calls and answers under a grammar, by a model whose own texts are nothing of the kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from served import serving

from swiftagent.agent.loop import Generate
from swiftagent.agent.sampling import HERMES, REACT_FRAME, Sampling
from swiftagent.agent.serving.forms import forms_of
from swiftagent.tools.source import argument_problem
from swiftagent.trajectory.react import STOP, call_text
from swiftagent.trajectory.read_step import read_step
from swiftagent.trajectory.types import Call, Tool

pytest.importorskip("llguidance", reason="llguidance is not installed (pip install llguidance)")
pytestmark = [pytest.mark.needs_swift, pytest.mark.filterwarnings("ignore")]

CITY = {"type": "string", "maxLength": 8}
WEATHER = Tool(
    "weather",
    "",
    {"type": "object", "properties": {"city": CITY, "day": {"enum": ["Mon", "Tue"]}}, "required": ["day"]},
)
CLOCK = Tool("read_clock", "", {"type": "object", "properties": {}})
ASKED = {"role": "user", "content": "Oslo?"}
SHAPE = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@pytest.fixture(scope="module")
def engine(root: Path) -> Any:
    from swiftagent.backend.engine import load_engine

    return load_engine(str(root / "datasets" / "tiny-base"), template="qwen2_5", model_type="qwen2", device="cpu")


def written(engine: Any, prefix: str, tools: tuple[Tool, ...], shape: Any, frame: Any, seed: int, steps: bool) -> str:
    messages = [ASKED, *([{"role": "assistant", "content": prefix}] if prefix else [])]
    sampling = Sampling(seed=seed, forms=forms_of(tools, shape, frame, prefix, steps), temperature=1.5)
    return prefix + "".join(engine.generate(Generate(messages, STOP, 80), sampling))


@pytest.mark.parametrize("prefix", ["Action:", "Action: weather\nAction Input:"])
def test_sampled_calls_are_declared_and_fit_their_schema(engine: Any, prefix: str) -> None:
    for seed in range(3):
        text = written(engine, prefix, (WEATHER, CLOCK), None, REACT_FRAME, seed, True)
        [call] = read_step(text).calls
        tool = {"weather": WEATHER, "read_clock": CLOCK}[call.tool]
        assert not argument_problem(tool, call.arguments)
        # Names, spelling and order are those of a record.
        assert text == call_text(call)


def test_tokens_that_are_forced_are_those_of_training_and_cost_no_pass(engine: Any) -> None:
    passes: list[int] = []
    forward = engine._forward
    engine._forward = lambda held, ids: (passes.append(len(ids)), forward(held, ids))[1]
    try:
        text = written(engine, "Action:", (CLOCK,), None, REACT_FRAME, 0, True)
    finally:
        del engine._forward
    whole = call_text(Call("read_clock", {}))
    assert text == whole
    # One pass reads the prompt; everything behind it is forced.
    assert len(passes) == 1
    held = engine.prompt.encode([ASKED, {"role": "assistant", "content": whole}])
    guide = engine._guide(forms_of((CLOCK,), None, REACT_FRAME, "Action:", True))
    ids = engine.prompt.encode([ASKED, {"role": "assistant", "content": "Action:"}])
    while (token := guide.forced()) is not None:
        ids.append(token)
        guide.is_over_after(token, engine.tokenizer.decode([token]))
    assert ids == held


def test_native_calls(engine: Any) -> None:
    text = written(engine, HERMES.opening, (WEATHER,), None, HERMES, 1, False)
    call = json.loads(text.partition("<tool_call>\n")[2].partition("\n</tool_call>")[0])
    assert call["name"] == "weather"
    assert not argument_problem(WEATHER, call["arguments"])


@pytest.mark.parametrize("prefix, steps", [("", False), ("Final Answer:", True)])
def test_an_answer_of_a_given_shape_ends_with_it(engine: Any, prefix: str, steps: bool) -> None:
    text = written(engine, prefix, (), SHAPE, REACT_FRAME, 3, steps)
    assert list(json.loads(text.removeprefix(prefix))) == ["n"]


def test_a_label_that_the_model_writes_begins_the_grammar() -> None:
    [form] = forms_of((CLOCK,), None, REACT_FRAME, "", True)
    assert (form.after, form.lark.splitlines()[0]) == ("Action:", 'start: call "\\nObservation:"')


PLAN = {
    "type": "object",
    "properties": {"city": {"enum": ["Oslo", "Rome"]}, "days": {"type": "integer", "maximum": 9, "minimum": 1}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


def test_response_format_over_http(engine: Any) -> None:
    """A model that was never trained on JSON, behind `swiftagent serve`: whole, streamed, and over responses."""
    named: Any = {"name": "plan", "schema": PLAN}
    wanted = {"type": "json_schema", "json_schema": named}
    with serving(engine, strict=engine.is_strict, temperature=1.5) as served, served.client() as client:
        whole = served.ask([ASKED], response_format=wanted, max_tokens=90, seed=1).choices[0]
        chunks = served.ask([ASKED], response_format=wanted, max_tokens=90, seed=2, stream=True)
        said = client.responses.create(
            model="m", input="Oslo?", text={"format": {"type": "json_schema", **named}}, temperature=1.5
        )
        begun = served.ask([ASKED], response_format={"type": "json_object"}, max_tokens=20).choices[0].message.content
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert (whole.finish_reason, chunks[-1].choices[0].finish_reason) == ("stop", "stop")
    for text in (whole.message.content, streamed, said.output_text):
        value = json.loads(text)
        assert list(value) == ["city", "days"]
        assert value["city"] in ("Oslo", "Rome")
        assert 1 <= value["days"] <= 9
    assert begun.startswith("{")
