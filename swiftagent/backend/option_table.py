"""Make the two shipped tables of what ms-swift knows: options.json (every option of SftArguments with its kinds and
choices) and known.json (which model names and architectures it knows, and their templates).

    python -m swiftagent.backend.option_table        writes both again, after an upgrade of ms-swift

They let `sft --dry-run` check names and values in milliseconds; a test holds them to the classes.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import sys
import types
import typing
from pathlib import Path
from typing import Any

import swift
from swift.agent_template import agent_template_map
from swift.arguments import SftArguments
from swift.arguments.base_args.base_args import get_supported_tuners
from swift.model import MODEL_MAPPING
from swift.template import TEMPLATE_MAPPING
from swift.utils.utils import _patch_get_type_hints
from transformers.trainer_utils import SchedulerType

PACKAGE = Path(__file__).parent.parent
TABLE = PACKAGE / "train" / "options.json"
MODELS = PACKAGE / "models" / "known.json"


def build_table() -> dict[str, Any]:
    """Read the installed ms-swift's class. Imports ms-swift (8 s)."""
    with _patch_get_type_hints():
        hints = typing.get_type_hints(SftArguments)
    choices = _choices_known_elsewhere()
    options = {}
    for field in dataclasses.fields(SftArguments):
        kinds, literal = _kinds(hints[field.name])
        named = choices.get(field.name) or field.metadata.get("choices") or literal
        option: dict[str, Any] = {"kinds": kinds}
        if named:
            option["choices"] = list(named)
        options[field.name] = option
    return {"ms_swift": swift.__version__, "options": options}


def _choices_known_elsewhere() -> dict[str, list[str]]:
    """Options that are typed as plain text but take one of a list."""
    return {
        "tuner_type": sorted(get_supported_tuners()),
        "template": sorted(TEMPLATE_MAPPING),
        "model_type": sorted(MODEL_MAPPING),
        "agent_template": sorted(agent_template_map),
        "lr_scheduler_type": [kind.value for kind in SchedulerType],
        "eval_strategy": ["no", "steps", "epoch"],
    }


def _kinds(hint: Any) -> tuple[list[str], list[Any]]:
    """The kinds a YAML value may have (bool int float str list[...] dict), and its choices where it is a Literal or an
    Enum."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        kinds: list[str] = []
        choices: list[Any] = []
        open_ended = any(part is str for part in typing.get_args(hint))
        for part in typing.get_args(hint):
            if part is type(None):
                continue
            inner, named = _kinds(part)
            kinds += [kind for kind in inner if kind not in kinds]
            choices += [] if open_ended and typing.get_origin(part) is typing.Literal else named
        return kinds, choices
    if origin is typing.Literal:
        named = [value for value in typing.get_args(hint) if value is not None]
        return sorted({type(value).__name__ for value in named}), named
    if origin is list:
        return [f"list[{_kinds(typing.get_args(hint)[0])[0][0]}]"], []
    if origin is dict or hint is dict:
        return ["dict"], []
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return ["str"], [member.value for member in hint]
    if hint in (bool, int, float, str):
        return [hint.__name__], []
    return ["str"], []


def build_models() -> dict[str, Any]:
    """Model names (lower case, without the owner), architectures and model types, with the template of each."""
    names: dict[str, str] = {}
    architectures: dict[str, list[str]] = {}
    types_: dict[str, dict[str, Any]] = {}
    for name, meta in MODEL_MAPPING.items():
        types_[name] = {"template": meta.template, "multimodal": meta.is_multimodal}
        for architecture in meta.architectures:
            architectures.setdefault(architecture, []).append(name)
        for group in meta.model_groups:
            for model in group.models:
                for hub_id in (model.ms_model_id, model.hf_model_id, model.model_path):
                    if hub_id:
                        names.setdefault(
                            hub_id.rstrip("/").rsplit("/", 1)[-1].lower(), f"{name}/{group.template or meta.template}"
                        )
    thinking = [
        name
        for name, template in TEMPLATE_MAPPING.items()
        if template.is_thinking or template.thinking_prefix or template.non_thinking_prefix
    ]
    agent = {name: template.agent_template for name, template in TEMPLATE_MAPPING.items() if template.agent_template}
    tables: dict[str, Any] = {"names": names, "architectures": architectures, "types": types_}
    return {**tables, "thinking_templates": sorted(thinking), "agent_templates": dict(sorted(agent.items()))}


if __name__ == "__main__" and len(sys.argv) == 2:
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(build_table()), encoding="utf-8")
elif __name__ == "__main__":
    TABLE.write_text(json.dumps(build_table(), indent=1) + "\n", encoding="utf-8")
    MODELS.write_text(json.dumps(build_models(), indent=1) + "\n", encoding="utf-8")
    print(f"wrote {TABLE} and {MODELS}")
