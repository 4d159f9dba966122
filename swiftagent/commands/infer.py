"""Run a tuned model as an agent with real tools, or chat with it.

  swiftagent infer --react --tools tools.py "Is it warmer in Oslo or in Rome?"
  swiftagent infer --react --tools tools.py              a chat prompt that keeps the conversation
  swiftagent infer --model Qwen/Qwen2.5-7B-Instruct --react --tools mcp.json --json "..."

The newest run under runs/ is taken where neither --run nor --model nor --adapter is given.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from swiftagent.errors import ConfigError
from swiftagent.loop import Limits, ReAct, Turn, conversation_after, start
from swiftagent.loop_drive import Listener, Runtime, answer
from swiftagent.loop_traces import append_record, is_good, recorded, trace
from swiftagent.prompts import split_prompt
from swiftagent.tools import Options, Toolbox, open_toolbox
from swiftagent.trajectory import Call, Event, System, Tool, Trajectory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", nargs="?", help="ask this and end; without it, a chat prompt")
    parser.add_argument("--react", action="store_true", help="Thought / Action / Observation (the default where tools are given)")
    parser.add_argument(
        "--tools",
        action="append",
        default=[],
        metavar="WHAT",
        help="a .py file of functions, an mcp.json, mcp:COMMAND, openapi:SPEC@URL, a tools .json, or a built-in; repeatable",
    )
    add_model_arguments(parser)
    talk = parser.add_argument_group("the conversation")
    talk.add_argument("--system", metavar="TEXT", help="a system prompt of your own, above the tools; @FILE reads it from a file")
    talk.add_argument("--prompt", choices=("ms-agent", "schema"), default="ms-agent", help="how tools are listed, as in training")
    talk.add_argument("--language", choices=("auto", "en", "zh"), default="auto", help="of the prompt's own words")
    talk.add_argument("--think", action=argparse.BooleanOptionalAction, default=True, help="show thoughts, or hide them")
    talk.add_argument("--confirm", action="store_true", help="ask before each call")
    talk.add_argument("--json", action="store_true", help="print the trace as one JSON object")
    talk.add_argument("--record", metavar="FILE", type=Path, help="add the run to this file as a training row")
    talk.add_argument("--only-good", action="store_true", help="record only where every call succeeded and an answer came")
    add_limit_arguments(parser)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """What `infer` and `serve` load."""
    model = parser.add_argument_group("the model")
    model.add_argument("--run", metavar="NAME", help="a run under runs/, or its folder")
    model.add_argument("--checkpoint", default="best", metavar="best|last|N", help="which checkpoint of the run")
    model.add_argument("--model", metavar="M", help="a model folder or hub id")
    model.add_argument("--adapter", metavar="A", help="an adapter folder; its base is found by itself")
    model.add_argument("--template", help="ms-swift's template, where it cannot be found from the model")
    model.add_argument("--model-type", help="ms-swift's model type, where the config names none it knows")
    model.add_argument("--device", default="auto", help="auto, cpu or cuda:N")
    model.add_argument("--engine", choices=("auto", "transformers", "vllm", "openai"), default="auto")
    model.add_argument("--temperature", type=float, default=0.0, help="0 always takes the likeliest token")
    model.add_argument("--trust-remote-code", action="store_true", help="let a model run code that it brings")


def add_limit_arguments(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-steps", type=int, default=10, help="calls of one question")
    limits.add_argument("--max-tokens", type=int, default=8192, help="tokens that the model writes for one question")
    limits.add_argument("--step-tokens", type=int, default=1024, help="tokens of one step")
    limits.add_argument("--max-seconds", type=float, default=600, help="of one question")
    limits.add_argument("--max-repeats", type=int, default=3, help="identical calls")
    limits.add_argument("--tool-seconds", type=float, default=30, help="of one call")
    limits.add_argument("--tool-memory", type=float, default=4, metavar="GB", help="of a tool file's process")
    limits.add_argument(
        "--tool-env", action="append", default=[], metavar="NAME", help="a variable that tools may see; repeatable"
    )
    limits.add_argument("--mock", default="", metavar="FILE", help="canned results for tools without code")


def run(args: argparse.Namespace) -> int:
    options = tool_options(args)
    with open_toolbox(args.tools, options) as toolbox:
        before = _conversation(toolbox, _system(args.system))
        engine = load(args)
        try:
            runtime = _runtime(args, engine, toolbox)
            if args.question is not None:
                return _one_question(args, runtime, before)
            return _chat(args, runtime, before)
        finally:
            engine.close()


def load(args: argparse.Namespace) -> Any:
    """The engine that the arguments ask for."""
    from swiftagent.backend.engine import load_engine

    model, adapter, template = args.model, args.adapter, args.template
    if args.run or not (model or adapter):
        model, adapter, template = _of_run(args)
    return load_engine(
        model,
        adapter,
        template,
        args.engine,
        model_type=args.model_type,
        device=args.device,
        trust_remote_code=args.trust_remote_code,
    )


def _of_run(args: argparse.Namespace) -> tuple[str | None, str | None, str | None]:
    from swiftagent.backend.runs import find_run, newest_run

    found = find_run(args.run) if args.run else newest_run()
    checkpoint = _checkpoint(found, args.checkpoint)
    print(f"model: {checkpoint}", file=sys.stderr)
    if (checkpoint / "adapter_config.json").is_file():
        return args.model, str(checkpoint), args.template or found.template
    return str(checkpoint), None, args.template or found.template


def _checkpoint(found: Any, which: str) -> Path:
    if which == "best" and found.checkpoint_best:
        return Path(found.checkpoint_best)
    if which == "last" and found.checkpoint_last:
        return Path(found.checkpoint_last)
    named = [path for path in found.checkpoints if path.name == f"checkpoint-{which}"]
    if not named:
        there = ", ".join(path.name.rpartition("-")[2] for path in found.checkpoints) or "none"
        raise ConfigError(f"--checkpoint {which}: {found.name} has no such checkpoint; there are {there}")
    return Path(named[0])


def tool_options(args: argparse.Namespace) -> Options:
    return Options(args.tool_seconds, int(args.tool_memory * (1 << 30)), tuple(args.tool_env), mock=args.mock)


def limits_of(args: argparse.Namespace) -> Limits:
    return Limits(args.max_steps, args.max_tokens, args.max_seconds, args.max_repeats, args.step_tokens)


def _system(given: str | None) -> str:
    if not given or not given.startswith("@"):
        return given or ""
    try:
        return Path(given[1:]).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--system {given}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _conversation(toolbox: Toolbox, system: str) -> Trajectory:
    """An empty conversation. A system prompt that is a whole ReAct prompt declares its tools, which a person then answers for."""
    split = split_prompt(system)
    if split is None:
        return start(toolbox.specs, system)
    own, declared = split
    known = {tool.name for tool in toolbox.specs}
    return start((*toolbox.specs, *(tool for tool in declared if tool.name not in known)), own)


def _runtime(args: argparse.Namespace, engine: Any, toolbox: Toolbox) -> Runtime:
    from swiftagent.console_chat import Terminal, ask_person, confirm

    def ask(call: Call, tool: Tool | None) -> str:
        try:
            return ask_person(call, tool)
        except EOFError:
            return "Error: nobody is there to answer for this tool"

    listener = Listener() if args.json else Terminal(think=args.think)
    allowed = confirm if args.confirm else lambda call: True
    return Runtime(engine, toolbox, ask, allowed, listener, args.temperature)


def _one_question(args: argparse.Namespace, runtime: Runtime, before: Trajectory) -> int:
    turn = answer(runtime, before, args.question, limits_of(args), _grammar(args))
    if args.json:
        print(json.dumps(trace(turn), ensure_ascii=False))
    else:
        from swiftagent.console_chat import show_end

        show_end(turn)
    _record(args, conversation_after(before, turn), [turn])
    return 130 if turn.stopped_by == "interrupt" else 0


def _grammar(args: argparse.Namespace) -> ReAct:
    return ReAct(args.prompt, args.language)


def _record(args: argparse.Namespace, conversation: Trajectory, turns: list[Turn]) -> None:
    if args.record is None or not turns or (args.only_good and not is_good(turns)):
        return
    row = recorded(conversation, turns, "infer")
    if row is not None:
        append_record(args.record, row, args.prompt, args.language)


def _chat(args: argparse.Namespace, runtime: Runtime, before: Trajectory) -> int:
    from swiftagent import console
    from swiftagent.console_chat import read_questions, show_end

    tools = ", ".join(tool.name for tool in before.tools)
    console.say(f"{runtime.engine.name}; " + (f"tools: {tools}" if tools else "no tools; give some with --tools") + "; /help")
    ask = read_questions(Path.home() / ".local" / "state" / "swiftagent" / "history")
    chat = _Chat(args, before)
    while (line := ask()) is not None:
        if line.startswith("/"):
            if not chat.command(line):
                break
        elif line:
            turn = answer(runtime, chat.conversation, line, limits_of(args), _grammar(args))
            show_end(turn)
            if args.json:
                print(json.dumps(trace(turn), ensure_ascii=False), flush=True)
            if turn.stopped_by != "interrupt":
                chat.add(turn)
    _record(args, chat.conversation, chat.turns)
    return 0


class _Chat:
    """The conversation of a chat prompt and what its slash commands do to it."""

    def __init__(self, args: argparse.Namespace, before: Trajectory) -> None:
        self.args = args
        self.empty = before
        self.conversation = before
        self.turns: list[Turn] = []

    def add(self, turn: Turn) -> None:
        self.conversation = conversation_after(self.conversation, turn)
        self.turns.append(turn)

    def command(self, line: str) -> bool:
        """Do what a line that starts with / asks for; False ends the chat."""
        from swiftagent import console
        from swiftagent.console_chat import COMMANDS

        word, _, rest = line.partition(" ")
        match word:
            case "/quit" | "/exit":
                return False
            case "/tools":
                for tool in self.conversation.tools:
                    console.say(f"{tool.name}: {tool.description}")
            case "/system":
                self._system(rest.strip())
            case "/reset":
                self.conversation, self.turns = self.empty, []
            case "/undo":
                self._undo()
            case "/save":
                self._save(rest.strip())
            case _:
                for name, about in COMMANDS.items():
                    console.say(f"{name:<9} {about}")
        return True

    def _system(self, text: str) -> None:
        from swiftagent import console

        if text:
            self.empty = Trajectory((System(text),), self.empty.tools)
            self.conversation, self.turns = self.empty, []
            console.say("set; the conversation begins anew")
            return
        own: list[Event] = [event for event in self.conversation.events if isinstance(event, System)]
        console.say("\n".join(event.text for event in own if isinstance(event, System)) or "none of your own")

    def _undo(self) -> None:
        turns = self.turns[:-1]
        self.conversation, self.turns = self.empty, []
        for turn in turns:
            self.add(turn)

    def _save(self, path: str) -> None:
        from swiftagent import console

        row = recorded(self.conversation, self.turns, "infer")
        if not path or row is None:
            console.say("nothing to save yet" if path else "where to? /save FILE.jsonl")
            return
        append_record(Path(path), row, self.args.prompt, self.args.language)
        console.say(f"added to {path}")
