"""List the shipped recipes, copy one to edit, or turn another program's config into ours.

swiftagent configs
swiftagent configs --gpu 24GB                  what each needs of such a card, and how long it takes there
swiftagent configs schema                      the JSON Schema of a config, for editors
swiftagent configs cp qwen7b_agent [my.yaml]
swiftagent configs from FILE [-o my.yaml]      a YAML or command of LLaMA-Factory, Axolotl or ms-swift, or an Unsloth
                                               script: the config, and the commands that go with it
"""

from __future__ import annotations

import argparse
from pathlib import Path

from swiftagent import console
from swiftagent.commands.options import Add, print_json, print_result
from swiftagent.errors import ConfigError, SetupError
from swiftagent.io.jsonl import write_text
from swiftagent.io.shipped import shipped


def add_arguments(add: Add) -> None:
    words = "words cp NAME [FILE] | from FILE | schema"
    add(words, "copy a recipe, translate a config, print its JSON Schema", nargs="*")
    add("-o --output FILE", "where the copy or the translation goes")
    add("--gpu CARD", "the recipes on such a card, as 24GB or 8x80GB: memory, tokens/s, hours for 93,000 rows")
    add("--json", "print one JSON object")


def run(args: argparse.Namespace) -> None:
    if args.gpu:
        return _list_on(args.gpu, args.json)
    match args.words:
        case []:
            return _list(args.json)
        case ["schema"]:
            return print((shipped("configs") / "schema.json").read_text(encoding="utf-8"), end="")
        case ["cp", name, *target] if len(target) < 2:
            return _copy(name, args.output or "".join(target))
        case ["from", name]:
            return _translate(Path(name), args.output, args.json)
    words = " ".join(args.words)
    raise ConfigError(f"configs {words}: `configs`, `configs cp NAME [FILE]`, `configs from FILE` or `configs schema`")


def _list(as_json: bool) -> None:
    from swiftagent.train.cards import describe_recipes

    rows = describe_recipes()
    columns = ("name", "model", "method", "GPUs", "memory", "hours")
    cells = [[row[column] for column in columns] for row in rows]
    notes = "memory of one GPU at max_length; hours for 90,000 rows of 450 tokens on A100s; both estimated\n"
    notes += "recipes of `swiftagent mix` open with its name: configs/mix_*.yaml"
    print_result({"configs": rows}, "configs", columns, cells, as_json, notes)


def _list_on(word: str, as_json: bool) -> None:
    from swiftagent.train.cards import parse_card, recipes_on

    card = parse_card(word)
    rows = recipes_on(card)
    cells = []
    for row in rows:
        fits = "yes" if row["fits"] else row["with"] or "no"
        cells.append((row["name"], row["memory"], fits, row["tokens/s"] or "", row["hours"] or ""))
    found = {"card": word, "speed_of": card.kind, "configs": rows}
    columns = ("name", "memory", "fits, or with", "tokens/s", "hours")
    notes = f"hours for 93,000 rows of 450 tokens at the speed of {card.kind}; all estimated"
    print_result(found, f"configs on {word}", columns, cells, as_json, notes)


def _copy(name: str, target: str) -> None:
    from swiftagent.train.config import find_config

    source = find_config(name)
    path = Path(target or ".")
    path = path / source.name if path.is_dir() else path
    if path.exists():
        raise SetupError(f"{path}: exists already; name another file: `swiftagent configs cp {name} FILE`")
    schema = source.with_name("schema.json")  # the copy may lie anywhere
    write_text(path, source.read_text(encoding="utf-8").replace("$schema=schema.json", f"$schema={schema}"))
    print(path)


def _translate(path: Path, output: str | None, as_json: bool) -> None:
    from swiftagent.io.yaml_file import read_text
    from swiftagent.train.foreign import translate

    translated = translate(read_text(path), str(path), output or "CONFIG")
    if output and Path(output).exists():
        raise SetupError(f"{output}: exists already; name another file with -o")
    if output:
        write_text(Path(output), translated.text)
    if as_json:
        return print_json(translated.as_dict())
    if translated.left_out:
        console.say("not carried over:")
    for name, reason in translated.left_out:
        console.say(f"  {name}: {reason}")
    print(output or translated.text, end="\n" if output else "")
    return None
