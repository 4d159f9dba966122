"""ToolAlpaca: one API with its functions and many instructions; each instruction becomes a row of its own."""

from __future__ import annotations

from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.calls import call_of
from swiftagent.formats.reading.schemas import as_schema
from swiftagent.trajectory.read_loose import read_loose
from swiftagent.trajectory.types import Tool, Trajectory

ABOUT = "ToolAlpaca: an API with Instances (intermediate_steps) or Instructions and Golden_Answers; a row becomes many"
KEYS = frozenset(("Function_Description",))
READS = KEYS | {"Instances", "Instructions", "Golden_Answers", "Functions", "Documentation", "NLDocumentation"}
SAMPLE = {
    "Name": "Weather",
    "Function_Description": {
        "weather": 'tells the weather\nParameters: {"city": "Required. string. A city."}\nOutput: text'
    },
    "Instances": [
        {
            "input": "Oslo?",
            "output": "It is 3C.",
            "Final Thought": "Now I know.",
            "intermediate_steps": [[["weather", '{"city": "Oslo"}', "I look.\nAction: weather"], "3C"]],
        }
    ],
}


def looks_like(row: Any) -> bool:
    return type(row) is dict and "Function_Description" in row and ("Instances" in row or "Golden_Answers" in row)


def parse(row: Any) -> list[Trajectory]:
    tools = _with_question_to_user(_tools(row["Function_Description"]), row)
    name = str(row.get("Name", ""))
    if isinstance(row.get("Instances"), list) and row["Instances"]:
        return [_instance(item, tools, name) for item in row["Instances"] if isinstance(item, dict)]
    questions, golden = row.get("Instructions"), row.get("Golden_Answers")
    if not isinstance(questions, list) or not isinstance(golden, list) or len(questions) != len(golden):
        raise RowError("nothing-trained", "no Instances, and Instructions without as many Golden_Answers")
    return [_golden(question, calls, tools, name) for question, calls in zip(questions, golden, strict=True)]


# What every prompt of ToolAlpaca offers beside the functions of the row.
_ASK = Tool(
    "getDetails",
    "asks the user for what is missing",
    {"type": "object", "properties": {"Question": {"type": "string"}}, "required": ["Question"]},
)


def _with_question_to_user(tools: tuple[Tool, ...], row: dict[str, Any]) -> tuple[Tool, ...]:
    if any(tool.name == _ASK.name for tool in tools) or _ASK.name not in str(
        row.get("Instances") or row.get("Golden_Answers")
    ):
        return tools
    return (*tools, _ASK)


def _tools(functions: Any) -> tuple[Tool, ...]:
    if not isinstance(functions, dict):
        return ()
    return tuple(_tool(name, str(text)) for name, text in functions.items() if name != "components")


def _tool(name: str, text: str) -> Tool:
    about, found, rest = text.partition("\nParameters:")
    parameters = rest.partition("\nOutput:")[0].strip()
    if not found:
        return Tool(name, text)
    try:
        given, _ = read_loose(parameters)
    except RowError:
        return Tool(name, about)
    if not isinstance(given, dict):
        return Tool(name, about)
    properties = {key: _property(str(value)) for key, value in given.items()}
    required = [key for key, value in given.items() if str(value).startswith("Required.")]
    schema = as_schema({"type": "object", "properties": properties, "required": required}, [])
    return Tool(name, about, schema)


def _property(text: str) -> dict[str, Any]:
    words = text.removeprefix("Required.").strip()
    kind, _, about = words.partition(".")
    return {"type": kind.strip().lower(), "description": about.strip()} if about else {"description": words}


def _instance(item: dict[str, Any], tools: tuple[Tool, ...], name: str) -> Trajectory:
    builder = Builder(tools)
    builder.question(as_text(item.get("input")))
    for step in item.get("intermediate_steps") or ():
        if not isinstance(step, list) or len(step) < 2 or not isinstance(step[0], list) or len(step[0]) < 2:
            raise RowError("bad-message", f"a step is no [[tool, arguments, ...], result]: {str(step)[:60]}")
        action, result = step[0], step[1]
        thought = str(action[2]).partition("\nAction")[0] if len(action) > 2 else ""
        builder.thought(thought.removeprefix("Thought:").strip())
        builder.call(action[0], action[1])
        builder.result(as_text(result))
    builder.thought(as_text(item.get("Final Thought")))
    builder.answer(as_text(item.get("output")))
    return builder.build(name)


def _golden(question: Any, calls: Any, tools: tuple[Tool, ...], name: str) -> Trajectory:
    builder = Builder(tools)
    builder.question(as_text(question))
    for item in calls if isinstance(calls, list) else [calls]:
        builder.call(*call_of(item))
    return builder.build(name)
