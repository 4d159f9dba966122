"""Our BFCL AST match against the real `bfcl-eval`, on perfect and corrupted answers to every item.

python -m venv bfcl && bfcl/bin/pip install --no-deps bfcl-eval
python benchmarks/bfcl.py --python bfcl/bin/python --data FOLDER      (bfcl_{simple_python,multiple,parallel}.jsonl +
_answer)

Each prediction is written as ReAct text and read back by the reader that `infer` uses, then given to both.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path
from typing import Any

from swiftagent.evaluate.bfcl_files import Verdict, ask_bfcl_eval, read_bfcl
from swiftagent.scores.bfcl import Item, bfcl_right
from swiftagent.scores.calls import Attempt
from swiftagent.scores.reading import predicted_from_text
from swiftagent.trajectory.react import call_text
from swiftagent.trajectory.types import Call

CATEGORIES = ("simple_python", "multiple", "parallel")


def perfect(item: Item, choose: random.Random) -> list[Call]:
    """One of the accepted answers: each parameter with an accepted value, or left out where that is accepted."""
    return [
        Call(
            name,
            {p: pick for p, values in accepted.items() if (pick := choose.choice([*values])) != "" or "" not in values},
        )
        for answer in item.answers
        for name, accepted in answer.items()
    ]


def accepted_value(value: Any) -> Any:
    """BFCL writes a dict's accepted values as lists, also inside; take the first of each."""
    if isinstance(value, dict):
        return {k: accepted_value(v[0]) if isinstance(v, list) and v else v for k, v in value.items() if v != [""]}
    if isinstance(value, list):
        return [accepted_value(item) if isinstance(item, dict) else item for item in value]
    return value


def other_value(value: Any, choose: random.Random) -> Any:
    match value:
        case bool():
            return choose.choice([not value, str(value), int(value)])
        case int():
            return choose.choice([value + 1, str(value), float(value), -value])
        case float():
            return choose.choice([value * 2, str(value), int(value)])
        case str():
            return choose.choice([value + " x", value.upper(), value.replace(" ", "-"), value[:-1], 3, [value], None])
        case list():
            return choose.choice([value[::-1], value[:-1], [*value, *value[:1]], [str(v) for v in value], "x", []])
        case dict():
            return choose.choice([{}, {**value, "zz": 1}, {k: other_value(v, choose) for k, v in value.items()}, "x"])
    return 0


def corrupted(calls: list[Call], item: Item, choose: random.Random) -> list[Call]:
    index = choose.randrange(len(calls))
    call, arguments = calls[index], dict(calls[index].arguments)
    name = choose.choice([*arguments, None])
    match choose.randrange(8):
        case 0:
            return [*calls, calls[index]]
        case 1:
            return calls[:index] + calls[index + 1 :]
        case 2:
            call = Call(choose.choice([f["name"] for f in item.functions] + ["no_such_tool"]), arguments)
        case 3 if name:
            del arguments[name]
        case 4:
            arguments["surplus"] = 1
        case 5:
            return choose.sample(calls, len(calls))
        case _ if name:
            arguments[name] = other_value(arguments[name], choose)
    return [*calls[:index], Call(call.tool, arguments), *calls[index + 1 :]]


def as_text(calls: list[Call]) -> str:
    """Several calls in one text: BFCL has no results to put between them."""
    return "\n".join(call_text(call).removesuffix("\nObservation:") for call in calls)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the Python of an environment with bfcl-eval")
    parser.add_argument("--data", type=Path, required=True, help="the folder of BFCL files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1, help="corruptions of each item")
    args = parser.parse_args()
    choose = random.Random(args.seed)
    ours: list[tuple[str, bool]] = []
    pairs: list[tuple[Item, tuple[Attempt, ...]]] = []
    for category in CATEGORIES:
        for item in read_bfcl(args.data / f"bfcl_{category}.jsonl")[1].values():
            good = [
                Call(call.tool, {k: accepted_value(v) for k, v in call.arguments.items()})
                for call in perfect(item, choose)
            ]
            for kind, calls in [
                ("perfect", good),
                *(("corrupted", corrupted(good, item, choose)) for _ in range(args.rounds)),
            ]:
                attempts = predicted_from_text(as_text(calls)).calls
                ours.append((kind, bfcl_right(item, attempts)))
                pairs.append((item, attempts))
    report(ours, ask_bfcl_eval(args.python, pairs), pairs)


def report(ours: list[tuple[str, bool]], theirs: list[Verdict], pairs: list[tuple[Item, tuple[Attempt, ...]]]) -> None:
    counts: Counter[tuple[str, bool, bool]] = Counter()
    for (kind, valid), verdict, (item, attempts) in zip(ours, theirs, pairs, strict=True):
        counts[kind, valid, bool(verdict.valid)] += 1
        if valid != bool(verdict.valid):
            print(f"{item.id}: ours {valid}, bfcl-eval {verdict.valid} ({verdict.error_type}): {attempts}")
    for kind in ("perfect", "corrupted"):
        agree = counts[kind, True, True] + counts[kind, False, False]
        total = sum(n for (k, *_), n in counts.items() if k == kind)
        print(
            f"{kind}: {agree} of {total} agree; both right {counts[kind, True, True]}, both wrong "
            f"{counts[kind, False, False]}"
        )


if __name__ == "__main__":
    main()
