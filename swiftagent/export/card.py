"""The model card, README.md of an exported model: base, data, settings and measured numbers, whichever are known.

It goes to a hub with the model, so it names no folder of this machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swiftagent.export.subject import TunedModel
from swiftagent.models.files import read_object

SETTINGS = ("tuner_type", "quant_bits", "learning_rate", "num_train_epochs", "lora_rank", "lora_alpha", "max_length")


def model_card(subject: TunedModel, name: str, facts: dict[str, Any], license: str = "") -> str:
    """`facts` are shown as they are, empty ones left out; settings, data and scores come from the subject's run."""
    base = base_name(subject)
    form = (
        "ReAct text (Thought, Action, Action Input, Observation, Final Answer)" if subject.react else "its native form"
    )
    tags = ["tool-calling", *(["react"] if subject.react else []), "swiftagent"]
    head = {"base_model": base} if "/" in base else {}  # hubs take no other name there
    head |= {"license": license or "other", "library_name": "transformers", "tags": f"[{', '.join(tags)}]"}
    front = "".join(f"{key}: {value}\n" for key, value in head.items())
    known = {**facts, **{name: subject.settings[name] for name in SETTINGS if name in subject.settings}}
    filled = {key: str(value).replace("|", "\\|") for key, value in known.items() if value not in (None, "")}
    rows = "".join(f"| {key} | {value} |\n" for key, value in filled.items())
    return (
        f"---\n{front}---\n\n# {name}\n\nTuned from {base} with swiftagent on ms-swift; it calls tools in {form}.\n\n"
        f"| fact | value |\n| --- | --- |\n{rows}{_data(subject)}{_measured(subject)}"
    )


def base_name(subject: TunedModel) -> str:
    """A hub id, or the last name of a folder."""
    named = subject.name or subject.base
    return Path(named).name if Path(named).is_dir() or Path(named).is_absolute() else named


def _data(subject: TunedModel) -> str:
    sources = read_object(Path(subject.data).with_suffix(".manifest.json")).get("sources") if subject.data else None
    lines = [f"- {_source_line(source)}\n" for source in sources or () if isinstance(source, dict)]
    return f"\n## Data\n\n{''.join(lines)}" if lines else ""


def _source_line(source: dict[str, Any]) -> str:
    names = str(source.get("source") or "?").split(", ")
    name = ", ".join(Path(one).name if Path(one).is_absolute() else one for one in names)
    revision, taken = source.get("revision"), source.get("taken")
    return f"{name}{f' at {revision}' if revision else ''}{f', {taken:,} rows taken' if isinstance(taken, int) else ''}"


def _measured(subject: TunedModel) -> str:
    """The scores of the tuned model, and of its base where that was evaluated too, as `swiftagent eval` wrote them."""
    found = read_object(subject.run / "eval" / "metrics.json") if subject.run else {}
    tuned, base = (_scores(found.get(model)) for model in ("tuned", "base"))
    lines = [
        f"| {name} | {_figure(base.get(name))} | {_figure(m)} | {m['low']:.3f} to {m['high']:.3f} | {m['n']} |\n"
        for name, m in tuned.items()
    ]
    head = "\n## Measured by `swiftagent eval`\n\n| metric | base | tuned | 95 % interval | n |\n"
    head += "| --- | --- | --- | --- | --- |\n"
    return head + "".join(lines) if lines else ""


def _scores(metrics: Any) -> dict[str, dict[str, Any]]:
    """The metrics that were measured on at least one row."""
    wanted = {"value", "n", "low", "high"}
    found = metrics.items() if isinstance(metrics, dict) else ()
    return {
        name: m for name, m in found if isinstance(m, dict) and wanted <= m.keys() and m["n"] and m["value"] is not None
    }


def _figure(metric: dict[str, Any] | None) -> str:
    return f"{metric['value']:.3f}" if metric else "–"
