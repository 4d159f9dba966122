"""Built-in tools, declared tools without code, canned results."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swiftagent.errors import ConfigError, ToolError
from swiftagent.tools.builtin import calculate, convert, now
from swiftagent.tools.source import NoCode, Options, argument_problem
from swiftagent.tools.toolbox import Toolbox, open_toolbox
from swiftagent.trajectory.types import Call, Tool


@pytest.mark.parametrize(
    "text, value",
    [
        ("(3 + 4) * 2", 14),
        ("2^10", 1024),
        ("10 / 4", 2.5),
        ("10/5", 2),
        ("sqrt(16) + max(1, 2)", 6),
        ("7 // 2 % 2", 1),
        ("-3 × 2", -6),
    ],
)
def test_calculator(text: str, value: float):
    assert calculate(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "9**9**9**9",
        "1/0",
        "(1).__class__",
        "[x for x in (1,)]",
        "'a' * 9",
        "a + 1",
        "",
        "(" * 900,
        "(-8) ** 0.5",
        "True + 1",
        "sqrt(-1)",
        "10.0**400",
        "max()",
        "1" * 999 + "*" + "1",
        "round(5, -999999999)",
    ],
)
def test_calculator_refuses(text: str):
    with pytest.raises(ToolError):
        calculate(text)


def test_units_and_clock():
    assert convert(100, "km/h", "mph") == {"value": 62.1371192237, "unit": "mph"}
    assert convert(20, "C", "fahrenheit") == {"value": 68.0, "unit": "F"}
    assert convert(1, "GiB", "MiB") == {"value": 1024.0, "unit": "MiB"}
    with pytest.raises(ToolError, match="kg cannot be converted to km"):
        convert(1, "kg", "km")
    with pytest.raises(ToolError, match="unknown unit 'parsec'"):
        convert(1, "parsec", "km")
    with pytest.raises(ToolError, match="the value is too large"):
        convert(10**400, "km", "m")
    assert now("UTC").endswith("+0000")
    with pytest.raises(ToolError, match="unknown time zone"):
        now("../../etc/passwd")


def test_memory_and_a_person():
    with open_toolbox(["memory", "human", "clock"]) as box:
        assert box.call(Call("memory_set", {"key": "a", "value": "1"})).text == "kept"
        assert box.call(Call("memory_get", {"key": "a"})).text == "1"
        assert box.call(Call("memory_get", {"key": "b"})).error == "nothing is kept under 'b'; there is a"
        with pytest.raises(NoCode):
            box.call(Call("ask_human", {"question": "who?"}))


@pytest.fixture
def pages() -> Iterator[str]:
    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", "http://example.com/")
                self.end_headers()
                return
            body = b"x" * (2 << 20) if self.path == "/big" else b"hello"
            self.send_response(404 if self.path == "/none" else 200)
            if self.path in ("/bomb", "/zstd"):
                self.send_header("Content-Encoding", "gzip" if self.path == "/bomb" else "zstd")
                body = gzip.compress(b"0" * (8 << 20))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):
                for _ in range(100 if self.path == "/slow" else 0):
                    self.wfile.write(b".")
                    time.sleep(0.1)
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_http_reads_allowed_hosts_only(pages: str):
    with open_toolbox([f"http:{pages}"]) as box:
        errors = {}
        for path in (
            f"http://{pages}/",
            f"http://{pages}/none",
            f"http://{pages}/away",
            f"http://{pages}/big",
            "file:///etc/passwd",
            "http://\0",
            "http://xn--/",
        ):
            result = box.call(Call("http_get", {"url": path}))
            errors[path.removeprefix(f"http://{pages}")] = result.error or result.text
    assert "cannot be read: Invalid non-printable" in errors.pop("http://\0")
    assert "cannot be read: Malformed A-label" in errors.pop("http://xn--/")
    assert errors == {
        "/": "hello",
        "/none": "HTTP 404: hello",
        "/away": f"only {pages} may be read, not http://example.com",
        "/big": "the answer is larger than 1 MB",
        "file:///etc/passwd": f"only {pages} may be read, not file://",
    }
    with pytest.raises(ConfigError, match="name the hosts that may be read"):
        open_toolbox(["http"])


def test_a_page_has_a_total_time_and_a_size_unpacked(pages: str):
    with open_toolbox([f"http:{pages}"], Options(seconds=1.5)) as box:
        started = time.monotonic()
        slow = box.call(Call("http_get", {"url": f"http://{pages}/slow"})).error
        assert (slow, time.monotonic() - started < 6) == ("no whole answer within 1.5 seconds", True)
        assert box.call(Call("http_get", {"url": f"http://{pages}/bomb"})).error == "the answer is larger than 1 MB"
        packed = "the answer is packed as zstd, which was not asked for"
        assert box.call(Call("http_get", {"url": f"http://{pages}/zstd"})).error == packed


class Broken:
    """A source with a bug."""

    name = "broken"
    tools = (Tool("broken"),)

    def call(self, tool: str, arguments: dict[str, object]) -> object:
        raise KeyError(tool)

    def close(self) -> None: ...


def test_whatever_a_source_raises_is_a_result():
    result = Toolbox([Broken()]).call(Call("broken", {}))
    assert (result.text, result.error) == ("Error: KeyError: 'broken'", "KeyError: 'broken'")


@pytest.mark.parametrize(
    "schema, value",
    [
        ({"$ref": "#/definitions/nowhere"}, 1),
        ({"$ref": "https://example.com/schema"}, 1),
        ({"type": "number", "multipleOf": 0.1}, 10**400),
    ],
)
def test_a_schema_that_cannot_be_applied_finds_no_fault(schema: dict[str, object], value: object):
    parameters = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    assert argument_problem(Tool("t", "", parameters), {"a": value}) == ""


def test_a_secret_that_another_begins_with_shows_nothing_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("A_TOKEN", "secret-12")
    monkeypatch.setenv("B_TOKEN", "secret-12345")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    with open_toolbox(["memory"]) as box:
        box.call(Call("memory_set", {"key": "a", "value": "secret-12345 secret-12 Somebody"}))
        assert box.call(Call("memory_get", {"key": "a"})).text == "[B_TOKEN] [A_TOKEN] Somebody"


def test_declared_tools_ask_a_person_or_a_file(tmp_path: Path):
    tools = [
        {
            "type": "function",
            "function": {"name": "alarm", "description": "ring", "parameters": {"type": "object", "properties": {}}},
        }
    ]
    (tmp_path / "tools.json").write_text(json.dumps(tools))
    canned = {
        "alarm": [{"arguments": {"on": True}, "result": {"ok": 1}}, {"arguments": {"on": False}, "error": "stuck"}]
    }
    (tmp_path / "mock.json").write_text(json.dumps(canned))
    with open_toolbox([str(tmp_path / "tools.json")]) as box, pytest.raises(NoCode):
        box.call(Call("alarm", {}))
    with open_toolbox([str(tmp_path / "tools.json")], Options(mock=str(tmp_path / "mock.json"))) as box:
        assert [tool.name for tool in box.specs] == ["alarm"]
        assert box.call(Call("alarm", {"on": True})).text == '{"ok": 1}'
        assert box.call(Call("alarm", {"on": False})).error == "stuck"
        assert box.call(Call("alarm", {})).error == "no canned result of alarm fits these arguments"


def test_a_word_that_names_no_source(tmp_path: Path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ConfigError) as error:
        open_toolbox(["nothing", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert [problem.partition(": ")[2][:30] for problem in error.value.problems] == [
        "neither a Python file, a JSON ",
        "not JSON: Expecting property n",
        "cannot be read: No such file o",
    ]
