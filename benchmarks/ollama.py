"""What Ollama's own code makes of the templates that `export ollama` writes, without running a model.

    python benchmarks/ollama.py OLLAMA --tokenizer Qwen2.5_FOLDER --template qwen2_5 data.jsonl more.jsonl

OLLAMA is a checkout of Ollama; Go, as new as its go.mod asks for, is found by --go. Each data file holds ReAct records
or native rows (`swiftagent convert --to react|native`). Prints per file how many prompts equal the trained text, and
how many first calls Ollama's parser reads exactly.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from swiftagent.backend.template import Trainer, open_trainer  # noqa: E402
from swiftagent.export import check, prepare  # noqa: E402 (the checkout is found first)
from swiftagent.export.subject import TunedModel  # noqa: E402
from swiftagent.formats.writers.native import call_json  # noqa: E402
from swiftagent.trajectory.react import call_text  # noqa: E402
from swiftagent.trajectory.record import is_record  # noqa: E402
from swiftagent.trajectory.types import Call, Trajectory  # noqa: E402


def build(ollama: Path, go: str, folder: Path) -> Path:
    """Our program, compiled as if it lay inside Ollama's module."""
    place = ollama.resolve() / "swiftagent_check" / "main.go"
    overlay, program = folder / "overlay.json", folder / "ollama_check"
    overlay.write_text(
        json.dumps({"Replace": {str(place): str(Path(__file__).with_name("ollama_check.go").resolve())}})
    )
    words = [go, "build", "-overlay", str(overlay), "-o", str(program), "./swiftagent_check"]
    subprocess.run(words, cwd=ollama, check=True)
    return program


def cases(data: Path, trainer: Trainer, rows: int) -> tuple[str, str, list[Trajectory], Counter[str]]:
    """(Go template, chat template, conversations that a template can write, those left out by reason)."""
    first = json.loads(data.open(encoding="utf-8").readline())
    subject = TunedModel(trainer.model, data=str(data), react=is_record(first))
    left_out: Counter[str] = Counter()
    found: list[Trajectory] = []
    prepared, records = prepare.templates_of(subject, trainer, rows)
    for case in check.prompt_cases(records, prepared.style, prepared.language, for_go=True):
        if case.reason:
            left_out[case.reason] += 1
        else:
            found.append(case.trajectory)
    return str(prepared.go_template), str(prepared.chat_template), found, left_out


def first_call(trajectory: Trajectory) -> Call | None:
    return next((event for event in trajectory.events if isinstance(event, Call)), None)


def as_sent(trajectory: Trajectory, native: bool) -> dict[str, Any]:
    """The conversation as a client sends it to Ollama, and what a model would answer: its first call."""
    chat = check.chat_of(trajectory)
    for message in chat["messages"]:
        message["thinking"] = message.pop("reasoning_content", "") or ""
        message["content"] = message.get("content") or ""
    call = first_call(trajectory)
    text = ""
    if call is not None:
        text = f"<tool_call>\n{call_json(call)}\n</tool_call>" if native else f"Thought: let me look\n{call_text(call)}"
    return {"Messages": chat["messages"], "Tools": chat["tools"], "Answer": text}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ollama", type=Path, help="a checkout of Ollama")
    parser.add_argument("data", nargs="+", type=Path, help="training files")
    parser.add_argument("--tokenizer", required=True, help="the folder of a model or of its tokenizer")
    parser.add_argument("--template", required=True, help="ms-swift's template")
    parser.add_argument("--model-type", help="ms-swift's model type, where it knows several for this model")
    parser.add_argument("--go", default="go", help="the Go command")
    parser.add_argument("--rows", type=int, default=150, help="of each file")
    args = parser.parse_args()
    print(
        "| data | prompts equal to the trained text | first calls read exactly | left out |\n| --- | --- | --- | --- |"
    )
    settings = {"model_type": args.model_type} if args.model_type else {}
    with tempfile.TemporaryDirectory() as scratch, open_trainer(args.tokenizer, args.template, settings) as trainer:
        program = build(args.ollama, args.go, Path(scratch))
        for data in args.data:
            template, chat, found, left_out = cases(data, trainer, args.rows)
            native = "<tool_call>" in template
            Path(scratch, "template").write_text(template, encoding="utf-8")
            lines = "\n".join(json.dumps(as_sent(trajectory, native), ensure_ascii=False) for trajectory in found)
            words = [str(program), str(Path(scratch, "template"))]
            done = subprocess.run(words, input=lines, capture_output=True, text=True, check=True)
            told = [json.loads(line) for line in done.stdout.splitlines()]
            same = sum(
                one["Prompt"] == check.ollama_text(chat, row, one["Tools"] or [])
                for one, row in zip(told, found, strict=True)
            )
            called = [
                (one["Calls"] or [], call) for one, row in zip(told, found, strict=True) if (call := first_call(row))
            ]
            read = sum(
                [(one["function"]["name"], one["function"]["arguments"]) for one in calls]
                == [(call.tool, call.arguments)]
                for calls, call in called
            )
            reasons = ", ".join(f"{count} with {reason}" for reason, count in left_out.items())
            print(f"| {data.name} | {same} of {len(found)} | {read} of {len(called)} | {reasons} |", flush=True)


if __name__ == "__main__":
    main()
