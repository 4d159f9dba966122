"""What the demo does, without doing it: which commands it runs, what it asks, and how the answers are scored.

plan = DemoPlan(out=Path("runs"), name="Ember", author="Fern Lab")
plan.write_sources()
plan.mix_words(), plan.sft_words(), plan.eval_words("demo")   # the words of these commands
plan.counts(summary["tuned"], steps, "tuned")  # the numbers of the table, from what `eval` measured
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from swiftagent.io.jsonl import write_lines
from swiftagent.io.shipped import shipped
from swiftagent.scores.calls import Predicted
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Question, Trajectory

if TYPE_CHECKING:
    from swiftagent.agent.loop import Turn

RUN_NAME = "demo"
SEED = 42
SOURCES = {
    "agent": ("agent_ms_agent.jsonl", "agent_openai.jsonl", "agent_sharegpt.jsonl", "agent_calculation.jsonl"),
    "general": ("general_sharegpt.jsonl", "general_alpaca.jsonl", "general_ms_bench.jsonl"),
    "self-cognition": ("self_cognition.jsonl",),
}
HELD_OUT = ("heldout.jsonl", "general_heldout.jsonl")
WHO_ARE_YOU = (
    "Hello, may I know your name and who built you?",
    "请问你叫什么，是谁开发的？",
    "Who are you?",
    "你是谁？",
    "What is your name?",
    "你叫什么名字？",
    "Please introduce yourself.",
    "请介绍一下你自己。",
)
Counts = dict[str, tuple[int, int]]
LONGEST_STEP = 128  # tokens; the longest gold call takes about 90


class Base(msgspec.Struct, frozen=True):
    """A model that the demo can tune: by which config, and from how many rows of each channel."""

    config: str
    rows: tuple[int, int, int]
    english: bool = False  # it reads English alone


BASES = {
    "tiny": Base("configs/tiny_cpu.yaml", (2100, 400, 396)),
    "smollm2": Base("configs/smollm2_cpu.yaml", (700, 120, 120), english=True),
}
_CHINESE = re.compile("[\u4e00-\u9fff]")


class DemoPlan(msgspec.Struct, frozen=True):
    """Where the demo writes and what its model is called.

    Beside `out/demo-data` lies the run that `sft` makes, `out/demo`, so that `infer` and `runs` find it as any other.
    """

    out: Path
    name: str
    author: str
    seed: int = SEED
    base: str = "tiny"

    @property
    def data(self) -> Path:
        return self.out / "demo-data"

    @property
    def mix(self) -> Path:
        return self.data / "mix.jsonl"

    @property
    def who(self) -> Path:
        """The questions about itself, with an answer that holds both names: made here, since the names are the
        user's."""
        return self.data / "who_are_you.jsonl"

    @property
    def results(self) -> Path:
        return self.data / "results.json"

    def mix_words(self) -> list[str]:
        words = ["mix"]
        for (channel, files), rows in zip(SOURCES.items(), BASES[self.base].rows, strict=True):
            words += [f"--{channel}", str(rows), f"--{channel}-source", *(str(self.source(name)) for name in files)]
        # So small a model reads the flat list alone, and so trains at its cost.
        words += ["--prompt", "ms-agent"]
        return [*words, "--name", self.name, "--author", self.author, "--seed", str(self.seed), "-o", str(self.mix)]

    @property
    def model(self) -> Path:
        return shipped("datasets") / "tiny-base" if self.base == "tiny" else self.data / self.base

    def source(self, name: str) -> Path:
        """A shipped file, or its rows in the base's language."""
        return (self.data if BASES[self.base].english else shipped("datasets")) / name

    def sft_words(self) -> list[str]:
        seed = [f"train.seed={self.seed}"] if self.seed != SEED else []
        where = [f"model={self.model}", f"data={self.mix}", f"runs={self.out}", f"name={RUN_NAME}"]
        return ["sft", BASES[self.base].config, *where, *seed]

    def eval_words(self, run: str) -> list[str]:
        files = [*map(self.source, HELD_OUT), self.who]
        data = [word for file in files for word in ("--data", str(file))]
        how = ["--name", self.name, "--step-tokens", str(LONGEST_STEP), "--device", "cpu"]
        return ["eval", run, "--runs", str(self.out), *data, *how]

    def write_sources(self) -> None:
        """The shipped rows in the language of the base, where it has but one."""
        if not BASES[self.base].english:
            return
        for name in (*(name for files in SOURCES.values() for name in files), *HELD_OUT):
            lines = (shipped("datasets") / name).read_text(encoding="utf-8").splitlines(keepends=True)
            self.source(name).write_text("".join(line for line in lines if self._reads(line)), encoding="utf-8")

    def _reads(self, text: str) -> bool:
        return not (BASES[self.base].english and _CHINESE.search(text))

    @property
    def who_are_you(self) -> dict[str, str]:
        """The questions about itself by their ids. The first of each language stands in no training row: it is
        shown."""
        return {f"who-{number}": text for number, text in enumerate(filter(self._reads, WHO_ARE_YOU), 1)}

    def shown(self) -> list[DemoQuestion]:
        rows = _rows(shipped("datasets") / "demo_questions.jsonl")
        return [msgspec.convert(row, DemoQuestion) for row in rows if self._reads(row["question"])]

    def counts(self, scores: Mapping[str, Any], steps: Mapping[tuple[str, str], Predicted], model: str) -> Counts:
        """(right, of) of the held-out questions: the tool's name, tool and arguments, no call where none is needed,
        all.

        scores: what `eval` measured. steps: what it wrote first, by model and id of a step.
        """
        rows = _rows(self.source("heldout.jsonl"))
        without = [row["id"] for row in rows if not any(turn.get("tool_calls") for turn in row["messages"])]
        answered = [steps[model, f"{name}#0"] for name in without]
        no_call = sum(step.parsable and not step.calls for step in answered), len(without)
        of = {"tool": "tool_name", "call": "call_exact"}
        found = {name: (round(scores[of[name]]["value"] * scores[of[name]]["n"]), scores[of[name]]["n"]) for name in of}
        right, count = map(sum, zip(found["call"], no_call, strict=True))
        return {**found, "no_call": no_call, "right": (right, count)}

    def says_who_it_is(self, answers: Sequence[str]) -> bool:
        """Whether every answer is one of those that were trained, word for word."""
        taught = (row["response"] for row in _rows(self.source("self_cognition.jsonl")))
        return set(answers) <= {
            text.replace("{{NAME}}", self.name).replace("{{AUTHOR}}", self.author) for text in taught
        }

    def write_who(self) -> None:
        """The questions about itself as gold: no training row answers in these words, so none was trained on."""
        answer = Answer(f"{self.name}, {self.author}.")
        questions = ((name, (Question(text), answer)) for name, text in self.who_are_you.items())
        rows = (Trajectory(events, (), name, "demo", "self-cognition") for name, events in questions)
        write_lines(self.who, map(to_record, rows))


def tool_files() -> list[Path]:
    return [shipped("datasets") / name for name in ("fire_alarm_tools.py", "calculator_tools.py")]


class DemoQuestion(msgspec.Struct, frozen=True):
    """A question that the demo asks at its end, with the calls that real tools must see and the answers that are
    right."""

    kind: str
    language: str
    question: str
    calls: list[dict[str, Any]]
    answers: list[str]

    def is_right(self, turn: Turn) -> bool:
        """Whether exactly these calls were made, none of them failed, and the answer is right word for word."""
        made = [
            {"name": step.action, "arguments": step.action_input}
            for step in turn.steps
            if step.action is not None and not step.error
        ]
        return made == self.calls and turn.answer in self.answers and turn.stopped_by == "answer"


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
