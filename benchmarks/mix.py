"""Mixing side by side: swiftagent, ms-swift and LLaMA-Factory on the same generated rows, whole processes, peak memory.

  python benchmarks/mix.py               32,000 agent + 100,000 chat rows (about 386 MB), 30,000 + 60,000 sampled
  python benchmarks/mix.py --times 10    ten times the rows and the sample
  python benchmarks/mix.py --llamafactory VENV/bin/python

ms-swift and LLaMA-Factory load and sample with their own loaders and write what they loaded as JSONL; a tool that is
not installed is left out. Nothing is counted as a tool's time but the process that the command line starts.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from sampledata.formats import MS_AGENT_PROMPT  # noqa: E402 (of no version of the package)

AGENT_ROWS, CHAT_ROWS, AGENT_SAMPLE, CHAT_SAMPLE = 32_000, 100_000, 30_000, 60_000
_WORDS = (
    "the a of to and in is it you that he was for on are with as his they be at one have this from or had by word "
    "but what some we can out other were all there when up use your how said an each she which do their time if "
    "will way about many then them write would like so these her long make thing see him two has look more day "
    "could go come did number sound no most people my over know water than call first who may down side been now "
    "find any new work part take get place made live"
)
WORDS = _WORDS.split()
CHINESE = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子"


def english(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words)).capitalize() + "."


def chinese(rng: random.Random, letters: int) -> str:
    return "".join(rng.choices(CHINESE, k=letters)) + "。"


def said(rng: random.Random, size: int) -> str:
    return chinese(rng, size // 2) if rng.random() < 0.4 else english(rng, size // 5)


def tool_pool() -> list[tuple[str, str]]:
    """1,500 tools as they stand in prompts; rows of real data draw on such a pool too."""
    rng = random.Random("tools")
    pool = []
    for number in range(1500):
        name = "_".join(rng.choices(WORDS, k=2)) + str(number)
        parameters = [
            {
                "name": f"{rng.choice(WORDS)}_{key}",
                "description": english(rng, 8),
                "required": rng.choice(["True", "False"]),
            }
            for key in ("id", "text", "list")
        ]
        about = f"Call this tool to interact with the {name} API. What is the {name} API useful for? {english(rng, 12)}"
        pool.append((name, f"{name}: {about} Parameters: {json.dumps(parameters, ensure_ascii=False)}"))
    return pool


TOOLS = tool_pool()


def agent_row(rng: random.Random, number: int) -> dict:
    """An ms-agent row of about 4.8 KB: four tools in the system prompt, two calls with Python-literal arguments, an
    answer."""
    chosen = rng.sample(TOOLS, 4)
    names = [name for name, _ in chosen]
    tools = [f"{place}. {text}" for place, (_, text) in enumerate(chosen, 1)]
    system = MS_AGENT_PROMPT.format(tools="\n\n".join(tools), names=", ".join(names))
    steps = []
    for _ in range(2):
        arguments = {
            "text_id": said(rng, 40),
            "list": [rng.randrange(10**6) for _ in range(4)],
            "flag": rng.random() < 0.5,
        }
        result = [{"code": str(rng.randrange(10**9)), "name": said(rng, 60), "price": rng.random()} for _ in range(3)]
        thought = f"Thought: {english(rng, 12)}\n" if rng.random() < 0.6 else ""
        steps.append(f"{thought}Action: {rng.choice(names)}\nAction Input: {arguments}\nObservation: {result}\n")
    answer = "".join(steps) + f"Thought: I now know the final answer\nFinal Answer: {said(rng, 500)}"
    turns = [("system", system), ("user", said(rng, 120)), ("assistant", answer)]
    return {"id": f"agent_{number}", "conversations": [{"from": role, "value": text} for role, text in turns]}


def chat_row(rng: random.Random, number: int) -> dict:
    """An ms_bench row of about 2.3 KB: two turns; one in fifty names another assistant."""
    turns = []
    for _ in range(2):
        turns += [("user", said(rng, 120)), ("assistant", said(rng, 840))]
    if number % 50 == 0:
        turns[1] = ("assistant", "I am MOSS. " + turns[1][1])
    return {"id": f"chat_{number}", "conversations": [{"from": role, "value": text} for role, text in turns]}


def generate(folder: Path, times: int) -> tuple[Path, Path]:
    """Write both files once; they are kept for the next run."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, make, count in (("agent", agent_row, AGENT_ROWS), ("chat", chat_row, CHAT_ROWS)):
        path = folder / f"{name}-{times}.jsonl"
        if not path.exists():
            rng = random.Random(name)
            part = path.with_suffix(".part")
            with part.open("w", encoding="utf-8") as out:
                for number in range(count * times):
                    out.write(json.dumps(make(rng, number), ensure_ascii=False) + "\n")
            part.rename(path)
        made.append(path)
    return made[0], made[1]


SWIFT = """
import sys
from swift.dataset import load_dataset
agent, chat, out, a, b = sys.argv[1:]
train, _ = load_dataset([f"{agent}#{a}", f"{chat}#{b}"], split_dataset_ratio=0.0, seed=42, num_proc=2, shuffle=True)
train.to_json(out, force_ascii=False)
"""
FACTORY = """
import json, os, sys
agent, chat, out, a, b, folder = sys.argv[1:]
tags = {"role_tag": "from", "content_tag": "value", "user_tag": "user", "assistant_tag": "assistant"}
tags["system_tag"] = "system"
info = {name: {"file_name": path, "formatting": "sharegpt", "columns": {"messages": "conversations"}, "tags": tags,
               "num_samples": int(n)}
        for name, path, n in (("agent", agent, a), ("chat", chat, b))}
json.dump(info, open(os.path.join(folder, "dataset_info.json"), "w"))
from datasets import concatenate_datasets
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.hparams import DataArguments, ModelArguments
from transformers import Seq2SeqTrainingArguments
settings = {"preprocessing_num_workers": 2, "template": "qwen", "cutoff_len": 2048}
data = DataArguments(dataset="agent,chat", dataset_dir=folder, **settings)
model = ModelArguments(model_name_or_path="none")
training = Seq2SeqTrainingArguments(output_dir=folder, report_to=[])
merged = _get_merged_dataset(["agent", "chat"], model, data, training, "sft")
merged.shuffle(seed=42).to_json(out, force_ascii=False)
"""


def measure(argv: list[str], env: dict[str, str] | None = None) -> tuple[float, float, float]:
    """(seconds, seconds of CPU, peak MB of the process and its children together)."""
    started = time.perf_counter()
    before = os.times()
    process = subprocess.Popen(
        argv, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    peak = [0.0]
    watch = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watch.start()
    _, errors = process.communicate()
    seconds = time.perf_counter() - started
    after = os.times()
    if process.returncode:
        raise RuntimeError(f"{argv[:4]}: exit {process.returncode}\n{errors.decode(errors='replace')[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, cpu, peak[0]


def _watch(pid: int, peak: list[float]) -> None:
    """Proportional memory (PSS: shared pages are counted once) of a process and its descendants, ten times a second."""
    while Path(f"/proc/{pid}").exists():
        total = 0
        for child in _family(pid):
            try:
                for line in Path(f"/proc/{child}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
            except OSError:
                pass
        peak[0] = max(peak[0], total / 1024)
        time.sleep(0.1)


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            pass
    return found


def floor(paths: list[Path], out: Path, size: int) -> float:
    """Seconds to read the input and to write as many bytes as the mix has, and nothing else."""
    started = time.perf_counter()
    block = b""
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(1 << 20):
                block = chunk
    with out.open("wb", buffering=0) as file:
        for _ in range(max(1, size // len(block))):
            file.write(block)
        os.fsync(file.fileno())
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "output" / "bench-mix")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3, help="runs of swiftagent; the median counts")
    parser.add_argument("--only", action="store_true", help="swiftagent alone")
    parser.add_argument("--llamafactory", default=sys.executable, help="a Python that has llamafactory")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    agent, chat = generate(args.folder, args.times)
    counts = [str(AGENT_SAMPLE * args.times), str(CHAT_SAMPLE * args.times)]
    out = args.folder / "out"
    out.mkdir(exist_ok=True)
    swift_files = [str(agent), str(chat), str(out / "swift.jsonl"), *counts]
    factory_files = [str(agent), str(chat), str(out / "factory.jsonl"), *counts, str(out)]
    offline = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(out / "hf"),
        "MODELSCOPE_CACHE": str(out / "ms"),
        "CUDA_VISIBLE_DEVICES": "",
    }
    ours = [
        sys.executable,
        "-m",
        "swiftagent",
        "mix",
        "--agent",
        counts[0],
        "--general",
        counts[1],
        "-o",
        str(out / "mix.jsonl"),
    ]
    ours += ["--agent-source", str(agent), "--general-source", str(chat), "--drop-leaks", "-q"]
    runs = sorted(measure(ours) for _ in range(args.repeat))
    results = {"swiftagent": runs[len(runs) // 2]}
    for name, argv in (
        ()
        if args.only
        else (
            ("ms-swift", [sys.executable, "-c", SWIFT, *swift_files]),
            ("LLaMA-Factory", [args.llamafactory, "-c", FACTORY, *factory_files]),
        )
    ):
        for cache in ("hf", "ms"):  # what a tool has cached of these rows would flatter it
            shutil.rmtree(out / cache, ignore_errors=True)
        try:
            results[name] = measure(argv, offline)
        except RuntimeError as error:
            print(f"{name}: left out, {str(error).splitlines()[-1]}", file=sys.stderr)
    size = (out / "mix.jsonl").stat().st_size
    least = floor([agent, chat], out / "floor", size)
    read = agent.stat().st_size + chat.stat().st_size
    table = {
        name: {
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "peak_mb": round(peak),
            "times_as_long": round(seconds / results["swiftagent"][0], 2),
        }
        for name, (seconds, cpu, peak) in results.items()
    }
    summary = {
        "read_mb": read // 10**6,
        "written_mb": size // 10**6,
        "floor_seconds": round(least, 2),
        "cores": len(os.sched_getaffinity(0)),
        "tools": table,
    }
    print(json.dumps(summary, indent=None if args.json else 2))


if __name__ == "__main__":
    main()
