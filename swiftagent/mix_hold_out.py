"""Which rows are the validation split: a share of every channel, whole conversations, and what a recipe holds out."""

from __future__ import annotations

from pathlib import Path

from swiftagent.errors import ConfigError
from swiftagent.mix_judge import Near
from swiftagent.mix_note import Note
from swiftagent.mix_output import Rows
from swiftagent.mix_plan import Plan
from swiftagent.mix_recipe import Recipe
from swiftagent.mix_sample import seed_of, shares, validation
from swiftagent.mix_take import Taken


def held_out(recipe: Recipe, plans: list[Plan], taken: list[Taken], rows: Rows) -> set[int]:
    """The indexes of the validation split. Rows of one first question are never on both sides, so no conversation is.

    Rows with a held-out tool or hash are all in it, beside the recipe's share of the others.
    """
    notes = [note for source in taken for note in _each_copy(source)]
    held = _by_rule(recipe, notes)
    spans: dict[str, list[int]] = {}
    first = 0
    for plan, source in zip(plans, taken, strict=True):
        spans.setdefault(plan.source.channel, []).extend(
            index for index in range(first, first + source.total) if index not in held
        )
        first += source.total
    wanted = max(1, round(len(rows) * recipe.val)) if recipe.val and len(rows) > 1 else 0
    near = _Near(recipe, notes) if recipe.hold_out.apart and recipe.duplicates != "near" else None
    counts = [len(indexes) for indexes in spans.values()]
    for (channel, indexes), count in zip(spans.items(), shares(wanted, counts), strict=True):
        chosen = validation([rows.groups[index] for index in indexes], count, seed_of(recipe.seed, "val", channel))
        found = {indexes[position] for position in chosen}
        held |= near.without(found) if near is not None else found
    return held


def _each_copy(source: Taken) -> list[Note]:
    whole, more = source.rounds
    return [note for index, note in enumerate(source.notes or [Note()] * len(source)) for _ in range(whole + (index < more))]


def _by_rule(recipe: Recipe, notes: list[Note]) -> set[int]:
    tools = set(recipe.hold_out.tools)
    hashes = _hashes(recipe.hold_out.hashes) if recipe.hold_out.hashes else set()
    return {index for index, note in enumerate(notes) if tools & set(note.offered) or note.content in hashes}


def _hashes(path: str) -> set[int]:
    try:
        return {int(line, 16) for line in Path(path).read_text().split()}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except ValueError:
        raise ConfigError(f"{path}: not a list of row hashes, one hexadecimal number a line") from None


class _Near:
    """Rows whose near duplicate would be on the other side stay in the training split."""

    def __init__(self, recipe: Recipe, notes: list[Note]) -> None:
        self._index = Near(recipe.near)
        self._signatures = [note.signature for note in notes]
        for signature in self._signatures:
            self._index.add(signature)

    def without(self, held: set[int]) -> set[int]:
        return {index for index in held if not self._signatures[index] or set(self._index.like(self._signatures[index])) <= held}
