"""The engine that starts vLLM's server: a program of that name stands in for it and records its arguments."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from swiftagent.agent.drive import Usage
from swiftagent.agent.loop import Generate
from swiftagent.backend.engine import load_engine
from swiftagent.errors import SetupError

PROGRAM = """#!{python}
import http.server, json, sys
if "--broken" in open({told!r}).read():
    sys.exit("ValueError: no GPU")
class Handler(http.server.BaseHTTPRequestHandler):
    def reply(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.reply(b"")
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        open({told!r}, "w").write(json.dumps([sys.argv[1:], self.path, asked]))
        first = {{"text": "It is", "token_ids": [5]}}
        choices = [first, {{"text": " 3C.", "token_ids": [6, 7], "finish_reason": "stop"}}]
        usage = {{"prompt_tokens": len(asked["prompt"]), "completion_tokens": 3}}
        events = [*({{"choices": [choice]}} for choice in choices), {{"choices": [], "usage": usage}}]
        self.reply(b"".join(b"data: " + json.dumps(event).encode() + b"\\n\\n" for event in events))
    def log_message(self, *_): ...
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the program was started with and asked last."""
    told = tmp_path / "told.json"
    told.write_text("")
    program = tmp_path / "vllm"
    program.write_text(PROGRAM.format(python=sys.executable, told=str(told)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return told


def loaded(model: Path) -> Any:
    return load_engine(str(model), template="qwen2_5", model_type="qwen2", kind="vllm")


@pytest.mark.needs_swift
def test_its_server_gets_the_prompt_of_training_and_ends_with_the_engine(tiny_model: Path, told: Path):
    engine, usage = loaded(tiny_model), Usage()
    messages = [{"role": "user", "content": "Oslo?"}]
    assert "".join(engine.generate(Generate(messages, "\nObservation:"), usage=usage)) == "It is 3C."
    arguments, path, asked = json.loads(told.read_text())
    assert arguments[:2] == ["serve", str(tiny_model)] and "--enable-prefix-caching" in arguments
    assert (path, asked["prompt"]) == ("/v1/completions", engine.encoder.encode(messages))
    assert (usage.ids, usage.prompt_tokens, usage.generated) == ([5, 6, 7], len(asked["prompt"]), 3)
    engine.close()
    assert engine._process.returncode is not None


@pytest.mark.needs_swift
def test_a_server_that_does_not_start_says_why(tiny_model: Path, told: Path):
    told.write_text("--broken")
    with pytest.raises(SetupError, match="vLLM cannot load it: ValueError: no GPU"):
        loaded(tiny_model)
