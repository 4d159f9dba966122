"""What a foreign program's data and its tasks beside training are as commands of ours: its dataset_info.json, its hub
names, its mix; evaluation, export, chat, serving, a check of data."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from swiftagent.formats.dataset_entries import entries_of
from swiftagent.train.foreign_shell import listed_of
from swiftagent.train.foreign_text import Foreign, Task, foreign_names, near
from swiftagent.train.options import options

Notes = list[tuple[str, str]]
MIX = "datasets/mix.jsonl"
_TEST, _CHECKED = "datasets/test.jsonl", "datasets/checked.jsonl"
AGENT_ROWS, GENERAL_ROWS = 30000, 60000  # of the published ms-agent mix
_INFO = "dataset_info.json"
OWN = ("name", "gpus", "nodes", "sequences_per_step")  # top-level keys of ours that a setting may become
_PUBLISHED = re.compile(r"(damo-|iic/)?ms[-_](agent|bench).*")
_SELF = re.compile(r"(swift/|modelscope/)?self-cognition")
_USUAL = ("path", "type", "ds_type", "data_files", "source", "converter")  # of an entry in a list of data
_FILES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".zip", ".gz")


def command(*parts: Any) -> str:
    """A command line of words, lists of words, and pairs of an option and its value; what is empty is left out."""
    words: list[str] = []
    for part in parts:
        option, value = part if isinstance(part, tuple) else (None, part)
        listed = [str(item) for item in listed_of(value)] if value else []
        words += [option, *listed] if option and listed else listed
    return shlex.join(words)


def asks(key: str, value: Any) -> bool:
    """Whether a setting wants something that is off without it."""
    word, names = str(value).lower(), foreign_names()
    is_zero = word in ("0", "0.0") and names.today.get(key, key) not in options()
    return word in names.values.get(key, {}) or not (is_zero or word in ("", "none", "null", "false", "[]", "{}"))


def plan_data(foreign: Foreign, place: Path, commands: list[str], notes: Notes) -> dict[str, Any]:
    """`data` and `val` of our config; `commands` get those that write these files, `notes` what is to be noted."""
    settings = foreign.settings
    places = foreign_names().places
    trained, held_out = (names_of([settings.get(key) for key in places[place]]) for place in ("data", "val"))
    if foreign.program == "ms-swift":  # whose eval_dataset names benchmarks
        held_out = names_of(settings.get("val_dataset") or settings.get("custom_val_dataset_path"))
    entries = [entry for key in (*places["data"], *places["val"]) for entry in listed_of(settings.get(key))]
    notes += filter(None, map(_how_read, entries))
    both = "trains and validates; of a hub the split to train is fetched: name another file with val="
    notes += [(f"dataset {name}", both) for name in held_out if name in trained]
    held_out = [name for name in held_out if name not in trained]
    found: dict[str, Any] = {"data": "FILL_IN.jsonl"}
    mixed = any(number(settings.get(key)) > 0 for key in ("self_cognition_sample", "train_dataset_mix_ratio"))
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


def _how_read(entry: Any) -> tuple[str, str] | None:
    """What an entry of Axolotl says of its rows, which are recognised here by what they hold."""
    items = entry.items() if isinstance(entry, dict) else ()
    said = [f"{key}: {value}" for key, value in items if key not in _USUAL or isinstance(value, dict)]
    said = [text for text in said if text != "split: train"]
    reason = "all rows are taken, recognised by what they hold; see the ledger of `convert`"
    return (f"dataset {entry.get('path', '')}", f"{', '.join(said)}: {reason}") if said else None


def names_of(value: Any) -> list[str]:
    """The data sets that a setting names: a list, names with commas, Axolotl's entries."""
    if isinstance(value, dict):
        return names_of(value.get("data_files") or value.get("path") or list(value.values()))
    if isinstance(value, list):
        return [name for item in value for name in names_of(item)]
    return [part.strip() for part in str(value or "").split(",") if part.strip()]


def sources_of(foreign: Foreign, names: Iterable[str], place: Path) -> tuple[list[str], Notes]:
    """What `swiftagent convert` and `eval` read for these names, and hints for those that are not found."""
    found, notes = [], []
    folder = foreign.settings.get("dataset_dir") or "data"
    info = near(f"{folder}/{_INFO}", place) if foreign.program == "LLaMA-Factory" else None
    entries = entries_of(info) if info else {}
    for name in names:
        entry = entries.get(name, {})
        hub = entry.get("hf_hub_url") or entry.get("ms_hub_url")
        if entry.get("file_name"):
            found.append(f"{info}#{name}")
        elif hub:
            found.append(f"{'hf' if entry.get('hf_hub_url') else 'ms'}::{hub}")
        elif foreign.program == "LLaMA-Factory" and not _is_file(name) and "/" not in name:
            place_of = str(info or f"{folder}/{_INFO}, which is not here")
            notes.append((f"dataset {name}", f"no entry of that name in {place_of}; put its file in the command"))
            found.append(f"{folder}/{name}.json")
        else:
            hub = "ms" if foreign.program == "ms-swift" and not foreign.on("use_hf") else "hf"
            plain = name.partition("#")[0]
            found.append(plain if _is_file(plain) else f"{hub}::{plain}")
    return found, notes


def _files(foreign: Foreign, names: list[str], place: Path, commands: list[str], notes: Notes) -> str | list[str]:
    """Our files of these data sets; what is not one yet is converted into one."""
    # ms-swift's own files and hub names are what ms-swift trains on already.
    if foreign.program == "ms-swift":
        rows = max(0, number(foreign.settings.get("train_dataset_sample")))
        names = [f"{name}#{rows / len(names):.0f}" if rows and "#" not in name else name for name in names]
        return names if len(names) > 1 else names[0]
    sources, missing = sources_of(foreign, names, place)
    stem = re.sub(r"[^\w.-]+", "-", Path(names[0]).stem)
    taken = any(line.endswith(f"-o datasets/{stem}.jsonl") for line in commands)  # by a file of another folder
    output = f"datasets/{stem}{'-val' if taken else ''}.jsonl"
    commands.append(command("swiftagent", "convert", sources, ("-o", output)))
    notes += missing
    return output


def _is_file(name: str) -> bool:
    return name.lower().endswith(_FILES) or os.path.exists(name)


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
    agent = max(0, number(settings.get("train_dataset_sample"))) or _counted(kinds["agent"]) or AGENT_ROWS
    ratio = number(settings.get("train_dataset_mix_ratio"))
    general = round(agent * ratio) if ratio else _counted(kinds["general"]) or (GENERAL_ROWS if kinds["general"] else 0)
    itself = number(settings.get("self_cognition_sample")) or _counted(kinds["self"]) or (500 if kinds["self"] else 0)
    name, author = (settings.get(key) or key.upper() if itself else "" for key in ("model_name", "model_author"))
    kinds["general"] += map(str, listed_of(settings.get("train_dataset_mix_ds") or []) if general else [])
    rows = {"--agent": agent if kinds["agent"] or not names else 0, "--general": general, "--self-cognition": itself}
    counts = [(option, int(count)) for option, count in rows.items()]
    sources = [(f"--{kind}-source", _own(kinds[kind])) for kind in ("agent", "general")]
    return command("swiftagent", "mix", *counts, ("--name", name), ("--author", author), *sources)


def _own(names: list[str]) -> list[str]:
    """Files and hub names that `mix` has to be given: all but the published ones, which are its defaults."""
    return [name.partition("#")[0] for name in names if not _is_of_a_mix(name)]


def _counted(names: list[str]) -> float:
    return sum(number(name.partition("#")[2]) for name in names)


def number(value: Any) -> float:
    """A setting as a number; 0 for what is not one."""
    try:
        return float(value) if math.isfinite(float(value)) else 0
    except (TypeError, ValueError):
        return 0


# other tasks
# ---------------------------------------------------------------------------------------------------------------


def command_of(foreign: Foreign, place: Path) -> tuple[list[str], Notes]:
    """Our commands for one task that is no training, and (name, reason) of what they do not carry over."""
    settings, task, names = foreign.settings, foreign.task, foreign_names()
    on_rows = foreign.named("val") or foreign.on("load_data_args", "load_dataset_config")
    task = "eval" if task == "infer" and on_rows else task
    rows = names_of(foreign.named("val") or settings.get("dataset")) if task in ("eval", "check") else []
    sets = names_of(str(settings.get("task", "")).partition("_")[0]) or (rows if foreign.verb == "swift eval" else [])
    sources, notes = sources_of(foreign, () if sets else rows, place)
    # Settings of a training say how the model was made; only what is no such setting is missed here.
    known = {*names.needless, *names.today, *options(), *OWN} - {*names.asked} | {*names.carried[task]}
    for key, value in settings.items():
        if key not in known and asks(key, value):
            reason = names.asked.get(key) or names.values.get(key, {}).get("otherwise")
            missed = f"not needed to {task}, or without a counterpart"
            notes.append((key, reason if isinstance(reason, str) else missed))
    return _words_of(foreign, task, sources, [("--evalscope", sets), ("-n", int(_counted(rows)))]), notes


def _words_of(foreign: Foreign, task: Task, sources: list[str], more: list[Any]) -> list[str]:
    settings, ours = foreign.settings, "swiftagent"
    name, _, adapter = str(next(iter(names_of(foreign.named("adapter"))), "")).rpartition("=")
    model = [("--model", foreign.named("model")), ("--adapter", adapter)]
    carried = [(option, settings.get(key)) for key, option in foreign_names().carried[task].items()]
    given = [(option, str(value)) for option, value in carried if option and value is not None]
    engine = ("--engine", "vllm" if settings.get("infer_backend") == "vllm" else "")
    match task:
        case "eval":
            # Gold is read as training data is; an entry of dataset_info.json and a hub's rows become a file first.
            is_elsewhere = any("#" in source or "::" in source for source in sources)
            first = [command(ours, "convert", sources, ("-o", _TEST))] if is_elsewhere else []
            data = [("--data", source) for source in ([_TEST] if first else sources or ["FILL_IN.jsonl"])]
            return [*first, command(ours, "eval", *model, *data, engine, *given, *more)]
        case "export":
            return _exports(foreign, model, adapter)
        case "check":
            convert = command(ours, "convert", sources or "FILL_IN.json", ("-o", _CHECKED))
            return [convert, command(ours, "inspect", _CHECKED, "--check", model[0])]
    named = ("--name", "" if settings.get("served_model_name") or task != "serve" else name)
    return [command(ours, task, "--react" if task == "infer" else "", *model, named, engine, *given)]


def _exports(foreign: Foreign, model: list[Any], adapter: str) -> list[str]:
    settings, export = foreign.settings, ["swiftagent", "export"]
    output = foreign.first("export_dir", "output_dir") or "merged"
    pushed = foreign.first("export_hub_model_id", "hub_model_id")
    bits = foreign.first("quant_bits", "export_quantization_bit", "quant_method")
    if foreign.on("to_cached_dataset"):
        return [command("swiftagent", "convert", names_of(foreign.named("data")) or "FILL_IN.json", ("-o", _CHECKED))]
    if foreign.on("to_ollama"):
        return [command(export, "ollama", *model, ("-o", output))]
    lines = []
    if adapter or not (pushed or bits):
        size = f"{settings['export_size']}GB" if settings.get("export_size") else ""
        lines.append(command(export, "merge", *model, ("-o", output), ("--max-shard-size", size)))
    subject = output if lines else str(foreign.named("model"))
    if bits:
        file = Path(foreign.first("export_dir", "output_dir") or subject).name
        how = ("--quantize", "q8_0" if str(bits) == "8" else "q4_K_M")
        lines.append(command(export, "gguf", subject, ("-o", f"{file}.gguf"), how))
    if pushed:
        hub = "hf" if foreign.on("use_hf") or foreign.program == "LLaMA-Factory" else ""
        lines.append(command(export, "push", subject, pushed, ("--hub", hub)))
    return lines
