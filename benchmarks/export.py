"""The demo's tuned model, merged and in llama.cpp: the same tokens, answers and tool calls?

    python benchmarks/export.py RUN                        a finished demo run, as runs/demo
    python benchmarks/export.py RUN --server-python P      P: a Python with llama-cpp-python[server], where this one has
    none

Merges the run, writes it as GGUF in each type, starts llama.cpp's server with OpenAI's interface on each, and asks the
shipped held-out questions and the fire alarm twice: through the server, and of the adapter in transformers. Prints
Markdown tables.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent))

from swiftagent.agent.loop import Generate  # noqa: E402
from swiftagent.backend.loading import Server  # noqa: E402
from swiftagent.commands import demo_plan  # noqa: E402 (the checkout is found first)
from swiftagent.evaluate.data import read_gold  # noqa: E402
from swiftagent.io.shipped import shipped  # noqa: E402
from swiftagent.scores.calls import Predicted, steps_of  # noqa: E402
from swiftagent.scores.metrics import score_step  # noqa: E402
from swiftagent.scores.reading import predicted_from_text  # noqa: E402
from swiftagent.trajectory.react import STOP, render  # noqa: E402
from swiftagent.trajectory.record import to_messages  # noqa: E402
from swiftagent.trajectory.types import Trajectory  # noqa: E402

TYPES = ("f16", "q8_0", "q4_K_M")
Traces = list[dict[str, Any]]


def swiftagent(*words: object) -> dict[str, Any]:
    """Run one command with --json and read what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "swiftagent", *map(str, words), "--json"], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"`swiftagent {words[0]}` ended with exit code {done.returncode}")
    value: dict[str, Any] = json.loads(done.stdout)
    return value


@contextlib.contextmanager
def llama_server(python: str, gguf: Path, context: int) -> Iterator[str]:
    """llama.cpp's server on a free port; yields its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [python, "-m", "llama_cpp.server", "--model", str(gguf), "--model_alias", "tuned", "--n_ctx", str(context)]
    with Path(f"{gguf}.log").open("w") as log:
        server = subprocess.Popen([*words, "--port", str(port)], stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}/v1"
            for _ in range(240):
                if server.poll() is not None:
                    raise SystemExit(f"llama.cpp's server ended: {Path(log.name).read_text()[-600:]}")
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"{url}/models", trust_env=False).status_code == 200:
                        break
                time.sleep(0.5)
            yield url
        finally:
            server.terminate()
            server.wait()


def first_steps(gold: list[Trajectory], **model: Any) -> list[Predicted]:
    """What a model does first at each held-out question, as the demo asks and scores it."""
    from swiftagent.backend.engine import load_engine

    engine = load_engine(**model)
    try:
        return [first_step(engine, row) for row in gold]
    finally:
        engine.close()


def first_step(engine: Any, row: Trajectory) -> Predicted:
    messages = to_messages(render(Trajectory((row.events[0],), row.tools)))
    return predicted_from_text("".join(engine.generate(Generate(messages, STOP, demo_plan.LONGEST_STEP))))


def alarm_runs(name: str, folder: Path, model: list[str]) -> Traces:
    """The whole loop on the fire alarm with its real tools, through `swiftagent infer`."""
    source, out = folder / "alarm.jsonl", folder / f"{name}-traces.jsonl"
    source.write_text(
        "".join(
            json.dumps({"question": asked.question}) + "\n"
            for asked in demo_plan.DemoPlan(folder, "", "").shown()
            if asked.kind == "fire alarm"
        ),
        encoding="utf-8",
    )
    limits = ["--max-steps", 6, "--step-tokens", demo_plan.LONGEST_STEP]
    swiftagent(
        "infer", "--react", *model, "--tools", demo_plan.tool_files()[0], "--input", source, "--output", out, *limits
    )
    return sorted(
        (json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()), key=lambda row: row["row"]
    )


def calls(trace: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["action"], json.dumps(step["action_input"], sort_keys=True)) for step in trace["steps"]]


def by_template(url: str, gold: list[Trajectory]) -> list[Predicted]:
    """First steps of a client that knows nothing of ReAct: OpenAI's `tools`, rendered by the template inside the
    GGUF."""
    from swiftagent.export.check import chat_of

    found = []
    for row in gold:
        chat = chat_of(Trajectory((row.events[0],), row.tools))
        # This server punishes repeated tokens by 1.1 if nothing is said, which spoils names that a call copies.
        body = {
            "model": "tuned",
            "max_tokens": demo_plan.LONGEST_STEP,
            "temperature": 0,
            "stop": [STOP],
            "repeat_penalty": 1,
            **chat,
        }
        reply = httpx.post(f"{url}/chat/completions", json=body, timeout=120, trust_env=False)
        reply.raise_for_status()
        found.append(predicted_from_text(reply.json()["choices"][0]["message"]["content"] or ""))
    return found


def counts(gold: list[Trajectory], steps: list[Predicted]) -> list[str]:
    """Right first steps that call, that leave tools alone, and all."""
    scores = [score_step(next(steps_of(row)), step) for row, step in zip(gold, steps, strict=True)]
    parts = [score for score in scores if score.step.calls], [score for score in scores if not score.step.calls], scores
    return [f"{sum(score.right for score in part)} of {len(part)}" for part in parts]


def row_of(title: str, gold: list[Trajectory], ours: list[Predicted], steps: list[Predicted], runs: str) -> str:
    same = sum(a.calls == b.calls for a, b in zip(ours, steps, strict=True))
    return f"| {title} | {same} of {len(gold)} | {' | '.join(counts(gold, steps))} | {runs} |"


def alarms(ours: Traces, theirs: Traces) -> str:
    return f"{sum(calls(a) == calls(b) for a, b in zip(ours, theirs, strict=True))} of {len(ours)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a finished demo run: its folder")
    parser.add_argument(
        "--server-python", default=sys.executable, metavar="P", help="a Python with llama-cpp-python[server]"
    )
    parser.add_argument("--types", nargs="+", default=list(TYPES), metavar="TYPE", help="of GGUF")
    parser.add_argument("--rows", type=int, metavar="N", help="ask the first N held-out questions only")
    args = parser.parse_args()
    gold = read_gold([str(shipped("datasets") / "heldout.jsonl")]).rows[: args.rows]
    context = 2048
    with tempfile.TemporaryDirectory(prefix="swiftagent-export-") as scratch:
        folder = Path(scratch)
        trained = trained_as(args.run)
        adapter = [*trained["words"], "--run", args.run]
        merged = swiftagent("export", "merge", args.run, "-o", folder / "merged")
        base = first_steps(gold, adapter=trained["adapter"], device="cpu", **trained["settings"])
        our_alarms = alarm_runs("adapter", folder, [*adapter, "--device", "cpu"])
        files, lines = [], [row_of("base + adapter, transformers", gold, base, base, alarms(our_alarms, our_alarms))]
        whole = {"model": str(folder / "merged"), "device": "cpu", **trained["settings"]}
        lines.append(row_of("merged, transformers", gold, base, first_steps(gold, **whole), ""))
        for kind in args.types:
            gguf = folder / f"{kind}.gguf"
            title = f"GGUF {kind}, llama.cpp's server"
            files.append(swiftagent("export", "gguf", folder / "merged", "-o", gguf, "--quantize", kind))
            with llama_server(args.server_python, gguf, context) as url:
                server = Server(url, tokenizer=trained["base"])
                steps = first_steps(gold, model="tuned", kind="openai", server=server, **trained["settings"])
            with llama_server(args.server_python, gguf, context) as url:
                words = ["--engine", "openai", "--base-url", url, "--model", "tuned", "--tokenizer", trained["base"]]
                runs = alarm_runs(kind, folder, [*trained["words"], *words])
            lines.append(row_of(title, gold, base, steps, alarms(our_alarms, runs)))
            with llama_server(args.server_python, gguf, context) as url:
                lines.append(
                    row_of(f"{title}, `tools` through the GGUF's own template", gold, base, by_template(url, gold), "")
                )
            show(merged, files, lines)


def trained_as(run: str) -> dict[str, Any]:
    """Base, adapter, and how their prompts are written."""
    from swiftagent.train.runs import find_run

    found = find_run(run)
    settings = {"template": found.template, "model_type": (found.config.get("train") or {}).get("model_type")}
    words = [word for name, value in settings.items() if value for word in (f"--{name.replace('_', '-')}", value)]
    return {"base": found.model, "adapter": str(found.checkpoint_best), "settings": settings, "words": words}


def show(merged: dict[str, Any], files: list[dict[str, Any]], lines: list[str]) -> None:
    """All that is known so far, after each type of GGUF."""
    print(f"Machine: {platform.machine()}, {_cpus()} CPU cores, no GPU. Merged logits differ by at most", end=" ")
    print(f"{merged['max_difference']:.2g} on a scale of {merged['logit_scale']:.3g}.\n")
    print(
        "| GGUF | bytes | texts tokenised alike | greedy answers equal | parted at a near tie | perplexity, GGUF "
        "over merged |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for one in files:
        alike = f"{one['strings'] - one['tokenized_otherwise']:,} of {one['strings']:,}"
        same = f"{one['same_greedy_text']} of {one['prompts']}"
        print(
            f"| {one['quantize']} | {one['bytes']:,} | {alike} | {same} | {one['near_ties']} | "
            f"{one['perplexity_ratio']:.4f} |"
        )
    print("\n| model | first calls alike | call exact | no call where none is due | all right | fire alarm alike |")
    print("| --- | --- | --- | --- | --- | --- |")
    print("\n".join(lines), flush=True)


def _cpus() -> int:
    import os

    return os.cpu_count() or 1


if __name__ == "__main__":
    main()
