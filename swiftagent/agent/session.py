"""The chat prompt of `infer`: questions, the conversation that they make, and the slash commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from swiftagent import console
from swiftagent.agent.drive import Dialog
from swiftagent.agent.loop import Turn
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


class Session(msgspec.Struct):
    """A conversation at the prompt."""

    dialog: Dialog
    recorder: Recorder

    def turns_of(self, history: Path | None) -> Iterator[Turn]:
        """Ask for questions until the user leaves; yields each finished turn."""
        tools = ", ".join(tool.name for tool in self.dialog.before.tools)
        about = f"tools: {tools}" if tools else "no tools, so it only chats; give some with --tools"
        console.say(f"{self.dialog.runtime.engine.name}; {about}; /help")
        ask = read_questions(history)
        while (line := ask()) is not None:
            if line.startswith("/"):
                if not self.command(line):
                    return
            elif line:
                turn = self.dialog.ask(line)
                show_end(turn)
                if turn.stopped_by != "interrupt":
                    yield turn

    def command(self, line: str) -> bool:
        """Do what a line that starts with / asks for; False ends the chat."""
        word, _, rest = line.partition(" ")
        match word:
            case "/quit" | "/exit":
                return False
            case "/tools":
                for tool in self.dialog.before.tools:
                    console.say(f"{tool.name}: {tool.description}")
            case "/system":
                self._system(rest.strip())
            case "/reset":
                self.dialog.reset()
                console.say("forgotten")
            case "/undo":
                turns = self.dialog.turns
                console.say(f"forgotten: {turns.pop().question}" if turns else "nothing to undo")
            case "/save":
                self._save(rest.strip())
            case _:
                for name, about in COMMANDS.items():
                    console.say(f"{name:<9} {about}")
        return True

    def _system(self, text: str) -> None:
        before = self.dialog.before
        if text:
            # Earlier turns were answered under another prompt, which no training row could hold.
            self.dialog.reset(Trajectory((System(text),), before.tools))
            console.say("set; the conversation starts over")
            return
        own = [event.text for event in before.events if isinstance(event, System)]
        console.say("\n".join(own) or "none of your own")

    def _save(self, path: str) -> None:
        if not path:
            console.say("where to? /save FILE.jsonl")
        elif self.recorder.to(Path(path)).add(self.dialog.turns):
            console.say(f"added to {path}")
        else:
            console.say("nothing to save yet")
