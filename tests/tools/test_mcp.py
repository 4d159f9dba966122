"""MCP servers as tools: a server of the official SDK over stdio and HTTP, and a reference server where it is
installed."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine

from swiftagent.agent.drive import Runtime, answer
from swiftagent.agent.loop import start
from swiftagent.errors import ConfigError
from swiftagent.tools.mcp import McpServer, servers_of
from swiftagent.tools.source import Options
from swiftagent.tools.toolbox import open_toolbox
from swiftagent.trajectory.types import Call

TOWN = str(Path(__file__).parents[1] / "support" / "mcp_town.py")
ODD = str(Path(__file__).parents[1] / "support" / "mcp_odd.py")
STDIO = f"mcp:{sys.executable} {TOWN}"


@pytest.fixture
def url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, TOWN, str(port)], stderr=subprocess.DEVNULL)
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/mcp"
    server.terminate()
    server.wait()


def test_a_server_over_stdio_is_started_again_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CANARY_TOKEN", "canary-12345")
    with open_toolbox([STDIO]) as box:
        assert [tool.name for tool in box.specs] == ["weather", "die", "variables"]
        assert box.specs[0].description == "The weather of a city."
        assert box.specs[0].parameters["required"] == ["city"]
        assert box.call(Call("weather", {"city": "Oslo"})).text == "Oslo: 3C for 1"
        assert box.call(Call("weather", {"city": "Atlantis"})).error.startswith("Error executing tool weather")
        assert "CANARY" not in box.call(Call("variables", {})).text
        unknown = "the MCP server mcp_town ended before it answered; whether the call took effect is unknown"
        assert box.call(Call("die", {})).error == unknown
        assert box.call(Call("weather", {"city": "Oslo"})).text == "Oslo: 3C for 1"
        assert box.call(Call("die", {})).error == unknown
        gone = "the MCP server mcp_town has ended and does not come back"
        assert box.call(Call("weather", {"city": "Oslo"})).error == gone


def test_an_odd_tool_costs_itself_and_a_wrong_result_its_call(capsys: pytest.CaptureFixture[str]):
    with open_toolbox([f"mcp:{sys.executable} {ODD}"]) as box:
        names = ["untyped", "measure", "pay", "slow", "hang", "flood", "look"]
        assert [tool.name for tool in box.specs] == names
        assert box.specs[0].parameters == {"type": "object", "properties": {}}
        wrong = "the structured result does not fit the tool's output schema: "
        told = box.call(Call("measure", {"degrees": "cold"})).error
        assert told == f"{wrong}'degrees' must be of type number, not string \"cold\""
        assert box.call(Call("measure", {})).error == f"{wrong}missing required parameter 'degrees'"
        assert box.call(Call("measure", {"degrees": 3, "more": 1})).text == "measure"
    assert "MCP tool 'odd' is left out" in capsys.readouterr().err


def test_a_call_whose_answer_is_lost_is_sent_again_where_that_does_no_harm(tmp_path: Path):
    log = tmp_path / "log"
    with open_toolbox([f"mcp:{sys.executable} {ODD}"]) as box:
        assert "whether the call took effect is unknown" in box.call(Call("pay", {"log": str(log)})).error
    assert log.read_text() == "pay"
    with open_toolbox([f"mcp:{sys.executable} {ODD}"]) as box:
        assert box.call(Call("look", {"log": str(log)})).text == "look"
    assert log.read_text() == "pay look look"


def test_progress_renews_the_time_of_a_call_and_a_timeout_cancels_it(tmp_path: Path):
    log = tmp_path / "log"
    with open_toolbox([f"mcp:{sys.executable} {ODD}"], Options(seconds=1.5)) as box:
        assert box.call(Call("slow", {})).text == "slow"
        assert box.call(Call("hang", {"log": str(log)})).error == "the tool did not answer within 1.5 seconds"
        for _ in range(400):
            if log.exists() and log.read_text():
                break
            time.sleep(0.05)
    assert log.read_text() == "cancelled"


def test_an_answer_without_end_is_cut_off_and_the_server_stopped():
    with open_toolbox([f"mcp:{sys.executable} {ODD}"], Options(seconds=20)) as box:
        assert box.call(Call("flood", {})).error == "the answer is larger than 16 MB; the server was stopped"
        assert box.call(Call("untyped", {})).text == "untyped"


def test_a_server_over_http(url: str):
    with open_toolbox([url]) as box:
        assert box.call(Call("weather", {"city": "Oslo", "days": 2})).text == "Oslo: 3C for 2"


class Flood(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))  # what is left unread resets the connection at its end
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(64):
                self.wfile.write(b" " * (1 << 20))

    def log_message(self, *_: object) -> None: ...


def test_a_body_without_end_is_cut_off():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flood) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ConfigError, match="cannot be started: .*the answer is larger than 16 MB"):
            open_toolbox([f"http://127.0.0.1:{server.server_port}/mcp"])
        server.shutdown()


def test_two_servers_of_an_mcp_json_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOWN_SECRET", "secret-12345")
    server = {"command": sys.executable, "args": [TOWN], "env": {"GIVEN": "${TOWN_SECRET}"}}
    path = tmp_path / "mcp.json"
    path.write_text(
        json.dumps(
            {"mcpServers": {"a": server, "b": {**server, "env": {}}, "c": {"disabled": True, "env": {"PORT": 80}}}}
        )
    )
    with open_toolbox([str(path)]) as box:
        assert [tool.name for tool in box.specs][:4] == ["a_weather", "a_die", "a_variables", "b_weather"]
        told = box.call(Call("a_variables", {})).text
        assert "'GIVEN': '[" in told and "secret-12345" not in told
        assert "GIVEN" not in box.call(Call("b_variables", {})).text


def test_a_server_that_cannot_be_started():
    with pytest.raises(ConfigError, match="MCP server nothing_here cannot be started"):
        open_toolbox(["mcp:nothing-here"])
    with pytest.raises(ConfigError, match="MCP server .* cannot be started: .*boom"):
        open_toolbox([f"mcp:{sys.executable} -c \"raise SystemExit('boom')\""])


def test_words_and_files_name_servers(tmp_path: Path):
    assert servers_of("mcp:uvx mcp-server-time --local-timezone UTC")[0].args == [
        "mcp-server-time",
        "--local-timezone",
        "UTC",
    ]
    assert servers_of("mcp:http://127.0.0.1:1/mcp") == [McpServer("127_0_0_1_1", url="http://127.0.0.1:1/mcp")]
    path = tmp_path / "mcp.json"
    path.write_text('{"mcpServers": {"a": {}, "b": {"command": 3}}}')
    with pytest.raises(ConfigError) as error:
        servers_of(str(path))
    assert len(error.value.problems) == 2


def test_the_reference_time_server():
    program = shutil.which("mcp-server-time", path=f"{Path(sys.executable).parent}")
    if program is None:
        pytest.skip("mcp-server-time is not installed beside this Python; pip install mcp-server-time")
    with open_toolbox([f"mcp:{program}"], Options(seconds=60)) as box:
        told = box.call(
            Call("convert_time", {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Shanghai"})
        ).text
    assert "T20:00:00+08:00" in told


def test_a_model_uses_a_server_and_its_mistake_is_mended():
    look = 'Thought: look\nAction: weather\nAction Input: {"city": "Oslo", "days": "two"}\nObservation:'
    engine = ScriptedEngine(look, look.replace('"two"', "2"), "Final Answer: 3C")
    with open_toolbox([STDIO]) as box:
        turn = answer(Runtime(engine, box, lambda call, tool: ""), start(box.specs), "Oslo?")
    assert [step.error for step in turn.steps] == [
        "wrong arguments for weather: 'days' must be of type integer, not string \"two\"",
        None,
    ]
    assert (turn.steps[1].observation, turn.answer) == ("Oslo: 3C for 2", "3C")
