"""A conversation as JSON lines, for a program that drives `infer --events`: one object per event on stdout, questions
and replies on stdin.

out: ready, step, text, thought, call, observation, answer, end, and confirm or ask where a reply is awaited; each holds
     `side` ("base" or "tuned")
in:  {"question": TEXT}, {"reset": true}, {"save": FILE}; a reply is {"allow": true} or {"result": TEXT}
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from swiftagent.agent.drive import Dialog, Listener
from swiftagent.agent.traces import Recorder, trace
from swiftagent.trajectory.types import Call, Event, Observation, Tool


class EventStream(Listener):
    """Writes what happens on stdout as it happens, and reads replies from stdin."""

    side = "tuned"

    def emit(self, event: str, **facts: Any) -> None:
        """Write one line."""
        print(json.dumps({"event": event, "side": self.side, **facts}, ensure_ascii=False), flush=True)

    def requests(self) -> Iterator[dict[str, Any]]:
        """Each object of stdin; a line that is not one is reported and skipped."""
        for line in iter(sys.stdin.readline, ""):
            try:
                found = json.loads(line)
            except ValueError:
                found = None
            if isinstance(found, dict):
                yield found
            else:
                self.emit("error", text="a JSON object on one line is needed")

    def step_begins(self) -> None:
        self.emit("step")

    def text(self, piece: str) -> None:
        self.emit("text", text=piece)

    def event(self, event: Event, error: str) -> None:
        facts: dict[str, Any] = {"text": event.text} if not isinstance(event, Call) else _asked(event)
        self.emit(type(event).__name__.lower(), **facts, **({"error": error} if isinstance(event, Observation) else {}))

    def confirm(self, call: Call) -> bool:
        """Whether the driving program allows a call; its silence is a refusal."""
        self.emit("confirm", **_asked(call))
        return bool(next(self.requests(), {}).get("allow"))

    def ask(self, call: Call, tool: Tool | None) -> str:
        """The result of a tool without code. Raises EOFError where the driving program has gone."""
        self.emit("ask", **_asked(call))
        reply = next(self.requests(), None)
        if reply is None:
            raise EOFError
        return str(reply.get("result", ""))


def _asked(call: Call) -> dict[str, Any]:
    return {"tool": call.tool, "arguments": call.arguments}


def converse(stream: EventStream, dialogs: Mapping[str, Dialog], recorder: Recorder) -> None:
    """Answer the questions of stdin until it ends. dialogs: by side."""
    tuned = dialogs["tuned"]
    tools = [{"name": tool.name, "description": tool.description} for tool in tuned.before.tools]
    stream.emit("ready", tools=tools, sides=list(dialogs))
    for request in stream.requests():
        if request.get("reset"):
            for dialog in dialogs.values():
                dialog.reset()
            stream.emit("reset")
        elif path := request.get("save"):
            saved = recorder.to(Path(path)).add(tuned.turns)
            stream.emit("saved", path=path if saved else "")
        elif question := request.get("question"):
            for side, dialog in dialogs.items():
                stream.side = side
                stream.emit("end", **trace(dialog.ask(str(question))))
