"""Speed of reading, checking and writing rows, as a ratio to orjson's loads + dumps of the same rows in the same run.

python benchmarks/convert.py                       rows made here: ms-agent rows of 4.8 KB, general chat
python benchmarks/convert.py FILE [FILE ...]       rows of files instead

One core, no I/O: lines in memory in, lines out; the best of several rounds. `--memory` measures the peak of a whole
`convert` on a file of a given number of megabytes. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from swiftagent.convert.reading import Ledger, read_trajectories
from swiftagent.io.jsonl import Row, encode, encode_texts, parse_json
from swiftagent.io.rows import read_rows
from swiftagent.trajectory.record import to_record

_PROMPT = (
    "Answer the following questions as best you can. You have access to the following APIs:\n{tools}\n\n"
    "Use the following format:\n\nThought: you should always think about what to do\n"
    "Action: the action to take, should be one of the above tools[{names}]\nAction Input: the input to the action\n"
    "Observation: the result of the action\n"
    "... (this Thought/Action/Action Input/Observation can be repeated zero or more times)\n"
    "Thought: I now know the final answer\nFinal Answer: the final answer to the original input question\nBegin!"
)


def ms_agent_row(number: int) -> dict[str, Any]:
    """A row of iic/ms_agent's shape and size: five tools, two calls with Python-literal arguments, 4.8 KB."""
    names = [f"tool_{number % 50}_{place}" for place in range(5)]
    flat = [
        {"name": key, "description": f"the {key} that is asked for, in full", "required": "True"}
        for key in ("city", "date")
    ]
    tools = "\n\n".join(
        f"{place}. {name}: tells what is known of a place on a day. Parameters: {json.dumps(flat)}"
        for place, name in enumerate(names, 1)
    )
    answer = "".join(
        f"Thought: I need the facts of day {step} in city {number}, so I ask the tool for them first. "
        + "It has to be exact. " * 8
        + f"\nAction: {names[step]}\nAction Input: {{'city': 'City {number}', 'date': 'day {step}'}}\nObservation: "
        + json.dumps({"city": f"City {number}", "facts": [f"fact {fact} of {number}" for fact in range(25)]})
        + "\n"
        for step in range(2)
    )
    answer += (
        f"Thought: I now know the final answer\nFinal Answer: In City {number} all is well. "
        + "Here is what was found. " * 20
    )
    return {
        "id": f"row_{number}",
        "conversations": [
            {"from": "system", "value": _PROMPT.format(tools=tools, names=", ".join(names))},
            {"from": "user", "value": f"What is known of City {number}?"},
            {"from": "assistant", "value": answer},
        ],
    }


def chat_row(number: int) -> dict[str, Any]:
    """Plain chat of 1.6 KB in four turns."""
    said = f"This is sentence {number} of an answer that explains something at length, as assistants do. "
    turns = [("user", f"Question {number}?"), ("assistant", said * 8), ("user", "And then?"), ("assistant", said * 8)]
    return {"id": str(number), "conversations": [{"from": role, "value": text} for role, text in turns]}


def best_of(rounds: int, work: Callable[[], int]) -> float:
    """Seconds of the quickest round."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def floor(lines: list[bytes]) -> int:
    return sum(len(orjson.dumps(orjson.loads(line))) for line in lines)


def convert(lines: list[bytes]) -> int:
    def rows() -> Iterator[Row]:
        for number, line in enumerate(lines):
            value, repairs = parse_json(line)
            yield Row(value, f"rows.jsonl:{number}", repairs)

    return sum(len(encode_texts(to_record(row))) for row in read_trajectories(rows(), ledger=Ledger()))


def measure(lines: list[bytes], rounds: int) -> dict[str, float]:
    convert(lines[:50])
    ours, least = best_of(rounds, lambda: convert(lines)), best_of(rounds, lambda: floor(lines))
    per_row = 1e6 / len(lines)
    return {
        "rows": len(lines),
        "bytes_per_row": round(sum(map(len, lines)) / len(lines)),
        "floor_us": round(least * per_row, 1),
        "convert_us": round(ours * per_row, 1),
        "ratio": round(ours / least, 2),
    }


def peak_memory(megabytes: int, suffix: str) -> float:
    """Peak resident megabytes of `convert` on a file of about that size."""
    line = encode(ms_agent_row(1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{suffix}"
        with path.open("wb") as out:
            count = megabytes * 1_000_000 // len(line)
            out.write(b"[" if suffix == ".json" else b"")
            for number in range(count):
                out.write(
                    encode(ms_agent_row(number)) + (b",\n" if suffix == ".json" and number < count - 1 else b"\n")
                )
            out.write(b"]" if suffix == ".json" else b"")
        argv = [sys.executable, "-m", "swiftagent", "convert", str(path), "-o", str(Path(folder) / "out.jsonl"), "-q"]
        subprocess.run(argv, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, default=0, metavar="MB")
    args = parser.parse_args()
    made = {"ms-agent": ms_agent_row, "general chat": chat_row}
    found: dict[str, Any] = {}
    for file in args.files:
        found[file] = measure([encode(row.value) for row in read_rows(file)], args.rounds)
    if not args.files:
        for name, make in made.items():
            found[name] = measure([encode(make(number)) for number in range(args.rows)], args.rounds)
    if args.memory:
        found["peak_megabytes"] = {suffix: round(peak_memory(args.memory, suffix)) for suffix in (".jsonl", ".json")}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
