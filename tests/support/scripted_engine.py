"""An engine that writes what a list says, a few characters at a time, and keeps the messages that it was given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from swiftagent.agent.drive import Usage
from swiftagent.agent.loop import Generate
from swiftagent.agent.sampling import PLAIN, Sampling


class ScriptedEngine:
    """`texts` are written one after another; when they are used up it writes nothing."""

    name = "scripted"

    def __init__(self, *texts: str, piece: int = 3) -> None:
        self.texts = list(texts)
        self.piece = piece
        self.prompts: list[list[dict[str, Any]]] = []
        self.settings: list[dict[str, Any]] = []
        self.usage = Usage()

    def generate(self, request: Generate, sampling: Sampling = PLAIN, usage: Usage | None = None) -> Iterator[str]:
        self.prompts.append(request.messages)
        settings = {"tools": request.tools, "max_tokens": request.max_tokens, "temperature": sampling.temperature}
        self.settings.append({**settings, "sampling": sampling})
        self.usage = usage or Usage()
        text = self.texts.pop(0) if self.texts else ""
        # Its tokens are bytes.
        self.usage.ids = list(text.encode(errors="surrogatepass"))
        for start in range(0, len(text), self.piece):
            self.usage.generated += 1
            yield text[start : start + self.piece]

    def close(self) -> None:
        pass
