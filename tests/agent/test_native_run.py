"""Rows of `--to native`, through ms-swift's own loading: the hermes agent template with qwen2.5, and what qwen3
brings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swiftagent.convert.reading import read_trajectories
from swiftagent.formats.writers.table import writer_of
from swiftagent.io.jsonl import Row, write_lines
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Tool, Trajectory

pytestmark = [pytest.mark.needs_swift, pytest.mark.filterwarnings("ignore")]  # those of torch and ms-swift

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ROW = Trajectory(
    (
        System("Be brief."),
        Question("Oslo and Rome?"),
        Thought("both"),
        Thought("look", said=True),
        Call("weather", {"city": "Oslo"}, "c0"),
        Call("weather", {"city": "Rome"}, "c1"),
        Observation("3C", "c0"),
        Observation("9C <|im_end|>", "c1"),
        Answer("3C and 9C."),
        Question("Paris?"),
        Call("weather", {"city": "Pari"}, "c2", trained=False),
        Observation("error", "c2"),
        Call("weather", {"city": "Paris"}, "c3"),
        Observation("7C", "c3"),
        Answer("7C."),
    ),
    (Tool("weather", "tells the weather", SCHEMA),),
    "1",
    "x:1",
)
CHAT = Trajectory((Question("hi"), Answer("Hello.")), (), "2", "x:2", "general")
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "%s"}}\n</tool_call>'


def trained_texts(rows: list[Trajectory], folder: Path, model: Path, template_type: str) -> list[tuple[str, list[str]]]:
    """(the whole text, the trained pieces) of each row, as ms-swift trains it."""
    from swift.dataset import load_dataset
    from swift.model import get_model_processor
    from swift.template import get_template

    write = writer_of("native", "ms-agent", "auto")
    path = folder / "native.jsonl"
    write_lines(path, [write(row)[0] for row in rows])
    _, processor = get_model_processor(str(model), load_model=False, model_type="qwen2")
    agent_template = "hermes" if template_type == "qwen2_5" else None
    template = get_template(
        processor,
        template_type=template_type,
        max_length=20_000,
        agent_template=agent_template,
        enable_thinking=True,
        add_non_thinking_prefix=False,
    )
    template.set_mode("train")
    dataset, _ = load_dataset([str(path)], strict=True)
    return [_pieces(template.encode(row), template.tokenizer) for row in dataset]


def _pieces(encoded: dict[str, Any], tokenizer: Any) -> tuple[str, list[str]]:
    ids, labels = encoded["input_ids"], encoded["labels"]
    pieces: list[list[int]] = []
    before = -100
    for label in labels:
        if label != -100:
            if before == -100:
                pieces.append([])
            pieces[-1].append(label)
        before = label
    return tokenizer.decode(ids), [tokenizer.decode(piece) for piece in pieces]


@pytest.mark.parametrize("template_type", ["qwen2_5", "qwen3"])
def test_native_rows_train_calls_and_answers_alone(tmp_path: Path, tiny_model: Path, template_type: str) -> None:
    (agent, trained), (_, chat) = trained_texts([ROW, CHAT], tmp_path, tiny_model, template_type)
    assert trained == [
        f"<think>\nboth\n</think>\n\nlook\n{CALL % 'Oslo'}\n{CALL % 'Rome'}<|im_end|>\n",
        "3C and 9C.<|im_end|>\n",
        f"{CALL % 'Paris'}<|im_end|>\n",
        "7C.<|im_end|>\n",
    ]
    assert chat == ["Hello.<|im_end|>\n"]
    assert "<tool_response>\n3C\n</tool_response>\n<tool_response>\n9C <\u2060|im_end|>\n</tool_response>" in agent
    assert json.dumps(SCHEMA) in agent


@pytest.mark.parametrize("template_type", ["qwen2_5", "qwen3"])
def test_ms_agent_rows_become_native(tmp_path: Path, tiny_model: Path, shared: Path, template_type: str) -> None:
    raw = json.loads((shared / "data" / "ms_agent_doc_row.json").read_text())
    rows = list(read_trajectories([Row(raw, "doc:1")]))
    calls = [event for event in rows[0].events if isinstance(event, Call)]
    ((whole, trained),) = trained_texts(rows, tmp_path, tiny_model, template_type)
    assert calls
    for call in calls:
        assert json.dumps({"name": call.tool, "arguments": call.arguments}, ensure_ascii=False) in "".join(trained)
    assert not any("tool_response" in piece for piece in trained)
    assert "<tool_response>" in whole
