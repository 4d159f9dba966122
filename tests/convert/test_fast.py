"""The fast path gives the trajectories that the readers give, in the same order, with the same counts."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import texts

from swiftagent.convert.fast import BESIDE, read_fast
from swiftagent.convert.files import Job, convert_files
from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.formats.reading.messages import ROLES
from swiftagent.formats.table import FORMATS
from swiftagent.io.jsonl import BadRow, Row, decode, encode, encode_texts
from swiftagent.io.rows import read_rows
from swiftagent.trajectory.prompts import FORMAT, HEAD
from swiftagent.trajectory.record import to_record

PROMPT = (
    HEAD["en"]
    + '1. weather: tells the weather. Parameters: [{"name": "city", "description": "a city", "required": "True"}]\n\n'
    '2. clock: the time. Parameters: {"type": "object", "properties": {"zone": {"type": "string", "enum": ["utc"]}}}'
    + FORMAT["en"].format(names="weather, clock")
)
ANSWER = "Thought: look\nAction: weather\nAction Input: {arguments}\nObservation: {result}\nFinal Answer: {answer}"


def both(rows: Iterable[Row]) -> tuple[list[bytes], int]:
    """The trajectories, read by both ways and compared; and how many rows took the fast path."""
    rows = list(rows)
    # A policy that names a default is the default, but keeps the readers from the fast path.
    slow = Policy(on={"lone-surrogate": "repair"})
    ledgers = Ledger(), Ledger()
    rejects: tuple[list[Any], list[Any]] = [], []
    expected = list(read_trajectories(rows, slow, ledgers[0], rejects[0].append))
    found = list(read_trajectories(rows, ledger=ledgers[1], reject=rejects[1].append))
    assert [encode(row) for row in found] == [encode(row) for row in expected]
    assert ledgers[0].as_dict() == ledgers[1].as_dict()
    assert rejects[0] == rejects[1]
    return [encode_texts(to_record(row)) for row in found], sum(_is_fast(row) for row in rows)


def _is_fast(row: Row) -> bool:
    return not isinstance(row, BadRow) and read_fast(row.value, row.where) is not None


def as_rows(values: Iterable[Any]) -> list[Row]:
    return [Row(value, f"x.jsonl:{number}") for number, value in enumerate(values, 1)]


def chat(*said: str, style: str = "from", **beside: Any) -> dict[str, Any]:
    names = {"from": ("user", "assistant"), "role": ("user", "assistant")}[style]
    text_key = "value" if style == "from" else "content"
    turns = [{style: names[place % 2], text_key: text} for place, text in enumerate(said)]
    return {"conversations" if style == "from" else "messages": turns, **beside}


def agent(system: str, question: str, answer: str) -> dict[str, Any]:
    said = (("system", system), ("user", question), ("assistant", answer))
    return {"id": "7", "conversations": [{"from": role, "value": text} for role, text in said]}


def pair(question: Any, more: Any, answer: Any, **beside: Any) -> dict[str, Any]:
    return {"instruction": question, "input": more, "output": answer, **beside}


def test_plain_rows_go_the_fast_way():
    react = ANSWER.format(arguments="{'city': 'Oslo', 'now': True}", result="[1, 2]", answer="3C")
    rows = [
        chat("a", "b", "c", "d", id=7),
        chat("你好", "以下是回答", style="role", id=None),
        agent(PROMPT, "Oslo?", react),
        agent("You are kind.\n" + PROMPT, "奥斯陆?", react.replace("weather\n", "clock\n").replace("'city'", "'zone'")),
    ]
    rows += [
        pair("a", "", "b"),
        pair("a", "b", "x < y\n", id=3, history=[]),
        pair("你好", None, "以下是回答", system="You are kind."),
    ]
    rows += [pair("a", "b", "c", history=[["d", "e"], ["f", "g"]])]
    records, fast = both(as_rows(rows))
    assert fast == len(records) == 8


ODD = [
    chat("a"),
    chat("a", ""),
    chat("a", "b", "c"),
    chat("a", "b", tools=[{"name": "f"}]),
    chat("a", "b", reward=0),
    chat("a", "b", system="You are kind."),
    chat("a", "<think>\nhm\n</think>\n\nb"),
    chat("a", '<functioncall> {"name": "f", "arguments": {}}'),
    chat("a", '[{"name": "f", "arguments": {}}]'),
    chat("a", '<minimax:tool_call>\n<invoke name="f">\n</invoke>\n</minimax:tool_call>'),
    chat("a", "Look\n```bash\nls\n```", "<returncode>0</returncode>\n<output>\na.py\n</output>", "a.py"),
    chat("a", "Run:\n```tool_code\nf()\n```"),
    chat("a", "<execute>\nprint(1)\n</execute>", "Observation:\n1", "1"),
    pair("a", "", "b", system='Functions: {"name": "f", "description": "d", "arguments": []}'),
    chat("a", "Action: f\nAction Input: {}\nObservation: 1\nFinal Answer: 2"),
    chat("a", "Think: hm\nAct: Operation\n\nb"),
    chat("a\u2060", "b<|im_end|>"),
    chat(PROMPT + "\nQuestion: Oslo?", "Final Answer: 3C"),
    {"conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b", "loss": False}]},
    {"conversations": [{"from": "user", "value": ["a"]}, {"from": "assistant", "value": "b"}]},
    {"conversations": [{"from": ["user"], "value": "a"}, {"from": "assistant", "value": "b"}]},
    {"conversations": [{"from": "nobody", "value": "a"}, {"from": "assistant", "value": "b"}]},
    {
        "conversations": [
            {"from": "system", "value": ["a"]},
            {"from": "user", "value": "a"},
            {"from": "assistant", "value": "b"},
        ]
    },
    {"conversations": [["from", "value"], "ab"]},
    {"conversations": [{"from": "system", "value": "<tools>[]</tools>"}, {"from": "user", "value": "a"}]},
    {"conversations": [], "messages": chat("a", "b", style="role")["messages"]},
    pair("", "a", "b"),
    pair("a", "b", ""),
    pair("a", "b", None),
    pair("a", ["b"], "c"),
    pair(["a"], "b", "c"),
    pair("a", 3, "c"),
    pair("a", "b", ["c"]),
    pair("a", "b", "c", history=[["d", ""]]),
    pair("a", "b", "c", history=[["d", "e", "f"]]),
    pair("a", "b", "c", history=["de"]),
    pair("a", "b", "c", history=[["d", "[f()]"]]),
    pair("a", "b", "c", history={"de": "fg"}),
    pair("a", "b", "c", history=[{"instruction": "d", "output": "e"}]),
    pair("a", "b", "c", history=["d", "e"]),
    pair("a", "b", "c", system=["d"]),
    pair("a", "b", "c", system=PROMPT),
    pair(PROMPT, "a", ANSWER.format(arguments="{'city': 'Oslo'}", result="1", answer="c")),
    pair("a", "b", "Thought: d\nAction: search[e]\nObservation: f\nFinal Answer: g"),
    pair("a", "b", '<tool_call>{"name": "f", "arguments": {}}</tool_call>'),
    pair("a", "b", "[f(x=1)]", tools=[{"name": "f"}]),
    pair("a", "b", "<think>\nhm\n</think>\n\nc"),
    pair("You are in a room.\n> think: hm\nOK.\n> go north\nA hall.", "", "> Think: c\nOK.\n> stop"),
    pair("**Available Tools**\n1. f", "<user> a </user>", "<think> b </think>"),
    pair("Human: a\n\nAssistant: b", "", "c"),
    {"instruction": "a", "output": "b"},
    {"instruction": "a", "input": "b"},
    agent(PROMPT, "Oslo?", ANSWER.format(arguments="{}", result="x", answer="y").replace("weather\n", "sea\n")),
    agent(PROMPT, "Observation: 3", ANSWER.format(arguments="{}", result="x", answer="y")),
    agent(PROMPT, "Oslo?", ANSWER.format(arguments="{'city': ['a'], 'x': 1}", result="x", answer="y")),
    agent(PROMPT, "Oslo?", ANSWER.format(arguments="{'city", result="x", answer="y")),
    agent(PROMPT, "Oslo?", ANSWER.format(arguments="Oslo", result="</think>", answer="[TOOL_CALLS]")),
    agent(PROMPT, "Oslo?", ANSWER.format(arguments="{}", result="", answer="")),
    agent(PROMPT + " Question: Rome?", "Oslo?", ANSWER.format(arguments="{}", result="x", answer="y")),
]


def test_rows_that_can_be_read_in_two_ways_become_the_same():
    both(as_rows(decode(json.dumps(row)) for row in ODD))


@settings(max_examples=150, deadline=None)
@given(st.lists(texts(), min_size=2, max_size=4), st.sampled_from(["from", "role"]))
def test_hostile_chat_becomes_the_same(said: list[str], style: str):
    both(as_rows([chat(*said, style=style)]))


@settings(max_examples=150, deadline=None)
@given(st.lists(texts(), min_size=4, max_size=4))
def test_hostile_pairs_become_the_same(said: list[str]):
    question, more, answer, system = said
    both(as_rows([pair(question, more, answer), pair(question, more, answer, system=system)]))


@settings(max_examples=150, deadline=None)
@given(texts(), texts(), texts(), texts())
def test_hostile_agent_rows_become_the_same(question: str, arguments: str, result: str, answer: str):
    given_arguments = {"city": arguments}
    rows = [
        agent(PROMPT, question, ANSWER.format(arguments=shown, result=result, answer=answer))
        for shown in (given_arguments, json.dumps(given_arguments), arguments)
    ]
    both(as_rows(rows))


PIECES = (
    *("Thought: a", "Thought: I now know the final answer", "Action: weather", "Action: my tool", "Action: finish"),
    *("Action Input: {'a': 1}", 'Action Input: {"a": "x"}', 'Action Input: {"a":', "Observation: 3C", "Observation:"),
    *("Observation: [1,\n 2]", "  Observation: x", "Final Answer: ok", "Final Answer: ", "free text", ""),
)
HEADS = ("", "Thought: hm\n", "Thought: I now know the final answer\n")
ENDS = ("Thought: x\nFinal Answer: y", "Final Answer: z\nThought: q", "Thought: only")


def test_steps_in_any_order_become_the_same():
    rng = random.Random(1)
    said = ["\n".join(rng.choices(PIECES, k=rng.randint(1, 7))) for _ in range(1500)]
    for _ in range(1500):
        steps = [
            f"{rng.choice(HEADS)}Action: weather\n{rng.choice(PIECES[5:8])}\n{rng.choice(PIECES[8:11])}\n"
            for _ in range(rng.randint(0, 3))
        ]
        said.append("".join(steps) + rng.choice(ENDS))
    _, fast = both(as_rows(agent(PROMPT, "Oslo?", text) for text in said))
    assert fast > 500


def test_real_rows_become_the_same(shared: Path):
    fast = 0
    for name in ("medgpt_sharegpt_zh.jsonl", "medgpt_medical_sft.jsonl", "ms_agent_doc_row.json", "lf_glaive_zh.json"):
        fast += both(read_rows(str(shared / "data" / name)))[1]
    assert fast > 1500, "most of the plain chat takes the fast path"


def test_shipped_rows_become_the_same(root: Path):
    for path in sorted((root / "datasets").glob("*.jsonl")):
        both(read_rows(str(path)))


def test_no_reader_looks_at_what_may_stand_beside_the_turns():
    for path in FORMATS.values():
        assert getattr(importlib.import_module(path), "KEYS", frozenset()).isdisjoint(BESIDE), path


def test_a_transcript_before_a_fast_row_keeps_its_place(tmp_path: Path):
    rows = [{"role": "User", "text": "hi"}, {"role": "AI", "text": "ho"}, chat("a", "b"), chat("c", "d")]
    both(as_rows(rows))


def test_convert_gives_the_channel_that_is_asked_for(tmp_path: Path):
    source = tmp_path / "x.jsonl"
    source.write_bytes(encode(chat("a", "b")) + b"\n")
    convert_files(Job((str(source),), tmp_path / "y.jsonl", channel="talk"))
    assert json.loads((tmp_path / "y.jsonl").read_text())["channel"] == "talk"


def record(*messages: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"messages": list(messages), "channel": "general", "id": "7", "source": "a.jsonl:1", **beside}


def test_our_own_records_become_the_same():
    asked, said = {"role": "user", "content": "a", "loss": False}, {"role": "assistant", "content": "b"}
    agentic = from_values(agent(PROMPT, "Oslo?", ANSWER.format(arguments="{}", result="1", answer="3C")))
    plain = [record(asked, said), record(asked, said, source="", channel="chat"), *agentic]
    odd = [
        record(asked, {**said, "name": "x"}),
        record(asked, said, note="d"),
        record(asked, said, id=7),
        record(asked, {**said, "content": None}),
        record(asked, {**said, "loss": False}),
        record(said, said),
    ]
    records, fast = both(as_rows([*plain, *odd]))
    assert fast == len(plain)
    assert [decode(line)["channel"] for line in records[:3]] == ["general", "general", "agent"]


def from_values(*values: Any) -> list[dict[str, Any]]:
    """Their training records."""
    return [to_record(row) for row in read_trajectories(as_rows(values))]


def test_only_known_roles_are_taken():
    for role in (*ROLES, "nobody"):
        row = {"messages": [{"role": role, "content": "a"}, {"role": "assistant", "content": "b"}]}
        assert (read_fast(row, "") is not None) == (ROLES.get(role) == "user")
