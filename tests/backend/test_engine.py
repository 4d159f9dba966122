"""The transformers engine over a really loaded tiny model: prompts equal training's ids, and the KV cache is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swiftagent.agent.drive import Runtime, Usage, answer
from swiftagent.agent.loop import Generate, Limits, ReAct, start
from swiftagent.cli import main
from swiftagent.errors import ConfigError, SetupError
from swiftagent.tools.toolbox import Toolbox
from swiftagent.trajectory.react import STOP, render
from swiftagent.trajectory.record import to_messages, to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Tool, Trajectory

pytestmark = pytest.mark.needs_swift

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = (Tool("weather", "of a city", CITY),)
EVENTS = (
    System("Be short."),
    Question("Oslo? 你好"),
    Thought("look"),
    Call("weather", {"city": "Oslo"}, "c0"),
    Observation('3C\n\n:[{"Thought:": "<|im_end|>"}]', "c0"),
    Call("weather", {"city": "Ro\nme"}, "c1"),
    Observation(" ", "c1"),
    Thought("ok"),
    Answer("It is 3C.\n"),
    Question("And now?"),
    Call("weather", {"city": "Bern"}, "c2"),
    Observation("x", "c2"),
    Answer("y"),
)


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Any:
    from swiftagent.backend.engine import load_engine

    return load_engine(str(tiny_model), template="qwen2_5", model_type="qwen2", device="cpu")


def encoder(tokenizer_folder: Path, template: str, scratch: Path) -> tuple[Any, Any]:
    """(our encoder, ms-swift's template in training mode)."""
    from swift.model import get_model_processor
    from swift.template import get_template

    from swiftagent.backend.engine_prompt import PromptEncoder

    for path in tokenizer_folder.iterdir():
        (scratch / path.name).symlink_to(path)
    stub = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 8, "num_attention_heads": 1}
    (scratch / "config.json").write_text(json.dumps({**stub, "num_hidden_layers": 1, "vocab_size": 256}))
    _, processor = get_model_processor(str(scratch), load_model=False, model_type="qwen2")
    made = [
        get_template(processor, template_type=template, enable_thinking=True, add_non_thinking_prefix=False)
        for _ in range(2)
    ]
    made[1].set_mode("train")
    return PromptEncoder(made[0]), made[1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "tokenizer, template",
    [
        ("qwen2_5", "qwen2_5"),
        ("qwen3", "qwen3"),
        ("qwen3", "qwen3_thinking"),
        ("mistral_v3", "mistral_2501"),
        ("mistral_v3", "llama"),
    ],
)
def test_every_prompt_is_a_prefix_of_the_training_ids(shared: Path, tmp_path: Path, tokenizer: str, template: str):
    ours, training = encoder(shared / "tokenizers" / tokenizer, template, tmp_path)
    for events, tools in ((EVENTS, TOOLS), ((Question("hi"), Answer("a"), Question("b"), Answer("c")), ())):
        whole = training.encode({"messages": to_record(Trajectory(events, tools))["messages"]})["input_ids"]
        ends = [number + 1 for number, event in enumerate(events) if isinstance(event, (Question, Observation))]
        for end in ends:
            ids = ours.encode(to_messages(render(Trajectory(events[:end], tools))))
            assert ids == whole[: len(ids)]
            assert len(ids) < len(whole)


@pytest.mark.filterwarnings("ignore")
def test_native_prompts_are_prefixes_of_native_training_ids(shared: Path, tmp_path: Path):
    from swiftagent.agent.native import native_messages
    from swiftagent.formats.writers.openai import function_tool

    ours, training = encoder(shared / "tokenizers" / "qwen2_5", "qwen2_5", tmp_path)
    tools = [function_tool(tool) for tool in TOOLS]
    events = tuple(event for event in EVENTS if event != Thought("ok"))
    messages = [{**message, "content": message["content"]} for message in native_messages(events)]
    whole = training.encode({"messages": messages, "tools": tools})["input_ids"]
    for number, event in enumerate(events):
        if isinstance(event, (Question, Observation)):
            ids = ours.encode(list(native_messages(events[: number + 1])), tools)
            assert ids == whole[: len(ids)]


@pytest.mark.filterwarnings("ignore")
def test_the_calls_of_every_agent_template_are_read():
    from swift.agent_template import agent_template_map

    from swiftagent.agent.native import Native

    call = {"role": "tool_call", "content": '{"name": "weather", "arguments": {"city": "Oslo"}}'}
    for name, template in agent_template_map.items():
        step = Native().read(template()._format_tool_calls([call]), TOOLS)
        assert step.calls == (Call("weather", {"city": "Oslo"}),), name


def test_the_cache_is_kept_over_the_steps(engine: Any):
    events = list(EVENTS[:2])
    engine.close()
    prefilled = total = 0
    for number in range(8):
        messages = to_messages(render(Trajectory(tuple(events), TOOLS)))
        usage = Usage()
        list(engine.generate(Generate(messages, STOP, 4), usage=usage))
        prefilled += usage.prefilled
        total = usage.prompt_tokens
        events += [Thought(f"step {number}"), Call("weather", {"city": f"town {number}"}), Observation("3C " * 20)]
    assert prefilled / total <= 1.1


def test_a_kept_cache_changes_no_text(engine: Any):
    messages = to_messages(render(Trajectory(EVENTS[:5], TOOLS)))
    fresh = to_messages(render(Trajectory(EVENTS[:7], TOOLS)))
    engine.close()
    alone = "".join(engine.generate(Generate(fresh, max_tokens=20)))
    engine.close()
    list(engine.generate(Generate(messages, max_tokens=20)))
    usage = Usage()
    assert "".join(engine.generate(Generate(fresh, max_tokens=20), usage=usage)) == alone
    # What is recorded beside a text are the tokens that it was made of.
    assert len(usage.ids) >= usage.generated > 0
    assert engine.tokenizer.decode(usage.ids[: usage.generated]) == alone
    assert usage.prefilled < usage.prompt_tokens / 2


def test_a_real_model_runs_a_whole_turn(engine: Any):
    turn = answer(
        Runtime(engine, Toolbox([]), lambda call, tool: "3C"),
        start(TOOLS),
        "Oslo?",
        Limits(steps=2, step_tokens=12),
        ReAct(),
    )
    assert turn.stopped_by in ("answer", "length", "empty", "steps")
    assert turn.tokens <= 24 + 12


def test_a_model_folder_that_cannot_be_used(tmp_path: Path):
    from swiftagent.backend.engine import load_engine

    with pytest.raises(ConfigError, match="no such folder, and no hub id"):
        load_engine(str(tmp_path / "none"))
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    with pytest.raises(SetupError, match="no tokenizer in this folder"):
        load_engine(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "modeling_x.py").write_text("print('run')")
    with pytest.raises(SetupError, match="brings its own code"):
        load_engine(str(tmp_path))


def test_an_adapter_of_another_base_is_refused(tmp_path: Path):
    from swiftagent.backend.engine import resolve

    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "Qwen/Qwen2.5-7B-Instruct"}')
    with pytest.raises(ConfigError, match=r"it was trained on Qwen/Qwen2.5-7B-Instruct, not on Qwen/Qwen3-4B"):
        resolve("Qwen/Qwen3-4B", str(tmp_path))
    assert resolve("/cache/Qwen/Qwen2___5-7B-Instruct", str(tmp_path)).model == "/cache/Qwen/Qwen2___5-7B-Instruct"
    assert resolve(None, str(tmp_path)).model == "Qwen/Qwen2.5-7B-Instruct"


def test_infer_prints_one_json_object(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "town.py").write_text('def weather(city: str) -> str:\n    """of a city"""\n    return "3C"\n')
    monkeypatch.chdir(tmp_path)
    words = ["infer", "--react", "--model", str(tiny_model), "--model-type", "qwen2", "--template", "qwen2_5"]
    words += ["--tools", "town.py", "--max-steps", "2", "--step-tokens", "8", "--json", "Oslo?"]
    assert main(words) == 0
    assert sorted(json.loads(capsys.readouterr().out)) == ["answer", "question", "steps", "stopped_by"]
