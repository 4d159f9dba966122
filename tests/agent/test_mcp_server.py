"""`swiftagent mcp` through the official client on stdio."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Question, Trajectory

ROW = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "yes"}]}


def ask(folder: Path, asking: Callable[[Client], Awaitable[Any]], *words: str) -> Any:
    """What `asking` returns, in front of a server that works in `folder`."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "swiftagent", "mcp", *words], cwd=folder, env=dict(os.environ)
    )

    async def main() -> Any:
        async with Client(server) as client:
            return await asking(client)

    return anyio.run(main)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n" + '{"messages": [{"role": "user", "content": "?"}]}\n')
    evaluated = tmp_path / "runs" / "one" / "eval"
    evaluated.mkdir(parents=True)
    (evaluated.parent / "run.json").write_text('{"started": "2026-01-01 10:00:00", "model": "m"}')
    return tmp_path


def test_reading_leaves_nothing_behind(folder: Path):
    before = sorted(folder.rglob("*"))

    async def asking(client: Client) -> list[Any]:
        calls = [("formats", {"file": "rows.jsonl"}), ("convert_preview", {"inputs": ["rows.jsonl"]}), ("runs", {})]
        tools = (await client.list_tools()).tools
        return [tools, *[(await client.call_tool(name, given)).structured_content for name, given in calls]]

    tools, of_file, converted, runs = ask(folder, asking)
    assert [tool.name for tool in tools] == [
        *("formats", "convert_preview", "inspect_check", "doctor", "runs", "eval_results")
    ]
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools)
    assert of_file["result"]["formats"] == {"openai": 2}
    assert (converted["exit_code"], converted["result"]["rows_out"]) == (0, 1)
    assert ([row["messages"][-1]["content"] for row in converted["rows"]], len(converted["rejects"])) == (["yes"], 1)
    assert [run["name"] for run in runs["result"]["runs"]] == ["one"]
    assert sorted(folder.rglob("*")) == before


def test_a_fault_is_a_result_and_a_mistake_an_error(folder: Path):
    record = to_record(Trajectory((Question("?"), Answer("yes")), channel="general"))
    record["messages"][-1]["loss"] = False
    (folder / "wrong.jsonl").write_text(json.dumps(record) + "\n")
    given = {"inputs": ["rows.jsonl"], "output": "out.jsonl"}

    async def asking(client: Client) -> list[Any]:
        calls = [
            ("inspect_check", {"file": "wrong.jsonl"}),
            ("convert", given),
            ("eval_results", {"names": ["one"]}),
            # No word becomes an option.
            ("inspect_check", {"file": "--html=page.html"}),
        ]
        return [await client.call_tool(name, given) for name, given in calls]

    checked, written, *mistakes = ask(folder, asking, "--allow-write")
    assert checked.structured_content["exit_code"] == 6
    assert (written.structured_content["exit_code"], written.structured_content["result"]["rows_out"]) == (3, 1)
    said = [mistake.content[0].text for mistake in mistakes if mistake.is_error]
    assert "swiftagent eval one" in said[0]
    assert "neither an option nor stdin" in said[1]
    assert not (folder / "page.html").exists()


def test_fastmcp_reads_it_too(folder: Path):
    fastmcp = pytest.importorskip("fastmcp", reason="the second MCP client is not installed (pip install fastmcp)")
    transport = fastmcp.client.transports.StdioTransport(sys.executable, ["-m", "swiftagent", "mcp"], cwd=str(folder))

    async def main() -> Any:
        async with fastmcp.Client(transport) as client:
            return await client.call_tool("formats", {"codes": True})

    assert "unread-call" in anyio.run(main).structured_content["result"]
