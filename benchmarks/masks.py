"""What is trained of the same rows under four rules, counted on ms-swift's own labels; and which prompts a chat
template changes.

    python benchmarks/masks.py mix.jsonl --model Qwen/Qwen2.5-7B-Instruct --model Qwen/Qwen3-8B [--write docs/masks.md]

ms-swift as it comes    rows as they are usually published: the whole turn, with its results, is one assistant message
--loss_scale react      the same rows with ms-swift's rule for them, which looks for keywords
LLaMA-Factory's rule    assistant turns are trained and nothing else; in text rows the results stand inside an assistant
turn swiftagent              the records of `swiftagent convert`

The rows of FILE that hold a tool result, and as many hard rows as benchmarks/support/strategies.py makes from seeds: results,
arguments and answers with keywords and control tokens in them. A token belongs to the text that it stands for, found by
bytes. LLaMA-Factory itself is not run: its rule, the whole assistant turn, is applied by ms-swift.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from swiftagent.backend.template import open_trainer, quiet
from swiftagent.backend.token_spans import Aligner, TokenTexts
from swiftagent.masks.pieces import Piece, pieces, served
from swiftagent.masks.view import read_records
from swiftagent.trajectory.record import Message, to_record

RULES = {
    "ms-swift as it comes": ("whole", "default"),
    "ms-swift `--loss_scale react`": ("whole", "react"),
    "LLaMA-Factory's rule, text rows": ("whole", "default"),
    "swiftagent": ("ours", "default"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", required=True, action="append", help="the rules are counted with the first")
    parser.add_argument("--rows", type=int, default=2000, help="at most this many rows, evenly taken")
    parser.add_argument("--write", type=Path, help="put the tables between the marks of this page")
    args = parser.parse_args()
    rows = with_results(record["messages"] for _, record in read_records(args.file))
    rows = rows[:: max(1, len(rows) // args.rows)][: args.rows]
    sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
    from strategies import random_trajectory

    hard = with_results(to_record(random_trajectory(seed, masked=False))["messages"] for seed in range(4 * args.rows))[
        : args.rows
    ]
    text = ""
    for about, some in (("real rows", rows), ("hard rows made for this", hard)):
        table = [measure(some, args.model[0], name, *rule) for name, rule in RULES.items()]
        text += rules_as_markdown(table, f"{len(some):,} {about}") + "\n"
    text += changes_as_markdown([chat_template_changes(rows[:300], model) for model in args.model])
    print(text)
    if args.write:
        page = args.write.read_text(encoding="utf-8")
        marks = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.S)
        args.write.write_text(marks.sub(lambda found: f"{found[1]}{text}{found[2]}", page), encoding="utf-8")
    return 0


def with_results(rows: Iterable[list[Message]]) -> list[list[Message]]:
    return [messages for messages in rows if any(piece.kind == "observation" for piece in pieces(messages))]


def measure(rows: list[list[Message]], model: str, name: str, form: str, loss_scale: str) -> dict[str, Any]:
    """Tokens by kind, all and trained, under one rule."""
    total: Counter[str] = Counter()
    trained: Counter[str] = Counter()
    with open_trainer(model, settings={"loss_scale": loss_scale}) as trainer, quiet():
        texts = TokenTexts(trainer.tokenizer)
        aligner = Aligner(trainer.template, texts)
        for messages in rows:
            found = pieces(messages)
            if form == "whole":
                messages, found = as_whole_turns(messages, found)
            encoded = trainer.template.encode({"messages": messages})
            labels = np.asarray(encoded["labels"]) != -100
            if encoded.get("loss_scale") is not None:
                labels &= np.asarray(encoded["loss_scale"]) > 0
            for region in aligner.align(messages, found, encoded["input_ids"]).regions:
                kind = region.piece.kind if region.piece else "template"
                total[kind] += region.last - region.first
                trained[kind] += int(labels[region.first : region.last].sum())
    results, calls = trained["observation"], total["call"]
    return {
        "rule": name,
        "trained": sum(trained.values()),
        "results_share": results / max(1, sum(trained.values())),
        "results_trained": results / max(1, total["observation"]),
        "calls_lost": (calls - trained["call"]) / max(1, calls),
        "thoughts_and_answers_lost": 1
        - (trained["thought"] + trained["answer"]) / max(1, total["thought"] + total["answer"]),
    }


def as_whole_turns(messages: list[Message], found: list[Piece]) -> tuple[list[Message], list[Piece]]:
    """The same text with no marks and each turn one message, and where its pieces stand now."""
    whole: list[Message] = []
    moved: list[Piece] = []
    for number, message in enumerate(messages):
        if message["role"] != "assistant" or not whole or whole[-1]["role"] != "assistant":
            whole.append({"role": message["role"], "content": ""})
        offset = len(whole[-1]["content"])
        whole[-1]["content"] += message["content"]
        for piece in found:
            if piece.message == number:
                moved.append(
                    Piece(len(whole) - 1, piece.start + offset, piece.end + offset, piece.kind, piece.trained, True)
                )
    return whole, moved


def chat_template_changes(rows: list[list[Message]], model: str) -> dict[str, Any]:
    """Steps whose prompt is another one when a server's chat template writes it rather than the template of
    training."""
    steps: Counter[str] = Counter()
    differ: Counter[str] = Counter()
    with open_trainer(model) as trainer, quiet():
        for messages in rows:
            found = pieces(messages)
            starts = [
                piece.message
                for before, piece in zip(found, found[1:], strict=False)
                if before.kind in ("question", "observation")
            ]
            for step in dict.fromkeys(starts):
                kind = "after a question" if messages[step - 1]["role"] == "user" else "after a result"
                fed = trainer.serving.encode(served(messages, found, step))
                chat, _ = as_whole_turns(messages[:step], [])
                steps[kind] += 1
                differ[kind] += fed != by_chat_template(trainer.tokenizer, chat)
    return {"template": trainer.template_name, "steps": dict(steps), "differ": {kind: differ[kind] for kind in steps}}


def by_chat_template(tokenizer: Any, chat: list[Message]) -> list[int]:
    """What an OpenAI-compatible server feeds: a turn under way is an assistant message that goes on."""
    goes_on = chat[-1]["role"] == "assistant"
    ids = tokenizer.apply_chat_template(
        chat, tokenize=True, add_generation_prompt=not goes_on, continue_final_message=goes_on, return_dict=False
    )
    return list(ids)


def rules_as_markdown(table: list[dict[str, Any]], about: str) -> str:
    lines = [
        f"| {about} | trained tokens | of them tool results | results trained | call tokens lost | thoughts and answers lost |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in table:
        shares = [row[key] for key in ("results_share", "results_trained", "calls_lost", "thoughts_and_answers_lost")]
        lines.append(
            f"| {row['rule']} | {row['trained']:,} | " + " | ".join(f"{100 * share:.2f} %" for share in shares) + " |"
        )
    return "\n".join(lines) + "\n"


def changes_as_markdown(changed: list[dict[str, Any]]) -> str:
    lines = [
        "| chat template | prompts after a question that differ | prompts after a result that differ |",
        "| --- | --- | --- |",
    ]
    for row in changed:
        cells = [
            f"{row['differ'].get(kind, 0):,} of {row['steps'].get(kind, 0):,}"
            for kind in ("after a question", "after a result")
        ]
        lines.append(f"| {row['template']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
