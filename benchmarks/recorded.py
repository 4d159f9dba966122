"""Conversations with branches, compaction, retries and cut turns over the three interfaces, recorded by a server and by
a gateway before it: every sampled turn must be there once, with the tokens that were sampled.

python benchmarks/recorded.py [--conversations 1000] [--folder FOLDER]

The engine is scripted, its tokens are bytes. Then `convert` reads both files without a reject and `inspect --check`
passes. Exits with 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from running_app import running

from swiftagent.agent.loop import Limits, ReAct
from swiftagent.agent.serving.recording import Recording
from swiftagent.agent.serving.server import Settings, make_app
from swiftagent.agent.serving.upstream import make_gateway
from swiftagent.cli import main as swiftagent

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "of a city", "parameters": SCHEMA}
LAST = re.compile(r"(ask|result) (\S+)( call)?;")
END = 256


class Engine:
    """Writes a call where the last question asks for one, else an answer; both hold the question's number."""

    name = "bytes"

    def __init__(self) -> None:
        # Ids of each text that was written to its end.
        self.sampled: list[tuple[int, ...]] = []

    def generate(self, request: Any, sampling: Any, usage: Any) -> Iterator[str]:
        messages, max_tokens = request.messages, request.max_tokens
        _, number, call = LAST.findall("\n".join(message["content"] for message in messages))[-1]
        acted = f'Action: weather\nAction Input: {{"city": "{number}"}}\nObservation:'
        text = f"Thought: of {number}\n" + (acted if call else f"Final Answer: It is {number}, été.")
        ids = list(text.encode())
        usage.prompt_tokens = 10
        usage.generated = min(len(ids), max_tokens)
        if len(ids) > max_tokens:
            usage.ended_by, usage.ids = "length", ids[:max_tokens]
            yield bytes(usage.ids).decode(errors="ignore")
            return
        usage.ids = [*ids, END]
        self.sampled.append(tuple(usage.ids))
        yield from (text[start : start + 7] for start in range(0, len(text), 7))

    def close(self) -> None:
        pass


class Client:
    """One conversation over one of the interfaces. `rows`: how many it must be in the file."""

    def __init__(self, client: httpx.Client, number: int) -> None:
        self.client = client
        self.draw = random.Random(number)
        self.kind = self.draw.choice(["chat/completions", "responses", "messages"])
        self.history: list[dict[str, Any]] = []
        self.turns = 0
        self.number = number
        self.rows = 0

    def run(self) -> int:
        turns = self.draw.randint(1, 4)
        self.linear(turns)
        if turns > 1 and self.draw.random() < 0.4:
            # A branch: another question after the first turn.
            self.history = self.history[: self.first]
            self.linear(self.draw.randint(1, 2))
        if self.draw.random() < 0.3:
            # A compaction: a summary, the last answer as it was, and on.
            text = "Summary of what was said."
            self.history = [{"role": "user", "content": text}, {"role": "assistant", "content": self.answer}]
            self.linear(2)
        return self.rows

    def linear(self, turns: int) -> None:
        self.rows += 1
        for turn in range(turns):
            self.turn()
            self.first = len(self.history) if turn == 0 and self.rows == 1 else self.first

    def turn(self) -> None:
        self.turns += 1
        number = f"{self.number}.{self.turns}"
        calls = self.draw.random() < 0.5
        self.history.append({"role": "user", "content": f"ask {number}{' call' if calls else ''};"})
        if calls:
            self.history += self.result_of(self.ask(), number)
        if self.draw.random() < 0.1:
            self.ask(most=12)  # cut by length
        self.answer = f"It is {number}, été."
        for _ in range(2 if self.draw.random() < 0.1 else 1):  # a client that tries again
            self.ask(stream=self.draw.random() < 0.5)
        self.history.append({"role": "assistant", "content": self.answer})

    def ask(self, stream: bool = False, most: int = 500) -> dict[str, Any]:
        """The reply; of a streamed one only its end is looked at."""
        asked = "input" if self.kind == "responses" else "messages"
        named = "max_output_tokens" if self.kind == "responses" else "max_tokens"
        tools = {
            "chat/completions": {"type": "function", "function": FUNCTION},
            "responses": {"type": "function", **FUNCTION},
            "messages": {"name": "weather", "description": "of a city", "input_schema": SCHEMA},
        }
        body = {asked: self.history, "tools": [tools[self.kind]], named: most, "model": "m", "stream": stream}
        reply = self.client.post(f"/v1/{self.kind}", json=body, headers={"authorization": "Bearer sk-hidden-1234567"})
        reply.raise_for_status()
        return {} if stream else reply.json()

    def result_of(self, reply: dict[str, Any], number: str) -> list[dict[str, Any]]:
        """The reply and the tool's result, as the next request holds them."""
        text = f"result {number};"
        if self.kind == "chat/completions":
            message = reply["choices"][0]["message"]
            # Clients leave reasoning out.
            message.pop("reasoning_content")
            return [message, {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": text}]
        if self.kind == "responses":
            call = next(item for item in reply["output"] if item["type"] == "function_call")
            return [call, {"type": "function_call_output", "call_id": call["call_id"], "output": text}]
        call = next(block for block in reply["content"] if block["type"] == "tool_use")
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": text}
        return [{"role": "assistant", "content": reply["content"]}, {"role": "user", "content": [result]}]

    first = 0


def faults(path: Path, rows: int, texts: set[str], sampled: set[tuple[int, ...]] | None) -> list[str]:
    """What is wrong with a recorded file."""
    found = [json.loads(line) for line in path.open(encoding="utf-8")]
    problems = [] if len(found) == rows else [f"{len(found)} rows, not {rows}"]
    if "sk-hidden" in path.read_text(encoding="utf-8"):
        problems.append("the key is in it")
    trained = [m for row in found for m in row["messages"] if m["role"] == "assistant" and "weight" not in m]
    counts = Counter(
        m["content"] or json.loads(m["tool_calls"][0]["function"]["arguments"])["city"] + " call" for m in trained
    )
    problems += [f"{text!r} stands {times} times" for text, times in counts.items() if times != 1][:5]
    if set(counts) != texts:
        problems.append(f"{len(texts - set(counts))} turns missing, {len(set(counts) - texts)} too many")
    if any(not message.get("reasoning_content") for message in trained if message.get("tool_calls")):
        problems.append("a call without its reasoning")
    if sampled is None:
        return problems
    recorded = [tuple(message.get("token_ids", ())) for message in trained]
    if set(recorded) != sampled or len(recorded) != len(sampled):
        problems.append(f"ids: {len(set(recorded) ^ sampled)} differ")
    spelled = [(bytes(ids[:-1]).decode(), message) for ids, message in zip(recorded, trained, strict=True)]
    problems += [f"ids say {text!r}" for text, message in spelled if (message["content"] or '"city"') not in text][:5]
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return check(args.conversations, args.folder or Path(temporary))


def check(conversations: int, folder: Path) -> int:
    """Run the conversations; returns the exit code."""
    started = time.monotonic()
    engine, own, passed = Engine(), folder / "own.jsonl", folder / "gateway.jsonl"
    recordings = [Recording(own, "bytes"), Recording(passed, "gateway")]
    app = make_app(engine, ReAct(), Limits(), Settings("bytes"), recordings[0])
    with (
        running(app) as url,
        running(make_gateway(f"{url}/v1", recordings[1], Settings("gateway"))) as gateway,
        httpx.Client(base_url=gateway, timeout=60) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        rows = sum(pool.map(lambda number: Client(client, number).run(), range(conversations)))
    for recording in recordings:
        recording.close()
    seconds = time.monotonic() - started
    sampled = set(engine.sampled)
    texts = {bytes(ids[:-1]).decode() for ids in sampled}
    answers = {text.partition("Final Answer: ")[2] or text.split('"')[3] + " call" for text in texts}
    problems = faults(own, rows, answers, sampled) + [
        f"gateway: {fault}" for fault in faults(passed, rows, answers, None)
    ]
    print(f"{conversations:,} conversations, {rows:,} rows, {len(sampled):,} turns in {seconds:.0f} s")
    for path in (own, passed):
        problems += read_back(path)
    print("\n".join(problems) or "each conversation once, ids recorded equal ids sampled; convert and inspect pass")
    return 1 if problems else 0


def read_back(path: Path) -> list[str]:
    """What `convert` and `inspect` have against a recorded file."""
    out = path.with_suffix(".out.jsonl")
    codes = [
        swiftagent(["convert", str(path), "-o", str(out), "--max-rejects", "0"]),
        swiftagent(["inspect", str(out), "--check"]),
    ]
    unread = json.loads(path.with_suffix(".out.report.json").read_text())["unread"]
    return [f"{path.name}: exit codes {codes}, unread {unread}"] if any(codes) or unread else []


if __name__ == "__main__":
    sys.exit(main())
