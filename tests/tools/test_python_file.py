"""A file of plain functions as tools, in a real worker process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swiftagent.errors import ConfigError
from swiftagent.tools.source import Options
from swiftagent.tools.toolbox import Toolbox, open_toolbox
from swiftagent.trajectory.types import Call, Tool

FILE = '''
"""Tools for a test."""
import asyncio, dataclasses, enum, os, sys, time
from typing import Annotated, Literal, Optional


@dataclasses.dataclass
class Place:
    city: str
    zone: int = 0


class Color(enum.Enum):
    RED = "red"


def weather(city: str, unit: Literal["C", "F"] = "C", days: Optional[int] = None) -> dict:
    """The weather of a city.

    Args:
        city: its name,
            as people write it
        unit: of the temperature
    """
    print("looking it up")
    return {"city": city, "t": 3, "unit": unit}


def move(to: Place, via: list[Place] = [], color: Color = Color.RED) -> str:
    return f"{type(to).__name__} {to.city} {[v.zone for v in via]} {color}"


async def later(seconds: Annotated[float, "how long"]) -> str:
    await asyncio.sleep(seconds)
    return "done"


def say(text: str): print(text)
def fail(): raise ValueError("no such town")
def leave(): sys.exit(3)
def crash(): os._exit(3)
def loop():
    while True: pass
def hog(): return len(bytearray(8 << 30))
def environment() -> dict: return dict(os.environ)
def _private(): ...
'''


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Toolbox]:
    path = tmp_path / "town.py"
    path.write_text(FILE)
    with open_toolbox([str(path)], Options(seconds=3.0, memory=2 << 30)) as box:
        yield box


@pytest.fixture
def call(box: Toolbox) -> Callable[..., tuple[str, str]]:
    def call(tool: str, **arguments: object) -> tuple[str, str]:
        result = box.call(Call(tool, arguments))
        return result.text, result.error

    return call


def test_signatures_become_schemas(box: Toolbox):
    tools = {tool.name: tool for tool in box.specs}
    assert "_private" not in tools and "Place" not in tools and "dataclasses" not in tools
    assert tools["weather"] == Tool(
        "weather",
        "The weather of a city.",
        {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "its name, as people write it"},
                "unit": {"type": "string", "enum": ["C", "F"], "description": "of the temperature", "default": "C"},
                "days": {"type": ["integer", "null"]},
            },
            "required": ["city"],
        },
    )
    place = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "zone": {"type": "integer", "default": 0}},
        "required": ["city"],
        "additionalProperties": False,
    }
    assert tools["move"].parameters["properties"] == {
        "to": place,
        "via": {"type": "array", "items": place, "default": []},
        "color": {"type": "string", "enum": ["red"]},
    }
    assert tools["later"].parameters["properties"] == {"seconds": {"type": "number", "description": "how long"}}


def test_results(call: Callable[..., tuple[str, str]]):
    assert call("weather", city="Oslo") == ('{"city": "Oslo", "t": 3, "unit": "C"}', "")
    assert call("move", to={"city": "Rome"}, via=[{"city": "Bern", "zone": 2}], color="red") == (
        "Place Rome [2] Color.RED",
        "",
    )
    assert call("later", seconds=0.01) == ("done", "")
    assert call("say", text="what is printed is the result of a function that returns nothing") == (
        "what is printed is the result of a function that returns nothing\n",
        "",
    )


def test_failures_are_results_and_the_next_call_works(call: Callable[..., tuple[str, str]]):
    assert call("fail") == ("Error: ValueError: no such town", "ValueError: no such town")
    assert call("leave") == ("Error: SystemExit: 3", "SystemExit: 3")
    assert call("crash") == ("Error: the tool's process ended (exit code 3)", "the tool's process ended (exit code 3)")
    assert call("loop")[1] == "the tool did not answer within 3 seconds and was stopped"
    assert call("hog")[1] == "MemoryError"
    assert call("later", seconds=0.01) == ("done", "")


def test_variables_stay_hidden_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CANARY_API_KEY", "sk-canary-123456")
    path = tmp_path / "town.py"
    path.write_text(FILE)
    with open_toolbox([str(path)]) as box:
        assert "CANARY" not in box.call(Call("environment", {})).text
    with open_toolbox([str(path)], Options(environment=("CANARY_API_KEY",))) as box:
        text = box.call(Call("environment", {})).text
    assert '"CANARY_API_KEY": "[CANARY_API_KEY]"' in text
    assert "sk-canary" not in text


def test_leaving_ends_the_worker(tmp_path: Path):
    path = tmp_path / "town.py"
    path.write_text(FILE)
    with open_toolbox([str(path)]) as box:
        worker = box.sources[0]._worker.pid
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


@pytest.mark.parametrize(
    "text, told",
    [
        ("def f(:\n", "cannot be imported: SyntaxError: invalid syntax (town.py, line 1) (line 1)"),
        (
            "x = 1\nimport nothing_here\n",
            "cannot be imported: ModuleNotFoundError: No module named 'nothing_here' (line 2)",
        ),
        ("x = 1\n", "holds no public function; define one with type hints and a docstring"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, told: str):
    path = tmp_path / "town.py"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        open_toolbox([str(path), str(tmp_path / "none.py")])
    assert error.value.problems == [f"--tools {path}: {told}", f"--tools {tmp_path / 'none.py'}: no such file"]


def test_two_files_with_one_name_are_kept_apart(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text(f"def look(): return '{name}'\n")
    with open_toolbox([str(tmp_path / "a.py"), str(tmp_path / "b.py")]) as box:
        assert [tool.name for tool in box.specs] == ["a_look", "b_look"]
        assert box.call(Call("b_look", {})).text == "b"


ODD = '''
import os
def logged(function):
    def inner(*args, **kwargs): return function(*args, **kwargs)
    return inner


@logged
def plain(x: int) -> int: return x
double = lambda x: x * 2


def total(start: int = 0, *numbers: int, name: str = "sum") -> str:
    """Adds up.

    Parameters
    ----------
    start, end : int, optional
        Where to begin,
        and where not.
    *numbers : int
        What is added.

    Returns
    -------
    str
        The sum.
    """
    return f"{name} {start + sum(numbers)}"


def pair(of: tuple[int, str]) -> str:
    """A pair.

    :param of: what it is made of
    :type of: tuple
    :rtype: str
    """
    return repr(of)


def count():
    yield 1
    yield 2


async def count_later():
    yield 3


def table(): return {(1, 2): {3}}


def fork():
    if os.fork() == 0:
        return "child"
    os.wait()
    return "parent"
'''


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Toolbox]:
    (tmp_path / "odd.py").write_text(ODD)
    with open_toolbox([str(tmp_path / "odd.py")], Options(seconds=5.0)) as box:
        yield box


def test_tools_are_called_what_the_file_calls_them(odd: Toolbox):
    assert odd.call(Call("plain", {"x": 3})).text == "3"
    assert odd.call(Call("double", {"x": 3})).text == "6"


def test_any_number_of_arguments_is_a_list(odd: Toolbox):
    (spec,) = [tool for tool in odd.specs if tool.name == "total"]
    assert spec.description == "Adds up."
    assert spec.parameters["properties"] == {
        "start": {"type": "integer", "description": "Where to begin, and where not.", "default": 0},
        "numbers": {"type": "array", "items": {"type": "integer"}, "description": "What is added."},
        "name": {"type": "string", "default": "sum"},
    }
    assert odd.call(Call("total", {"numbers": [1, 2]})).text == "sum 3"
    assert odd.call(Call("total", {"start": 1, "numbers": [2], "name": "all"})).text == "all 3"
    assert odd.call(Call("total", {"start": 4})).text == "sum 4"


def test_a_tuple_of_several_types_is_one(odd: Toolbox):
    (spec,) = [tool for tool in odd.specs if tool.name == "pair"]
    assert spec.parameters["properties"]["of"] == {
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "string"}],
        "minItems": 2,
        "maxItems": 2,
        "items": False,
        "description": "what it is made of",
    }
    assert odd.call(Call("pair", {"of": [1, "a"]})).text == "(1, 'a')"


def test_what_is_no_json_is_shown_as_python_shows_it(odd: Toolbox):
    assert [odd.call(Call(name, {})).text for name in ("count", "count_later", "table")] == [
        "[1, 2]",
        "[3]",
        "{(1, 2): {3}}",
    ]


def test_a_fork_of_a_tool_does_not_answer_for_it(odd: Toolbox):
    assert [odd.call(Call("fork", {})).text, odd.call(Call("double", {"x": 1})).text] == ["parent", "2"]


def test_types_that_hold_themselves_and_chinese_docstrings(tmp_path: Path):
    (tmp_path / "tree.py").write_text(
        "import dataclasses\n@dataclasses.dataclass\nclass Node:\n    kids: list['Node']\n\n\n"
        'def depth(root: Node) -> int:\n    """树的深度。\n\n    参数：\n        root：树根\n    """\n'
    )
    with open_toolbox([str(tmp_path / "tree.py")]) as box:
        (spec,) = box.specs
    assert spec.description == "树的深度。"
    assert spec.parameters["properties"]["root"] == {
        "type": "object",
        "properties": {"kids": {"type": "array", "items": {"type": "object"}}},
        "required": ["kids"],
        "additionalProperties": False,
        "description": "树根",
    }


def test_functions_that_set_and_read_the_state_of_a_task_are_no_tools(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    text = 'def reset(state: dict) -> None:\n    "Set."\n\ndef buy(what: str) -> str:\n    "Buy."\n    return what\n'
    file.write_text(text, encoding="utf-8")
    with open_toolbox([str(file)]) as box:
        assert [tool.name for tool in box.specs] == ["reset", "buy"]
    file.write_text(text + '\ndef snapshot() -> dict:\n    "Read."\n    return {}\n', encoding="utf-8")
    with open_toolbox([str(file)]) as box:
        assert [tool.name for tool in box.specs] == ["buy"]
