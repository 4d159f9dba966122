from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from scripted_engine import ScriptedEngine
from served import CutEngine, Served, serving

from swiftagent.agent.native import Native


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """serve(*texts): a server over an engine that writes them, with native calls where `native` is true."""
    with ExitStack() as running:

        def serve(*texts: str, native: bool = False, cut: bool = False, **settings: Any) -> Served:
            engine = (CutEngine if cut else ScriptedEngine)(*texts)
            return running.enter_context(serving(engine, Native() if native else None, **settings))

        yield serve
