"""`benchmarks/real_base.py` at its smallest: the tiny base trained, weakened, measured, and the page written."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = [pytest.mark.needs_swift, pytest.mark.filterwarnings("ignore")]
ARMS = ["untuned", "baseline", "adapter at 0.5", "1:1 by tokens", "thought 0.5", "names varied", "long thoughts"]


@pytest.fixture
def real_base(root: Path, monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import real_base

    return real_base


def ticket(number: int, words: int = 3) -> dict[str, Any]:
    """A call of a tool that no shipped row knows, in OpenAI's format."""
    schema = {"type": "object", "properties": {"ticket": {"type": "string"}}}
    call = {"id": "c", "function": {"name": "close_ticket", "arguments": json.dumps({"ticket": f"T{number}"})}}
    messages = [
        {"role": "user", "content": f"Please close ticket T{number}. " + "It was about the printer. " * words},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "closed"},
        {"role": "assistant", "content": f"Ticket T{number} is closed."},
    ]
    return {"tools": [{"function": {"name": "close_ticket", "parameters": schema}}], "messages": messages}


def test_arms_are_trained_measured_and_written_down_once(real_base: ModuleType, tmp_path: Path):
    rows = [ticket(number, 200 if number % 2 else 3) for number in range(60)]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "tickets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = tmp_path / "docs" / "evidence.md"
    words = ["--size", "toy", "--work", str(tmp_path), "--out", str(page), "--data", str(tmp_path / "more")]
    real_base.main([*words, "--only", *ARMS])
    text = page.read_text()
    for head in (
        "untuned | baseline",
        "baseline | adapter at 0.5",
        "baseline | thought 0.5",
        "baseline | names varied",
        "baseline | long thoughts",
    ):
        assert f"| | {head} |" in text
    assert "schema prompt, thought 0, call 2, order varied, no thoughts, short thoughts, rank 32\n" in text
    assert (page.parent / "img" / "evidence.svg").is_file()
    runs = {arm: json.loads((tmp_path / "toy" / f"{arm.replace(' ', '_')}-0.json").read_text()) for arm in ARMS}
    assert [point["step"] for point in runs["baseline"]["curve"]] == [1, 2, 3]
    # Weights leave the tokens alone; other names have others.
    tokens = {arm: run["trained_tokens"] for arm, run in runs.items()}
    assert tokens["thought 0.5"] == tokens["baseline"] != tokens["names varied"] > tokens["untuned"] == 0
    assert tokens["long thoughts"] > tokens["baseline"]
    # All arms answer the same questions, whatever their rows are.
    assert len({tuple(run["parts"]) for run in runs.values()}) == 1
    chat = next(name for name in runs["untuned"]["parts"] if name.startswith("chat "))
    bits = {run["parts"][chat]["own_bits"][0] for run in runs.values()}
    assert len(bits) == len(ARMS) and runs["untuned"]["parts"][chat]["agreement"][0] > 0
    made = json.loads((tmp_path / "data-auto" / "mix.report.json").read_text())["sources"][3]
    assert made["formats"] == {"openai": 60} and "close_ticket" in (tmp_path / "data-auto" / "mix.jsonl").read_text()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "toy").glob("*.json")}
    real_base.main([*words, "--only", *ARMS])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "toy").glob("*.json")} == before
    with pytest.raises(SystemExit, match="made with other --data"):
        real_base.main([*words[:-2], "--only", "rate 2e-4"])
