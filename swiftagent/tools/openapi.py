"""An OpenAPI specification as tools: each operation is one, its path, query, header and body parameters in one
schema."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from swiftagent.errors import ConfigError, ToolError
from swiftagent.io.yaml_file import load, read_text
from swiftagent.tools.function_schema import with_inner
from swiftagent.tools.http_client import request
from swiftagent.tools.source import Options, ToolSource
from swiftagent.trajectory.types import Json, Tool

METHODS = ("get", "post", "put", "patch", "delete", "head")
_LARGEST_RESULT, _LARGEST_SPEC = 4 << 20, 64 << 20
_SPEC_SECONDS = 30.0
_DEEPEST = 24

_OWN_HEADERS = {"host", "authorization", "proxy-authorization", "cookie", "content-length", "transfer-encoding"}
# Schemas that the references of one parameter may expand to.
_MOST_SCHEMAS = 1_000
# What no model needs to read.
_UNUSED = ("example", "examples", "xml", "externalDocs", "discriminator", "readOnly", "writeOnly")
_SWAGGER_KEYS = ("type", "format", "enum", "items", "default", "minimum", "maximum")


class Operation(msgspec.Struct, frozen=True):
    """How a call is sent. places: parameter -> (path, query, header or body; its name there, "" for the whole body)."""

    method: str
    path: str
    places: dict[str, tuple[str, str]]
    form: bool = False


class OpenApi(msgspec.Struct):
    """The operations of one service. Nothing outside its base address is ever called."""

    name: str
    base: str
    tools: tuple[Tool, ...]
    operations: dict[str, Operation]
    options: Options

    def call(self, tool: str, arguments: dict[str, Json]) -> Json:
        """The service's answer, JSON where it is. Raises ToolError with its status and words."""
        import httpx

        operation = self.operations[tool]
        placed: dict[str, dict[str, Json]] = {place: {} for place in ("path", "query", "header", "body")}
        for name, value in arguments.items():
            place, inner = operation.places.get(name, ("body", name))
            placed[place][inner] = value
        url = self.base + _path(operation.path, placed["path"])
        body = placed["body"].get("", placed["body"] or None)
        sent: dict[str, Any] = {"json": body}
        if operation.form:
            sent = {"data": {name: _plain(value) for name, value in (body or {}).items()}}
        sent["params"] = {name: _query(value) for name, value in placed["query"].items()}
        sent["headers"] = {name: _plain(value) for name, value in placed["header"].items()}
        method = operation.method.upper()
        try:
            answer = request(method, url, self.options.seconds, _LARGEST_RESULT, **sent)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise ToolError(f"{method} {operation.path} failed: {error}") from None
        if not 200 <= answer.status_code < 300:
            raise ToolError(f"HTTP {answer.status_code} {answer.reason_phrase}: {answer.text[:1000]}".rstrip(": "))
        try:
            return json.loads(answer.content)
        except (ValueError, RecursionError):
            return answer.text

    def close(self) -> None:
        """Nothing stays open between two calls."""


def _path(pattern: str, values: dict[str, Json]) -> str:
    """The path with its parameters filled in. Raises ToolError for one that would lead to another path."""
    if any(_plain(value) in ("", ".", "..") for value in values.values()):
        raise ToolError("a path parameter must not be empty, '.' or '..'")
    path = re.sub(r"\{([^}]*)\}", lambda found: quote(_plain(values.get(found.group(1), "")), safe=""), pattern)
    # Else "@host/x" would continue the host of the base address.
    return path if path.startswith("/") else f"/{path}"


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _query(value: Json) -> Any:
    return [_plain(item) for item in value] if isinstance(value, list) else _plain(value)


def open_source(word: str, options: Options) -> list[ToolSource]:
    """`openapi:SPEC@URL`, `openapi:SPEC` or a file. Raises ConfigError where the spec cannot be read or names no
    server."""
    target = word.removeprefix("openapi:")
    # The last @ that an address follows.
    found = re.match(r"(.*)@(https?://[^@]*)$", target)
    spec, base = found.groups() if found else (target, "")
    document = _document(spec)
    if not base:
        base = _server(document, spec)
        host, called = urlsplit(spec).netloc, urlsplit(base).netloc
        if host and called != host:
            # Whoever wrote the spec would else choose whom this machine sends requests to.
            raise ConfigError(f"--tools {word}: the spec of {host} calls {called}; allow it with openapi:{spec}@{base}")
    if not re.match(r"https?://[^/]", base):
        about = f"--tools {word}: the spec names no server; give its address: openapi:{spec}@http://127.0.0.1:8000"
        raise ConfigError(about)
    tools: list[Tool] = []
    operations: dict[str, Operation] = {}
    for path, item in (document.get("paths") or {}).items():
        for method in METHODS if isinstance(item, dict) else ():
            if isinstance(item.get(method), dict):
                tool, operation = OperationReader(document, path, method, item).operation(operations)
                tools.append(tool)
                operations[tool.name] = operation
    if not tools:
        raise ConfigError(f"--tools {word}: the spec has no operations")
    title = str((document.get("info") or {}).get("title") or "api")
    return [OpenApi(re.sub(r"\W+", "_", title).strip("_").lower(), base.rstrip("/"), tuple(tools), operations, options)]


def _document(spec: str) -> dict[str, Any]:
    import httpx
    import yaml

    try:
        if spec.startswith(("http://", "https://")):
            answer = request("GET", spec, _SPEC_SECONDS, _LARGEST_SPEC, check=lambda address: None)
            if answer.status_code != 200:
                raise ToolError(f"HTTP {answer.status_code} {answer.reason_phrase}")
            text = answer.text
        else:
            text = read_text(Path(spec), f"--tools openapi:{spec}")
        value = json.loads(text) if text.lstrip().startswith("{") else load(text)
    except (UnicodeError, ToolError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConfigError(f"--tools openapi:{spec}: cannot be read: {error}") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"--tools openapi:{spec}: neither JSON nor YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(value, dict) or not ("openapi" in value or "swagger" in value):
        raise ConfigError(f"--tools openapi:{spec}: no OpenAPI specification")
    return value


def _server(document: dict[str, Any], spec: str) -> str:
    url = ""
    match document:
        # Swagger 2.
        case {"host": str(host)}:
            url = f"{(document.get('schemes') or ['https'])[0]}://{host}{document.get('basePath', '')}"
        case {"servers": [{"url": str(url)}, *_]}:
            pass
    return urljoin(spec, url or "/").rstrip("/") if spec.startswith(("http://", "https://")) else url


class OperationReader(msgspec.Struct):
    """Reads one operation of a document: its parameters and the fields of its body become one schema."""

    document: dict[str, Any]
    path: str
    method: str
    item: dict[str, Any]
    properties: dict[str, Json] = {}
    required: list[str] = []
    places: dict[str, tuple[str, str]] = {}
    left: int = 0

    def operation(self, taken: dict[str, Operation]) -> tuple[Tool, Operation]:
        spec = self.item[self.method]
        given_name = spec.get("operationId") or re.sub(r"[\W_]+", "_", f"{self.method}_{self.path}")
        name = re.sub(r"[^\w-]+", "_", str(given_name)).strip("_")
        while name in taken:
            name += "_2"
        body = self._body(spec)
        for given in [*(self.item.get("parameters") or []), *(spec.get("parameters") or [])]:
            parameter = self._followed(given)
            # Swagger 2.
            if parameter.get("in") == "body":
                body = (parameter.get("schema") or {}, bool(parameter.get("required")), False)
            else:
                self._add_parameter(parameter)
        if body is not None:
            self._add_body(*body)
        about = spec.get("summary") or spec.get("description") or f"{self.method.upper()} {self.path}"
        required = {"required": list(dict.fromkeys(self.required))} if self.required else {}
        parameters: dict[str, Json] = {"type": "object", "properties": self.properties, **required}
        tool = Tool(name, " ".join(str(about).split()), parameters)
        return tool, Operation(self.method, self.path, self.places, body is not None and body[2])

    def _add_parameter(self, parameter: dict[str, Any]) -> None:
        place, name = str(parameter.get("in")), str(parameter.get("name"))
        # What a request is sent to, and as whom, is not for a spec or a model to say.
        if place == "cookie" or place == "header" and name.lower() in _OWN_HEADERS:
            return
        key = name if self.places.get(name, (place,))[0] == place else f"{place}_{name}"
        own = {key: parameter[key] for key in _SWAGGER_KEYS if key in parameter}
        schema = self._expanded(parameter.get("schema") or own)
        if about := parameter.get("description"):
            schema["description"] = about
        must = parameter.get("required") or place == "path"
        self._add(key, schema, "body" if place == "formData" else place, name, must)

    def _add(self, key: str, schema: Json, place: str, name: str, must: Any) -> None:
        self.properties[key], self.places[key] = schema, (place, name)
        self.required += [key] if must else []

    def _body(self, spec: dict[str, Any]) -> tuple[dict[str, Any], bool, bool] | None:
        """(schema, whether it must be there, whether it is a form)."""
        given = self._followed(spec.get("requestBody") or {})
        for kind, content in (given.get("content") or {}).items():
            if "json" in kind or "form" in kind:
                return (content or {}).get("schema") or {}, bool(given.get("required")), "form" in kind
        return None

    def _add_body(self, given: dict[str, Any], must: bool, form: bool) -> None:
        """Put the fields of the body among the parameters, or the whole as `body` where it has no known fields."""
        schema = self._expanded(given)
        fields = schema.get("properties")
        if isinstance(fields, dict) and fields and not any(key in schema for key in ("allOf", "anyOf", "oneOf")):
            wanted = schema.get("required") if must or form else []
            for name, field in fields.items():
                key = f"body_{name}" if name in self.properties else name
                self._add(key, field, "body", name, isinstance(wanted, list) and name in wanted)
        else:
            self._add("body", schema, "body", "", must)

    def _followed(self, value: Any) -> dict[str, Any]:
        """What a `$ref` within the document points at; {} where it points nowhere or leaves it."""
        for _ in range(_DEEPEST):
            if not isinstance(value, dict):
                return {}
            reference = value.get("$ref")
            if not isinstance(reference, str):
                return value
            target: Any = self.document if reference.startswith("#/") else None
            for part in reference.removeprefix("#/").split("/"):
                target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
            value = target
        return {}

    def _expanded(self, schema: Any, path: tuple[int, ...] = ()) -> dict[str, Any]:
        """A schema with its references written out, and OpenAPI's `nullable` as JSON Schema has it.

        {} for one that stands within itself, and for all beyond a limit: two references each would double every level.
        """
        source = self._followed(schema)
        # Each parameter, and the body, may take so many.
        self.left = self.left - 1 if path else _MOST_SCHEMAS
        if id(source) in path or len(path) > _DEEPEST or self.left < 0:
            return {}
        kept = {key: value for key, value in source.items() if key not in _UNUSED}
        found = with_inner(kept, partial(self._expanded, path=(*path, id(source))))
        if found.pop("nullable", False) and isinstance(found.get("type"), str):
            found["type"] = [found["type"], "null"]
        return found
