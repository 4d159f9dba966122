"""The whole of `swiftagent eval` with a model behind a server: gold in, metrics and page out, resumed, refused,
gated."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Run = Callable[..., "CompletedProcess[str]"]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
CITIES = ["Oslo", "Rome", "Bern", "Lima"]


class Model(http.server.BaseHTTPRequestHandler):
    """Calls the tool with the city of the question, but not for Lima; then answers with the result."""

    asked: list[str]

    def do_POST(self) -> None:
        messages = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        question = next(m["content"] for m in messages if m["role"] == "user")
        type(self).asked.append(question)
        city = question.rstrip("?") if question != "Lima?" else "Cusco"
        if messages[-1]["role"] == "user":
            text = f'Thought: look\nAction: weather\nAction Input: {{"city": "{city}"}}'
        else:
            text = "Thought: I now know the final answer\nFinal Answer: 3C"
        event = {"choices": [{"index": 0, "delta": {"content": text}}]}
        body = b"data: " + json.dumps(event).encode() + b"\n\ndata: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def model() -> Iterator[tuple[str, list[str]]]:
    """(base URL, the questions asked so far)."""
    asked: list[str] = []
    handler = type("Handler", (Model,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
        server.shutdown()


def row(city: str) -> dict[str, Any]:
    call = {"id": "x", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}}
    return {
        "id": city,
        "messages": [
            {"role": "user", "content": f"{city}?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "x", "content": "3C"},
            {"role": "assistant", "content": "3C"},
        ],
        "tools": [TOOL],
    }


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(row(city)) + "\n" for city in CITIES))
    return path


def test_from_gold_to_metrics_and_on_again(swiftagent: Run, tmp_path: Path, gold: Path, model: tuple[str, list[str]]):
    url, asked = model
    words = ["eval", "--base-url", url, "--model", "m", "--data", gold, "-j", "3", "-o", tmp_path / "out", "--json"]
    done = swiftagent(*words)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["tuned"]
    values = {
        name: told[name]["value"] for name in ("call_exact", "tool_name", "parsable", "free_calls", "answer_exact")
    }
    assert values == {"call_exact": 0.75, "tool_name": 1.0, "parsable": 1.0, "free_calls": 0.75, "answer_exact": 1.0}
    assert told["free_finished"] == {"value": 1.0, "n": 4, "low": pytest.approx(0.398, abs=0.001), "high": 1.0}
    assert told["bits_per_byte"]["n"] == 0
    assert {path.name for path in (tmp_path / "out").glob("[!.]*")} == {
        "predictions.jsonl",
        "metrics.json",
        "report.html",
    }
    before = len(asked)
    again = swiftagent(*words)
    assert json.loads(again.stdout)["tuned"] == told
    assert len(asked) == before
    assert "resuming after 12 predictions" in again.stderr


def test_rows_that_were_trained_on(swiftagent: Run, tmp_path: Path, gold: Path, model: tuple[str, list[str]]):
    url, asked = model
    trained = tmp_path / "train.jsonl"
    trained.write_text(json.dumps({**row("Rome"), "id": "t7"}) + "\n")
    words = [
        "eval",
        "--base-url",
        url,
        "--model",
        "m",
        "--data",
        gold,
        "--training",
        trained,
        "-o",
        tmp_path / "out",
        "-q",
    ]
    done = swiftagent(*words)
    assert done.returncode == 4
    assert "1 of 4 rows to evaluate were trained on: " in done.stderr
    assert f"{gold}:2 is {trained}:1" in done.stderr
    assert asked == []
    done = swiftagent(*words, "--drop-trained", "--json", "--no-free")
    told = json.loads(done.stdout)
    assert (told["data"]["rows"], told["data"]["left_out"]) == (3, 1)
    assert told["groups"]["tuned"]["tool in training"].keys() == {"seen"}


def test_a_gate_over_what_was_not_measured_fails(
    swiftagent: Run, tmp_path: Path, gold: Path, model: tuple[str, list[str]]
):
    config = tmp_path / "c.yaml"
    config.write_text("model: m/m\ndata: x.jsonl\ngate: {call_exact: {min: 0.7, gain: 0.1}}\n")
    words = ["--model", "m", "--data", gold, "--gate", config, "-o", tmp_path / "out", "--no-free"]
    done = swiftagent("eval", "--base-url", model[0], *words)
    assert done.returncode == 7
    assert "no base model was measured" in done.stdout


def test_tasks_with_state(swiftagent: Run, tmp_path: Path, model: tuple[str, list[str]]):
    functions = "def reset(state: dict): STATE.update(state)\ndef snapshot() -> dict: return STATE\n"
    called = "def weather(city: str) -> str:\n    STATE[city] = True\n    return '3C'\n"
    (tmp_path / "tools.py").write_text(f"STATE = {{}}\n{functions}{called}")
    tasks = [{"id": city, "domain": city, "turns": [f"{city}?"], "end": {city: True}} for city in ("Oslo", "Lima")]
    (tmp_path / "tasks.json").write_text(json.dumps({"tools": "tools.py", "state": {}, "tasks": tasks}))
    words = ["-j", "2", "--trials", "2", "-o", tmp_path / "out", "--json"]
    gate = tmp_path / "c.yaml"
    gate.write_text("model: m/m\ndata: x.jsonl\ngate: {pass^1: {min: 0.6}, call_exact: {min: 0.7}}\n")
    words += ["--state", tmp_path / "tasks.json", "--gate", gate]
    done = swiftagent("eval", "--base-url", model[0], "--model", "m", *words)
    assert done.returncode == 7, done.stderr
    assert f"the gate was not passed: pass^1; {tmp_path / 'out' / 'state.json'} shows the cases" in done.stderr
    found = json.loads(done.stdout)
    # Rules of other metrics are for an evaluation on gold rows.
    assert [(rule["metric"], rule["measured"]) for rule in found["gate"]["rules"]] == [("pass^1", 0.5)]
    wrong = ["state.Lima is absent, expected true", "state.Cusco is true, expected absent"]
    assert found["tasks"]["Oslo"]["tuned"] == {"passed": 2, "faults": [[], []]}
    assert found["tasks"]["Lima"]["tuned"] == {"passed": 0, "faults": [wrong, wrong]}
    scores = {name: estimate["value"] for name, estimate in found["tuned"].items()}
    assert scores == {"pass^1": 0.5, "pass^1 Lima": 0.0, "pass^1 Oslo": 1.0}
    assert "state.Lima is absent" in done.stderr
