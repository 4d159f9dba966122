"""Commands that write files, killed at random moments, or with a full disk or too few file handles."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from attack_run import FINAL, Finished, Outcome, Target, model, step
from mix_data import agent_row, jsonl

HERE = Path(__file__).parent
ADAPTER = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}


class Written(NamedTuple):
    """A command that writes. files: what it writes. share: of all the attacks."""

    words: tuple[str, ...]
    files: tuple[str, ...]
    share: float
    seconds: float = 60.0


COMMANDS = (
    Written(("convert", "a.jsonl", "-o", "o.jsonl", "-q"), ("o.jsonl",), 0.25),
    Written(("mix", "--agent", "2000", "--agent-source", "a.jsonl", "-o", "o.jsonl", "-q"), ("o.jsonl",), 0.25),
    Written(("inspect", "gold.jsonl", "--html", "o.html", "--limit", "0"), ("o.html",), 0.1),
    Written(("eval", "--predictions", "p.jsonl", "-o", "o", "-q"), ("o/report.html", "o/metrics.json"), 0.15),
    Written(("infer", "--react", "--input", "q.jsonl", "--output", "o.jsonl", "-j", "2"), ("o.jsonl",), 0.2),
    Written(
        ("export", "adapter", "run", "-o", "o", "--force"),
        ("o/adapter_model.safetensors", "o/adapter_config.json"),
        0.05,
        180,
    ),
)
WAYS = ("kill", "kill", "end", "handles", "file size", "disk")


def attack_kills(target: Target, count: int = 60) -> Iterator[Outcome]:
    """No half file under a final name, and the command run again gives what it gives undisturbed."""
    draw = random.Random(target.seed)
    for index, command in enumerate(COMMANDS):
        whole = _inputs(target.inside(f"whole{index}"), target.checkout)
        done = _run(whole, command)
        expected = _contents(whole, command)
        name = command.words[0]
        yield Outcome("kills", f"{name} undisturbed", done.fault or ("" if done.code == 0 else done.stderr[-300:]))
        for number in range(max(1, round(count * command.share))):
            way = WAYS[number % len(WAYS)]
            place = _inputs(target.inside(f"{name}{number}"), target.checkout)
            fault, seconds = _disturbed(place, command, way, done.seconds, expected, draw)
            yield Outcome("kills", f"{name}, {way}", fault, seconds)
            shutil.rmtree(place.folder)
    yield _orphans(target.inside("orphans"))


def _disturbed(
    place: Target, command: Written, way: str, usual: float, expected: dict[str, str], draw: random.Random
) -> tuple[str, float]:
    """(what went wrong, seconds) of a command that is disturbed and then run again."""
    sizes = sum(map(len, expected.values()))
    with _small_disk(place.folder, draw) if way == "disk" else contextlib.nullcontext():
        if way in ("kill", "end"):
            kill = signal.SIGKILL if way == "kill" else signal.SIGTERM
            first = _run(place, command, wait=draw.uniform(0.1, 1.0) * usual, kill=kill)
        else:
            of = {
                "handles": {resource.RLIMIT_NOFILE: draw.randrange(4, 40)},
                "file size": {resource.RLIMIT_FSIZE: draw.randrange(1, max(2, sizes))},
            }
            first = _run(place, command, limits=of.get(way))
        fault = "" if way in ("kill", "end") else first.fault
        # Python itself cannot start with so few handles.
        fault = "" if "Fatal Python error" in first.stderr or "init_import_site" in first.stderr else fault
        found = _contents(place, command)
        half = [name for name in found if not _is_whole(name, found[name], expected[name], command)]
        fault = fault or ("; ".join(f"{name} is half a file" for name in half))
    time.sleep(0.2)
    again = _run(place, command)
    fault = fault or again.fault or ("" if again.code == 0 else f"run again: {again.stderr[-300:]}")
    if not fault and _contents(place, command) != expected:
        fault = "run again it gives something else"
    left = [str(path.relative_to(place.folder)) for path in place.folder.rglob(".*.part")]
    return fault or (f"it leaves {left}" if left else ""), first.seconds


def _run(place: Target, command: Written, wait: float | None = None, **more: object) -> Finished:
    with model(FINAL) as scripted:
        words = [*command.words, *(scripted.words if command.words[0] == "infer" else ())]
        return place.run(*words, seconds=wait or command.seconds, **more)  # type: ignore[arg-type]


def _contents(place: Target, command: Written) -> dict[str, str]:
    """The text of each file that was written, without what differs in every run."""
    found = {}
    for name in command.files:
        with contextlib.suppress(OSError):
            text = (place.folder / name).read_bytes().decode("latin-1")
            if command.words[0] == "infer":
                text = "\n".join(sorted(text.splitlines()))
            elif name.endswith((".json", ".html")):
                text = text.replace(str(place.folder), "")
            found[name] = text
    return found


def _is_whole(name: str, text: str, expected: str, command: Written) -> bool:
    # Its rows are added one by one, and it resumes with those that are there.
    if command.words[0] == "infer":
        return len(set(text.splitlines()) - set(expected.splitlines())) <= 1
    return text == expected


@contextlib.contextmanager
def _small_disk(folder: Path, draw: random.Random) -> Iterator[None]:
    """The folder, on a disk that the inputs fill nearly; left as it is where none may be mounted."""
    kept = folder.with_name(f"{folder.name}-kept")
    shutil.copytree(folder, kept)
    room = sum(path.stat().st_size for path in kept.rglob("*") if path.is_file()) + draw.randrange(8, 900) * 1024
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    if mounted:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
    try:
        yield
    finally:
        if mounted:
            shutil.copytree(folder, kept, dirs_exist_ok=True)
            subprocess.run(["umount", "-l", str(folder)], capture_output=True)
            shutil.copytree(kept, folder, dirs_exist_ok=True)
        shutil.rmtree(kept)


def _inputs(place: Target, checkout: Path) -> Target:
    folder = place.folder
    (folder / "a.jsonl").write_bytes(jsonl([agent_row(number) for number in range(4000)]))
    shutil.copy(checkout / "datasets" / "heldout.jsonl", folder / "gold.jsonl")
    texts = [step("weather", {"city": f"Town {number}"}) for number in range(400)]
    (folder / "p.jsonl").write_bytes(jsonl([{"prompt": "q", "predict": text, "label": text} for text in texts]))
    (folder / "q.jsonl").write_bytes(jsonl([{"question": f"question {number}"} for number in range(60)]))
    _run_folder(folder / "run", checkout / "datasets" / "tiny-base", folder / "a.jsonl")
    return place


def _run_folder(run: Path, base: Path, data: Path) -> None:
    """What a finished run leaves, with an adapter of zeros."""
    import numpy
    from safetensors.numpy import save_file

    checkpoint = run / "checkpoint-2"
    checkpoint.mkdir(parents=True)
    about = json.loads((base / "config.json").read_text())
    size, layers = about["hidden_size"], about["num_hidden_layers"]
    at = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"
    zeros = {
        at.format(n, side): numpy.zeros((4, size) if side == "A" else (size, 4), "f4")
        for n in range(layers)
        for side in "AB"
    }
    save_file(zeros, checkpoint / "adapter_model.safetensors")
    (checkpoint / "adapter_config.json").write_text(json.dumps({**ADAPTER, "base_model_name_or_path": str(base)}))
    known = {"model": str(base), "model_dir": str(base), "template": "qwen2_5", "model_type": "qwen2"}
    config = {"model": str(base), "data": [str(data)], "train": {"model_type": "qwen2", "template": "qwen2_5"}}
    (run / "run.json").write_text(
        json.dumps({"state": "done", "started": "2026-01-01T00:00:00+0000", "config": config})
    )
    for place in (run, checkpoint):
        (place / "args.json").write_text(json.dumps(known))
    (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": 2}))


def _orphans(place: Target) -> Outcome:
    """A run that is killed with -9 while its tool hangs, deaf to signals and with a daemon beside it."""
    shutil.copy(HERE / "attack_functions.py", place.folder)
    with model(step("daemon_and_hang", {}), FINAL) as scripted:
        words = ("infer", "--react", "--tools", "attack_functions.py", *scripted.words, "q")
        done = place.run(*words, seconds=4)
    time.sleep(2)
    left = [int(each) for each in (place.folder / "left").read_text().split()]
    alive = [process for process in left if Path(f"/proc/{process}").exists()]
    for process in alive:
        os.kill(process, signal.SIGKILL)
    fault = f"process {alive} is left" if alive or not left else ""
    return Outcome("kills", "infer with a daemon, kill", fault, done.seconds)
