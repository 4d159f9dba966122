"""The chat prompt of `infer`: questions, the conversation that they make, and the slash commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from swiftagent import console
from swiftagent.agent.drive import Runtime, answer
from swiftagent.agent.loop import Grammar, Limits, Turn, conversation_after
from swiftagent.agent.terminal import read_questions, show_end
from swiftagent.agent.traces import Recorder
from swiftagent.trajectory.types import System, Trajectory

COMMANDS = {
    "/tools": "the tools that may be called",
    "/system": "show the system prompt, or set it: /system TEXT",
    "/reset": "forget the conversation",
    "/undo": "forget the last question and its answer",
    "/save": "add the conversation to a file as a training row: /save FILE.jsonl",
    "/help": "this list",
    "/quit": "leave (Ctrl-D too); Ctrl-C stops a step and not the program",
}


class Session:
    """A conversation at the prompt. An interrupted question is forgotten."""

    def __init__(
        self, runtime: Runtime, before: Trajectory, limits: Limits, grammar: Grammar, recorder: Recorder
    ) -> None:
        self.runtime = runtime
        self.limits = limits
        self.grammar = grammar
        self.recorder = recorder
        self.empty = before
        self.conversation = before
        self.turns: list[Turn] = []

    def turns_of(self, history: Path | None) -> Iterator[Turn]:
        """Ask for questions until the user leaves; yields each finished turn."""
        tools = ", ".join(tool.name for tool in self.conversation.tools)
        about = f"tools: {tools}" if tools else "no tools, so it only chats; give some with --tools"
        console.say(f"{self.runtime.engine.name}; {about}; /help")
        ask = read_questions(history)
        while (line := ask()) is not None:
            if line.startswith("/"):
                if not self.command(line):
                    return
            elif line:
                turn = answer(self.runtime, self.conversation, line, self.limits, self.grammar)
                show_end(turn)
                if turn.stopped_by != "interrupt":
                    self._add(turn)
                    yield turn

    def record(self) -> None:
        """Write the conversation where --record says."""
        self.recorder.add(self.conversation, self.turns)

    def command(self, line: str) -> bool:
        """Do what a line that starts with / asks for; False ends the chat."""
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
                console.say("forgotten")
            case "/undo":
                self._undo()
            case "/save":
                self._save(rest.strip())
            case _:
                for name, about in COMMANDS.items():
                    console.say(f"{name:<9} {about}")
        return True

    def _add(self, turn: Turn) -> None:
        self.conversation = conversation_after(self.conversation, turn)
        self.turns.append(turn)

    def _system(self, text: str) -> None:
        if text:
            self.empty = Trajectory((System(text),), self.empty.tools)
            self.conversation, self.turns = self.empty, []
            console.say("set; the conversation starts over")
            return
        console.say(
            "\n".join(event.text for event in self.conversation.events if isinstance(event, System))
            or "none of your own"
        )

    def _undo(self) -> None:
        console.say(f"forgotten: {self.turns[-1].question}" if self.turns else "nothing to undo")
        # The conversation is rebuilt from its turns, which the system prompt is no part of.
        kept = self.turns[:-1]
        self.conversation, self.turns = self.empty, []
        for turn in kept:
            self._add(turn)

    def _save(self, path: str) -> None:
        if not path:
            console.say("where to? /save FILE.jsonl")
        elif self.recorder.to(Path(path)).add(self.conversation, self.turns):
            console.say(f"added to {path}")
        else:
            console.say("nothing to save yet")
