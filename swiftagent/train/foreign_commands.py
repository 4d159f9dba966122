"""What a foreign program's data and its tasks beside training are as commands of ours: its dataset_info.json, its hub
names, its mix; evaluation, export, chat, serving, a check of data."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from swiftagent.formats.dataset_entries import entries_of
from swiftagent.train.foreign_text import (
    ADAPTERS,
    HELD_OUT,
    MODELS,
    TRAINED_ON,
    Foreign,
    foreign_names,
    listed_of,
    near,
)
from swiftagent.train.options import options

Notes = list[tuple[str, str]]
MIX = "datasets/mix.jsonl"
_TEST, _CHECKED = "datasets/test.jsonl", "datasets/checked.jsonl"
AGENT_ROWS, GENERAL_ROWS = 30000, 60000  # of the published ms-agent mix
_INFO = "dataset_info.json"
_PUBLISHED = re.compile(r"(damo-|iic/)?ms[-_](agent|bench).*")
_SELF = re.compile(r"(swift/|modelscope/)?self-cognition")
_FILES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".zip", ".gz")


def first_of(settings: dict[str, Any], *keys: str) -> Any:
    """The value of the first key that is set; None without one."""
    return next((settings[key] for key in keys if settings.get(key)), None)


def command(*parts: Any) -> str:
    """A command line of words, lists of words, and pairs of an option and its value; what is empty is left out."""
    words: list[str] = []
    for part in parts:
        option, value = part if isinstance(part, tuple) else (None, part)
        listed = [str(item) for item in listed_of(value)] if value else []
        words += [option, *listed] if option and listed else listed
    return shlex.join(words)


def plan_data(foreign: Foreign, place: Path, commands: list[str], notes: Notes) -> dict[str, Any]:
    """`data` and `val` of our config; `commands` get those that write these files, `notes` what is to be noted."""
    settings = foreign.settings
    trained = names_of(first_of(settings, *TRAINED_ON))
    held_out = names_of(first_of(settings, *HELD_OUT))
    found: dict[str, Any] = {"data": "FILL_IN.jsonl"}
    mixed = any(_number(settings.get(key)) > 0 for key in ("self_cognition_sample", "train_dataset_mix_ratio"))
    if foreign.program == "ms-swift" and (mixed or any(map(_is_of_a_mix, trained))):
        found["data"] = MIX
        commands.append(mix_command(settings, trained))
    elif trained:
        found["data"] = _files(foreign, trained, place, commands, notes)
    else:
        notes.append(("data", "not named; fill it in"))
    if held_out:
        found["val"] = _files(foreign, held_out, place, commands, notes)
    return found


def names_of(value: Any) -> list[str]:
    """The data sets that a setting names: a list, names with commas, Axolotl's entries."""
    if value is None:
        return []
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, dict):
        path = [value["path"]] if value.get("path") else list(value.values())
        return names_of(value.get("data_files") or path)
    return [name for item in value for name in names_of(item)] if isinstance(value, list) else [str(value)]


def sources_of(foreign: Foreign, names: Iterable[str], place: Path) -> tuple[list[str], Notes]:
    """What `swiftagent convert` and `eval` read for these names, and hints for those that are not found."""
    found, notes = [], []
    folder = foreign.settings.get("dataset_dir", "data")
    info = near(f"{folder}/{_INFO}", place) if foreign.program == "LLaMA-Factory" else None
    entries = entries_of(info) if info else {}
    for name in names:
        entry = entries.get(name, {})
        hub = entry.get("hf_hub_url") or entry.get("ms_hub_url")
        if entry.get("file_name"):
            found.append(f"{info}#{name}")
        elif hub:
            found.append(f"{'hf' if entry.get('hf_hub_url') else 'ms'}::{hub}")
        elif foreign.program == "LLaMA-Factory" and not _is_file(name):
            place_of = str(info or f"{folder}/{_INFO}, which is not here")
            notes.append((f"dataset {name}", f"no entry of that name in {place_of}; put its file in the command"))
            found.append(f"{folder}/{name}.json")
        else:
            found.append(name if _is_file(name) or foreign.program == "ms-swift" else f"hf::{name}")
    return found, notes


def _files(foreign: Foreign, names: list[str], place: Path, commands: list[str], notes: Notes) -> str | list[str]:
    """Our files of these data sets; what is not one yet is converted into one."""
    # ms-swift's own files and hub names are what ms-swift trains on already.
    if foreign.program == "ms-swift":
        return names if len(names) > 1 else names[0]
    sources, missing = sources_of(foreign, names, place)
    stem = re.sub(r"[^\w.-]+", "-", Path(names[0]).stem)
    output = f"datasets/{stem}.jsonl"
    commands.append(command("swiftagent", "convert", sources, ("-o", output)))
    notes += missing
    return output


def _is_file(name: str) -> bool:
    return name.lower().endswith(_FILES) or Path(name).exists()


# mixes
# -------------------------------------------------------------------------------------------------------------------


def _is_of_a_mix(name: str) -> bool:
    plain = name.partition("#")[0]
    return bool(_SELF.fullmatch(plain) or (_PUBLISHED.fullmatch(plain) and not _is_file(plain)))


def mix_command(settings: dict[str, Any], names: list[str]) -> str:
    """`swiftagent mix` with the rows, the ratio and the names that an ms-swift command implied."""
    kinds: dict[str, list[str]] = {"agent": [], "general": [], "self": []}
    for name in names:
        plain = name.partition("#")[0]
        says_so = re.search(r"agent|tool|func|react|api|call", plain, re.I)
        is_agent = says_so or (_is_file(plain) and "bench" not in plain)
        kind = "self" if _SELF.fullmatch(plain) else "agent" if is_agent else "general"
        kinds[kind].append(name)
    agent = max(0, _number(settings.get("train_dataset_sample"))) or _counted(kinds["agent"]) or AGENT_ROWS
    ratio = _number(settings.get("train_dataset_mix_ratio"))
    general = round(agent * ratio) if ratio else _counted(kinds["general"]) or (GENERAL_ROWS if kinds["general"] else 0)
    itself = _number(settings.get("self_cognition_sample")) or _counted(kinds["self"]) or (500 if kinds["self"] else 0)
    name, author = (settings.get(key) or key.upper() if itself else "" for key in ("model_name", "model_author"))
    added = listed_of(settings.get("train_dataset_mix_ds") or []) if general else []
    return command(
        ["swiftagent", "mix"],
        ("--agent", int(agent) if kinds["agent"] or not names else 0),
        ("--general", int(general)),
        ("--self-cognition", int(itself)),
        ("--name", name),
        ("--author", author),
        ("--agent-source", _own(kinds["agent"])),
        ("--general-source", _own([*kinds["general"], *map(str, added)])),
    )


def _own(names: list[str]) -> list[str]:
    """Files and hub names that `mix` has to be given: all but the published ones, which are its defaults."""
    return [name.partition("#")[0] for name in names if not _is_of_a_mix(name)]


def _counted(names: list[str]) -> float:
    return sum(_number(name.partition("#")[2]) for name in names)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0


# other tasks
# ---------------------------------------------------------------------------------------------------------------


def command_of(foreign: Foreign, place: Path) -> tuple[list[str], Notes]:
    """Our commands for one task that is no training, and (name, reason) of what they do not carry over."""
    settings, task = foreign.settings, foreign.task
    named = first_of(settings, *HELD_OUT, "dataset") if task in ("eval", "check") else None
    sources, notes = sources_of(foreign, names_of(named), place)
    # Settings of a training say how the model was made; only what is no such setting is missed here.
    names = foreign_names()
    known = {*names.needless, *ADAPTERS, *names.today, *options(), "stage", "port", "default_system"}
    unused = [key for key, value in settings.items() if key not in known and value not in (None, "")]
    left_out = [(key, f"not needed to {task}, or without a counterpart") for key in unused]
    return _commands(foreign, sources), [*notes, *left_out]


def _commands(foreign: Foreign, sources: list[str]) -> list[str]:
    settings = foreign.settings
    adapters = first_of(settings, *ADAPTERS)
    model = ("--model", first_of(settings, *MODELS))
    adapter = ("--adapter", str(adapters[0] if isinstance(adapters, list) else adapters or "").split(",")[0])
    match foreign.task:
        case "eval":
            # Gold is read as training data is; an entry of dataset_info.json becomes a file first.
            first = [command("swiftagent", "convert", sources, ("-o", _TEST))] if "#" in "".join(sources) else []
            data = [("--data", source) for source in ([_TEST] if first else sources or ["FILL_IN.jsonl"])]
            rest: list[Any] = [("--step-tokens", settings.get("max_new_tokens")), ("-o", settings.get("output_dir"))]
            return [*first, command("swiftagent", "eval", model, adapter, *data, *rest)]
        case "export":
            output = first_of(settings, "export_dir", "output_dir") or "merged"
            size = f"{settings['export_size']}GB" if settings.get("export_size") else ""
            how = [("-o", output), ("--max-shard-size", size)]
            pushed = first_of(settings, "export_hub_model_id", "hub_model_id")
            push = [command("swiftagent", "export", "push", output, pushed)] if pushed else []
            return [command("swiftagent", "export", "merge", model, adapter, *how), *push]
        case "check":
            convert = command("swiftagent", "convert", sources or "FILL_IN.json", ("-o", _CHECKED))
            return [convert, command("swiftagent", "inspect", _CHECKED, "--check", model)]
        case "infer":
            system = ("--system", first_of(settings, "system", "default_system"))
            return [command("swiftagent", "infer", "--react", model, adapter, system)]
    return [command("swiftagent", "serve", model, adapter, ("--port", settings.get("port")))]
