"""A server with a scripted engine under many clients at once: no request may fail, and its memory must stay flat.

python benchmarks/serve_load.py [--requests 2000] [--clients 60]

They go over the three interfaces, a quarter of them streamed. Exits with 1 where one failed or memory grew.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from running_app import running

from swiftagent.agent.loop import Limits, ReAct
from swiftagent.agent.serving.server import Settings, make_app

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "weather", "description": "of a city", "parameters": SCHEMA}
ASKED = [{"role": "user", "content": "Oslo? " * 200}]
REQUESTS: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": ASKED, "tools": [{"type": "function", "function": FUNCTION}]},
    "responses": {"input": ASKED, "tools": [{"type": "function", **FUNCTION}]},
    "messages": {"messages": ASKED, "max_tokens": 500, "tools": [{"name": "weather", "input_schema": SCHEMA}]},
}
TEXTS = (
    'Thought: look\nAction: weather\nAction Input: {"city": "Oslo"}\nObservation:',
    "Thought: I now know the final answer\nFinal Answer: It is 3C in Oslo, and it will be so until Friday.",
)


class Engine:
    """Writes one of the texts, whoever asks, and keeps nothing."""

    name = "scripted"

    def generate(self, request: Any, sampling: Any, usage: Any) -> Iterator[str]:
        usage.prompt_tokens = usage.generated = 10
        text = TEXTS[len(request.messages[-1]["content"]) % 2]
        yield from (text[start : start + 3] for start in range(0, len(text), 3))


def memory() -> float:
    """MB that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=60)
    args = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    states: Counter[str] = Counter()
    limits = httpx.Limits(max_connections=args.clients)
    with (
        running(make_app(Engine(), ReAct(), Limits(), Settings("m"))) as url,
        httpx.Client(timeout=60, limits=limits) as client,
    ):

        def ask(number: int) -> None:
            path = list(REQUESTS)[number % 3]
            content = ASKED[0]["content"] + "x" * (number // 3 % 2)
            body = {"stream": number % 4 == 0, **REQUESTS[path]}
            body["input" if path == "responses" else "messages"] = [{"role": "user", "content": content}]
            reply = client.post(f"{url}/v1/{path}", json=body)
            whole = "stop" in reply.text or "completed" in reply.text or "tool_" in reply.text
            states[f"{reply.status_code}{'' if whole else ' (cut)'}"] += 1

        with ThreadPoolExecutor(args.clients) as clients:
            # What is filled once (caches, threads, what is remembered) is not growth.
            warm = args.requests // 2
            list(clients.map(ask, range(warm)))
            before = memory()
            list(clients.map(ask, range(warm, args.requests)))
        grown = memory() - before
    print(f"{dict(states)}; memory {before:.0f} MB after half of them, {grown:+.1f} MB at the end")
    return int(set(states) != {"200"} or grown > 20)


if __name__ == "__main__":
    sys.exit(main())
