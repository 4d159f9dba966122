"""Parameter descriptions of every dialect as JSON Schema: other type names, bare maps, `required` on a property.

Only what stands where a schema stands is touched: properties *named* type, items or required stay as they are.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from swiftagent.trajectory.prompts import schema_of_flat_parameters

Schema = dict[str, Any]
_TYPES = {
    "str": "string", "text": "string", "char": "string", "date": "string", "datetime": "string", "time": "string",
    "url": "string",
    "int": "integer", "long": "integer", "int32": "integer", "int64": "integer",
    "float": "number", "double": "number", "num": "number", "decimal": "number", "real": "number",
    "bool": "boolean", "boolean": "boolean",
    "dict": "object", "map": "object", "hashmap": "object", "json": "object", "struct": "object",
    "list": "array", "tuple": "array", "set": "array", "arraylist": "array", "sequence": "array",
    "none": "null", "nonetype": "null",
}  # fmt: skip
_STANDARD = frozenset(("string", "integer", "number", "boolean", "object", "array", "null"))
_ANY = frozenset(("any", "object|any", "typing.any", "mixed", "variable", "unknown", "file", "image", ""))
_KEYWORDS = frozenset(
    [
        *("type", "properties", "required", "$ref", "$defs", "definitions", "anyOf", "oneOf", "allOf", "not", "enum"),
        *("const", "items", "additionalProperties", "title", "description", "default", "examples", "format"),
        *("$schema",),
    ]
)
_ONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "additionalItems")
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DEEPEST = 60


def as_schema(given: Any, repairs: list[str]) -> Schema:
    """The JSON Schema of type object that a tool's `parameters` stand for; {} where nothing is known."""
    if not given:
        return {}
    if isinstance(given, list):
        repairs.append("flat-parameters")
        given = schema_of_flat_parameters(given)
    elif not isinstance(given, dict):
        return {}
    elif _is_bare_map(given):
        repairs.append("bare-parameters")
        given = {"type": "object", "properties": {name: _property(value) for name, value in given.items()}}
    elif "type" not in given and isinstance(given.get("properties"), dict):
        given = {"type": "object", **given}
    schema: Schema = _normal(given, repairs)
    return schema


def _is_bare_map(given: Schema) -> bool:
    """Whether it maps parameter names to their descriptions rather than being a schema itself."""
    if isinstance(given.get("properties"), dict) or any(isinstance(given.get(key), list) for key in _MANY[:3]):
        return False
    kind = given.get("type")
    if isinstance(given.get("$ref"), str) or isinstance(kind, (str, list)):
        # {"type": "a text about a parameter named type", "city": ...} is a map, {"type": "object"} is a schema
        is_text = isinstance(kind, str) and kind.lower() not in _STANDARD | _TYPES.keys()
        return is_text and not _KEYWORDS.issuperset(given)
    if all(isinstance(value, dict) for value in given.values()):
        return True
    return all(isinstance(value, (dict, str)) for value in given.values()) and not _KEYWORDS.issuperset(given)


def _property(value: Any) -> Schema:
    if isinstance(value, dict):
        return value
    return {"description": value} if isinstance(value, str) else {}


def _normal(schema: Any, repairs: list[str], depth: int = 0) -> Any:
    """The same schema with standard type names; `required: true` on a property is moved to where it belongs."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return schema
    done: Schema = {}
    for key, value in schema.items():
        if key == "type":
            _set_type(done, value, repairs)
        elif key in _MAPS and isinstance(value, dict):
            # Arrow gives every tool of a file the parameters of all the others, as null.
            kept = {name: inner for name, inner in value.items() if inner is not None}
            done[key] = {name: _normal(inner, repairs, depth + 1) for name, inner in kept.items()}
        elif key in _ONE and isinstance(value, dict):
            done[key] = _normal(value, repairs, depth + 1)
        elif key == "items" and isinstance(value, list) or key in _MANY and isinstance(value, list):
            done[key] = [_normal(inner, repairs, depth + 1) for inner in value]
        elif key == "items" and isinstance(value, str):
            done[key] = _normal({"type": value}, repairs, depth + 1)
        elif key == "enum" and not isinstance(value, list):
            repairs.append("bad-schema")
        else:
            done[key] = value
    if "properties" in schema and isinstance(schema["properties"], dict):
        _hoist_required(done, schema["properties"], repairs)
    if "required" in done and not is_names(done["required"]):
        repairs.append("required-normalised")
        given = done.pop("required")
        if isinstance(given, list):
            done["required"] = [name for name in given if isinstance(name, str)]
    return done


def _hoist_required(done: Schema, properties: Schema, repairs: list[str]) -> None:
    told = {name: value.get("required") for name, value in properties.items() if isinstance(value, dict)}
    marked = {name: value for name, value in told.items() if isinstance(value, (bool, str))}
    if not marked:
        return
    repairs.append("required-normalised")
    needed = [name for name, value in marked.items() if str(value).lower() == "true"]
    before = done.get("required")
    names = [*before, *needed] if isinstance(before, list) else needed
    if names:
        done["required"] = list(dict.fromkeys(names))
    else:
        done.pop("required", None)


def is_names(value: Any) -> TypeGuard[list[str]]:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _set_type(done: Schema, value: Any, repairs: list[str]) -> None:
    if _STANDARD.issuperset(value) if is_names(value) else isinstance(value, str) and value in _STANDARD:
        done["type"] = value
        return
    repairs.append("type-normalised")
    if isinstance(value, str):
        done.update(_type_of(value))
    elif isinstance(value, dict):  # {"type": {"type": "string"}}
        done.update(_normal(value, repairs, 1))
    elif is_names(value):
        found = [_type_of(kind).get("type") for kind in value]
        if None not in found:
            done["type"] = list(dict.fromkeys(found))


def _type_of(name: str) -> Schema:
    """`str, optional`, `list(str)`, `List[int]`, `Optional[str]`, `STRING`, `string (date)` as a schema; {} for any."""
    low = name.strip().lower()
    if low in _STANDARD:
        return {"type": low}
    if low in _TYPES:
        return {"type": _TYPES[low]}
    if low in _ANY:
        return {}
    if "|" in low or " or " in low:
        return _union(low.replace(" or ", "|").split("|"))
    head, bracket, inner = low.replace("(", "[").replace(")", "]").partition("[")
    head = head.strip().removeprefix("typing.")
    if bracket:
        inner = inner.rpartition("]")[0]
        if head == "optional":
            return _type_of(inner)
        if head == "union":
            return _union(inner.split(","))
        outer = _type_of(head.split(",")[0])
        if outer.get("type") == "array" and head not in ("tuple", "set") and "," not in inner:
            items = _type_of(inner)
            return {"type": "array", "items": items} if items else outer
        return outer
    first = low.replace(",", " ").replace(";", " ").replace(".", " ").split()
    if first and (first[0] in _STANDARD or first[0] in _TYPES):
        return {"type": _TYPES.get(first[0], first[0])}
    return {}


def _union(parts: list[str]) -> Schema:
    kinds = list(dict.fromkeys(_type_of(part).get("type") for part in parts))
    return {} if None in kinds else {"type": kinds[0] if len(kinds) == 1 else kinds}
