"""Strict calls measured: a tuned model's next steps with and without the grammar of their declared tools.

    python benchmarks/strict.py RUN                 a finished demo run, as runs/demo, on the shipped held-out questions
    python benchmarks/strict.py RUN --data FILE     other gold rows, of any format that `convert` reads

Prints one JSON object: scores of the calls; passes of the model over the steps where gold calls, the prompt's own pass
included; milliseconds a token that the grammar takes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from swiftagent.agent.drive import Usage  # noqa: E402 (the checkout is found first)
from swiftagent.agent.loop import Generate, ReAct  # noqa: E402
from swiftagent.agent.sampling import REACT_FRAME, Sampling  # noqa: E402
from swiftagent.agent.serving.forms import forms_of  # noqa: E402
from swiftagent.evaluate.data import read_gold  # noqa: E402
from swiftagent.scores.calls import DecisionPoint, Predicted, match_calls, steps_of  # noqa: E402
from swiftagent.scores.reading import predicted_from_text  # noqa: E402
from swiftagent.tools.source import argument_problem  # noqa: E402
from swiftagent.train.runs import find_run  # noqa: E402
from swiftagent.trajectory.style import prompt_style  # noqa: E402
from swiftagent.trajectory.types import Trajectory  # noqa: E402

HELD_OUT = Path(__file__).parent.parent / "datasets" / "heldout.jsonl"


class Stopwatch:
    """The seconds that calls of some functions take together."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


def watch_guides() -> Stopwatch:
    """Time the whole work of the grammars: making one, masks, forced tokens, and following what was written."""
    from swiftagent.backend import engine_transformers

    watch = Stopwatch()
    guide = engine_transformers.Guide
    for name in ("forced", "masked", "is_over_after"):
        setattr(guide, name, watch.of(getattr(guide, name)))
    engine_transformers.Guide = watch.of(guide)  # type: ignore[assignment,misc]
    return watch


def measure(engine: Any, steps: list[DecisionPoint], grammar: ReAct, strict: bool, watch: Stopwatch) -> dict[str, Any]:
    passes = [0]
    hook = engine.model.register_forward_hook(lambda *_: passes.__setitem__(0, passes[0] + 1))
    found: list[Predicted] = []
    tokens = call_passes = cut = 0
    watch.seconds, started = 0.0, time.perf_counter()
    for step in steps:
        engine.close()
        usage, passes[0] = Usage(), 0
        forms = forms_of(step.tools, None, REACT_FRAME, "", True) if strict and step.tools else ()
        asked = Generate(grammar.messages(Trajectory(step.context, step.tools)), grammar.stop, 512)
        pieces = engine.generate(asked, Sampling(forms=forms), usage)
        predicted = predicted_from_text("".join(pieces), agentic=bool(step.tools), tools=step.tools)
        # As `serve` has it, a call that the limit cut is not handed out.
        is_cut = usage.ended_by == "length" and not predicted.parsable
        cut += is_cut
        found.append(msgspec.structs.replace(predicted, calls=()) if is_cut else predicted)
        tokens += usage.generated
        call_passes += passes[0] if step.calls else 0
    hook.remove()
    return {
        **scores(steps, found),
        "cut": cut,
        "passes": call_passes,
        "tokens": tokens,
        "seconds": round(time.perf_counter() - started, 2),
        "grammar_ms_a_token": round(1000 * watch.seconds / tokens, 3),
    }


def scores(steps: list[DecisionPoint], found: list[Predicted]) -> dict[str, Any]:
    made = [(step, call) for step, predicted in zip(steps, found, strict=True) for call in predicted.calls]
    declared = [(step, call, tool) for step, call in made for tool in step.tools if tool.name == call.tool]
    valid = sum(call.parsed and not argument_problem(tool, call.arguments) for _, call, tool in declared)
    pairs = zip(steps, found, strict=True)
    gold = [score for step, predicted in pairs for score in match_calls(step.calls, predicted.calls)]
    return {
        "calls": len(made),
        "undeclared": len(made) - len(declared),
        "schema_valid": valid,
        "call_exact": sum(score.exact for score in gold) / len(gold),
        "gold_calls": len(gold),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--data", nargs="+", default=[str(HELD_OUT)])
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    from swiftagent.backend.engine import load_engine

    run = find_run(args.run)
    engine = load_engine(adapter=str(run.checkpoint("best")), template=run.template, device=args.device)
    steps = [step for row in read_gold(args.data).rows for step in steps_of(row) if step.tools]
    grammar = ReAct(prompt_style(run.data_files()) or "auto")
    watch = watch_guides()
    # The first text of an engine also pays for its vocabulary.
    measure(engine, steps[:2], grammar, True, watch)
    free, strict = (measure(engine, steps, grammar, is_strict, watch) for is_strict in (False, True))
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    saved = round(1 - strict["passes"] / free["passes"], 3)
    print(json.dumps({**machine, "steps": len(steps), "passes_saved": saved, "free": free, "strict": strict}, indent=2))


if __name__ == "__main__":
    main()
