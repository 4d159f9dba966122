"""A mix as data: which sources, how much of each, what is left out. Read from YAML, from options, or from a
manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.io.yaml_file import Share, read_yaml
from swiftagent.trajectory.prompts import PromptStyle

AGENT, GENERAL, SELF_COGNITION = "iic/ms_agent", "iic/ms_bench", "swift/self-cognition"
Unit = Literal["rows", "tokens", "trained-tokens"]
Rule = Literal["other-assistant"]


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which rows of a source may be taken. Ranges are [least, most]; null is no bound. `tokens` are estimated."""

    language: tuple[Literal["en", "zh"], ...] = ()
    characters: tuple[int | None, int | None] = (None, None)
    tokens: tuple[int | None, int | None] = (None, None)
    turns: tuple[int | None, int | None] = (None, None)
    calls: tuple[int | None, int | None] = (None, None)
    tools: tuple[str, ...] = ()  # a row that calls one of these, or offers it where it calls none
    without_tools: tuple[str, ...] = ()


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One source. `count` rows, or a `share` of the recipe's total, or (neither) all of it."""

    source: tuple[str, ...]
    channel: str = "agent"
    count: int | None = None
    share: Share | None = None
    format: str = "auto"
    revision: str = ""
    repeat: int = 1  # how often one row may be taken
    leave_out: tuple[Rule, ...] = ()
    train: Literal["all", "last-turn", "last-step"] = "all"
    filter: Filter = Filter()
    name: tuple[str, ...] = ()  # what {{NAME}} becomes: Chinese rows take the first, others the last
    author: tuple[str, ...] = ()
    clean: bool | Mapping[str, Any] = False  # keys of clean.cleaner.Cleaning; the source is cleaned before it is mixed
    fallback: str = ""  # a local file that stands in where the hub cannot be reached


class HoldOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the validation split is made of beside its share of rows."""

    tools: tuple[str, ...] = ()  # rows that call or offer one of these tools are validation only
    hashes: str = ""  # a file of row hashes, one a line
    apart: bool = False  # no row of the validation split has a near duplicate in the training split


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole mix. `total` is in the unit `by` and is what shares are shares of."""

    sources: tuple[Source, ...]
    seed: int = 42
    val: Share = 0.01
    by: Unit = "rows"
    total: int | None = None
    prompt: PromptStyle = "auto"
    language: Literal["auto", "en", "zh"] = "auto"
    duplicates: Literal["keep", "exact", "near"] = "keep"
    near: Share = 0.8  # the Jaccard similarity from which rows are near duplicates
    hold_out: HoldOut = HoldOut()
    decontaminate: tuple[str, ...] = ()
    max_per_tool: int | None = None
    no_call: Share = 0.0
    augment: tuple[Literal["names", "order", "descriptions", "prompt"], ...] = ()
    max_rejects: Share = 0.01
    rewrite_general: bool = False  # chat answers are written anew by `model`
    model: str = ""


def from_yaml(path: str) -> Recipe:
    """Read a recipe file. Raises ConfigError with every problem, each with file:line."""
    return checked(read_yaml(path, Recipe, "a recipe is a mapping with the key sources"), path)


def from_manifest(path: str) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of an earlier mix and its whole manifest. Raises ConfigError."""
    try:
        manifest = msgspec.json.decode(Path(path).read_bytes())
        recipe = msgspec.convert(manifest["recipe"], Recipe)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not a manifest that `swiftagent mix` wrote ({error})") from error
    return recipe, manifest


def checked(recipe: Recipe, path: str = "") -> Recipe:
    """The same recipe. Raises ConfigError with everything that does not fit together."""
    problems = [f"{path}: {problem}" if path else problem for problem in _misfits(recipe)]
    if problems:
        raise ConfigError(problems)
    # Options leave lists where the fields are tuples, and a manifest has to repeat what it was made from.
    return msgspec.convert(msgspec.to_builtins(recipe), Recipe)


def _misfits(recipe: Recipe) -> list[str]:
    sources, by, tokens = recipe.sources, recipe.by, recipe.by != "rows"
    shared = any(source.share is not None for source in sources)
    free = [source for source in sources if source.share is None and source.count is None]
    without_total, some_free = recipe.total is None, 0 < len(free) < len(sources)
    checks = (
        (tokens and not recipe.model, f"by: {by} needs the exact tokens of a model: add model (--model M)"),
        (tokens and without_total, f"by: {by} needs total, the number of tokens wanted (--total N)"),
        (
            tokens and recipe.model and not without_total and sources and not shared,
            f"by: {by} shares nothing: no source has a share, and a count is of rows",
        ),
        (without_total and some_free and shared, "share needs total, or a count of every source without a share"),
        (sum(source.share or 0 for source in sources) > 1 + 1e-9, "the shares add up to more than 100%"),
        (
            recipe.rewrite_general and not recipe.model,
            "rewrite_general needs the model that writes the answers: add model (--model M)",
        ),
        (not sources, "sources: empty; a recipe names at least one"),
    )
    found = [problem for source in sources for problem in _source_misfits(source)]
    return [*found, *(problem for wrong, problem in checks if wrong)]


def _source_misfits(source: Source) -> list[str]:
    bounds = {name: getattr(source.filter, name) for name in ("characters", "tokens", "turns", "calls")}
    turned = {
        name: f"[{low}, {high}]" for name, (low, high) in bounds.items() if None not in (low, high) and low > high
    }
    checks = (
        (source.count is not None and source.share is not None, "count and share exclude each other"),
        (source.count is not None and source.count < 0, f"count is {source.count}; it is 0 or more"),
        (source.repeat < 1, f"repeat is {source.repeat}; it is 1 or more"),
        *((True, f"filter: {name} is {shown}; the least comes first") for name, shown in turned.items()),
        (not source.channel, "channel is empty"),
        (
            len(source.name) > 2 or len(source.author) > 2,
            "name and author are one text, or a Chinese and an English one",
        ),
        (bool(source.name) != bool(source.author), "name and author go together"),
    )
    return [f"{', '.join(source.source)}: {problem}" for wrong, problem in checks if wrong]
