"""One question and its answer, with or without earlier turns: alpaca, query/response, prompt/completion,
question/answer."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.builder import Builder, as_text
from swiftagent.formats.reading.tags import read_system, read_tag_text
from swiftagent.formats.reading.tools import read_tools
from swiftagent.formats.reading.view import tag_in, tools_field
from swiftagent.trajectory.types import Trajectory

ABOUT = "instruction / input / output with system and history; query/response, prompt/completion, question/answer alike"
SAMPLE = {"instruction": "Say hello", "input": "to Ann", "output": "Hello, Ann!"}

_QUESTIONS = (
    "instruction",
    "query",
    "prompt",
    "question",
    "input",
    "user",
    "human",
    "problem",
    "userprompt",
    "user_prompt",
)
_ANSWERS = (
    *("output", "response", "completion", "answer", "chosen", "assistant", "gpt", "solution", "text_output"),
    "assistantresponse",  # Trelis
)
_REASONING = ("reasoning", "reasoning_content", "thinking", "complex_cot", "cot", "thought", "chain_of_thought")
# s1K: what was thought and then said, beside the gold solution.
_ATTEMPTS = (
    ("attempt", "thinking_trajectories"),
    ("deepseek_attempt", "deepseek_thinking_trajectory"),
    ("gemini_attempt", "gemini_thinking_trajectory"),
)

_LISTS_TOOLS = re.compile(r'"(?:parameters|arguments)"\s*:')

KEYS = frozenset(spelling for key in _QUESTIONS for spelling in (key, key.capitalize(), key.upper())) | {"userPrompt"}


def looks_like(row: Any) -> bool:
    return pairs_of(row) is not None


def pairs_of(row: Any) -> list[tuple[str, str]] | None:
    """(question, answer) of every turn, history first; None where the row is not of this kind."""
    if type(row) is not dict:
        return None
    row = _in_small_letters(row)
    asked = next((key for key in _QUESTIONS if type(row.get(key)) is str), None)
    answered = next((key for key, thought in _ATTEMPTS if key in row and thought in row), None)
    answered = answered or next((key for key in _ANSWERS if key in row), None)
    if asked is None or answered is None:
        return None
    answer = row[answered]
    if not isinstance(answer, str):
        if answer is not None and not (isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], str)):
            return None
        answer = answer[0] if answer else ""
    question = row[asked]
    for key in ("input", "context"):  # of Dolly, what the instruction speaks of stands under `context`
        extra = row.get(key) if asked != key else None
        if isinstance(extra, str) and extra:
            question = f"{question}\n{extra}" if question else extra
    return [*_history(row.get("history")), (question, answer)]


def _in_small_letters(row: dict[str, Any]) -> dict[str, Any]:
    """Tables are often headed Question, Response, ..."""
    if any(key in row for key in _QUESTIONS):
        return row
    return {key.lower() if isinstance(key, str) else key: value for key, value in row.items()}


def _reasoning_of(row: dict[str, Any]) -> str:
    row = _in_small_letters(row)
    for answered, thought in _ATTEMPTS:
        if answered in row and thought in row:
            given = row[thought]
            return as_text(given[0] if isinstance(given, list) and given else given)
    return next((row[key] for key in _REASONING if isinstance(row.get(key), str)), "")


def _history(history: Any) -> list[tuple[str, str]]:
    pairs = []
    for turn in history if isinstance(history, list) else ():
        if isinstance(turn, (list, tuple)) and len(turn) == 2:
            pairs.append((as_text(turn[0]), as_text(turn[1])))
        elif isinstance(turn, dict):
            found = pairs_of(turn)
            if found is None:
                raise RowError(
                    "bad-message", f"a turn of the history is neither a pair nor question and answer: {str(turn)[:60]}"
                )
            pairs += found
        elif turn:
            raise RowError("bad-message", f"a turn of the history is a {type(turn).__name__}")
    return pairs


def system_of(row: dict[str, Any]) -> str:
    row = _in_small_letters(row)
    system = row.get("system") or row.get("system_prompt") or row.get("systemprompt")
    return system if isinstance(system, str) else ""


def parse(row: Any) -> Trajectory:
    pairs = pairs_of(row)
    if pairs is None:
        raise RowError("not-a-conversation", "no question and answer")
    builder = Builder(*read_tools(tools_field(row)))
    system = system_of(row)
    (read_system if _LISTS_TOOLS.search(system) else Builder.system)(builder, system)
    reasoning = _reasoning_of(row)
    for place, (question, answer) in enumerate(pairs):
        builder.question(question)
        if reasoning and place == len(pairs) - 1:
            builder.thought(reasoning.strip())
        if tag_in(answer):
            read_tag_text(builder, answer)
        else:
            builder.say(answer)
    return builder.build(row.get("id"))
