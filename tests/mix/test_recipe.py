"""Recipes: read, refused with every problem, repeated."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from swiftagent.errors import ConfigError
from swiftagent.mix.recipe import Filter, Recipe, Source, checked, from_manifest, from_yaml


def read(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    return from_yaml(str(path))


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        read(tmp_path, text)
    return [problem.replace(f"{tmp_path}/", "") for problem in told.value.problems]


def test_the_shipped_recipe_is_what_the_options_mean(root: Path):
    recipe = from_yaml(str(root / "configs" / "mix_ms_agent.yaml"))
    assert recipe == Recipe(
        sources=(
            Source(("iic/ms_agent",), "agent", 30000),
            Source(("iic/ms_bench",), "general", 60000, leave_out=("other-assistant",)),
        )
    )


def test_a_recipe_with_everything(tmp_path: Path):
    recipe = read(
        tmp_path,
        "seed: 7\nval: 2%\ntotal: 900\nsources:\n  - source: [a.jsonl, b.jsonl]\n    share: 30%\n"
        "    filter:\n      language: zh\n      turns: [1, 4]\n      tokens: [null, 2048]\n    train: last-turn\n  "
        "- hf::a/b\n",
    )
    assert recipe.sources[0] == Source(
        ("a.jsonl", "b.jsonl"),
        share=0.3,
        train="last-turn",
        filter=Filter(language=("zh",), turns=(1, 4), tokens=(None, 2048)),
    )
    assert (recipe.seed, recipe.val, recipe.total, recipe.sources[1].source) == (7, 0.02, 900, ("hf::a/b",))


def test_every_problem_has_its_line(tmp_path: Path):
    assert problems(
        tmp_path,
        "sead: 1\nval: lots\nsources:\n  - source: a\n    chanel: x\n    count: many\n    leave_out: moss\n    "
        "repeat:\n",
    ) == [
        "r.yaml:1: sead: unknown key, did you mean seed?",
        "r.yaml:2: val: 'lots' is not a share, 0.01 or 1%",
        "r.yaml:5: chanel: unknown key, did you mean channel?",
        "r.yaml:6: count: 'many' is not a whole number",
        "r.yaml:7: leave_out: ['moss'] is not a list, each item a choice of other-assistant",
        "r.yaml:8: repeat: empty; give a value or leave the line out",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sources:\n  - {source: a, count: 1, share: 0.5}\n", "r.yaml: a: count and share exclude each other"),
        ("sources:\n  - {source: a, count: -1}\n", "r.yaml: a: count is -1; it is 0 or more"),
        ("seed: 1\n", "r.yaml:1: sources: missing"),
        ("total: 9\nsources:\n  - count: 3\n", "r.yaml:3: source: missing"),
        ("sources: 5\n", "r.yaml:1: sources: 5 is not a list, each item a mapping"),
        ("sources: [a]\nval: 2\n", "r.yaml:2: val: 2 is not a share, 0.01 or 1%"),
        ("- a\n", "r.yaml:1: a recipe is a mapping with the key sources"),
        (
            "by: tokens\ntotal: 5\nsources: [a]\n",
            "r.yaml: by: tokens needs the exact tokens of a model: add model (--model M)",
        ),
        (
            "by: tokens\ntotal: 5\nmodel: m\nsources: [{source: a, count: 3}]\n",
            "r.yaml: by: tokens shares nothing: no source has a share, and a count is of rows",
        ),
        (
            "sources: [{source: a, filter: {turns: [5, 2]}}]\n",
            "r.yaml: a: filter: turns is [5, 2]; the least comes first",
        ),
        (
            "sources: [{source: a, filter: {language: xx}}]\n",
            "r.yaml:1: language: ['xx'] is not a list, each item a choice of en, zh",
        ),
        ("sources: [{source: a, name: X}]\n", "r.yaml: a: name and author go together"),
        (
            "sources: [{source: a, share: 60%}, {source: b, share: 70%}]\n",
            "r.yaml: the shares add up to more than 100%",
        ),
        ("a: [\n", "r.yaml:2: not YAML: expected the node content, but found '<stream end>'"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, text: str, problem: str):
    assert problems(tmp_path, text) == [problem]


def test_a_recipe_survives_its_manifest(tmp_path: Path):
    recipe = checked(Recipe(sources=(Source(("x.jsonl",), count=3, repeat=9, name=("A",), author=("B",)),), seed=3))
    path = tmp_path / "m.json"
    path.write_bytes(msgspec.json.encode({"recipe": msgspec.to_builtins(recipe)}))
    assert from_manifest(str(path))[0] == recipe


def test_a_file_that_is_no_manifest_is_said_so(tmp_path: Path):
    (tmp_path / "m.json").write_text("[]")
    with pytest.raises(ConfigError, match="not a manifest that `swiftagent mix` wrote"):
        from_manifest(str(tmp_path / "m.json"))
