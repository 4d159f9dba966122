"""The prompt of training, rendered by other engines' template languages, is the same text."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from swiftagent.export.templates import Turns, hermes_templates, modelfile, react_templates
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Tool, Trajectory

sandbox = pytest.importorskip("jinja2.sandbox", reason="the jinja2 package comes with torch")

TURNS = Turns(default_system="You are Qwen.")
WEATHER = Tool(
    "weather",
    "tells the weather",
    {
        "type": "object",
        "properties": {"city": {"description": 'a "city"'}, "unit": {"description": "度"}},
        "required": ["city"],
    },
)
CLOCK = Tool("clock", "", {"type": "object", "properties": {}})
TWO_TURNS = Trajectory(
    (
        System("Be nice"),
        Question("Oslo?"),
        Thought("look"),
        Call("weather", {"city": "Ås", "n": [1, None]}, "c0"),
        Call("clock", {}, "c1"),
        Observation("3C", "c0"),
        Observation("noon", "c1"),
        Answer("It is 3C."),
        Question("and?"),
        Answer("no"),
    ),
    (WEATHER, CLOCK),
)
DAYS = Tool("forecast", "", {"type": "object", "properties": {"days": {"type": "integer", "default": 3}}})
TYPED = Trajectory(
    (Question("Oslo?"), Call("forecast", {"days": 2}, "c0"), Observation("3C", "c0"), Answer("3C")), (DAYS,)
)
CHAT = Trajectory((Question("hi"), Answer("hello"), Question("bye"), Answer("see you")))


def trained_text(trajectory: Trajectory) -> str:
    """What ms-swift tokenises for a training record, written out by hand."""
    messages = to_record(trajectory)["messages"]
    text = "" if messages[0]["role"] == "system" else TURNS.system_open + TURNS.default_system + TURNS.system_close
    answered = False
    for message in messages:
        if message["role"] == "system":
            text += TURNS.system_open + message["content"] + TURNS.system_close
        elif message["role"] == "user":
            text += (TURNS.between if answered else "") + TURNS.user_open + message["content"] + TURNS.user_close
            answered = True
        else:
            text += message["content"]
    return text


def openai(trajectory: Trajectory) -> dict[str, Any]:
    """The trajectory as a chat client would send it: arguments are objects, results in any order."""
    messages: list[dict[str, Any]] = []
    thought = ""
    for event in trajectory.events:
        match event:
            case System(text):
                messages.append({"role": "system", "content": text})
            case Question(text):
                messages.append({"role": "user", "content": text})
            case Thought(text):
                thought = text
            case Call(tool, arguments, id):
                if not messages[-1].get("tool_calls"):
                    messages.append({"role": "assistant", "content": thought, "tool_calls": []})
                messages[-1]["tool_calls"].append({"id": id, "function": {"name": tool, "arguments": arguments}})
            case Observation(text, call_id):
                messages.append({"role": "tool", "tool_call_id": call_id, "content": text})
            case Answer(text):
                messages.append({"role": "assistant", "content": text})
    tools = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in trajectory.tools
    ]
    return {"messages": messages, "tools": tools}


def render_jinja(template: str, trajectory: Trajectory, **more: Any) -> str:
    environment = sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    data = openai(trajectory)
    return environment.from_string(template).render(messages=data["messages"], tools=data["tools"] or None, **more)


@pytest.mark.parametrize("trajectory", [TWO_TURNS, TYPED, CHAT], ids=["flat", "schema", "chat"])
def test_jinja_template_writes_the_text_of_training(trajectory: Trajectory):
    assert render_jinja(react_templates(TURNS)[0], trajectory) == trained_text(trajectory) + TURNS.end


def test_jinja_template_opens_the_models_turn_after_a_result():
    cut = Trajectory(TWO_TURNS.events[:7], TWO_TURNS.tools)
    written = render_jinja(react_templates(TURNS)[0], cut, add_generation_prompt=True)
    assert written == trained_text(TWO_TURNS)[: len(written)]
    assert written.endswith("Action: clock\nAction Input: {}\nObservation: noon\n")


def test_jinja_template_can_show_whole_schemas():
    written = render_jinja(react_templates(TURNS, style="schema", language="zh")[0], TWO_TURNS)
    assert written.startswith(trained_text_with(TWO_TURNS, "schema", "zh"))


def trained_text_with(trajectory: Trajectory, style: Any, language: str) -> str:
    return TURNS.system_open + to_record(trajectory, style, language)["messages"][0]["content"] + TURNS.system_close


@pytest.mark.skipif(not shutil.which("go"), reason="no Go compiler to execute the Modelfile's template with")
def test_go_template_writes_the_text_of_training(tmp_path: Path, root: Path):
    template = tmp_path / "template"
    template.write_text(react_templates(TURNS)[1], encoding="utf-8")
    lines = []
    for trajectory in (TWO_TURNS, TYPED, CHAT):
        data = openai(trajectory)
        system = data["messages"].pop(0)["content"] if data["messages"][0]["role"] == "system" else ""
        lines.append(json.dumps({"System": system, "Messages": data["messages"], "Tools": data["tools"]}))
    done = subprocess.run(
        ["go", "run", str(root / "swiftagent/export/go_template/render.go"), str(template)],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        env={
            "PATH": "/usr/bin:/bin:/usr/local/bin:/usr/local/go/bin",
            "HOME": str(tmp_path),
            "GOCACHE": str(tmp_path / "go"),
        },
    )
    react, typed, chat = (json.loads(line)["Prompt"] for line in done.stdout.splitlines())
    # Ollama writes the arguments itself: keys sorted and no spaces. Nothing else differs.
    assert react == trained_text(TWO_TURNS).replace('{"city": "Ås", "n": [1, null]}', '{"city":"Ås","n":[1,null]}')
    assert chat == trained_text(CHAT)
    assert "\n1. forecast: Parameters: {" in typed
    assert '"days":{"type":"integer"}' in typed  # Ollama's own types have no default


def test_modelfile_has_a_stop_word_for_react():
    text = modelfile(
        "./model.gguf", react_templates(TURNS)[1], stops=["Observation:", "<|im_end|>"], context_length=2048
    )
    assert text.startswith('FROM ./model.gguf\nTEMPLATE """')
    assert 'PARAMETER stop "Observation:"\nPARAMETER stop "<|im_end|>"\n' in text
    greedy = "PARAMETER temperature 0\nPARAMETER top_p 1\nPARAMETER top_k 1\nPARAMETER repeat_penalty 1\n"
    assert text.endswith(f"{greedy}PARAMETER num_ctx 2048\n")


def test_ollama_finds_a_call_by_its_action():
    # Ollama looks for what stands before a call in the first text of the first `if .ToolCalls`.
    template = react_templates(TURNS)[1]
    assert template.count("if .ToolCalls") == 1
    assert template.partition("if .ToolCalls }}")[2].startswith("{{ range $j, $call := .ToolCalls }}Action: ")


def test_ollama_finds_a_hermes_call_by_its_tag():
    template = hermes_templates(TURNS, "<tools>", "</tools>")[1]
    assert template.count("if .ToolCalls") == 1
    assert template.partition("if .ToolCalls }}")[2].startswith("{{ range $j, $call := .ToolCalls }}<tool_call>\n")


def test_modelfile_has_a_system_prompt_where_one_is_known():
    text = modelfile("./model", "T", stops=[], context_length=8, system="Be brief.\nAlways.")
    assert 'TEMPLATE """T"""\nSYSTEM """Be brief.\nAlways."""\n' in text
