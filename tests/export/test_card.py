"""The model card shows what `swiftagent eval` wrote; the vLLM command names the parser of the template that wrote the
calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swiftagent.cli import main
from swiftagent.export.subject import TunedModel
from swiftagent.export.targets import model_card, vllm_commands

TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {}}}},
}


def gold_row(name: str, city: str) -> str:
    call = {"id": "x", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}}
    messages = [{"role": "user", "content": f"{city}?"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    return json.dumps({"id": name, "messages": messages, "tools": [TOOL]}) + "\n"


def test_scores_of_a_real_evaluation_stand_on_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    gold, predictions, run = tmp_path / "gold.jsonl", tmp_path / "p.jsonl", tmp_path / "run"
    gold.write_text(gold_row("a", "Oslo") + gold_row("b", "Rome"))
    rows = [
        {"id": name, "text": f'Action: weather\nAction Input: {{"city": "{city}"}}'}
        for name, city in (("a", "Oslo"), ("b", "Bern"))
    ]
    predictions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["eval", "--predictions", str(predictions), "--data", str(gold), "-o", str(run / "eval"), "-q"]
    assert main(words) == 0, capsys.readouterr().err
    wrote = json.loads((run / "eval" / "metrics.json").read_text())["tuned"]["call_exact"]
    card = model_card(TunedModel("Qwen/Qwen2.5-7B-Instruct", run=run), "mine", {})
    assert f"| call_exact | – | 0.500 | {wrote['low']:.3f} to {wrote['high']:.3f} | 2 |\n" in card
    assert card.startswith("---\nbase_model: Qwen/Qwen2.5-7B-Instruct\nlicense: other\n")


def test_a_card_without_numbers_says_none_and_a_table_holds_any_stop_word():
    card = model_card(TunedModel("/srv/base", react=False), "mine", {"stop words": "`<|im_end|>`"}, license="mit")
    assert "Measured" not in card and "base_model" not in card and "/srv" not in card
    assert "license: mit\n" in card and "in its native form" in card
    assert "| stop words | `<\\|im_end\\|>` |\n" in card


@pytest.mark.parametrize(
    ("agent_template", "parser"),
    [
        ("hermes", "hermes"),
        ("llama3", "llama3_json"),
        ("qwen3_coder", "qwen3_xml"),
        ("glm4_5", "glm45"),
        ("mistral", "mistral"),
    ],
)
def test_native_calls_get_the_parser_of_their_template(agent_template: str, parser: str):
    told = vllm_commands(
        "model", TunedModel("model", react=False, settings={"max_length": 4096}), agent_template, "qwen3"
    )
    assert told == {
        "engine": "vllm serve model --max-model-len 4096 --enable-prefix-caching "
        f"--enable-auto-tool-choice --tool-call-parser {parser}"
    }


def test_calls_that_no_parser_reads_are_not_promised():
    told = vllm_commands("model", TunedModel("model", react=False), "toolbench", "qwen")
    assert "--tool-call-parser" not in told["engine"]
    assert (
        told["tool_calls"]
        == "vLLM has no parser for calls of the agent template toolbench; use `swiftagent serve --native`"
    )
