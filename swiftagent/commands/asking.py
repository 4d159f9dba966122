"""What the options of `infer` and `serve` ask for: an engine, a toolbox, limits, a grammar; and what `infer` does with
them: a question, a chat, a file of questions, two models side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

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

Mode = Callable[[], int | None]


def ask(args: argparse.Namespace) -> int:
    """Answer what the arguments of `infer` ask. Returns the exit code."""
    with open_toolbox(args.tools, tool_options(args)) as toolbox:
        before = empty_conversation(toolbox, system_of(args.system))
        with closing(load(args)) as engine:
            # After the model, which says how prompts are written.
            recorder = Recorder(args.record, args.record_format, args.only_good, args.prompt, args.language)
            asking = _Asking(args, toolbox, engine, before, limits_of(args), grammar_of(args), recorder)
            return asking.run() or 0


@dataclass
class _Asking:
    args: argparse.Namespace
    toolbox: Toolbox
    engine: Any
    before: Trajectory
    limits: Limits
    grammar: Grammar
    recorder: Recorder

    def run(self) -> int | None:
        """Returns the exit code where a question was interrupted."""
        args = self.args
        many: Mode = self.compare_file if args.compare else self.batch
        one: Mode = self.compare if args.compare else self.chat if args.question is None else self.one_question
        mode: Mode = self.events if args.events else one if args.input is None else many
        return mode()

    def runtime(self, engine: Any, ask: Callable[..., str], listener: Listener, **more: Any) -> Runtime:
        return Runtime(engine, self.toolbox, ask, listener=listener, temperature=self.args.temperature, **more)

    def at_terminal(self, engine: Any, silent: bool = True) -> Runtime:
        listener = Listener() if silent else Terminal(think=self.args.think)
        return self.runtime(engine, _ask, listener, **({"confirm": confirm} if self.args.confirm else {}))

    def dialog(self, runtime: Runtime) -> Dialog:
        return Dialog(runtime, self.before, self.limits, self.grammar)

    def sides(self, runtime: Callable[[Any], Runtime]) -> dict[str, Dialog]:
        """A conversation for each side: the base, with --compare, and the tuned model."""
        engines = {"base": self.engine.without_adapter()} if self.args.compare else {}
        return {side: self.dialog(runtime(engine)) for side, engine in [*engines.items(), ("tuned", self.engine)]}

    def events(self) -> None:
        stream = EventStream()
        allowed: dict[str, Any] = {"confirm": stream.confirm} if self.args.confirm else {}
        sides = self.sides(lambda engine: self.runtime(engine, stream.ask, stream, **allowed))
        converse(stream, sides, self.recorder)

    def one_question(self) -> int:
        runtime = self.at_terminal(self.engine, self.args.json)
        turn = answer(runtime, self.before, self.args.question, self.limits, self.grammar)
        print_json(trace(turn)) if self.args.json else show_end(turn)
        self.recorder.add([turn])
        return 130 if turn.stopped_by == "interrupt" else 0

    def chat(self) -> None:
        session = Session(self.dialog(self.at_terminal(self.engine, self.args.json)), self.recorder)
        for turn in session.turns_of(_history()):
            if self.args.json:
                print_json(trace(turn))
        sys.stdout.flush()
        self.recorder.add(session.dialog.turns)

    def compare(self) -> None:
        """One question, or a chat."""
        asked, sides = self.args.question, self.sides(self.at_terminal)
        ask = read_questions(_history()) if asked is None else iter([asked, None]).__next__
        while (question := ask()) is not None and question not in ("/quit", "/exit"):
            if question == "/reset":
                for dialog in sides.values():
                    dialog.reset()
            elif question and self.args.json:
                traces = {side: trace(dialog.ask(question)) for side, dialog in sides.items()}
                print_json({"question": question, **traces})
            elif question:
                _show_both(sides, question)

    def compare_file(self) -> None:
        """A file of conversations into a page."""
        args, sides, compared = self.args, self.sides(self.at_terminal), []
        asked = [read_asked(number, row) for number, row in enumerate(read_rows(str(args.input)), 1)]
        with console.progress("questions", sum(len(each.questions) for each in asked)) as bar:
            for each in asked:
                for dialog in sides.values():
                    dialog.reset(self.before if each.system is None else start(self.before.tools, each.system))
                for question in each.questions:
                    turns = {side: dialog.ask(question) for side, dialog in sides.items()}
                    compared.append({"id": each.id, "question": question, "turns": turns})
                    bar.advance()
        write_text(args.output, render("commands/compare.html.j2", name=args.input.name, compared=compared))
        console.say(f"{args.output}: {len(compared):,} questions; open it in a browser")

    def batch(self) -> None:
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
            done = run_batch(args.input, args.output, open_runtime, *more)
        if args.json:
            print_json(msgspec.to_builtins(done))
        else:
            console.say(f"{done.answered} answered, {done.failed} failed, {done.resumed} there already: {args.output}")


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
        run = find_run(args.run) if args.run else newest_run()
        adapter, template = str(run.checkpoint(args.checkpoint)), template or run.template
        style = prompt_style(run.data_files()) if args.prompt == "auto" else None
        print(f"model: {adapter}", file=sys.stderr)
        if not (Path(adapter) / "adapter_config.json").is_file():
            model, adapter = adapter, None
    else:
        style = exported_style(adapter or model)
    if args.prompt == "auto":
        args.prompt = style or "auto"
    if getattr(args, "compare", False):
        problem = f"--compare: {model} has no adapter, so there is no base to compare with; name an adapter's run"
        refuse({problem: not resolve(model, adapter).adapter})
    settings = {name: getattr(args, name) for name in ("model_type", "device", "trust_remote_code")}
    return load_engine(model, adapter, template, args.engine, **settings)


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
