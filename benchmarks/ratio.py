"""How much general data keeps a tuned model from forgetting? The same agent rows with 0, half, equal and twice as many
chat rows, trained for the same number of steps, against the untuned model.

python benchmarks/ratio.py --mix mix.jsonl --seeds 3 -o ratio.jsonl
python benchmarks/ratio.py --show ratio.jsonl --plot docs/img/ratio.svg

Measures are those of benchmarks/mask_ablation.py. Each run is one line of the output; one that is there is not done
again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import mask_ablation
import torch
from mask_ablation import chosen_rows, encode, measure

from swiftagent.backend.engine import load_engine
from swiftagent.evaluate.data import read_gold
from swiftagent.evaluate.scoring import gold_from
from swiftagent.io.shipped import shipped

# general rows for an agent row; "general" has no agent rows at all
ARMS: dict[str, dict[str, float]] = {
    "agent only": {"agent": 1.0},
    "2:1": {"agent": 2 / 3, "general": 1 / 3},
    "1:1": {"agent": 1 / 2, "general": 1 / 2},
    "1:2": {"agent": 1 / 3, "general": 2 / 3},
    "general only": {"general": 1.0},
}


def untuned(args: argparse.Namespace, gold: Any) -> dict[str, Any]:
    engine = load_engine(args.model, None, args.template, model_type="qwen2", device="cpu")
    found = {name: round(value, 4) for name, value in measure(engine, gold, args.goes_on).items()}
    return {"arm": "untuned", "seed": 0, **found, "trained_tokens": 0}


def plot(path: Path, rows: list[dict[str, Any]]) -> str:
    """Calls exact against bits per byte, a point for each run; nothing but SVG is needed to look at it."""
    xs = [row["bits_per_byte"] for row in rows]
    low, high = min(xs), max(xs)
    span = (high - low) or 1.0
    colours = dict(
        zip(["untuned", *ARMS], ["#888", "#b42318", "#d9822b", "#c9a400", "#11734b", "#1f6feb"], strict=True)
    )
    marks = ""
    for row in rows:
        x, y = 60 + 460 * (row["bits_per_byte"] - low) / span, 250 - 220 * row["call_exact"]
        marks += (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colours[row["arm"]]}"><title>{row["arm"]}</title></circle>'
        )
    legend = "".join(
        f'<circle cx="560" cy="{40 + 22 * n}" r="5" fill="{colour}"/><text x="572" y="{44 + 22 * n}">{arm}</text>'
        for n, (arm, colour) in enumerate(colours.items())
    )
    axes = '<path d="M50 20V260H530" fill="none" stroke="#999"/>'
    words = f'<text x="50" y="280">{low:.2f}</text><text x="500" y="280">{high:.2f} bits per byte</text>'
    words += '<text x="8" y="24">exact</text>'
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 290" font-family="sans-serif" font-size="13">'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}{axes}{words}{marks}{legend}</svg>\n", encoding="utf-8")
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mix", type=Path, help="training records with the channels agent and general")
    parser.add_argument("--data", action="append", help="held-out rows (default: the shipped ones)")
    parser.add_argument("--model", default=str(shipped("datasets") / "tiny-base"))
    parser.add_argument("--template", default="chatml")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1200)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--longest", type=int, default=400)
    parser.add_argument("--goes-on", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("ratio.jsonl"))
    parser.add_argument("--show", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    if not args.show:
        torch.set_num_threads(args.threads)
        sweep(args)
    path = args.show or args.output
    mask_ablation.show(path)
    if args.plot:
        print(plot(args.plot, [json.loads(line) for line in path.read_text().splitlines()]))


def sweep(args: argparse.Namespace) -> None:
    folder = shipped("datasets")
    data = args.data or [str(folder / "heldout.jsonl"), str(folder / "general_heldout.jsonl")]
    gold = gold_from(read_gold(data).rows)
    lines = args.output.read_text().splitlines() if args.output.is_file() else []
    done = {(row["arm"], row["seed"]) for row in map(json.loads, lines)}
    if ("untuned", 0) not in done:
        _append(args.output, untuned(args, gold))
    for seed in range(args.seeds):
        for arm, share in ARMS.items():
            if (arm, seed) not in done:
                rows = chosen_rows(args.mix, args.rows, share)
                encoded = encode(rows, "exact", args.model, args.template, args.longest)
                _append(args.output, mask_ablation.run(args, arm, seed, encoded, gold))


def _append(path: Path, row: dict[str, Any]) -> None:
    line = json.dumps(row)
    print(line, flush=True)
    with path.open("a") as out:
        out.write(line + "\n")


if __name__ == "__main__":
    main()
