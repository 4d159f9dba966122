"""Tasks whose tools hold state, run several times each: pass^k of a model and of its base.

A file of tasks has scripted user turns, and the Python tools that they act on:

    domain: library
    tools: library_tools.py          # beside this file; has reset(state) and snapshot() besides the tools
    system: Today is 2026-03-02.     # optional
    state: {loans: {B1: Ann}}        # at the start of each task, unless a task has its own
    tasks:
      - id: bring-back
        turns: [Ann brings B1 back., {user: "And B2?", says: [[on the shelf, available]]}]
        end: {loans: {B1: null}}     # what has changed, as a JSON merge patch (RFC 7396)

Whatever `end` does not name must be as it was at the start: an extra side effect fails a task. The next user turn is
sent after the model's answer. A run passes where every answer holds what it has to, and the end state is the expected
one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from math import comb
from pathlib import Path
from typing import Any

import msgspec
import yaml

from swiftagent.agent.drive import RequestRefused
from swiftagent.agent.loop import Job, Limits, driven, run_turn, start
from swiftagent.errors import ConfigError, ToolError
from swiftagent.evaluate import report
from swiftagent.evaluate.scoring import measured
from swiftagent.evaluate.session import EvaluationOptions, let_write, rules_of, style_of_prompts
from swiftagent.evaluate.target import Target, training_files
from swiftagent.evaluate.writing import Entry, Writer, Writing, transcript
from swiftagent.io import jsonl
from swiftagent.io.shipped import find, shipped
from swiftagent.io.storage import sha256_of
from swiftagent.io.yaml_file import Line, lines_of, read_mapping, read_text
from swiftagent.scores.calls import attempts_of
from swiftagent.scores.intervals import Ratios
from swiftagent.scores.values import plain_text, same_value
from swiftagent.tools.source import STATE_FUNCTIONS
from swiftagent.tools.toolbox import Toolbox, open_toolbox

_SHARED = ("domain", "system", "state")  # besides tools and tasks
_WANTED = (
    "a file of tasks is a mapping with the keys tools (a .py file), tasks and, for all tasks, domain, system and state"
)
_ABSENT = object()


class UserTurn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the user says. says: what the answer to it has to hold; of a list, one of its texts."""

    user: str
    says: list[str | int | list[str | int]] = []


class StateTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One task. end: what the state has become, as a merge patch over the start. any_order: the order of lists does
    not count."""

    id: str
    turns: list[str | UserTurn]
    state: dict[str, Any]
    end: dict[str, Any] = {}
    any_order: bool = False
    domain: str = ""
    tools: str = ""
    system: str = ""

    def user_turns(self) -> list[UserTurn]:
        return [UserTurn(turn) if isinstance(turn, str) else turn for turn in self.turns]


class StatefulTools(Toolbox):
    """Tools with state in a process of their own; `start` is their state once a task has begun."""

    start: Any = None

    def __init__(self, path: str) -> None:
        [self._source] = open_toolbox([path]).sources
        self._path = path
        super().__init__([self._source])
        if not getattr(self._source, "holds_state", False):
            self.close()
            names = " and ".join(sorted(set(STATE_FUNCTIONS) - {tool.name for tool in self._source.tools}))
            raise ConfigError(f"{path}: has no function {names}; a task sets and reads its state by reset and snapshot")

    def begin(self, task: StateTask) -> None:
        """Set the state to that at the start of a task. Raises ConfigError where the tools do not take it."""
        try:
            self._source.call("reset", {"state": task.state})
            self.start = self.snapshot()
        except ToolError as error:
            raise ConfigError(f"{self._path}: task {task.id} cannot begin: {error}; check its state") from None

    def snapshot(self) -> Any:
        return self._source.call("snapshot", {})


def read_tasks(paths: Sequence[str]) -> list[StateTask]:
    """The tasks of all files, each of which can begin. Raises ConfigError with every problem, at its file and line."""
    found = [each for path in paths for each in _tasks(path)]
    tasks = [each for each in found if isinstance(each, StateTask)]
    counts = Counter(task.id for task in tasks)
    problems = [each for each in found if isinstance(each, str)]
    problems += [f"task {name}: given {n} times; each needs an id of its own" for name, n in counts.items() if n > 1]
    if problems or not found:
        raise ConfigError(problems or f"{', '.join(paths)}: no task; list one below tasks")
    for path in dict.fromkeys(task.tools for task in tasks):
        with closing(StatefulTools(path)) as tools:
            for task in tasks:
                if task.tools == path:
                    tools.begin(task)
    return tasks


def _tasks(path: str) -> Iterator[StateTask | str]:
    """Every task of a file, or what is wrong with it."""
    lines = {line.key: line for line in lines_of(read_mapping(read_text(find(path), path), path, _WANTED), path)}
    listed, tools = lines.pop("tasks", None), lines.pop("tools", None)
    unknown = [f"{line.place}: unknown key {key}; {_WANTED}" for key, line in lines.items() if key not in _SHARED]
    is_list = listed is not None and isinstance(listed.node, yaml.SequenceNode)
    if unknown or not is_list or tools is None or not str(tools.value()).endswith(".py"):
        yield from unknown or [f"{path}:1: {_WANTED}"]
        return
    shared = {key: line.value() for key, line in lines.items()}
    beside = {"tools": str(find(path).parent / str(tools.value()))}
    for node in listed.node.value if listed else ():
        line = Line("", f"{path}:{node.start_mark.line + 1}", node)
        try:
            # As JSON has them: dates that YAML makes are texts again, and keys too.
            values = msgspec.to_builtins({**shared, **line.value(), **beside}, str_keys=True)
            yield msgspec.convert(values, StateTask)
        except (msgspec.ValidationError, TypeError) as error:
            yield f"{line.place}: {error}; a task has id, turns, state, end and any_order"


def patched(value: Any, patch: Any) -> Any:
    """A JSON value after a merge patch (RFC 7396): objects key by key, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(value) if isinstance(value, dict) else {}
    merged = {**kept, **{key: patched(kept.get(key), part) for key, part in patch.items()}}
    return {key: part for key, part in merged.items() if key not in patch or patch[key] is not None}


def state_faults(expected: Any, found: Any, any_order: bool = False, place: str = "state") -> Iterator[str]:
    """Every place where a state is not the one that was expected."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in {**expected, **found}:
            yield from state_faults(expected.get(key, _ABSENT), found.get(key, _ABSENT), any_order, f"{place}.{key}")
    elif _ABSENT in (expected, found) or not same_value(_ordered(expected, any_order), _ordered(found, any_order)):
        yield f"{place} is {_shown(found)}, expected {_shown(expected)}"


def _ordered(value: Any, any_order: bool) -> Any:
    is_set = any_order and isinstance(value, list)
    return sorted(value, key=lambda item: json.dumps(item, sort_keys=True)) if is_set else value


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else json.dumps(value, ensure_ascii=False)


def answer_faults(turn: UserTurn, answer: str) -> Iterator[str]:
    """What an answer lacks. Case, width and spaces do not count; 3 does not stand in 13, nor in 3.5."""
    text = _plain(answer)
    for wanted in turn.says:
        texts = wanted if isinstance(wanted, list) else [wanted]
        plain = [re.escape(_plain(str(each))) for each in texts]
        if not re.search(rf"(?<![a-z0-9])(?<!\d\.)(?:{'|'.join(plain)})(?![a-z0-9]|\.\d)", text):
            yield f"the answer lacks {' or '.join(map(_shown, texts))}"


def _plain(text: str) -> str:
    return plain_text(re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text))


_KS = (1, 4)
Summary = dict[str, Any]


def evaluate_state(target: Target, options: EvaluationOptions, folder: Path | None = None) -> Summary:
    """Run every task with the models of a target; state.jsonl, from which it resumes, and state.json are written.

    Raises ConfigError for files of tasks that cannot be used, before any model is loaded."""
    if options.temperature < 0:
        raise ConfigError(f"--temperature {options.temperature}: must be at least 0")
    files = options.state or [str(path) for path in sorted(shipped("datasets").glob("state_*.yaml"))]
    tasks = read_tasks(files)[: options.limit]
    folder = folder or target.folder
    tools = [sha256_of(path) for path in sorted({task.tools for task in tasks})]
    settings = {"tasks": msgspec.to_builtins(tasks), "tools": tools, "temperature": options.temperature}
    works = [
        Writing("state", name := f"{task.id}#{trial}", partial(_run, task, name), options.temperature * (trial > 1))
        for trial in range(1, options.trials + 1)
        for task in tasks
    ]
    options = msgspec.structs.replace(options, prompt=style_of_prompts(options, training_files(target.run), target))
    log = let_write(target, folder / "state.jsonl", settings, options, works)
    found = _summary(target, tasks, options, {name: log.of(name, "state") for name in target.models})
    jsonl.write_json(folder / "state.json", found)
    return found


def _run(task: StateTask, run: str, writer: Writer) -> Job[Entry]:
    """One run of a task with tools of its own, which no other run shares."""
    faults: list[str] = []
    limits = Limits(step_tokens=writer.step_tokens)
    with closing(StatefulTools(task.tools)) as tools:
        tools.begin(task)
        talk = start(tools.specs, task.system)
        try:
            for number, asked in enumerate(task.user_turns(), 1):
                turn = yield from driven(run_turn(talk, asked.user, limits, writer.grammar), tools.call)
                talk = turn.conversation
                if turn.answer is None:
                    faults.append(f"turn {number}: no answer ({turn.stopped_by})")
                    break
                faults += [f"turn {number}: {fault}" for fault in answer_faults(asked, turn.answer)]
            faults += state_faults(patched(tools.start, task.end), tools.snapshot(), task.any_order)
        # A conversation that the server does not take any longer, or tools that broke: the run has failed.
        except (RequestRefused, ToolError) as error:
            faults.append(str(error))
    text, calls = transcript(talk.events, questions=True), attempts_of(talk.events)
    return Entry(model=writer.name, kind="state", id=run, text=text, calls=calls, faults=faults)


def pass_hat(passed: int, runs: int, k: int) -> float:
    """The chance that k independent runs of a task all pass, by the unbiased estimator C(passed, k) / C(runs, k).

    Source: tau-bench (Yao et al. 2024, arXiv 2406.12045), pass^k."""
    return comb(passed, k) / comb(runs, k)


def _summary(
    target: Target, tasks: Sequence[StateTask], options: EvaluationOptions, runs: Mapping[str, Mapping[str, Entry]]
) -> Summary:
    domains = sorted({task.domain for task in tasks})
    ks = [k for k in _KS if k <= options.trials]
    names = [f"pass^{k}{of}" for of in ("", *(f" {name}" for name in domains if len(domains) > 1)) for k in ks]
    by_task: dict[str, dict[str, Any]] = {task.id: {"domain": task.domain} for task in tasks}
    ratios = {}
    for model, entries in runs.items():
        all_parts = []
        for task in tasks:
            faults = [entries[f"{task.id}#{trial + 1}"].faults for trial in range(options.trials)]
            passed = faults.count([])
            by_task[task.id][model] = {"passed": passed, "faults": faults}
            parts = {f"pass^{k}": (pass_hat(passed, options.trials, k), 1.0) for k in ks}
            all_parts.append(parts | {f"{name} {task.domain}": part for name, part in parts.items()})
        ratios[model] = Ratios(tuple(names), [task.id for task in tasks], all_parts)
    found = measured(ratios, rules_of(options, target, with_state=True))
    about = {"about": target.about, "trials": options.trials, "temperature": options.temperature}
    return {**about, **found, "tasks": by_task}


def tables(found: Summary) -> Iterator[report.Table]:
    """pass^k over all and by domain, with the gate; each task, with what was wrong first."""
    yield from report.tables(found)
    lines = []
    for name, task in found["tasks"].items():
        faults = [fault for each in task["tuned"]["faults"] for fault in each]
        counts = [f"{task[model]['passed']}/{found['trials']}" if model in task else "–" for model in ("base", "tuned")]
        lines.append([name, *counts, faults[0] if faults else ""])
    yield report.Table("runs that passed", ("task", "base", "tuned", "what was wrong"), lines)
