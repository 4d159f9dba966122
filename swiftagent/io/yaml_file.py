"""YAML whose every key knows its place (`file:line`), so that each problem can name the line to change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from swiftagent.errors import ConfigError

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
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_object(self.node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(f"{self.place}: {getattr(error, 'problem', None) or error}") from None
        finally:
            loader.dispose()


def read_text(path: Path, shown: str = "") -> str:
    """A text file, with or without a byte order mark. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{shown or path}: cannot be read: {error.strerror or error}") from None
    except UnicodeError as error:
        raise ConfigError(f"{shown or path}: cannot be read: {error}; save it as UTF-8") from None


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
    loader = yaml.SafeLoader(text)
    try:
        node = _bounded(loader.get_single_node())
        return None if node is None else loader.construct_document(node)
    except (ValueError, RecursionError) as error:
        raise yaml.YAMLError(str(error)) from None
    finally:
        loader.dispose()


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
        yield Line(str(key.value), f"{path}:{key.start_mark.line + 1}", value)


def plain_value(text: str) -> Any:
    """One value as YAML reads it, as of `key=value`; the text itself where it is not YAML."""
    try:
        return load(text)
    except yaml.YAMLError:
        return text
