"""How many predictions are scored in a second of one core, texts read and intervals included.

python benchmarks/score_speed.py [--rows 20000]
"""

from __future__ import annotations

import argparse
import random
import time

from swiftagent.scores.calls import steps_of
from swiftagent.scores.groups import next_step_ratios
from swiftagent.scores.metrics import score_step
from swiftagent.scores.reading import predicted_from_text
from swiftagent.trajectory.react import call_text
from swiftagent.trajectory.types import Call, Observation, Question, Thought, Tool, Trajectory

CITIES = ["Oslo", "Rome", "北京", "São Paulo", "New York"]


def gold_rows(count: int) -> list[Trajectory]:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "from": {"type": "string"},
            "parts": {"type": "array", "items": {"type": "string", "enum": ["wind", "rain", "sun"]}},
        },
        "required": ["city"],
    }
    tools = tuple(Tool(f"forecast_{number}", "The weather of the next days.", schema) for number in range(5))
    rows = []
    for number in range(count):
        arguments = {"city": CITIES[number % 5], "days": number % 7, "from": "March 5, 2024", "parts": ["wind", "rain"]}
        call = Call(f"forecast_{number % 5}", arguments, "c0")
        rows.append(Trajectory((Question("?"), Thought("look"), call, Observation("3C", "c0")), tools, f"row{number}"))
    return rows


def texts_of(rows: list[Trajectory], choose: random.Random) -> list[str]:
    """Half of them right, the others with another date, city or tool, or cut."""
    texts = []
    for row in rows:
        text = f"Thought: look\n{call_text(next(steps_of(row)).calls[0])}"
        change = choose.choice(["", "", "", "March 5, 2024", "Oslo", "forecast_1"])
        text = text.replace(change, "2024-03-05") if change else text
        texts.append(text[:-40] if choose.random() < 0.05 else text)
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    args = parser.parse_args()
    rows = gold_rows(args.rows)
    texts = texts_of(rows, random.Random(0))
    started = time.process_time()
    predicted = [predicted_from_text(text) for text in texts]
    read = time.process_time()
    scores = [score_step(next(steps_of(row)), guess) for row, guess in zip(rows, predicted, strict=True)]
    scored = time.process_time()
    found = next_step_ratios(scores).estimates()
    done = time.process_time()
    print(f"read {args.rows / (read - started):,.0f} rows/s, scored {args.rows / (scored - read):,.0f} rows/s")
    print(f"intervals of {len(found)} metrics over {args.rows:,} rows: {done - scored:.2f} s")
    print(f"all together {args.rows / (done - started):,.0f} rows/s; call_exact {found['call_exact'].value:.3f}")


if __name__ == "__main__":
    main()
