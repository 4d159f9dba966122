"""What the demo does, without doing it: which commands it runs, what it asks, and how the answers are scored.

plan = DemoPlan(out=Path("runs"), name="Ember", author="Fern Lab")
plan.mix_words()          # the words of `swiftagent mix ...`
plan.sft_words()          # the words of `swiftagent sft ...`
plan.eval_words("demo")   # the words of `swiftagent eval ...`
score_held_out(gold, answers)      # the table's three numbers, from what a model wrote
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.io.jsonl import encode, whole_file
from swiftagent.io.shipped import shipped
from swiftagent.scores.calls import Predicted, first_step
from swiftagent.scores.metrics import score_step
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Call, Event, Question, Tool, Trajectory

CONFIG = "configs/tiny_cpu.yaml"
RUN_NAME = "demo"
# Rows of each channel, and the shipped files that they come from.
SOURCES = {
    "agent": (2700, ("agent_ms_agent.jsonl", "agent_openai.jsonl", "agent_sharegpt.jsonl")),
    "general": (430, ("general_sharegpt.jsonl", "general_alpaca.jsonl", "general_ms_bench.jsonl")),
    "self-cognition": (330, ("self_cognition.jsonl",)),
}
WHO_ARE_YOU = {
    "who-1": "Who are you?",
    "who-2": "你是谁？",
    "who-3": "Hello, may I know your name and who built you?",
    "who-4": "请问你叫什么，是谁开发的？",
    "who-5": "What is your name?",
    "who-6": "你叫什么名字？",
    "who-7": "Please introduce yourself.",
    "who-8": "请介绍一下你自己。",
}
LONGEST_STEP = 128  # tokens; the longest gold call takes about 90


class DemoPlan(msgspec.Struct, frozen=True):
    """Where the demo writes and what its model is called.

    Beside `out/demo-data` lies the run that `sft` makes, `out/demo`, so that `infer` and `runs` find it as any other.
    """

    out: Path
    name: str
    author: str

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
        folder = shipped("datasets")
        words = ["mix"]
        for channel, (rows, files) in SOURCES.items():
            words += [f"--{channel}", str(rows), f"--{channel}-source", *(str(folder / name) for name in files)]
        # So small a model reads the flat list alone, and so trains at its cost.
        words += ["--prompt", "ms-agent"]
        return [*words, "--name", self.name, "--author", self.author, "-o", str(self.mix)]

    def sft_words(self) -> list[str]:
        base = str(shipped("datasets") / "tiny-base")
        return ["sft", CONFIG, f"model={base}", f"data={self.mix}", f"runs={self.out}", f"name={RUN_NAME}"]

    def eval_words(self, run: str) -> list[str]:
        files = [*(shipped("datasets") / name for name in ("heldout.jsonl", "general_heldout.jsonl")), self.who]
        data = [word for file in files for word in ("--data", str(file))]
        how = ["--name", self.name, "--step-tokens", str(LONGEST_STEP), "--device", "cpu"]
        return ["eval", run, "--runs", str(self.out), *data, *how]

    def write_who(self) -> None:
        """The questions about itself as gold: no training row answers in these words, so none was trained on."""
        rows = [
            to_record(
                Trajectory((Question(text), Answer(f"{self.name}, {self.author}.")), (), name, "demo", "self-cognition")
            )
            for name, text in WHO_ARE_YOU.items()
        ]
        with whole_file(self.who) as out:
            out.writelines(encode(row) + b"\n" for row in rows)


def tools_file() -> Path:
    return shipped("datasets") / "fire_alarm_tools.py"


def fire_alarm_questions() -> list[str]:
    return [str(row["question"]) for row in _rows("fire_alarm_questions.jsonl")]


def held_out() -> list[Trajectory]:
    """The held-out questions with their gold calls, or with the answer where no tool is needed."""
    return [_gold(row, number) for number, row in enumerate(_rows("heldout.jsonl"), 1)]


def _rows(name: str) -> list[dict[str, Any]]:
    path = shipped("datasets") / name
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; the installation is incomplete") from error


def _gold(row: dict[str, Any], number: int) -> Trajectory:
    """The question and the first step of a row: our own file, so that nothing needs repair."""
    functions = [tool["function"] for tool in row["tools"]]
    tools = tuple(Tool(f["name"], f["description"], f["parameters"]) for f in functions)
    question, first = row["messages"][0], row["messages"][1]
    calls = [call["function"] for call in first.get("tool_calls") or []]
    step: list[Event] = [Call(call["name"], json.loads(call["arguments"]), "c0") for call in calls]
    if not step:
        step = [Answer(first["content"])]
    return Trajectory((Question(question["content"]), *step), tools, row["id"], f"heldout.jsonl:{number}")


class HeldOutScore(msgspec.Struct, frozen=True):
    """What a model made of the held-out questions; each value is (right, of)."""

    tool: tuple[int, int]
    call: tuple[int, int]
    no_call: tuple[int, int]
    right: tuple[int, int]


def score_held_out(gold: Sequence[Trajectory], answers: Sequence[Predicted]) -> HeldOutScore:
    """Compare first steps: the tool's name; tool and arguments exactly; and where gold calls nothing, that nothing is
    called."""
    scores = [score_step(first_step(row), answer) for row, answer in zip(gold, answers, strict=True)]
    called = [score for score in scores if score.step.calls]
    restful = [score for score in scores if not score.step.calls]
    return HeldOutScore(
        (sum(bool(score.calls[0].name) for score in called), len(called)),
        (sum(score.right for score in called), len(called)),
        (sum(score.right for score in restful), len(restful)),
        (sum(score.right for score in scores), len(scores)),
    )


def says_who_it_is(answers: Sequence[str], name: str, author: str) -> bool:
    """Whether every answer holds the name and the author."""
    return all(name in answer and author in answer for answer in answers)


def fire_alarm_done(steps: Sequence[Any]) -> bool:
    """Whether a run recognised the fire, sounded the alarm and called the firemen, in this order and without an
    error."""
    called = [step.action for step in steps if step.action and not step.error]
    return called == ["fire_recognition", "fire_alert", "call_fireman"]
