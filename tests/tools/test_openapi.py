"""An OpenAPI service on loopback, its operations as tools."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine

from swiftagent.agent.drive import Runtime, answer
from swiftagent.agent.loop import start
from swiftagent.errors import ConfigError
from swiftagent.tools.toolbox import open_toolbox
from swiftagent.trajectory.types import Call

TOWN = "#/components/schemas/Town"
NAME = {"name": "name", "in": "path", "required": True, "description": "its name", "schema": {"type": "string"}}
SPEC = {
    "openapi": "3.0.3",
    "info": {"title": "Town Hall"},
    "paths": {
        "/towns/{name}": {
            "parameters": [{"$ref": "#/components/parameters/Name"}],
            "get": {
                "operationId": "getTown",
                "summary": "A town.",
                "parameters": [
                    {"name": "days", "in": "query", "schema": {"type": "integer", "nullable": True}},
                    {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "X-Lang", "in": "header", "schema": {"type": "string"}},
                ],
            },
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Town"}}},
                }
            },
        },
        "/list": {
            "put": {"requestBody": {"content": {"application/json": {"schema": {"type": "array", "items": {}}}}}}
        },
    },
    "components": {
        "parameters": {
            "Name": {
                "name": "name",
                "in": "path",
                "required": True,
                "description": "its name",
                "schema": {"type": "string"},
            }
        },
        "schemas": {
            "Town": {
                "type": "object",
                "required": ["size"],
                "properties": {"size": {"type": "integer"}, "name": {"type": "string"}, "part": {"$ref": TOWN}},
            }
        },
    },
}


@pytest.fixture
def service() -> Iterator[str]:
    class Town(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            told = {
                "method": self.command,
                "path": self.path,
                "lang": self.headers.get("X-Lang"),
                "body": json.loads(body or "null"),
            }
            text = json.dumps(SPEC if self.path == "/openapi.json" else told).encode()
            text = {"/big": b"x" * (5 << 20), "/deep": b"[" * 100_000}.get(self.path, text)
            self.send_response(404 if "Atlantis" in self.path else 200)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Town) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_operations_become_tools_and_are_called(tmp_path: Path, service: str):
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    with open_toolbox([f"openapi:{tmp_path / 'spec.json'}@{service}"]) as box:
        tools = {tool.name: tool for tool in box.specs}
        assert list(tools) == ["getTown", "post_towns_name", "put_list"]
        assert tools["getTown"].parameters == {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "its name"},
                "days": {"type": ["integer", "null"]},
                "tag": {"type": "array", "items": {"type": "string"}},
                "X-Lang": {"type": "string"},
            },
            "required": ["name"],
        }
        assert tools["post_towns_name"].parameters["required"] == ["name", "size"]
        got = json.loads(
            box.call(Call("getTown", {"name": "Rome/../x ?", "days": 2, "tag": ["a", "b"], "X-Lang": "zh"})).text
        )
        assert got == {
            "method": "GET",
            "path": "/towns/Rome%2F..%2Fx%20%3F?days=2&tag=a&tag=b",
            "lang": "zh",
            "body": None,
        }
        got = json.loads(box.call(Call("post_towns_name", {"name": "Rome", "size": 3, "body_name": "Roma"})).text)
        assert (got["path"], got["body"]) == ("/towns/Rome", {"size": 3, "name": "Roma"})
        assert json.loads(box.call(Call("put_list", {"body": [1, 2]})).text)["body"] == [1, 2]
        assert box.call(Call("getTown", {"name": ".."})).error == "a path parameter must not be empty, '.' or '..'"
        assert box.call(Call("getTown", {"name": "Atlantis"})).error.startswith("HTTP 404 Not Found: {")


def test_a_spec_by_its_address_and_by_its_file(tmp_path: Path, service: str):
    with open_toolbox([f"openapi:{service}/openapi.json"]) as box:
        assert json.loads(box.call(Call("getTown", {"name": "Rome"})).text)["path"] == "/towns/Rome"
    (tmp_path / "spec.yaml").write_text(
        f"openapi: 3.1.0\nservers: [{{url: {service}}}]\npaths: {{/x: {{get: {{}}}}}}\n"
    )
    with open_toolbox([str(tmp_path / "spec.yaml")]) as box:
        assert json.loads(box.call(Call("get_x", {})).text)["path"] == "/x"


def test_what_a_service_answers_is_bounded(tmp_path: Path, service: str):
    paths = dict.fromkeys(["/big", "/deep", "@127.0.0.1:9/x"], {"get": {}})
    (tmp_path / "spec.json").write_text(json.dumps({"openapi": "3.1.0", "servers": [{"url": service}], "paths": paths}))
    with open_toolbox([str(tmp_path / "spec.json")]) as box:
        assert box.call(Call("get_big", {})).error == "the answer is larger than 4 MB"
        assert box.call(Call("get_deep", {})).text.startswith("[[[")
        assert json.loads(box.call(Call(box.specs[2].name, {})).text)["path"] == "/@127.0.0.1:9/x"


def spec_of(service: str, path: dict[str, object], **more: object) -> str:
    return json.dumps({"openapi": "3.1.0", "servers": [{"url": service}], "paths": {"/x": path}, **more})


def test_references_are_written_out_once_each_and_never_leave_the_document(tmp_path: Path, service: str):
    reference = {"$ref": "#/components/schemas/A"}
    schemas = {"A": {"type": "object", "properties": {"l": reference, "r": reference, "n": {"type": "integer"}}}}
    doubled = {f"d{n}": {"allOf": [{"$ref": f"#/components/schemas/d{n + 1}"}] * 2} for n in range(40)}
    outside = {"name": "o", "in": "query", "schema": {"$ref": "http://127.0.0.1:9/x#/A"}}
    other = {"name": "p", "in": "query", "schema": {"$ref": "#/components/schemas/d0"}}
    body = {"content": {"application/json": {"schema": reference}}}
    text = spec_of(
        service,
        {"post": {"requestBody": body, "parameters": [outside, other]}},
        components={"schemas": {**schemas, **doubled}},
    )
    (tmp_path / "spec.json").write_text(text)
    with open_toolbox([str(tmp_path / "spec.json")]) as box:
        properties = box.specs[0].parameters["properties"]
    assert (properties["l"], properties["n"], properties["o"]) == ({}, {"type": "integer"}, {})
    assert len(json.dumps(properties)) < 100_000


def test_a_parameter_sets_neither_host_nor_authorization_nor_cookie(tmp_path: Path, service: str):
    named = [
        ("Host", "header"),
        ("authorization", "header"),
        ("Cookie", "header"),
        ("sid", "cookie"),
        ("X-A", "header"),
    ]
    parameters = [{"name": name, "in": place, "schema": {"type": "string"}} for name, place in named]
    (tmp_path / "spec.json").write_text(spec_of(service, {"get": {"parameters": parameters}}))
    with open_toolbox([str(tmp_path / "spec.json")]) as box:
        assert list(box.specs[0].parameters["properties"]) == ["X-A"]


def test_a_spec_of_one_host_calls_another_where_it_is_named(service: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SPEC, "servers", [{"url": "http://127.0.0.1:9"}])
    with pytest.raises(ConfigError, match=r"calls 127.0.0.1:9; allow it with openapi:.*@http://127.0.0.1:9"):
        open_toolbox([f"openapi:{service}/openapi.json"])
    with open_toolbox([f"openapi:{service}/openapi.json@{service}"]) as box:
        assert json.loads(box.call(Call("getTown", {"name": "Rome"})).text)["path"] == "/towns/Rome"


def test_specs_that_cannot_be_used(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"openapi": "3.0.0", "paths": {"/x": {"get": {}}}}')
    (tmp_path / "b.json").write_text('{"openapi": "3.0.0", "servers": [{"url": "http://127.0.0.1:9"}]}')
    with pytest.raises(ConfigError) as error:
        open_toolbox([str(tmp_path / "a.json"), str(tmp_path / "b.json"), "openapi:none.json@http://127.0.0.1:9"])
    assert ["names no server" in p or "no operations" in p or "cannot be read" in p for p in error.value.problems] == [
        True
    ] * 3


def test_a_model_uses_the_service(service: str):
    engine = ScriptedEngine(
        'Action: getTown\nAction Input: {"name": "Rome", "days": 2}\nObservation:', "Final Answer: found"
    )
    with open_toolbox([f"openapi:{service}/openapi.json"]) as box:
        turn = answer(Runtime(engine, box, lambda call, tool: ""), start(box.specs), "Rome?")
    assert json.loads(turn.steps[0].observation)["path"] == "/towns/Rome?days=2"
    assert turn.answer == "found"
