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
import sys
from pathlib import Path
from typing import Any

from swiftagent import console
from swiftagent.agent.drive import Dialog, Listener, Runtime, answer
from swiftagent.agent.loop import conversation_after, start
from swiftagent.agent.traces import Recorder, trace
from swiftagent.commands.agent_options import (
    add_limit_arguments,
    add_model_arguments,
    add_tool_arguments,
    empty_conversation,
    grammar_of,
    limits_of,
    load,
    system_of,
    tool_options,
)
from swiftagent.commands.options import options, print_json
from swiftagent.errors import ConfigError, SetupError
from swiftagent.io.jsonl import whole_file
from swiftagent.io.pages import render
from swiftagent.io.rows import read_rows
from swiftagent.io.shipped import user_folder
from swiftagent.tools.toolbox import Toolbox, open_toolbox
from swiftagent.trajectory.types import Call, Tool, Trajectory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = options(parser)
    add("question", "ask this and end; without it, a chat prompt", nargs="?")
    add("--react", "Thought / Action / Observation (the default where tools are given)")
    add("--json", "print the trace as one JSON object")
    add_tool_arguments(parser)
    add_model_arguments(parser)
    talk = options(parser, "the conversation")
    talk("--system TEXT", "a system prompt of your own, above the tools; @FILE reads it from a file")
    talk("--think", "show thoughts, or hide them", action=argparse.BooleanOptionalAction, default=True)
    talk("--confirm", "ask before each call")
    talk("--compare", "ask the base and the tuned model, side by side; with --input FILE into a page, --output P.html")
    talk("--events", "for programs: one JSON object per event on stdout, questions and replies as JSON lines on stdin")
    batch = options(parser, "many questions, and rows to train on")
    batch("--input FILE", "JSONL with question, questions or messages in each row", type=Path)
    batch("--output FILE", "JSONL of traces; rows that it holds already are not asked again", type=Path)
    batch("-j --jobs N", "questions at a time", type=int, default=1)
    batch("--record FILE", "add each run to this file as a training row", type=Path)
    batch("--record-format", "of those rows", choices=("record", "openai"), default="record")
    batch("--only-good", "record only where every call succeeded and an answer came")
    add_limit_arguments(parser)


def run(args: argparse.Namespace) -> int:
    _check(args)
    with open_toolbox(args.tools, tool_options(args)) as toolbox:
        before = empty_conversation(toolbox, system_of(args.system))
        engine = load(args)
        try:
            if args.events:
                return _events(args, engine, toolbox, before)
            if args.compare:
                return _compare(args, engine, toolbox, before)
            if args.input is not None:
                return _batch(args, engine, before)
            runtime = _runtime(args, engine, toolbox)
            return _one_question(args, runtime, before) if args.question is not None else _chat(args, runtime, before)
        finally:
            engine.close()


def _check(args: argparse.Namespace) -> None:
    is_elsewhere = args.base_url or args.engine in ("vllm", "openai")
    checks = (
        (args.react and args.native, "--react and --native exclude each other"),
        ((args.input is None) != (args.output is None), "--input and --output belong together"),
        (args.input is not None and args.question is not None, "--input takes no further question"),
        (
            args.compare and args.record and not args.events,
            "--compare records nothing: leave --record out, or --compare",
        ),
        (
            args.compare and args.output is not None and args.output.suffix != ".html",
            f"--output {args.output}: --compare writes a page, as in --output compared.html",
        ),
        (
            args.events and (args.question is not None or args.input is not None),
            "--events takes its questions from stdin: no question and no --input",
        ),
        (
            args.compare and is_elsewhere,
            "--compare needs the engine transformers, which holds the model with its adapter and without",
        ),
    )
    problems = [problem for is_wrong, problem in checks if is_wrong]
    if problems:
        raise ConfigError(problems)
    if args.input is not None and not args.input.exists():
        raise ConfigError(f"--input {args.input}: no such file")


def _runtime(args: argparse.Namespace, engine: Any, toolbox: Toolbox, silent: bool = False) -> Runtime:
    from swiftagent.agent.terminal import Terminal, ask_user, confirm

    def ask(call: Call, tool: Tool | None) -> str:
        try:
            return ask_user(call, tool)
        except EOFError:
            return "Error: nobody is there to answer for this tool"

    listener = Listener() if args.json or silent else Terminal(think=args.think)
    return Runtime(engine, toolbox, ask, confirm if args.confirm else _allow, listener, args.temperature)


def _allow(call: Call) -> bool:
    return True


def _recorder(args: argparse.Namespace) -> Recorder:
    return Recorder(args.record, args.record_format, args.only_good, args.prompt, args.language)


def _events(args: argparse.Namespace, engine: Any, toolbox: Toolbox, before: Trajectory) -> int:
    from swiftagent.agent.events import EventStream, converse

    stream = EventStream()
    engines = {"base": engine.without_adapter(), "tuned": engine} if args.compare else {"tuned": engine}
    confirm = stream.confirm if args.confirm else _allow
    runtimes = {
        side: Runtime(each, toolbox, stream.ask, confirm, stream, args.temperature) for side, each in engines.items()
    }
    converse(stream, _dialogs(args, runtimes, before), _recorder(args))
    return 0


def _dialogs(args: argparse.Namespace, runtimes: dict[str, Runtime], before: Trajectory) -> dict[str, Dialog]:
    """A conversation for each side, base or tuned."""
    return {side: Dialog(runtime, before, limits_of(args), grammar_of(args)) for side, runtime in runtimes.items()}


def _one_question(args: argparse.Namespace, runtime: Runtime, before: Trajectory) -> int:
    turn = answer(runtime, before, args.question, limits_of(args), grammar_of(args))
    if args.json:
        print_json(trace(turn))
    else:
        from swiftagent.agent.terminal import show_end

        show_end(turn)
    _recorder(args).add(conversation_after(before, turn), [turn])
    return 130 if turn.stopped_by == "interrupt" else 0


def _compare(args: argparse.Namespace, tuned: Any, toolbox: Toolbox, before: Trajectory) -> int:
    """One question, a file of conversations into a page, or a chat."""
    from swiftagent.agent.terminal import read_questions

    engines = {"base": tuned.without_adapter(), "tuned": tuned}
    runtimes = {side: _runtime(args, engine, toolbox, silent=True) for side, engine in engines.items()}
    dialogs = _dialogs(args, runtimes, before)
    if args.input is not None:
        return _compare_file(args, dialogs, before)
    ask = read_questions(_history()) if args.question is None else iter([args.question, None]).__next__
    while (question := ask()) is not None and question not in ("/quit", "/exit"):
        if question == "/reset":
            _reset(dialogs, before)
        elif question and args.json:
            traces = {side: trace(dialog.ask(question)) for side, dialog in dialogs.items()}
            print_json({"question": question, **traces})
        elif question:
            _show_both(dialogs, question)
    return 0


def _reset(dialogs: dict[str, Dialog], before: Trajectory) -> None:
    for dialog in dialogs.values():
        dialog.reset(before)


def _show_both(dialogs: dict[str, Dialog], question: str) -> None:
    from swiftagent.agent.terminal import ColumnListener

    with console.side_by_side(list(dialogs)) as columns:
        for side, write in columns.items():
            dialogs[side].runtime.listener = ColumnListener(write)
            turn = dialogs[side].ask(question)
            write(f"\n[{turn.stopped_by}]" if turn.stopped_by != "answer" else "")


def _compare_file(args: argparse.Namespace, dialogs: dict[str, Dialog], before: Trajectory) -> int:
    from swiftagent.agent.batch import read_asked

    asked = [read_asked(number, row) for number, row in enumerate(read_rows(str(args.input)), 1)]
    compared = []
    with console.progress("questions", sum(len(each.questions) for each in asked)) as bar:
        for each in asked:
            _reset(dialogs, before if each.system is None else start(before.tools, each.system))
            for question in each.questions:
                turns = {side: dialog.ask(question) for side, dialog in dialogs.items()}
                compared.append({"id": each.id, "question": question, "turns": turns})
                bar.advance()
    with whole_file(args.output) as out:
        out.write(render("commands/compare.html.j2", name=args.input.name, compared=compared).encode())
    console.say(f"{args.output}: {len(compared):,} questions; open it in a browser")
    return 0


def _batch(args: argparse.Namespace, engine: Any, before: Trajectory) -> int:
    from swiftagent.agent.batch import run_batch

    boxes: list[Toolbox] = []
    recorder = _recorder(args)

    def open_runtime() -> Runtime:
        boxes.append(open_toolbox(args.tools, tool_options(args)))
        return Runtime(engine, boxes[-1], _nobody, temperature=args.temperature)

    with console.progress("questions") as bar:

        def done_row(dialog: Dialog | None) -> None:
            bar.advance()
            if dialog:
                recorder.add(dialog.conversation, dialog.turns)

        try:
            grammar = grammar_of(args)
            counts = run_batch(
                args.input, args.output, open_runtime, before, limits_of(args), grammar, args.jobs, done_row
            )
        finally:
            for box in boxes:
                box.close()
    if args.json:
        print_json({"answered": counts.answered, "failed": counts.failed, "resumed": counts.resumed})
    else:
        console.say(
            f"{counts.answered} answered, {counts.failed} failed, {counts.resumed} there already: {args.output}"
        )
    return 0


def _nobody(call: Call, tool: Tool | None) -> str:
    return "Error: nobody is there to answer for this tool"


def _history() -> Path | None:
    """Where the questions of earlier chats are kept; nowhere for a user without a home folder."""
    try:
        return user_folder("XDG_STATE_HOME", ".local/state") / "swiftagent" / "history"
    except SetupError:
        return None


def _chat(args: argparse.Namespace, runtime: Runtime, before: Trajectory) -> int:
    from swiftagent.agent.session import Session

    session = Session(Dialog(runtime, before, limits_of(args), grammar_of(args)), _recorder(args))
    for turn in session.turns_of(_history()):
        if args.json:
            print_json(trace(turn))
    sys.stdout.flush()
    session.record()
    return 0
