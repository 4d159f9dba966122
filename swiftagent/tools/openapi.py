"""An OpenAPI specification as tools: each operation is one, its path, query, header and body parameters in one
schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from swiftagent.errors import ConfigError, ToolError
from swiftagent.tools.source import Options, ToolSource
from swiftagent.trajectory.types import Json, Tool

METHODS = ("get", "post", "put", "patch", "delete", "head")
_LARGEST_RESULT = 4 << 20
_DEEPEST = 24


class Operation(msgspec.Struct, frozen=True):
    """How a call is sent. places: parameter -> path, query, header, cookie or body; "" as a name is the whole body."""

    method: str
    path: str
    places: dict[str, str]
    inner: dict[str, str]
    form: bool = False


class OpenApi:
    """The operations of one service. Nothing outside its base address is ever called."""

    def __init__(
        self, name: str, base: str, tools: tuple[Tool, ...], operations: dict[str, Operation], options: Options
    ) -> None:
        import httpx

        self.name = name
        self.base = base.rstrip("/")
        self.tools = tools
        self.operations = operations
        self._client = httpx.Client(timeout=options.seconds, follow_redirects=False, trust_env=False)

    def call(self, tool: str, arguments: dict[str, Json]) -> Json:
        """The service's answer, JSON where it is. Raises ToolError with its status and words."""
        import httpx

        operation = self.operations[tool]
        placed = _placed(operation, arguments)
        url = self.base + _path(operation.path, placed["path"])
        body = placed["body"].get("", placed["body"] or None)
        try:
            with self._client.stream(
                operation.method.upper(),
                url,
                params={name: _query(value) for name, value in placed["query"].items()},
                headers={name: _plain(value) for name, value in placed["header"].items()},
                cookies={name: _plain(value) for name, value in placed["cookie"].items()} or None,
                json=None if operation.form else body,
                data={name: _plain(value) for name, value in body.items()} if operation.form and body else None,
            ) as reply:
                content = _content(reply)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise ToolError(f"{operation.method.upper()} {operation.path} failed: {error}") from None
        text = content.decode(reply.encoding or "utf-8", errors="replace")
        if not reply.is_success:
            raise ToolError(f"HTTP {reply.status_code} {reply.reason_phrase}: {text[:1000]}".rstrip(": "))
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            return text

    def close(self) -> None:
        self._client.close()


def _content(reply: Any) -> bytes:
    """The body, read no further than it may be long. Raises ToolError."""
    content = b""
    for piece in reply.iter_bytes():
        content += piece
        if len(content) > _LARGEST_RESULT:
            raise ToolError(f"the answer is larger than {_LARGEST_RESULT >> 20} MB")
    return content


def _placed(operation: Operation, arguments: dict[str, Json]) -> dict[str, dict[str, Json]]:
    placed: dict[str, dict[str, Json]] = {place: {} for place in ("path", "query", "header", "cookie", "body")}
    for name, value in arguments.items():
        placed[operation.places.get(name, "body")][operation.inner.get(name, name)] = value
    return placed


def _path(pattern: str, values: dict[str, Json]) -> str:
    """The path with its parameters filled in. Raises ToolError for one that would lead to another path."""
    if any(_plain(value) in ("", ".", "..") for value in values.values()):
        raise ToolError("a path parameter must not be empty, '.' or '..'")
    path = re.sub(r"\{([^}]*)\}", lambda found: quote(_plain(values.get(found.group(1), "")), safe=""), pattern)
    return path if path.startswith("/") else f"/{path}"  # else "@host/x" would go on from the host of the base address


def _plain(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _query(value: Json) -> Any:
    return [_plain(item) for item in value] if isinstance(value, list) else _plain(value)


def open_source(word: str, options: Options) -> list[ToolSource]:
    """`openapi:SPEC@URL`, `openapi:SPEC` or a file. Raises ConfigError where the spec cannot be read or names no
    server."""
    target = word.removeprefix("openapi:")
    spec, base = _split(target)
    document = _document(spec)
    base = base or _server(document, spec)
    if not re.match(r"https?://[^/]", base):
        raise ConfigError(
            f"--tools {word}: the spec names no server; give its address, as in openapi:{spec}@http://127.0.0.1:8000"
        )
    tools: list[Tool] = []
    operations: dict[str, Operation] = {}
    for path, item in (document.get("paths") or {}).items():
        if isinstance(item, dict):
            for method in METHODS:
                if isinstance(item.get(method), dict):
                    tool, operation = _operation(document, path, method, item, item[method], operations)
                    tools.append(tool)
                    operations[tool.name] = operation
    if not tools:
        raise ConfigError(f"--tools {word}: the spec has no operations")
    title = str((document.get("info") or {}).get("title") or "api")
    return [OpenApi(re.sub(r"\W+", "_", title).strip("_").lower(), base, tuple(tools), operations, options)]


def _split(target: str) -> tuple[str, str]:
    """(spec, base address): the last @ that an address follows parts them."""
    found = re.match(r"(.*)@(https?://[^@]*)$", target)
    return (found.group(1), found.group(2)) if found else (target, "")


def _document(spec: str) -> dict[str, Any]:
    import yaml

    try:
        if spec.startswith(("http://", "https://")):
            import httpx

            text = httpx.get(spec, timeout=30, follow_redirects=True, trust_env=False).raise_for_status().text
        else:
            text = Path(spec).read_text(encoding="utf-8-sig")
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.startswith("httpx"):
            raise ConfigError(
                f"--tools openapi:{spec}: cannot be read: {getattr(error, 'strerror', None) or error}"
            ) from None
        raise
    try:
        value = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"--tools openapi:{spec}: neither JSON nor YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(value, dict) or not ("openapi" in value or "swagger" in value):
        raise ConfigError(f"--tools openapi:{spec}: no OpenAPI specification")
    return value


def _server(document: dict[str, Any], spec: str) -> str:
    servers = document.get("servers")
    url = (
        str(servers[0].get("url", "")) if isinstance(servers, list) and servers and isinstance(servers[0], dict) else ""
    )
    if document.get("host"):  # swagger 2
        url = f"{(document.get('schemes') or ['https'])[0]}://{document['host']}{document.get('basePath', '')}"
    if spec.startswith(("http://", "https://")):
        return urljoin(spec, url) if url else "{0.scheme}://{0.netloc}".format(urlsplit(spec))
    return url


def _operation(
    document: dict[str, Any],
    path: str,
    method: str,
    item: dict[str, Any],
    spec: dict[str, Any],
    taken: dict[str, Operation],
) -> tuple[Tool, Operation]:
    given_name = spec.get("operationId") or re.sub(r"[\W_]+", "_", f"{method}_{path}")
    name = re.sub(r"[^\w-]+", "_", str(given_name)).strip("_")
    while name in taken:
        name += "_2"
    properties: dict[str, Json] = {}
    required: list[str] = []
    places: dict[str, str] = {}
    inner: dict[str, str] = {}
    body = _body(document, spec)
    for given in [*(item.get("parameters") or []), *(spec.get("parameters") or [])]:
        parameter = _followed(document, given)
        place, inner_name = str(parameter.get("in")), str(parameter.get("name"))
        if place == "body":  # swagger 2
            body = (parameter.get("schema") or {}, bool(parameter.get("required")), False)
            continue
        shown = inner_name if places.get(inner_name, place) == place else f"{place}_{inner_name}"
        schema = _followed(document, parameter.get("schema") or _swagger_schema(parameter))
        about = parameter.get("description") or schema.get("description")
        properties[shown] = _plain_schema(document, {**schema, **({"description": about} if about else {})})
        places[shown], inner[shown] = ("body" if place == "formData" else place), inner_name
        if parameter.get("required") or place == "path":
            required.append(shown)
    form = _add_body(document, body, properties, required, places, inner)
    about = " ".join(str(spec.get("summary") or spec.get("description") or f"{method.upper()} {path}").split())
    parameters: dict[str, Json] = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = list(dict.fromkeys(required))
    return Tool(name, about, parameters), Operation(method, path, places, inner, form)


def _body(document: dict[str, Any], spec: dict[str, Any]) -> tuple[dict[str, Any], bool, bool] | None:
    """(schema, whether it must be there, whether it is a form)."""
    given = _followed(document, spec.get("requestBody") or {})
    for kind, content in (given.get("content") or {}).items():
        if "json" in kind or "form" in kind:
            return (content or {}).get("schema") or {}, bool(given.get("required")), "form" in kind
    return None


def _add_body(
    document: dict[str, Any],
    body: tuple[dict[str, Any], bool, bool] | None,
    properties: dict[str, Json],
    required: list[str],
    places: dict[str, str],
    inner: dict[str, str],
) -> bool:
    """Put the fields of the body among the parameters, or the whole body as `body` where it is no object of known
    fields."""
    if body is None:
        return False
    schema, must, form = _plain_schema(document, body[0]), body[1], body[2]
    fields = schema.get("properties")
    if isinstance(fields, dict) and fields and not any(key in schema for key in ("allOf", "anyOf", "oneOf")):
        wanted = schema.get("required") if must or form else []
        for name, field in fields.items():
            shown = f"body_{name}" if name in properties else name
            properties[shown], places[shown], inner[shown] = field, "body", name
            if isinstance(wanted, list) and name in wanted:
                required.append(shown)
    else:
        properties["body"], places["body"], inner["body"] = schema, "body", ""
        if must:
            required.append("body")
    return form


def _swagger_schema(parameter: dict[str, Any]) -> dict[str, Any]:
    return {
        key: parameter[key]
        for key in ("type", "format", "enum", "items", "default", "minimum", "maximum")
        if key in parameter
    }


def _followed(document: dict[str, Any], value: Any) -> dict[str, Any]:
    """What a local `$ref` points at; {} where it points nowhere. Nothing is fetched."""
    for _ in range(_DEEPEST):
        if not isinstance(value, dict):
            return {}
        reference = value.get("$ref")
        if not isinstance(reference, str):
            return value
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        value = target
    return {}


def _plain_schema(document: dict[str, Any], schema: Any, depth: int = 0) -> dict[str, Any]:
    """A schema with its references written out, and OpenAPI's `nullable` as JSON Schema has it."""
    if depth > _DEEPEST:
        return {}
    found = dict(_followed(document, schema))
    for key in ("properties", "patternProperties"):
        if isinstance(found.get(key), dict):
            found[key] = {name: _plain_schema(document, value, depth + 1) for name, value in found[key].items()}
    for key in ("items", "additionalProperties", "not"):
        if isinstance(found.get(key), dict):
            found[key] = _plain_schema(document, found[key], depth + 1)
    for key in ("allOf", "anyOf", "oneOf"):
        if isinstance(found.get(key), list):
            found[key] = [_plain_schema(document, value, depth + 1) for value in found[key]]
    if found.pop("nullable", False) and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    for key in ("example", "examples", "xml", "externalDocs", "discriminator", "readOnly", "writeOnly"):
        found.pop(key, None)
    return found
