"""Agent logs, step by step: {task, steps: [{thought, action, observation}], answer}."""

from __future__ import annotations

import json
import re
from itertools import count, takewhile
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.calls import call_of
from swiftagent.formats.reading.messages import as_messages
from swiftagent.formats.reading.react_text import read_react_text
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import system_field, tools_field
from swiftagent.trajectory.react_scan import FINISH, NO_TOOL
from swiftagent.trajectory.types import Trajectory

ABOUT = "agent logs: a task and steps with thought, action (text, call object, or name and action_input), observation"
SAMPLE = {
    "task": "Oslo?",
    "steps": [{"thought": "I look.", "action": "weather", "action_input": {"city": "Oslo"}, "observation": "3C"}],
    "answer": "It is 3C.",
}
_LISTS = ("steps", "trajectory", "intermediate_steps", "trace", "agent_thoughts")
_TASKS = ("task", "question", "query", "instruction", "goal", "problem_statement", "problem", "input", "prompt")
_INPUTS = ("action_input", "arguments", "args", "parameters", "tool_input", "input")
_RESULTS = ("observation", "result", "tool_output", "output", "response")
_ANSWERS = ("final_answer", "answer", "final_response", "final_output", "output", "response", "result")
_DSPY = {"thought": "thought", "tool_name": "tool", "tool_args": "tool_input", "observation": "observation"}
_NO_TOOLS = FINISH | NO_TOOL  # a step that calls nothing, or says the answer
_LOGGED = re.compile(r"(?:Action|Invoking)\s*:")

_TRACE = {"question", "steps", "answer", "stopped_by"}

KEYS = frozenset((*_LISTS, "turns", "action", "Action", "ACTION", "tool", "Tool"))
READS = frozenset((*_LISTS, "turns", "log"))
_STEP = ("thought", "action", "action_input", "tool", "tool_input", "observation")


def looks_like(row: Any) -> bool:
    if type(row) is not dict:
        return False
    if _is_trace(row):
        return True
    row = _flat(row) or row
    return _steps(row) is not None and any(isinstance(row.get(key), str) for key in _TASKS)


def _is_trace(row: dict[str, Any]) -> bool:
    """What `infer --json` and `infer --output` write: a run, or the runs of one conversation under `turns`."""
    turns = row.get("turns", [row])
    return (
        isinstance(turns, list) and bool(turns) and all(type(turn) is dict and turn.keys() >= _TRACE for turn in turns)
    )


def _steps(row: dict[str, Any]) -> list[Any] | None:
    for key in _LISTS:
        steps = _numbered(row.get(key))
        steps = list(map(_paired, steps)) if isinstance(steps, list) else None
        if steps and all(type(step) is dict and ("action" in step or "tool" in step) for step in steps):
            return steps
    return None


def _numbered(value: Any) -> Any:
    """DSPy's trajectory (`thought_0`, `tool_name_0`, `tool_args_0`, `observation_0`, ...) as a list of steps."""
    if type(value) is not dict or "tool_name_0" not in value:
        return value
    numbers = takewhile(lambda number: f"tool_name_{number}" in value, count())
    steps = [{name: value.get(f"{key}_{number}") for key, name in _DSPY.items()} for number in numbers]
    return [{"thought": step["thought"], "tool": ""} if step["tool"] == "finish" else step for step in steps]


def _flat(row: Any) -> dict[str, Any] | None:
    """A row that is one step, as a table has it (Query, Thought, Action, Action Input, ...), with this step in a
    list."""
    if type(row) is not dict or any(key in row for key in _LISTS):
        return None
    small = {_small(key): value for key, value in row.items()}
    if not any(isinstance(small.get(name), str) and f"{name}_input" in small for name in ("action", "tool")):
        return None
    step = {key: small[key] for key in _STEP if key in small}
    return {**{key: value for key, value in small.items() if key not in _STEP}, "steps": [step]}


def _small(key: Any) -> str:
    return str(key).strip().lower().replace(" ", "_")


def _paired(step: Any) -> Any:
    """The pair (AgentAction, observation) of LangChain as one step; `log` begins with what was thought."""
    if type(step) is not list or len(step) != 2 or type(step[0]) is not dict or "tool" not in step[0]:
        return step
    thought = _LOGGED.split(as_text(step[0].get("log")), maxsplit=1)[0].strip().removeprefix("Thought:")
    return {**step[0], "thought": thought, "observation": as_text(step[1])}


def parse(row: Any) -> Trajectory:
    row = _flat(row) or row
    builder = Builder(*read_tools(tools_field(row)))
    builder.system(as_text(system_field(row)))
    for turn in row.get("turns", [row]) if _is_trace(row) else [row]:
        _read_run(builder, turn)
    return builder.build(row.get("id"))


def _read_run(builder: Builder, row: dict[str, Any]) -> None:
    """A task, its steps and its answer."""
    steps = _steps(row) or ([] if row.get("steps") == [] else None)
    if steps is None:
        raise RowError("not-a-conversation", "no steps with an action each")
    builder.question(next((row[key] for key in _TASKS if isinstance(row.get(key), str)), ""))
    for step in as_messages(steps):
        _read_step(builder, step)
    answer = next((row[key] for key in _ANSWERS if isinstance(row.get(key), str) and row[key]), "")
    if answer and not (builder.events and getattr(builder.events[-1], "text", None) == answer):
        builder.answer(answer)


def _read_step(builder: Builder, step: dict[str, Any]) -> None:
    thought = as_text(step.get("thought") or step.get("reasoning")).strip()
    action = step["action"] if "action" in step else step["tool"]
    given = next((step[key] for key in _INPUTS if step.get(key) is not None), None)
    worked = not step.get("error")  # what failed is context, not gold
    builder.thought(thought, trained=worked)
    if isinstance(action, dict):
        name, arguments, id = call_of(action)
        builder.call(name, arguments, id, worked)
    elif isinstance(action, str) and action.strip():
        if isinstance(given, str) and action.strip().lower() in _NO_TOOLS:
            read_react_text(builder, f"Action: {action.strip()}\nAction Input: {given}")
        elif given is not None:
            given = _unwrapped(action, given)
            builder.call(action, given, trained=worked)
        else:
            read_react_text(builder, f"Action: {action.strip()}")
    observed = next((step[key] for key in _RESULTS if step.get(key) is not None), None)
    if observed is not None and builder.waits_for_result:
        builder.result(as_text(_unwrapped(str(action), observed)))


def _unwrapped(name: str, value: Any) -> Any:
    """What Dify keeps below the tool's name, as an object or as JSON text: `{"weather": {"city": "Oslo"}}`."""
    inner = value
    if isinstance(value, str) and value.startswith("{") and f'"{name}"' in value:
        try:
            inner = json.loads(value)
        except ValueError:
            return value
    return inner[name] if isinstance(inner, dict) and inner.keys() == {name} else value
