"""A mix as data: which sources, how much of each, what is left out. Read from YAML, from options, or from a
manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from swiftagent.errors import ConfigError, refuse
from swiftagent.io.jsonl import read_text
from swiftagent.io.words import Share
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
    from swiftagent.io.yaml_file import read_yaml  # whose library a mix of options alone does not need

    return checked(read_yaml(path, Recipe, "a recipe is a mapping with the key sources"), path)


def from_manifest(path: str) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of an earlier mix and its whole manifest. Raises ConfigError."""
    text = read_text(Path(path))
    try:
        manifest = msgspec.json.decode(text)
        recipe = msgspec.convert(manifest["recipe"], Recipe)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not a manifest that `swiftagent mix` wrote ({error})") from error
    return recipe, manifest


def checked(recipe: Recipe, path: str = "") -> Recipe:
    """The same recipe. Raises ConfigError with everything that does not fit together."""
    problems = {problem: is_so for source in recipe.sources for problem, is_so in _source_misfits(source).items()}
    problems |= _misfits(recipe)
    refuse({f"{path}: {problem}" if path else problem: is_so for problem, is_so in problems.items()})
    # Options leave lists where the fields are tuples, and a manifest has to repeat what it was made from.
    return msgspec.convert(msgspec.to_builtins(recipe), Recipe)


def _misfits(recipe: Recipe) -> dict[str, Any]:
    sources, by, total, model = recipe.sources, recipe.by, recipe.total, recipe.model
    tokens, shared = by != "rows", any(source.share is not None for source in sources)
    free = [source for source in sources if source.share is None and source.count is None]
    counts_alone = tokens and model and total is not None and sources and not shared
    some_free = shared and total is None and 0 < len(free) < len(sources)
    unwritten = recipe.rewrite_general and not model
    return {
        f"by: {by} needs the exact tokens of a model: add model (--model M)": tokens and not model,
        f"by: {by} needs total, the number of tokens wanted (--total N)": tokens and total is None,
        f"by: {by} shares nothing: no source has a share, and a count is of rows": counts_alone,
        "share needs total, or a count of every source without a share": some_free,
        "the shares add up to more than 100%": sum(source.share or 0 for source in sources) > 1 + 1e-9,
        "rewrite_general needs the model that writes the answers: add model (--model M)": unwritten,
        "sources: empty; a recipe names at least one": not sources,
    }


def _source_misfits(source: Source) -> dict[str, Any]:
    count, name, author = source.count, source.name, source.author
    bounds = {field: getattr(source.filter, field) for field in ("characters", "tokens", "turns", "calls")}
    turned = {field: two for field, two in bounds.items() if None not in two and two[0] > two[1]}
    several = max(len(name), len(author)) > 2
    problems = {
        "count and share exclude each other": count is not None and source.share is not None,
        f"count is {count}; it is 0 or more": count is not None and count < 0,
        f"repeat is {source.repeat}; it is 1 or more": source.repeat < 1,
        **{f"filter: {field} is {list(two)}; the least comes first": True for field, two in turned.items()},
        "channel is empty": not source.channel,
        "name and author are one text, or a Chinese and an English one": several,
        "name and author go together": bool(name) != bool(author),
    }
    return {f"{', '.join(source.source)}: {problem}": is_so for problem, is_so in problems.items()}
