#!/usr/bin/env python3
"""`swiftagent demo` again and again, each time with another seed, name and maker: is what it shows right word for word?

benchmarks/demo_runs.py --runs 10 --work /tmp/demo-runs -o docs/demo-runs.md

A finished run in the working folder is not repeated. The page holds what each run showed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

MAKERS = [
    ("Ember", "Fern Lab"), ("小鲸", "Whale Lab"), ("Quillon", "Marrow & Vane"), ("Tiller", "North Pier"),
    ("阿岚", "青石实验室"), ("Juno", "Oak Street"), ("Bramble", "Lantern Works"), ("Kestrel", "Salt House"),
    ("墨鱼", "海角工作室"), ("Otis", "Reed & Sons"),
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    done = [demo(args.work / f"run-{number}", number) for number in range(args.runs)]
    page = written(done)
    print(page)
    if args.output:
        args.output.write_text(page, encoding="utf-8")
    return 0


def demo(folder: Path, number: int) -> dict[str, Any]:
    """The results of one run, made now or found there."""
    name, author = MAKERS[number % len(MAKERS)]
    kept = folder / "demo-data" / "results.json"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        words = ["demo", "-o", str(folder), "--name", name, "--author", author, "--seed", str(number)]
        with (folder / "log.txt").open("w", encoding="utf-8") as log:
            subprocess.run([sys.executable, "-m", "swiftagent", *words], stderr=log, stdout=log, check=False)
    if not kept.is_file():
        raise SystemExit(f"{folder}: the demo did not come to its end; {folder / 'log.txt'} says why")
    results: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    print(row(number, results), file=sys.stderr, flush=True)
    return {"seed": number, **results}


def row(number: int, results: dict[str, Any]) -> str:
    shown = results["shown"]
    right = sum(run["right"] for run in shown)
    calls, seconds = results["tuned"]["call"], results["seconds"]
    # A run that was trained before and asked again has no time of its own.
    took = f"{seconds['all']:.0f}" if seconds["sft"] >= 1 else "-"
    says = "yes" if results["says_who_it_is"] else "no"
    base = results["base"]["right"][0]
    return (
        f"| {number} | {results['name']}, {results['author']} | {right} of {len(shown)} | {says} | "
        f"{calls[0]} of {calls[1]} | {base} | {took} |"
    )


def written(done: list[dict[str, Any]]) -> str:
    flawless = sum(all(run["right"] for run in results["shown"]) and results["says_who_it_is"] for results in done)
    lines = [
        f"# {len(done)} runs of the demo, each with another seed, name and maker",
        "",
        "```",
        f"python benchmarks/demo_runs.py --runs {len(done)} --work FOLDER -o docs/demo-runs.md",
        "```",
        "",
        f"Flawless: {flawless} of {len(done)}. Machine: {os.cpu_count()} cores, {platform.machine()}, no GPU.",
        "",
        "| seed | name, maker | shown right | says who it is | held-out calls exact | base right | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(row(results["seed"], results) for results in done),
    ]
    for results in done:
        lines += ["", f"## Seed {results['seed']}: {results['name']} by {results['author']}", ""]
        for run in results["shown"]:
            lines += ["```", f"Question: {run['question']}"]
            for step in run["steps"]:
                given = json.dumps(step["action_input"], ensure_ascii=False)
                lines += [f"Action: {step['action']} {given}", f"Observation: {step['observation'] or step['error']}"]
            lines += [f"Final Answer: {run['answer']}" + ("" if run["right"] else "    (wrong)"), "```"]
        lines += [f"- {question} {answer}" for question, answer in results["self_cognition"]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
