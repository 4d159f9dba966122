"""Conversations with a model: each is an `infer --events` process, whose lines any number of browsers may watch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from swiftagent.errors import ConfigError
from swiftagent.io.own_command import own_command
from swiftagent.ui.jobs import log_tail

_QUIET = 15.0  # seconds after which a watcher gets a sign of life


class Chat:
    """One conversation; `events` holds every line so far."""

    def __init__(self, argv: list[str], folder: Path) -> None:
        self.id = os.urandom(6).hex()
        self.argv = argv
        self.events: list[dict[str, Any]] = []
        self.ended = False
        self._news = threading.Condition()
        folder.mkdir(parents=True, exist_ok=True)
        self._log, pipe = folder / f"chat-{self.id}.log", subprocess.PIPE
        with self._log.open("wb") as log:
            words = own_command(*argv)
            self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=log, start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, request: dict[str, Any]) -> None:
        """A question or a reply. Raises ConfigError where the process has ended."""
        stdin = self._process.stdin
        try:
            assert stdin is not None
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        except OSError:
            raise ConfigError("this conversation has ended; start another") from None
        if request.get("question"):
            self._add({"event": "question", "side": "", "text": request["question"]})

    def interrupt(self) -> None:
        """Stop what the model is writing; the conversation stays."""
        self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGTERM)

    def watch(self, start: int) -> Iterator[dict[str, Any] | None]:
        """Each event from number `start` on, as it comes; None where nothing came for a while."""
        while True:
            with self._news:
                waiting = len(self.events) <= start and not self.ended
                if waiting and not self._news.wait(_QUIET):
                    yield None
                    continue
                fresh = self.events[start:]
            yield from fresh
            start += len(fresh)
            if not fresh and self.ended:
                return

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        for line in stdout:
            with suppress(ValueError):
                self._add(json.loads(line))
        self._process.wait()
        self.ended = True
        text = log_tail(self._log)[-2000:] if self._process.returncode else ""
        self._add({"event": "closed", "side": "", "text": text.strip()})

    def _add(self, event: dict[str, Any]) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()
