"""`serve --record` and `--upstream`: finished turns, each once, without secrets, whatever ends the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from running_app import running
from scripted_engine import ScriptedEngine
from served import CutEngine, Served, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from swiftagent.agent.native import Native
from swiftagent.agent.serving.recording import Recording
from swiftagent.agent.serving.server import Settings
from swiftagent.agent.serving.upstream import make_gateway
from swiftagent.cli import main
from swiftagent.convert.reading import read_trajectories
from swiftagent.errors import SetupError
from swiftagent.io.jsonl import Row
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Trajectory

openai = pytest.importorskip("openai", reason="the openai client is not installed (pip install openai)")
anthropic = pytest.importorskip("anthropic", reason="the anthropic client is not installed (pip install anthropic)")

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": CITY}}
]
ASKED = [{"role": "user", "content": "?"}]
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "%s"}}\n</tool_call>'
BOTH = "<think>\nboth\n</think>\n\nLet me look.\n" + CALL % "Oslo" + "\n" + CALL % "Rome"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "served.jsonl"


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def texts(file: Path) -> list[list[str]]:
    return [[message["content"] or "" for message in row["messages"]] for row in rows(file)]


def test_many_conversations_are_there_once_with_their_ids(root: Path, tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import recorded

    assert recorded.check(12, tmp_path) == 0


def test_parallel_calls_reasoning_and_text_are_kept(file: Path):
    recording = Recording(file, "m")
    with serving(ScriptedEngine(BOTH, "Both are cold."), Native(), recording=recording) as served:
        first = served.ask(ASKED, tools=TOOLS, stream=False).choices[0].message
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": text}
            for call, text in zip(first.tool_calls, ["3C", "9C"], strict=True)
        ]
        # The client leaves the reasoning out.
        back = {"role": "assistant", "content": first.content, "tool_calls": [c.model_dump() for c in first.tool_calls]}
        served.ask([*ASKED, back, *results], tools=TOOLS)
    [row] = rows(file)
    [read] = read_trajectories([Row(row, "x:1")])
    assert read.events == (
        *(Question("?"), Thought("both"), Thought("Let me look.", said=True)),
        *(Call("weather", {"city": "Oslo"}, "c0"), Call("weather", {"city": "Rome"}, "c1")),
        *(Observation("3C", "c0"), Observation("9C", "c1"), Answer("Both are cold.")),
    )
    assert (read.tools[0].parameters, read.repairs) == (CITY, ())
    sampled = [bytes(m["token_ids"]).decode() for m in row["messages"] if m["role"] == "assistant"]
    assert sampled == [BOTH, "Both are cold."]


@pytest.mark.parametrize("stream", [False, True])
def test_turns_that_are_cut_are_left_out(file: Path, stream: bool):
    recording = Recording(file, "m")
    with serving(CutEngine("one two three", "one stop three", "four"), recording=recording) as served:
        served.ask(ASKED, max_tokens=1, stream=stream)
        served.ask(ASKED, stop="stop", stream=stream)
        assert rows(file) == []
        served.ask([*ASKED, {"role": "assistant", "content": "one t"}, *ASKED], stream=stream)
    [row] = rows(file)
    assert [message.get("weight") for message in row["messages"]] == [None, 0, None, None]


def test_a_stream_that_the_client_leaves_is_not_recorded(file: Path):
    with (
        serving(ScriptedEngine("word " * 20_000), recording=Recording(file, "m")) as served,
        served.client() as client,
        client.chat.completions.create(model="m", messages=ASKED, stream=True) as stream,
    ):
        next(iter(stream))
    assert rows(file) == []


def test_secrets_are_redacted_with_their_tokens(file: Path, monkeypatch):
    monkeypatch.setenv("TOWN_API_KEY", "hunter2-hunter2")
    with serving(ScriptedEngine("It is hunter2-hunter2.", "fine"), recording=Recording(file, "m")) as served:
        said = [{"role": "user", "content": "what is sk-abcd1234efgh5678?"}]
        answer = served.ask(said).choices[0].message.content
        served.ask([*said, {"role": "assistant", "content": answer}, *ASKED])
    [row] = rows(file)
    assert texts(file) == [["what is [secret]?", "It is [TOWN_API_KEY].", "?", "fine"]]
    assert ["token_ids" in message for message in row["messages"]] == [False, False, False, True]


def test_a_branch_trains_only_what_is_new(file: Path):
    recording = Recording(file, "m")
    one, two = Question("1"), Question("2")
    recording.add(Trajectory((System("s"), one)), [Answer("a")], [1])
    recording.add(Trajectory((System("s"), one, Answer("a"), two)), [Answer("b")], [2])
    recording.add(Trajectory((System("s"), one, Answer("a"), Question("3"))), [Thought("hm"), Answer("c")], [3])
    recording.add(Trajectory((System("s"), one, Answer("a"), two)), [Answer("b")], [2])
    recording.close()
    main, branch = rows(file)
    assert branch["id"].startswith(main["id"] + ".")
    assert [m.get("token_ids", m.get("weight")) for m in main["messages"]] == [None, None, [1], None, [2]]
    assert [m.get("token_ids", m.get("weight")) for m in branch["messages"]] == [None, None, 0, None, [3]]


ADDING = """
import itertools, sys
from pathlib import Path
from swiftagent.agent.serving.recording import Recording
from swiftagent.trajectory.types import Answer, Question, Trajectory

recording = Recording(Path(sys.argv[1]), "m")
events = {number: () for number in range(5)}
for turn in itertools.count():
    for number, before in events.items():
        asked = (*before, Question(f"{sys.argv[2]} {number}.{turn} " + "x" * 5000))
        recording.add(Trajectory(asked), [Answer(f"a{turn}")])
        events[number] = (*asked, Answer(f"a{turn}"))
        print(number, turn, flush=True)
"""


def test_what_was_recorded_survives_a_kill(file: Path):
    done: dict[tuple[str, int], int] = {}
    for start in ("p", "q"):
        child = subprocess.Popen([sys.executable, "-c", ADDING, str(file), start], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        # Each of the five conversations has a turn.
        lines = [child.stdout.readline() for _ in range(5)]
        time.sleep(0.15)
        os.kill(child.pid, signal.SIGKILL)
        # The last line may be cut by the kill.
        for line in [*lines, *child.communicate()[0].splitlines(keepends=True)]:
            if not line.endswith("\n"):
                continue
            number, turn = map(int, line.split())
            done[start, number] = turn
    Recording(file, "m").close()
    assert b" " * 100 not in file.read_bytes()
    found = {(row["messages"][0]["content"][0], int(row["messages"][0]["content"][2])): row for row in rows(file)}
    assert len(found) == len(rows(file)) == 10
    for key, turn in done.items():
        # One turn more may have been written than was reported.
        assert len(found[key]["messages"]) // 2 - 1 in (turn, turn + 1)


def test_a_conversation_goes_on_after_a_restart(file: Path):
    first = Recording(file, "m")
    first.add(Trajectory((Question("1"),)), [Answer("a")], [1])
    with pytest.raises(SetupError, match="another server records into it"):
        Recording(file, "m")
    first.close()
    # As kills leave them: a row half blanked, and one half written.
    file.write_bytes(b'      ": "x"}]}\n' + file.read_bytes() + b'{"messages":[{"role"')
    second = Recording(file, "m")
    second.add(Trajectory((Question("1"), Answer("a"), Question("2"))), [Answer("b")], [2])
    [row] = rows(file)
    assert [message.get("token_ids") for message in row["messages"]] == [None, [1], None, [2]]


@pytest.mark.parametrize(
    "held", ['{"messages": []}\n', "no row\n", "no row", ' {"a": 1}\n', '{"id": 3, "messages": []}\n']
)
def test_a_file_of_other_rows_is_left_alone(file: Path, held: str):
    file.write_text(held)
    with pytest.raises(SetupError, match="other rows than recorded ones"):
        Recording(file, "m")
    assert file.read_text() == held


def test_blanks_are_left_out_before_they_fill_the_disk(file: Path, monkeypatch):
    monkeypatch.setattr("swiftagent.agent.serving.recording.MOST_BLANKS", 20_000)
    recording, events = Recording(file, "m"), ()
    for turn in range(60):
        events = (*events, Question(f"q{turn}" * 50))
        recording.add(Trajectory(events), [Answer("a")])
        events = (*events, Answer("a"))
    assert file.stat().st_size < 60_000
    assert len(rows(file)[0]["messages"]) == 120


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"model": "big", "choices": [{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}]}


PIECES = [
    chunk(reasoning_content="I "),
    chunk(reasoning_content="look"),
    chunk(tool_calls=[{"index": 0, "id": "a", "type": "function", "function": {"name": "weather", "arguments": ""}}]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"city": '}}]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": '"Oslo"}'}}]),
    chunk(tool_calls=[{"index": 1, "id": "b", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}]),
    chunk("tool_calls", content=None),
]


class Foreign:
    """A server that answers each request with the next of `replies`, in pieces of 7 bytes, and keeps the headers."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.headers: list[dict[str, str]] = []
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])

    async def answer(self, request: Request) -> Response:
        self.headers.append(dict(request.headers))
        reply = self.replies.pop(0)
        if isinstance(reply, tuple):
            return JSONResponse(reply[1], reply[0], {"x-request-id": "r1"})
        cut = reply.endswith(b"CUT")

        async def pieces() -> Any:
            for start in range(0, len(reply) - 3 * cut, 7):
                yield reply[start : start + 7]
            if cut:
                raise ConnectionError("gone")

        return StreamingResponse(pieces(), media_type="text/event-stream")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_foreign_server_is_passed_through_and_recorded(file: Path, capfd):
    whole = {"role": "assistant", "content": "3C and 9C.", "refusal": None, "tool_calls": None}
    replies = (
        *(sse(*PIECES) + b"data: [DONE]\n\n", (429, {"error": {"message": "slow down"}})),
        *(sse(*PIECES[:4]) + b"CUT", sse(*PIECES[:5])),
        (200, {"model": "big", "choices": [{"index": 0, "message": whole, "finish_reason": "stop"}]}),
        *((200, {"choices": [{"index": 0, "message": whole, "finish_reason": "length"}]}), (200, {"odd": 1})),
        (200, {"data": []}),
    )
    foreign, key = Foreign(*replies), "sk-right-123456"
    with (
        running(foreign.app) as url,
        running(make_gateway(f"{url}/v1/", Recording(file, "g"), Settings("g"))) as gateway,
    ):
        served = Served(None, gateway)
        with served.client(key) as client:
            ask: Any = client.chat.completions.create
            streamed = list(ask(model="big", messages=ASKED, tools=TOOLS, stream=True))
            assert streamed[-1].choices[0].finish_reason == "tool_calls"
            with pytest.raises(openai.RateLimitError, match="slow down"):
                ask(model="big", messages=ASKED, tools=TOOLS)
            with pytest.raises((openai.APIError, httpx.HTTPError)):
                list(ask(model="big", messages=ASKED, tools=TOOLS, stream=True))
            list(ask(model="big", messages=ASKED, tools=TOOLS, stream=True))
            calls = [
                {"id": name, "type": "function", "function": {"name": "weather", "arguments": f'{{"city":"{city}"}}'}}
                for name, city in (("a", "Oslo"), ("b", "Rome"))
            ]
            results = [{"role": "tool", "tool_call_id": name, "content": name} for name in "ab"]
            history = [*ASKED, {"role": "assistant", "content": None, "tool_calls": calls}, *results]
            for _ in range(3):
                ask(model="big", messages=history, tools=TOOLS)
            assert client.models.list().data == []
    assert all(headers["authorization"] == f"Bearer {key}" for headers in foreign.headers)
    assert key not in file.read_text()
    [row] = rows(file)
    [read] = read_trajectories([Row(row, "x:1")])
    assert row["model"] == "big"
    assert read.events == (
        *(Question("?"), Thought("I look"), Call("weather", {"city": "Oslo"}, "c0")),
        *(
            Call("weather", {"city": "Rome"}, "c1"),
            Observation("a", "c0"),
            Observation("b", "c1"),
            Answer("3C and 9C."),
        ),
    )
    assert "/v1/chat/completions: a turn was not recorded: KeyError: 'choices'" in capfd.readouterr().err


def test_official_clients_of_both_families_behind_the_gateway(file: Path):
    engine = ScriptedEngine("Thought: hm\nFinal Answer: one", "Thought: hm\nFinal Answer: two", "three")
    tool: Any = {"name": "weather", "input_schema": CITY}
    with serving(engine) as behind, running(make_gateway(behind.url, Recording(file, "g"), Settings("g"))) as gateway:
        served = Served(engine, gateway)
        with (
            served.anthropic() as client,
            client.messages.stream(
                model="m", max_tokens=99, messages=[{"role": "user", "content": "1"}], tools=[tool]
            ) as stream,
        ):
            assert stream.get_final_text() == "one"
        with served.client() as client:
            with client.responses.stream(
                model="m",
                input="2",
                instructions="short",
                tools=[{"type": "function", "name": "weather", "parameters": CITY}],
            ) as responses:
                first = responses.get_final_response()
            client.responses.create(model="m", input="3", instructions="short", previous_response_id=first.id)
    assert texts(file) == [["1", "one"], ["short", "2", "two"], ["short", "2", "two", "3", "three"]]
    assert [message.get("reasoning_content") for message in rows(file)[1]["messages"]] == [None, None, "hm"]


def test_a_server_that_is_not_there(file: Path):
    with running(make_gateway("http://127.0.0.1:9/v1", Recording(file, "g"), Settings("g"))) as gateway:
        reply = httpx.post(f"{gateway}/v1/chat/completions", json={"messages": ASKED})
    assert (reply.status_code, reply.json()["error"]["message"].split(" Conn")[0]) == (
        502,
        "http://127.0.0.1:9/v1 does not answer:",
    )


def test_upstream_needs_a_file_and_no_key_of_its_own(capfd):
    for words in (["--upstream", "http://x"], ["--upstream", "http://x", "--record", "f", "--key-env", "HOME"]):
        assert main(["serve", *words]) == 2
        assert "--upstream records a server" in capfd.readouterr().err
    assert main(["serve", "--upstream", "foo", "--record", "f"]) == 2
    assert "--upstream foo: not an http address" in capfd.readouterr().err
