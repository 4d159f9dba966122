"""The model card, README.md of an exported model: base, data, settings and measured numbers, whichever are known.

It goes to a hub with the model, so it names no folder of this machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swiftagent.export.subject import TunedModel
from swiftagent.io.pages import render
from swiftagent.models.files import read_object

SETTINGS = ("tuner_type", "quant_bits", "learning_rate", "num_train_epochs", "lora_rank", "lora_alpha", "max_length")


def model_card(subject: TunedModel, name: str, facts: dict[str, Any], license: str = "") -> str:
    """`facts` are shown as they are, empty ones left out; settings, data and scores come from the subject's run."""
    # A card goes to a hub: of the settings only those that say how the model came about, no paths.
    settings = {name: subject.settings[name] for name in SETTINGS if name in subject.settings}
    measured = read_object(subject.run / "eval" / "metrics.json") if subject.run else {}
    return render(
        "export/pages/card.md.j2",
        name=name,
        base=base_name(subject),
        react=subject.react,
        license=license or "other",
        facts={**facts, **settings},
        sources=_sources(subject),
        # As `swiftagent eval` wrote them; the base was evaluated too, or not.
        tuned_scores=_scores(measured.get("tuned")),
        base_scores=_scores(measured.get("base")),
    )


def base_name(subject: TunedModel) -> str:
    """A hub id, or the last name of a folder."""
    named = subject.name or subject.base
    return Path(named).name if Path(named).is_dir() or Path(named).is_absolute() else named


def _sources(subject: TunedModel) -> list[tuple[str, Any, Any]]:
    """(names, revision, rows taken) of each source of the training data, without folders of this machine."""
    found = read_object(Path(subject.data).with_suffix(".manifest.json")).get("sources") if subject.data else None
    sources = [source for source in found or () if isinstance(source, dict)]
    return [(_names(source.get("source")), source.get("revision"), source.get("taken")) for source in sources]


def _names(sources: Any) -> str:
    return ", ".join(Path(one).name if Path(one).is_absolute() else one for one in str(sources or "?").split(", "))


def _scores(metrics: Any) -> dict[str, dict[str, Any]]:
    """The metrics that were measured on at least one row."""
    wanted = {"value", "n", "low", "high"}
    found = metrics.items() if isinstance(metrics, dict) else ()
    return {
        name: m for name, m in found if isinstance(m, dict) and wanted <= m.keys() and m["n"] and m["value"] is not None
    }
