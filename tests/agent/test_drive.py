"""Whole runs: a scripted model, real tools in their worker process, what is shown and what is recorded."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_engine import ScriptedEngine

from swiftagent.agent.batch import run_batch
from swiftagent.agent.drive import Listener, RequestRefused, Runtime, Usage, answer
from swiftagent.agent.loop import REACT, Generate, Limits, start
from swiftagent.agent.native import Native
from swiftagent.agent.traces import Recorder, is_good, trace
from swiftagent.errors import SetupError
from swiftagent.tools.source import Options
from swiftagent.tools.toolbox import Toolbox, open_toolbox
from swiftagent.trajectory.record import from_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought

FIRE = '''
LOG = []


def recognise(image: str) -> dict:
    """What an image shows."""
    return {"fire": True, "place": "kitchen"}


def alert(place: str, level: int) -> str:
    """Rings the alarm of a place."""
    if level > 3:
        raise ValueError("level must be 1 to 3")
    return f"alarm rings in the {place}"


def call_fireman(place: str) -> str:
    """Calls the fire brigade."""
    return "they come in 5 minutes"
'''


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Toolbox]:
    (tmp_path / "fire.py").write_text(FIRE)
    with open_toolbox([str(tmp_path / "fire.py"), "calculator"], Options(seconds=5)) as box:
        yield box


def step(tool: str, thought: str = "", **arguments: object) -> str:
    head = f"Thought: {thought}\n" if thought else ""
    return f"{head}Action: {tool}\nAction Input: {json.dumps(arguments)}\nObservation:"


def ask(box: Toolbox, *texts: str, question: str = "Is there a fire?", **more: object):
    engine = ScriptedEngine(*texts)
    runtime = Runtime(engine, box, lambda call, tool: "typed by a person", **more)
    return answer(runtime, start(box.specs), question, Limits()), engine


ALARM = (
    step("recognise", "look first", image="hall.png"),
    step("alert", place="kitchen", level=3),
    step("call_fireman", place="kitchen"),
    "Thought: I now know the final answer\nFinal Answer: The fire brigade is coming.",
)


def test_the_fire_alarm(box: Toolbox):
    turn, engine = ask(box, *ALARM)
    assert trace(turn) == {
        "question": "Is there a fire?",
        "steps": [
            {
                "thought": "look first",
                "action": "recognise",
                "action_input": {"image": "hall.png"},
                "observation": '{"fire": true, "place": "kitchen"}',
                "error": None,
            },
            {
                "thought": "",
                "action": "alert",
                "action_input": {"place": "kitchen", "level": 3},
                "observation": "alarm rings in the kitchen",
                "error": None,
            },
            {
                "thought": "",
                "action": "call_fireman",
                "action_input": {"place": "kitchen"},
                "observation": "they come in 5 minutes",
                "error": None,
            },
        ],
        "answer": "The fire brigade is coming.",
        "stopped_by": "answer",
    }
    assert engine.prompts[1][-1]["content"] == ' {"fire": true, "place": "kitchen"}\n'


def test_a_calculation_in_three_steps(box: Toolbox):
    texts = [step("calculator", expression=text) for text in ("17 * 23", "391 + 9", "400 / 8")]
    turn, _ = ask(box, *texts, "Final Answer: 50")
    assert [one.observation for one in turn.steps] == ["391", "400", "50"]
    assert turn.answer == "50"


def test_a_tool_that_fails_then_works(box: Toolbox):
    turn, _ = ask(box, step("alert", place="hall", level=9), step("alert", place="hall", level=2), "Final Answer: ok")
    assert [(one.observation, one.error) for one in turn.steps] == [
        ("Error: ValueError: level must be 1 to 3", "ValueError: level must be 1 to 3"),
        ("alarm rings in the hall", None),
    ]
    assert not is_good([turn])


def test_generation_is_stopped_where_the_model_invents_a_result(box: Toolbox):
    text = step("calculator", expression="1+1") + " 3\nThought: done\nFinal Answer: 3"
    turn, engine = ask(box, text, "Final Answer: 2")
    assert turn.steps[0].observation == "2"
    assert engine.usage.generated > 0
    assert turn.answer == "2"


def test_a_call_that_the_person_refuses_does_not_run(box: Toolbox):
    turn, _ = ask(box, ALARM[0], "Final Answer: as you wish", confirm=lambda call: False)
    assert turn.steps[0].error == "the user did not allow this call"


def test_without_code_a_person_types_the_result():
    box = Toolbox([])
    engine = ScriptedEngine(ALARM[0], "Final Answer: done")
    asked: list[Call] = []

    def person(call: Call, tool: object) -> str:
        asked.append(call)
        return "a fire in the kitchen"

    turn = answer(Runtime(engine, box, person), start(()), "Is there a fire?")
    assert asked == [Call("recognise", {"image": "hall.png"}, "c0")]
    assert turn.steps[0].observation == "a fire in the kitchen"


def test_what_is_shown_ends_before_the_stop_word(box: Toolbox):
    shown: list[str] = []

    class Watch(Listener):
        def text(self, piece: str) -> None:
            shown.append(piece)

    ask(box, ALARM[0] + " invented", "Final Answer: no", listener=Watch())
    assert "".join(shown) == ALARM[0].removesuffix("Observation:") + "Final Answer: no"


def test_what_a_step_cost_is_not_read_from_another_threads_generation(box: Toolbox):
    class Shared(ScriptedEngine):
        def generate(self, *args, **settings):
            yield from super().generate(*args, **settings)
            self.usage = Usage(generated=1000, ended_by="length")  # another thread's, that waited for this one's end

    turn = answer(Runtime(Shared("Final Answer: 3C"), box, lambda call, tool: ""), start(box.specs), "?")
    assert (turn.answer, turn.stopped_by, turn.tokens) == ("3C", "answer", 6)


def test_an_interrupt_while_the_model_writes_or_a_tool_runs(box: Toolbox):
    class Interrupted(ScriptedEngine):
        def generate(self, *args, **settings):
            yield "Thought: "
            raise KeyboardInterrupt

    turn = answer(Runtime(Interrupted(), box, lambda call, tool: ""), start(box.specs), "?")
    assert turn.stopped_by == "interrupt"


def test_recorded_runs_are_training_rows(box: Toolbox, tmp_path: Path, check_record: Callable[[Path], None]):
    turn, _ = ask(
        box, step("alert", "go", place="hall", level=9), step("alert", place="hall", level=2), "Final Answer: ok"
    )
    path = tmp_path / "rows.jsonl"
    assert Recorder(path, "record", False, "ms-agent", "auto").add([turn])
    assert not Recorder(path, "record", True, "ms-agent", "auto").add([turn])
    check_record(path)
    read = from_record(json.loads(path.read_text()))
    assert [
        (type(event).__name__, event.trained) for event in read.events if isinstance(event, (Thought, Call, Answer))
    ] == [("Thought", False), ("Call", False), ("Call", True), ("Answer", True)]


def test_openai_rows_hold_the_same_run(box: Toolbox, tmp_path: Path):
    turn, _ = ask(box, *ALARM)
    path = tmp_path / "rows.jsonl"
    assert Recorder(path, "openai", True, "ms-agent", "auto").add([turn])
    row = json.loads(path.read_text())
    assert [message["role"] for message in row["messages"]] == ["user", *["assistant", "tool"] * 3, "assistant"]
    assert row["messages"][1]["reasoning_content"] == "look first"
    assert row["messages"][1]["tool_calls"][0]["function"] == {
        "name": "recognise",
        "arguments": '{"image": "hall.png"}',
    }


def test_a_batch_resumes_and_one_bad_row_harms_no_other(tmp_path: Path, box: Toolbox):
    rows = ['{"question": "one", "id": "a"}', "{", '{"questions": ["two", "three"]}', '"four"', '{"text": 5}']
    (tmp_path / "in.jsonl").write_text("\n".join(rows) + "\n")
    target = tmp_path / "out.jsonl"
    engines: list[ScriptedEngine] = []

    def runtime() -> Runtime:
        engines.append(ScriptedEngine(*["Final Answer: ok"] * 9))
        return Runtime(engines[-1], box, lambda call, tool: "")

    def go(jobs: int):
        counts = run_batch(
            tmp_path / "in.jsonl", target, runtime, start(box.specs), Limits(), Native() if jobs > 9 else REACT, jobs
        )
        return counts.answered, counts.failed, counts.resumed

    assert go(2) == (3, 2, 0)
    written = {row["row"]: row for row in map(json.loads, target.read_text().splitlines())}
    assert (written[1]["id"], written[1]["answer"], written[1]["question"]) == ("a", "ok", "one")
    assert [turn["question"] for turn in written[3]["turns"]] == ["two", "three"]
    assert "not JSON" in written[2]["error"] and "bad-question" in written[5]["error"]
    lines = target.read_text().splitlines(keepends=True)
    target.write_text("".join(line for line in lines if json.loads(line)["row"] != 4) + '{"row": 4, "ans')
    assert go(1) == (1, 0, 4)


def test_a_row_of_a_batch_may_have_a_system_prompt_of_its_own(tmp_path: Path, box: Toolbox):
    (tmp_path / "in.jsonl").write_text('{"question": "one", "system": "Be brief."}\n"two"\n')
    runtime = Runtime(ScriptedEngine("Final Answer: 1", "Final Answer: 2"), box, lambda call, tool: "")
    begun: list[Any] = []
    run_batch(
        tmp_path / "in.jsonl",
        tmp_path / "out.jsonl",
        lambda: runtime,
        start(box.specs),
        Limits(),
        REACT,
        done_row=lambda dialog: begun.append(dialog and dialog.conversation.events[0]),
    )
    assert begun == [System("Be brief."), Question("two")]


class RefusingEngine(ScriptedEngine):
    def generate(self, request: Generate, *settings: Any) -> Iterator[str]:
        if "long" in request.messages[-1]["content"]:
            raise RequestRefused("http://x/v1: HTTP 400: longer than the context")
        yield "Final Answer: ok"


@pytest.mark.parametrize(("rows", "written"), [(["a", "long", "b"], 3), (["a", *["long"] * 9], 5)])
def test_a_batch_goes_on_where_the_engine_refuses_a_row_and_ends_where_it_refuses_all(
    tmp_path: Path, box: Toolbox, rows: list[str], written: int
):
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    target = tmp_path / "out.jsonl"
    runtime = Runtime(RefusingEngine(), box, lambda call, tool: "")
    ends = pytest.raises(SetupError, match="HTTP 400") if written < len(rows) else contextlib.nullcontext()
    with ends:
        run_batch(tmp_path / "in.jsonl", target, lambda: runtime, start(box.specs), Limits(), REACT)
    told = [json.loads(line) for line in target.read_text().splitlines()]
    assert ["error" in row for row in told] == [row == "long" for row in rows[:written]]


@pytest.mark.parametrize("text", ["notes\nof mine", "one line of mine", '{"id": 1}\n', '{"row": "1"}\n', "[1]\n", "\n"])
def test_a_batch_leaves_a_file_alone_that_holds_something_else(tmp_path: Path, box: Toolbox, text: str):
    (tmp_path / "in.jsonl").write_text('"one"\n')
    target = tmp_path / "out.jsonl"
    target.write_text(text)
    runtime = Runtime(ScriptedEngine("Final Answer: ok"), box, lambda call, tool: "")
    with pytest.raises(SetupError, match=r"out\.jsonl:1: no trace of an earlier run"):
        run_batch(tmp_path / "in.jsonl", target, lambda: runtime, start(box.specs), Limits(), REACT)
    assert target.read_text() == text


def test_a_batch_whose_output_cannot_be_written_any_more_is_told_in_one_line(box: Toolbox, tmp_path: Path):
    (tmp_path / "in.jsonl").write_text('"one"\n')
    target = tmp_path / "out.jsonl"

    def runtime() -> Runtime:
        target.unlink()
        target.mkdir()
        return Runtime(ScriptedEngine("Final Answer: ok"), box, lambda call, tool: "")

    with pytest.raises(
        SetupError, match=r"cannot write .*out\.jsonl: Is a directory; choose another place with --output"
    ):
        run_batch(tmp_path / "in.jsonl", target, runtime, start(box.specs), Limits(), REACT)


def test_native_calls_are_read_and_written(box: Toolbox):
    head = "<think>\nhm\n</think>\n\nLet me look.\n"
    text = head + '<tool_call>\n{"name": "recognise", "arguments": {"image": "a.png"}}\n</tool_call>'
    engine = ScriptedEngine(text, "There is a fire.")
    turn = answer(Runtime(engine, box, lambda call, tool: ""), start(box.specs), "?", Limits(), Native())
    assert turn.events == [
        Question("?"),
        Thought("hm"),
        Thought("Let me look.", said=True),
        Call("recognise", {"image": "a.png"}, "c0"),
        Observation('{"fire": true, "place": "kitchen"}', "c0"),
        Answer("There is a fire."),
    ]
    assert turn.steps[0].thought == "hm\nLet me look."
    assert [{key: message[key] for key in ("role", "content")} for message in engine.prompts[1]] == [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nLet me look.\n"},
        {"role": "tool_call", "content": '{"name": "recognise", "arguments": {"image": "a.png"}}'},
        {"role": "tool_response", "content": '{"fire": true, "place": "kitchen"}'},
    ]
    assert engine.settings[0]["tools"] == box.specs


class Endless:
    """A model, or its server, that keeps no limit."""

    name = "endless"

    def generate(self, request: Generate, *settings: Any) -> Iterator[str]:
        while True:
            yield "word " * 100

    def close(self) -> None: ...


def test_a_text_without_end_is_cut(box: Toolbox):
    turn = answer(Runtime(Endless(), box, lambda call, tool: ""), start(box.specs), "?", Limits(step_tokens=50))
    assert turn.stopped_by in ("length", "tokens") and len(str(turn)) < 100_000
