"""What the options of `infer` and `serve` ask for: an engine, a toolbox, limits, a grammar; and what `infer` does with
them: a question, a chat, a file of questions, two models side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from swiftagent import console
from swiftagent.agent.batch import read_asked, run_batch
from swiftagent.agent.drive import Dialog, Listener, Runtime, answer
from swiftagent.agent.events import EventStream, converse
from swiftagent.agent.loop import Grammar, Limits, ReAct, start
from swiftagent.agent.native import Native
from swiftagent.agent.session import Session
from swiftagent.agent.terminal import ColumnListener, Terminal, ask_user, confirm, read_questions, show_end
from swiftagent.agent.traces import Recorder, trace
from swiftagent.backend.engine import load_engine, resolve
from swiftagent.commands.options import print_json, server_of
from swiftagent.errors import SetupError, refuse
from swiftagent.io.jsonl import write_text
from swiftagent.io.pages import render
from swiftagent.io.rows import read_rows
from swiftagent.io.shipped import user_folder
from swiftagent.io.yaml_file import read_text
from swiftagent.tools.source import Options
from swiftagent.tools.toolbox import Toolbox, open_toolbox
from swiftagent.train.runs import find_run, newest_run
from swiftagent.trajectory.prompts import split_prompt
from swiftagent.trajectory.style import exported_style, prompt_style
from swiftagent.trajectory.types import Call, Tool, Trajectory


def ask(args: argparse.Namespace) -> int:
    """Answer what the arguments of `infer` ask. Returns the exit code."""
    with open_toolbox(args.tools, tool_options(args)) as toolbox:
        return _Asking(args, toolbox).run()


class _Asking:
    def __init__(self, args: argparse.Namespace, toolbox: Toolbox) -> None:
        self.args, self.toolbox = args, toolbox
        self.before = empty_conversation(toolbox, system_of(args.system))
        self.engine, self.limits = load(args), limits_of(args)

    def run(self) -> int:
        args = self.args
        try:
            # After the model, which says how prompts are written.
            self.recorder = Recorder(args.record, args.record_format, args.only_good, args.prompt, args.language)
            self.grammar = grammar_of(args)
            if args.events:
                return self.events()
            if args.compare:
                return self.compare()
            if args.input is not None:
                return self.batch()
            return self.chat() if args.question is None else self.one_question()
        finally:
            self.engine.close()

    def runtime(self, engine: Any, ask: Callable[..., str], listener: Listener, **more: Any) -> Runtime:
        return Runtime(engine, self.toolbox, ask, listener=listener, temperature=self.args.temperature, **more)

    def at_terminal(self, engine: Any, silent: bool) -> Runtime:
        listener = Listener() if silent else Terminal(think=self.args.think)
        return self.runtime(engine, _ask, listener, **({"confirm": confirm} if self.args.confirm else {}))

    def dialog(self, runtime: Runtime) -> Dialog:
        return Dialog(runtime, self.before, self.limits, self.grammar)

    def sides(self, runtime: Callable[[Any], Runtime]) -> dict[str, Dialog]:
        """A conversation for each side: the base, with --compare, and the tuned model."""
        engines = {"base": self.engine.without_adapter()} if self.args.compare else {}
        engines["tuned"] = self.engine
        return {side: self.dialog(runtime(engine)) for side, engine in engines.items()}

    def events(self) -> int:
        stream = EventStream()
        allowed: dict[str, Any] = {"confirm": stream.confirm} if self.args.confirm else {}
        sides = self.sides(lambda engine: self.runtime(engine, stream.ask, stream, **allowed))
        converse(stream, sides, self.recorder)
        return 0

    def one_question(self) -> int:
        runtime = self.at_terminal(self.engine, self.args.json)
        turn = answer(runtime, self.before, self.args.question, self.limits, self.grammar)
        print_json(trace(turn)) if self.args.json else show_end(turn)
        self.recorder.add([turn])
        return 130 if turn.stopped_by == "interrupt" else 0

    def chat(self) -> int:
        runtime = self.at_terminal(self.engine, self.args.json)
        session = Session(self.dialog(runtime), self.recorder)
        for turn in session.turns_of(_history()):
            if self.args.json:
                print_json(trace(turn))
        sys.stdout.flush()
        self.recorder.add(session.dialog.turns)
        return 0

    def compare(self) -> int:
        """One question, a file of conversations into a page, or a chat."""
        args = self.args
        sides = self.sides(lambda engine: self.at_terminal(engine, silent=True))
        if args.input is not None:
            return self.compare_file(sides)
        ask = read_questions(_history()) if args.question is None else iter([args.question, None]).__next__
        while (question := ask()) is not None and question not in ("/quit", "/exit"):
            if question == "/reset":
                self.reset(sides, self.before)
            elif question and args.json:
                traces = {side: trace(dialog.ask(question)) for side, dialog in sides.items()}
                print_json({"question": question, **traces})
            elif question:
                _show_both(sides, question)
        return 0

    def reset(self, sides: dict[str, Dialog], before: Trajectory) -> None:
        for dialog in sides.values():
            dialog.reset(before)

    def compare_file(self, sides: dict[str, Dialog]) -> int:
        args, compared = self.args, []
        asked = [read_asked(number, row) for number, row in enumerate(read_rows(str(args.input)), 1)]
        with console.progress("questions", sum(len(each.questions) for each in asked)) as bar:
            for each in asked:
                self.reset(sides, self.before if each.system is None else start(self.before.tools, each.system))
                for question in each.questions:
                    turns = {side: dialog.ask(question) for side, dialog in sides.items()}
                    compared.append({"id": each.id, "question": question, "turns": turns})
                    bar.advance()
        write_text(args.output, render("commands/compare.html.j2", name=args.input.name, compared=compared))
        console.say(f"{args.output}: {len(compared):,} questions; open it in a browser")
        return 0

    def batch(self) -> int:
        args = self.args
        with ExitStack() as boxes, console.progress("questions") as bar:

            def open_runtime() -> Runtime:
                box = boxes.enter_context(open_toolbox(args.tools, tool_options(args)))
                return Runtime(self.engine, box, _nobody, temperature=args.temperature)

            def done_row(dialog: Dialog | None) -> None:
                bar.advance()
                if dialog:
                    self.recorder.add(dialog.turns)

            more = (self.before, self.limits, self.grammar, args.jobs, done_row)
            counts = run_batch(args.input, args.output, open_runtime, *more)
        done = {"answered": counts.answered, "failed": counts.failed, "resumed": counts.resumed}
        if args.json:
            return print_json(done)
        console.say(
            f"{counts.answered} answered, {counts.failed} failed, {counts.resumed} there already: {args.output}"
        )
        return 0


def _ask(call: Call, tool: Tool | None) -> str:
    try:
        return ask_user(call, tool)
    except EOFError:
        return _nobody(call, tool)


def _nobody(call: Call, tool: Tool | None) -> str:
    return "Error: nobody is there to answer for this tool"


def _show_both(sides: dict[str, Dialog], question: str) -> None:
    with console.side_by_side(list(sides)) as columns:
        for side, write in columns.items():
            sides[side].runtime.listener = ColumnListener(write)
            turn = sides[side].ask(question)
            write(f"\n[{turn.stopped_by}]" if turn.stopped_by != "answer" else "")


def _history() -> Path | None:
    """Where the questions of earlier chats are kept; nowhere for a user without a home folder."""
    try:
        return user_folder("XDG_STATE_HOME", ".local/state") / "swiftagent" / "history"
    except SetupError:
        return None


@console.progress("loading the model")
def load(args: argparse.Namespace) -> Any:
    """The engine that the arguments ask for. Raises ConfigError or SetupError."""
    if args.engine == "openai" or args.base_url:
        server = server_of(args, seconds=args.max_seconds, tell=console.warn)
        return load_engine(args.model, None, args.template, "openai", server=server, model_type=args.model_type)
    model, adapter, template = args.model, args.adapter, args.template
    if args.run or not (model or adapter):
        model, adapter, template = _of_run(args)
    elif args.prompt == "auto":
        args.prompt = exported_style(adapter or model) or "auto"
    if getattr(args, "compare", False):
        problem = f"--compare: {model} has no adapter, so there is no base to compare with; name an adapter's run"
        refuse({problem: not resolve(model, adapter).adapter})
    settings = {name: getattr(args, name) for name in ("model_type", "device", "trust_remote_code")}
    return load_engine(model, adapter, template, args.engine, **settings)


def _of_run(args: argparse.Namespace) -> tuple[str | None, str | None, str | None]:
    found = find_run(args.run) if args.run else newest_run()
    if args.prompt == "auto":
        args.prompt = prompt_style(found.data_files()) or "auto"
    checkpoint = found.checkpoint(args.checkpoint)
    print(f"model: {checkpoint}", file=sys.stderr)
    if (checkpoint / "adapter_config.json").is_file():
        return args.model, str(checkpoint), args.template or found.template
    return str(checkpoint), None, args.template or found.template


def tool_options(args: argparse.Namespace) -> Options:
    return Options(args.tool_seconds, int(args.tool_memory * (1 << 30)), tuple(args.tool_env), mock=args.mock)


def limits_of(args: argparse.Namespace) -> Limits:
    return Limits(args.max_steps, args.max_tokens, args.max_seconds, args.max_repeats, args.step_tokens)


def grammar_of(args: argparse.Namespace) -> Grammar:
    return Native() if args.native else ReAct(args.prompt, args.language)


def system_of(given: str | None) -> str:
    """`--system TEXT` or `--system @FILE`. Raises ConfigError."""
    if not given or not given.startswith("@"):
        return given or ""
    return read_text(Path(given[1:]), f"--system {given}").rstrip("\n")


def empty_conversation(toolbox: Toolbox, system: str) -> Trajectory:
    """A system prompt that is a whole ReAct prompt declares its tools, which the user then answers for."""
    split = split_prompt(system)
    if split is None:
        return start(toolbox.specs, system)
    own, declared = split
    known = {tool.name for tool in toolbox.specs}
    return start((*toolbox.specs, *(tool for tool in declared if tool.name not in known)), own)
