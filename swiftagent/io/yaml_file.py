"""YAML whose every key knows its place (`file:line`), so that each problem can name the line to change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec
import yaml

from swiftagent.errors import ConfigError
from swiftagent.io.jsonl import read_text as read_text
from swiftagent.io.shipped import find
from swiftagent.io.words import Share as Share
from swiftagent.io.words import did_you_mean, share

Kind = TypeVar("Kind", bound=msgspec.Struct)
_TYPES = {int: "whole number", float: "number", str: "text", bool: "choice of true, false", Share: "share, 0.01 or 1%"}

_MOST_VALUES = 1_000_000  # that a text may stand for with its aliases written out


class Line(NamedTuple):
    """One `key: value` of a mapping, with its place."""

    key: str
    place: str
    node: yaml.Node

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    def value(self) -> Any:
        """The value as plain Python. Raises ConfigError where YAML cannot make one of it, as of 2024-13-45."""
        try:
            return yaml.constructor.SafeConstructor().construct_object(self.node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(f"{self.place}: {getattr(error, 'problem', None) or error}") from None


def read_mapping(text: str, path: str, wanted: str) -> yaml.MappingNode:
    """The mapping that a YAML text is. Raises ConfigError with the line, and with what was wanted in its place."""
    try:
        root = _bounded(yaml.compose(text, yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {error}".replace("\n", " ")) from None
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}:1: {wanted}")
    return root


def load(text: str) -> Any:
    """A YAML text as plain Python. Raises yaml.YAMLError, also for what is too deep and for impossible dates."""
    try:
        node = _bounded(yaml.compose(text, yaml.SafeLoader))
        return None if node is None else yaml.constructor.SafeConstructor().construct_object(node, deep=True)
    except (ValueError, RecursionError) as error:
        raise yaml.YAMLError(str(error)) from None


def _bounded(root: yaml.Node | None) -> yaml.Node | None:
    """Raises YAMLError for aliases within themselves, or nested so that a short text stands for a huge value."""
    sizes: dict[int, float] = {}

    def size(node: Any) -> float:
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = math.inf  # while it is counted: an alias back to it
            inner = [each for pair in node.value for each in pair] if isinstance(node, yaml.MappingNode) else node.value
            sizes[id(node)] = 1 + sum(map(size, inner))
        return sizes[id(node)]

    if root is not None and size(root) > _MOST_VALUES:
        raise yaml.YAMLError(f"its aliases stand for more than {_MOST_VALUES:,} values")
    return root


def lines_of(node: yaml.Node, path: str) -> Iterator[Line]:
    """The keys of a mapping in their order."""
    for key, value in node.value:
        yield Line(str(key.value), _place(key, path), value)


def _place(node: yaml.Node, path: str) -> str:
    return f"{path}:{node.start_mark.line + 1}"


def plain_value(text: str) -> Any:
    """One value as YAML reads it, as of `key=value`; the text itself where it is not YAML."""
    try:
        return load(text)
    except yaml.YAMLError:
        return text


def read_yaml(path: str, kind: type[Kind], wanted: str) -> Kind:
    """A YAML file as a Struct. One text may stand for a list of texts, and for a Struct in a list the value of its
    first field; a Share may be written as 1%.

    Raises ConfigError with every problem, each with file:line.
    """
    problems: list[str] = []
    values = _struct(read_mapping(read_text(find(path), path), path, wanted), kind, path, problems)
    if problems:
        raise ConfigError(problems)
    return msgspec.convert(values, kind)


def _struct(node: yaml.Node, kind: type[msgspec.Struct], path: str, problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    # A scalar stands for the first field, which is the only one that most entries of a list have.
    scalar = Line(next(iter(fields)), _place(node, path), node)
    for line in lines_of(node, path) if isinstance(node, yaml.MappingNode) else [scalar]:
        if line.key not in fields:
            hint = did_you_mean(line.key, fields, otherwise=f"known are {', '.join(fields)}")
            problems.append(f"{line.place}: {line.key}: unknown key, {hint}")
        elif line.key in values:
            problems.append(f"{line.place}: {line.key}: set twice")
        else:
            values[line.key] = _field(line, fields[line.key].type, path, problems)
    missing = [name for name, field in fields.items() if field.required and name not in values]
    problems += [f"{_place(node, path)}: {name}: missing" for name in missing]
    return values


def _field(line: Line, hint: Any, path: str, problems: list[str]) -> Any:
    inner: Any = next(iter(get_args(hint)), None)
    if _is_struct(hint) and line.is_mapping:
        return _struct(line.node, hint, path, problems)
    if _is_struct(inner) and isinstance(line.node, yaml.SequenceNode):
        return [_struct(item, inner, path, problems) for item in line.node.value]
    value = line.value()
    if value is None:
        problems.append(f"{line.place}: {line.key}: empty; give a value or leave the line out")
        return None
    try:
        if Share in (hint, inner):
            value = share(value)
        elif get_origin(hint) is tuple and isinstance(value, str):
            value = [value]
        msgspec.convert(value, hint)
    except (ValueError, TypeError):
        problems.append(f"{line.place}: {line.key}: {value!r} is not a {described(hint)}")
    return value


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def described(hint: Any) -> str:
    """A type as an error names it: by its own description, else in words; of a union the first."""
    if metas := [meta for meta in getattr(hint, "__metadata__", ()) if meta.description]:
        return str(metas[0].description)
    inner = get_args(hint)
    if hint in _TYPES or not inner:
        return _TYPES.get(hint, "mapping")
    if get_origin(hint) is Literal:
        return f"choice of {', '.join(inner)}"
    return f"list, each item a {described(inner[0])}" if get_origin(hint) is tuple else described(inner[0])
