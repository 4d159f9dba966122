"""What a tuned model needs to land elsewhere: chat template, stop words, model card, and how prompts are compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.backend.trainer_template import Trainer
from swiftagent.errors import CheckError, SetupError
from swiftagent.export_templates import Turns
from swiftagent.record import Record

END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "</s>")


class Subject(msgspec.Struct, frozen=True):
    """What is exported: a base, an adapter on it or none, and what the run knew of them."""

    base: str
    adapter: Path | None = None
    run: Path | None = None
    template: str | None = None
    settings: dict[str, Any] = {}  # ms-swift's own option names of the run
    max_length: int = 2048
    data: str = ""
    react: bool = True  # text ReAct, or native tool calls


class Difference(msgspec.Struct):
    """The first place where a rendered prompt departs from the trained one: token index and both sides around it."""

    conversation: str
    token: int
    trained: str
    rendered: str


def turns_of(trainer: Trainer) -> Turns:
    """The texts around the parts of a conversation in ms-swift's template. Raises SetupError where they are not plain text."""
    meta = trainer.template.template_meta
    system_prefix = meta.system_prefix or meta.prefix
    system_open, found, system_close = _text(trainer, system_prefix).partition("{{SYSTEM}}")
    user_open, asked, user_close = _text(trainer, meta.prompt).partition("{{QUERY}}")
    if not found or not asked or meta.chat_sep is None:
        raise SetupError(f"the template {trainer.template_name} cannot be written for other engines; use `swiftagent serve`")
    return Turns(
        system_open=system_open,
        system_close=system_close,
        user_open=user_open,
        user_close=user_close,
        between=_text(trainer, meta.chat_sep),
        end=_text(trainer, meta.suffix),
        begin="",
        default_system=trainer.template.template_meta.default_system or "",
    )


def _text(trainer: Trainer, parts: Iterable[Any]) -> str:
    """ms-swift's template parts are texts or token ids."""
    return "".join(part if isinstance(part, str) else trainer.tokenizer.decode(part) for part in parts or [])


def trained_ids(trainer: Trainer, record: Record) -> list[int]:
    """The token ids of a whole training row, as training sees them."""
    return list(trainer.template.encode({"messages": [dict(message) for message in record["messages"]]})["input_ids"])


def first_difference(name: str, trained: Sequence[int], rendered: Sequence[int], tokenizer: Any) -> Difference | None:
    """None where `rendered` equals `trained`, token for token."""
    for index, (ours, theirs) in enumerate(zip(trained, rendered, strict=False)):
        if ours != theirs:
            return Difference(name, index, *_around(trained, rendered, index, tokenizer))
    if len(trained) != len(rendered):
        index = min(len(trained), len(rendered))
        return Difference(name, index, *_around(trained, rendered, index, tokenizer))
    return None


def _around(trained: Sequence[int], rendered: Sequence[int], index: int, tokenizer: Any) -> tuple[str, str]:
    window = slice(max(0, index - 3), index + 6)
    return tokenizer.decode(list(trained[window])), tokenizer.decode(list(rendered[window]))


def require_same_prompts(differences: Sequence[Difference], target: str) -> None:
    """Raises CheckError with the first differing token."""
    if differences:
        first = differences[0]
        raise CheckError(
            f"{target}: {len(differences)} prompts differ from training, first in {first.conversation} at token {first.token}: "
            f"trained {first.trained!r}, rendered {first.rendered!r}"
        )


def stop_words(trainer: Trainer, *, react: bool) -> list[str]:
    """What ends a turn: the template's end token, the tokenizer's, and for ReAct the label of a result."""
    known = trainer.tokenizer.get_vocab()
    ends = [trainer.tokenizer.eos_token, *(token for token in END_TOKENS if token in known)]
    return [*(["Observation:"] if react else []), *dict.fromkeys(token for token in ends if token)]


def model_card(subject: Subject, facts: dict[str, Any]) -> str:
    """README.md of an exported model: base, data, settings and measured numbers, whichever are known."""
    metrics = _metrics(subject.run)
    manifest = _json(Path(subject.data).with_suffix(".manifest.json")) if subject.data else {}
    base_name = str(subject.settings.get("model") or subject.base)
    base_name = Path(base_name).name if Path(base_name).is_dir() else base_name
    form = "ReAct text (Thought, Action, Action Input, Observation, Final Answer)" if subject.react else "its native form"
    lines = [
        "---",
        f"base_model: {base_name}",
        f"license: {facts.get('license') or 'other'}",
        "library_name: transformers",
        "tags: [tool-calling, react, swiftagent]" if subject.react else "tags: [tool-calling, swiftagent]",
        "---",
        "",
        f"# {facts['name']}",
        "",
        f"Tuned from {base_name} with swiftagent on ms-swift; it calls tools in {form}.",
        "",
        "| fact | value |",
        "| --- | --- |",
    ]
    shown = {key: value for key, value in facts.items() if key not in ("name", "license") and value not in (None, "")}
    for name in ("tuner_type", "learning_rate", "num_train_epochs", "lora_rank", "lora_alpha", "max_length"):
        if name in subject.settings:
            shown[name] = subject.settings[name]
    lines += [f"| {name} | {value} |" for name, value in shown.items()]
    sources = manifest.get("sources")
    if isinstance(sources, list):
        lines += ["", "## Data", ""] + [f"- {_source_line(source)}" for source in sources if isinstance(source, dict)]
    if metrics:
        lines += ["", "## Measured", "", "| metric | value | n | 95 % interval |", "| --- | --- | --- | --- |"]
        lines += [f"| {name} | {m['value']:.3f} | {m['n']} | {m['low']:.3f} to {m['high']:.3f} |" for name, m in metrics.items()]
    return "\n".join(lines) + "\n"


def _source_line(source: dict[str, Any]) -> str:
    name = source.get("source") or source.get("name") or source.get("path") or "?"
    revision, rows = source.get("revision"), source.get("rows")
    return f"{name}{f' at {revision}' if revision else ''}{f', {rows:,} rows' if isinstance(rows, int) else ''}"


def _metrics(run: Path | None) -> dict[str, dict[str, Any]]:
    """The tuned model's numbers of `swiftagent eval`, where the run has been evaluated."""
    found = _json(run / "eval" / "metrics.json") if run else {}
    tuned = found.get("tuned") or (found.get("models") or {}).get("tuned") or {}
    return {name: m for name, m in tuned.items() if isinstance(m, dict) and {"value", "n", "low", "high"} <= set(m)}


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def vllm_command(folder: str, subject: Subject, model_type: str) -> list[str]:
    """The words that serve a merged model in vLLM with its tools: for native calls the parser that fits the family."""
    words = ["vllm", "serve", folder, "--max-model-len", str(max(subject.max_length, 2048)), "--enable-prefix-caching"]
    if subject.react:
        return words
    return [*words, "--enable-auto-tool-choice", "--tool-call-parser", TOOL_PARSERS.get(model_type, "hermes")]


# vLLM's tool-call parsers by model_type (docs.vllm.ai, "Tool calling").
TOOL_PARSERS = {
    "qwen2": "hermes",
    "qwen3": "hermes",
    "qwen3_moe": "hermes",
    "llama": "llama3_json",
    "mistral": "mistral",
    "deepseek_v3": "deepseek_v3",
    "granite": "granite",
    "gpt_oss": "openai",
}
