#!/usr/bin/env python3
"""The longest time without a line of output of each command that works long, off a terminal, on sample data with the
shipped tiny model. At most 6 s are allowed.

benchmarks/silence.py [COMMAND ...]
"""

from __future__ import annotations

import argparse
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from swiftagent.io.shipped import shipped

ALLOWED = 6.0  # seconds: five, and one for a busy machine


def commands() -> dict[str, list[str]]:
    """The words of each command; later ones use what earlier ones wrote into the working folder."""
    sample, model = str(shipped("datasets") / "agent_ms_agent.jsonl"), str(shipped("datasets") / "tiny-base")
    train = ["configs/tiny_cpu.yaml", "data=mix.jsonl", "max_steps=3", "name=r"]
    ask = ["infer", "--run", "r", "--tools", "calculator"]
    return {
        "convert": ["convert", *[sample] * 6, "-o", "many.jsonl"],
        "mix": ["mix", "--agent", "1500", "--agent-source", "many.jsonl", "-o", "mix.jsonl", "--model", model],
        "stats": ["stats", "many.jsonl", "--near", "--model", model],
        "inspect --check": ["inspect", "many.jsonl", "--check", "--model", model],
        "inspect --html": ["inspect", "mix.jsonl", "--html", "m.html", "--model", model],
        "doctor": ["doctor", *train],
        "sft": ["sft", *train],
        "eval": ["eval", "r", "-n", "24"],
        "infer": [*ask, "--json", "What is 3 + 4?"],
        "infer --compare": [*ask, "--compare", "What is 3 + 4?"],
        "export merge": ["export", "merge", "r", "-o", "merged"],
        "export gguf": ["export", "gguf", "merged", "-o", "m.gguf"],
    }


def longest_silence(words: list[str], folder: Path) -> tuple[float, str, float, int]:
    """(seconds of the longest silence, what was said before it, seconds in all, exit code); both outputs together."""
    argv = [sys.executable, "-m", "swiftagent", *words]
    began = last = time.monotonic()
    longest, said, before = 0.0, "", ""
    with subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as process:
        assert process.stdout is not None
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while True:
                ready.select()
                heard = process.stdout.read(65536)
                if not heard:  # after its last line only the interpreter ends
                    break
                now = time.monotonic()
                if now - last > longest:
                    longest, before = now - last, said
                last, said = now, heard.decode(errors="replace").strip().rpartition("\n")[2][:60] or said
        return longest, before, time.monotonic() - began, process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*")
    args = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        print("| command | longest silence | in all | after |\n| --- | ---: | ---: | --- |")
        for command, words in commands().items():
            if args.only and command not in args.only:
                continue
            silence, before, seconds, code = longest_silence(words, Path(name))
            worst = max(worst, silence)
            print(
                f"| {command} | {silence:.1f} s | {seconds:.0f} s | {before or '(its start)'} |"
                + (f" exit {code}" if code else ""),
                flush=True,
            )
    return int(worst > ALLOWED)


if __name__ == "__main__":
    raise SystemExit(main())
