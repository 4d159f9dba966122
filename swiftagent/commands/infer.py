"""Run a tuned model as an agent with real tools, or chat with it.

  swiftagent infer --react --tools tools.py "Is it warmer in Oslo or in Rome?"
  swiftagent infer --react --tools tools.py                       a chat prompt that keeps the conversation
  swiftagent infer --react --tools mcp.json --compare ["..."]     the same question to the base and to the tuned model
  swiftagent infer --react --tools tools.py --input q.jsonl --output traces.jsonl -j 4 --record new_rows.jsonl
  swiftagent infer --react --tools calculator --engine openai --base-url http://127.0.0.1:8000/v1 --model my-agent

The newest run under runs/ is taken where neither --run nor --model nor --adapter is given.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from swiftagent.commands.agent_options import add_limit_arguments, add_model_arguments, add_tool_arguments
from swiftagent.commands.options import Add
from swiftagent.errors import refuse


def add_arguments(add: Add) -> None:
    add("question", "ask this and end; without it, a chat prompt", nargs="?")
    add("--react", "Thought / Action / Observation (the default where tools are given)")
    add("--json", "print the trace as one JSON object")
    add_tool_arguments(add)
    add_model_arguments(add)
    talk = add.group("the conversation")
    talk("--system TEXT", "a system prompt of your own, above the tools; @FILE reads it from a file")
    talk("--think", "show thoughts, or hide them", action=argparse.BooleanOptionalAction, default=True)
    talk("--confirm", "ask before each call")
    talk("--compare", "ask the base and the tuned model, side by side; with --input FILE into a page, --output P.html")
    talk("--events", "for programs: one JSON object per event on stdout, questions and replies as JSON lines on stdin")
    batch = add.group("many questions, and rows to train on")
    batch("--input FILE", "JSONL with question, questions or messages in each row", type=Path)
    batch("--output FILE", "JSONL of traces; rows that it holds already are not asked again", type=Path)
    batch("-j --jobs N", "questions at a time", type=int, default=1)
    batch("--record FILE", "add each run to this file as a training row", type=Path)
    batch("--record-format", "of those rows", choices=("record", "openai"), default="record")
    batch("--only-good", "record only where every call succeeded and an answer came")
    add_limit_arguments(add)


def run(args: argparse.Namespace) -> int:
    batch, asked, page = args.input, args.question is not None, args.output
    is_elsewhere = args.base_url or args.engine in ("vllm", "openai")
    here = "--compare needs the engine transformers, which holds the model with its adapter and without"
    as_page = f"--output {page}: --compare writes a page, as in --output compared.html"
    stdin = "--events takes its questions from stdin: no question and no --input"
    records = "--compare records nothing: leave --record out, or --compare"
    problems = {
        "--react and --native exclude each other": args.react and args.native,
        "--input and --output belong together": (batch is None) != (page is None),
        "--input takes no further question": batch and asked,
        records: args.compare and args.record and not args.events,
        as_page: args.compare and page and page.suffix != ".html",
        stdin: args.events and (asked or batch),
        here: args.compare and is_elsewhere,
    }
    refuse(problems)
    refuse({f"--input {batch}: no such file": batch and not batch.exists()})
    from swiftagent.commands.asking import ask

    return ask(args)
