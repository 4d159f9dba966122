"""What `real_base.py` trains and evaluates on: rows of several formats mixed by `swiftagent mix`, in English, some
tools held out of training altogether."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from swiftagent.evaluate.data import read_gold
from swiftagent.evaluate.scoring import Gold, gold_from
from swiftagent.io.shipped import shipped
from swiftagent.trajectory.record import from_record, to_record
from swiftagent.trajectory.types import Call, Event, Question, Thought, Tool, Trajectory

SEEN = ("get_weather", "convert_currency", "set_reminder", "track_parcel", "set_light", "play_music", "stock_price")
UNSEEN = ("translate_text", "find_recipes", "set_thermostat")
NAME, AUTHOR = "Aria", "Tidewater Labs"
THOUGHTS = {
    "short": "I need {call.tool}.",
    "long": "The user says: {question} I have {names}. {call.tool} fits: {purpose}. It takes {given}.",
}
Rows = list[dict[str, Any]]


class Size(msgspec.Struct, frozen=True):
    """How much one arm trains and is asked: `steps` of `agent` agent rows each, and questions of each kind."""

    steps: int
    agent: int
    asked: int
    longest: int  # tokens of the longest row that is trained on
    seeds: int


SIZES = {
    "toy": Size(steps=3, agent=2, asked=2, longest=500, seeds=1),
    "cpu": Size(steps=54, agent=3, asked=24, longest=400, seeds=3),
    "gpu": Size(steps=300, agent=16, asked=150, longest=800, seeds=3),
}


def recipe(extra: Path | None) -> dict[str, Any]:
    """The mix as `swiftagent mix` reads it; the files of the folder `extra` are one more source of tool calls."""
    english: dict[str, Any] = {"language": ["en"]}
    folder = shipped("datasets")
    agent = [str(folder / f"agent_{name}.jsonl") for name in ("ms_agent", "openai", "sharegpt")]
    general = [str(folder / f"general_{name}.jsonl") for name in ("sharegpt", "alpaca", "ms_bench")]
    about = {"name": [NAME], "author": [AUTHOR], "repeat": 4, "count": 60}
    sources = [
        {"source": agent, "channel": "agent", "filter": {**english, "tools": [*SEEN, *UNSEEN]}},
        {"source": general, "channel": "general", "filter": english},
        {"source": [str(folder / "self_cognition.jsonl")], "channel": "self-cognition", "filter": english, **about},
    ]
    if extra:
        sources.append({"source": [str(extra.resolve())], "channel": "agent", "filter": english})
    return {"sources": sources, "hold_out": {"tools": list(UNSEEN)}, "val": 0.1, "no_call": 0.1, "max_rejects": 1.0}


def mixed(work: Path, extra: Path | None, prompt: str = "auto", augment: Sequence[str] = ()) -> Path:
    """The training file of the mix; the validation split lies beside it.

    Raises SystemExit where the work folder holds the mix of other data.
    """
    out = work / "-".join(("data", prompt, *augment)) / "mix.jsonl"
    path = out.with_name("recipe.yaml")
    wanted = {**recipe(extra), "prompt": prompt, "augment": list(augment)}
    if not out.is_file():
        out.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(wanted), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "swiftagent", "mix", str(path), "-o", str(out), "-q"], check=True)
    # The shipped files may have moved since, with the checkout.
    elif yaml.safe_load(path.read_text(encoding="utf-8"))["sources"][3:] != wanted["sources"][3:]:
        raise SystemExit(f"{out}: made with other --data; give it again, or another --work")
    return out


def channels(path: Path) -> dict[str, Rows]:
    """The rows of a mix by channel, in an order of their own that no seed changes."""
    found: dict[str, Rows] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(row["channel"], []).append(row)
    for rows in found.values():
        random.Random(0).shuffle(rows)
    return found


def thinking(row: dict[str, Any], length: str) -> dict[str, Any]:
    """A training row with every call's thought replaced by one of `THOUGHTS`; its prompt stays."""
    trajectory = from_record(row)
    events: list[Event] = []
    question = ""
    for event, after in zip(trajectory.events, (*trajectory.events[1:], None), strict=True):
        if isinstance(event, Question):
            question = event.text
        if isinstance(event, Thought) and isinstance(after, Call):
            continue
        if isinstance(event, Call) and length != "none":
            events.append(Thought(_thought(event, trajectory.tools, question, length), trained=event.trained))
        events.append(event)
    made = to_record(msgspec.structs.replace(trajectory, events=tuple(events)))
    return {**made, "messages": [row["messages"][0], *made["messages"][1:]]}


def _thought(call: Call, tools: Sequence[Tool], question: str, length: str) -> str:
    purposes = {tool.name: tool.description for tool in tools}
    names = ", ".join(purposes)
    given = ", ".join(f"{name} {json.dumps(value)}" for name, value in dict(call.arguments).items())
    return THOUGHTS[length].format(
        question=question, names=names, call=call, purpose=purposes[call.tool].rstrip("."), given=given
    )


def questions(mix: Path, asked: int) -> dict[str, Gold]:
    """Held-out rows by kind, `asked` of each: first calls of tools that training rows offer and of tools that none
    does, tools left alone, chat, and questions about the model itself."""
    files = [str(mix.with_name("mix.val.jsonl"))]
    files += [str(shipped("datasets") / name) for name in ("heldout.jsonl", "general_heldout.jsonl")]
    offered = {tool.name for row in read_gold([str(mix)]).rows for tool in row.tools}
    by_kind: dict[str, list[Trajectory]] = {}
    taken = set()
    for row in read_gold(files).rows:
        text = " ".join(getattr(event, "text", "") for event in row.events)
        if not text.isascii() or text in taken:
            continue
        taken.add(text)
        by_kind.setdefault(_kind(row, offered), []).append(row)
    return {kind: _first_steps(rows, asked) for kind, rows in sorted(by_kind.items())}


def _kind(row: Trajectory, offered: set[str]) -> str:
    called = {event.tool for event in row.events if isinstance(event, Call)}
    if called:
        return "seen" if called <= offered else "unseen"
    about_itself = row.channel == "self-cognition"
    return "no-call" if row.tools else "self" if about_itself else "chat"


def _first_steps(rows: Sequence[Trajectory], asked: int) -> Gold:
    chosen = random.Random(1).sample(list(rows), min(asked, len(rows)))
    gold = gold_from(chosen)
    return msgspec.structs.replace(gold, steps=[step for step in gold.steps if step.id.endswith("#0")])
