"""Check the machine, the packages, the model's files, the data and a config, before a GPU is used.

swiftagent doctor                              the machine and the packages
swiftagent doctor configs/qwen7b_agent.yaml    what `sft` would run into, memory, steps and hours
swiftagent doctor CONFIG --gpu 24GB --gpu 8x80GB     would it fit such cards, and which settings do
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from swiftagent import console
from swiftagent.commands.options import Add, print_json, print_result
from swiftagent.commands.sft import config_of
from swiftagent.errors import SetupError, refuse


def add_arguments(add: Add) -> None:
    add("words CONFIG key=value", "a config, then settings that override it", nargs="*")
    add("--gpu CARD", "would the config fit such a card, as 24GB or 8x80GB; nothing else is asked", action="append")
    add("--full", "tokenize and check every row, not a sample")
    add("--json", "print what was found as one JSON object")


def run(args: argparse.Namespace) -> int:
    from swiftagent.train.machine import look
    from swiftagent.train.preflight import free_disk

    if args.gpu:
        return _ask_of_cards(args)
    machine = look()
    found: dict[str, Any] = {"packages": machine.packages, "driver": machine.driver, "problems": [], "warnings": []}
    found["gpus"] = [{"name": gpu.name, "free": gpu.free, "total": gpu.total} for gpu in machine.gpus]
    config = config_of(args.words) if args.words else None
    disk = free_disk(Path(config.runs if config else "."))
    found["host"] = {"cpus": machine.cpus, "memory_free": machine.memory, "disk_free": disk}
    if config:
        from swiftagent.train.raw_data import staged

        said: list[str] = []
        with console.progress("checking"), staged(config, "auto", lambda line, report: said.append(line)) as there:
            found |= _examine(there, machine, full=args.full)
        found["notes"] = [*filter(None, said), *found["notes"]]
    if args.json:
        print_json({**found, "ok": not found["problems"]})
    else:
        _show(found)
    return SetupError.exit_code if found["problems"] else 0


def _ask_of_cards(args: argparse.Namespace) -> int:
    from msgspec.structs import asdict

    from swiftagent.train.cards import fit, parse_card

    refuse({"--gpu: which config? swiftagent doctor configs/qwen7b_agent.yaml --gpu 24GB": not args.words})
    config = config_of(args.words)
    fits = [fit(config, parse_card(word)) for word in args.gpu]
    verdicts = [("fits", "") if one.fits else ("does not fit", one.remedy or "a smaller model") for one in fits]
    sizes = [(one.card, f"{one.needed / 1e9:.0f} GB", f"{one.usable / 1e9:.0f} GB") for one in fits]
    rows = [(*size, *verdict) for size, verdict in zip(sizes, verdicts, strict=True)]
    found = {"cards": list(map(asdict, fits))}
    print_result(found, "memory of one GPU", ("card", "takes", "usable", "", "fits with"), rows, args.json)
    return 0 if all(one.fits for one in fits) else SetupError.exit_code


def _examine(config: Any, machine: Any, *, full: bool) -> dict[str, Any]:
    from swiftagent.train import preflight
    from swiftagent.train.inputs import resolve
    from swiftagent.train.launch import plan
    from swiftagent.train.runs import next_name

    inputs = resolve(config, machine)
    planned = plan(inputs, next_name(Path(config.runs), config.run_name))
    found = preflight.as_dict(preflight.examine(inputs, planned, "full" if full else "sample"))
    named = ("device", "batch", "accumulation", "sequences_per_step")
    facts = {name: getattr(planned, name) for name in named} | {"processes": planned.processes * planned.nodes}
    return found | {"warnings": [*planned.warnings, *found["warnings"]], "notes": planned.notes, "plan": facts}


def _show(found: dict[str, Any]) -> None:
    console.table("packages", ("package", "version"), sorted(found["packages"].items()), console=console.out)
    host = found["host"]
    machine = [(gpu["name"], f"{gpu['free'] / 1e9:.0f} of {gpu['total'] / 1e9:.0f} GB free") for gpu in found["gpus"]]
    machine += [("driver", found["driver"])] if found["driver"] else [("GPU", "none: training would run on the CPU")]
    machine += [(f"{host['cpus']} CPUs", f"{host['memory_free'] / 1e9:.0f} GB of memory free")]
    machine += [("disk", f"{host['disk_free'] / 1e9:.0f} GB free for checkpoints")]
    console.table("machine", ("what", "found"), machine, console=console.out)
    measured = found.get("measured") or {}
    rows = [_of_channel(name, channel) for name, channel in sorted(measured.get("channels", {}).items())]
    if rows:
        data = found["data"]
        title = f"data: {data['rows']:,} rows, {measured['sampled']:,} measured, {data['repeats']:,} repeats"
        columns = ("channel", "rows", "tokens a row", "longest", "trained", "shortened", "left out")
        console.table(title, columns, rows, console=console.out)
    if found.get("memory"):
        parts = ("weights", "adapters", "gradients", "optimizer", "activations", "overhead", "total")
        sizes = [(part, f"{found['memory'][part] / 1e9:.2f} GB") for part in parts]
        console.table("memory of one GPU, estimated", ("what", "size"), sizes, console=console.out)
    if found.get("effort"):
        from swiftagent.train.lines import duration

        effort = found["effort"]
        time = f", about {duration(effort['hours'] * 3600)}" if effort["hours"] else ""
        console.tell(f"{effort['steps']:,} steps, about {effort['tokens']:,} tokens{time}")
    for line in found.get("notes", []):
        console.tell(line)
    for warning in found["warnings"]:
        console.warn(warning)
    for problem in found["problems"]:
        console.fault(problem)
    if not found["problems"]:
        console.tell("no problem found")


def _of_channel(name: str, channel: dict[str, int]) -> tuple[object, ...]:
    rows, tokens = max(1, channel["rows"]), channel["tokens"]
    cut, left_out = (channel["too_long"] - channel["left_out"]) / rows, channel["left_out"] / rows
    shares = (f"{share:.0%}" for share in (channel["trained"] / max(1, tokens), cut, left_out))
    return (name, channel["rows"], tokens // rows, channel["longest"], *shares)
