"""The targets of `swiftagent export`: each writes a whole folder or file, or nothing."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from swiftagent import __version__
from swiftagent.backend.loading import TEMPLATE_SETTINGS
from swiftagent.errors import SetupError
from swiftagent.export.folder import whole, whole_folder
from swiftagent.export.gguf import Comparison, compare, write_gguf
from swiftagent.export.merge import Merged, merge, require_adapter, require_model
from swiftagent.export.prepare import Prepared
from swiftagent.export.subject import TunedModel
from swiftagent.export.templates import modelfile
from swiftagent.io.jsonl import write_json
from swiftagent.io.pages import render
from swiftagent.io.shipped import shipped
from swiftagent.models.files import EXPORT_RECORD, TOKENIZER_FILES, read_object
from swiftagent.trajectory.react import ACTION_LABEL

TOKENIZER_PARTS = ("merges.txt", "added_tokens.json", "chat_template.jinja")
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "additional_config.json")
SETTINGS = ("tuner_type", "quant_bits", "learning_rate", "num_train_epochs", "lora_rank", "lora_alpha", "max_length")
# vLLM's --tool-call-parser by the agent template that wrote the calls in training (docs.vllm.ai, "Tool calling").
PARSERS = {
    "hermes": "hermes",
    "llama3": "llama3_json",
    "llama4": "llama3_json",
    "mistral": "mistral",
    "qwen3_coder": "qwen3_xml",
    "qwen3_5": "qwen3_xml",
    "deepseek_v3_1": "deepseek_v31",
    "glm4_5": "glm45",
    "glm4_7": "glm47",
}
# Beside Qwen's and other real texts, what a tokenizer that was carried over badly trips on.
HARD_TEXTS = (
    "<|im_start|>user\nOslo?<|im_end|>\n<|im_start|>assistant\nThought: look\nAction: weather\nObservation:",
    "今天北京的天气怎么样？\r\n\tÅrhus — naïve café 🚒🔥 \u200b  three   spaces\n\n\n1234567890 0.5e-3",
    '{"a": [1, -2.5, null], "b": "\\u003c|im_end|>"} def f(x):\n        return x  # don\'t',
)


class Wanted(msgspec.Struct, frozen=True):
    """One export: a model with its templates, and where and how it is written. name: "" is that of `out`."""

    subject: TunedModel
    prepared: Prepared
    out: Path
    name: str = ""
    license: str = ""
    force: bool = False
    quantize: str | None = None
    llama_cpp: Path | None = None


def export_merged(wanted: Wanted, **options: Any) -> Merged:
    """The merged model with tokenizer, chat template, generation config, model card and export.json; options: those of
    `merge`."""
    subject = wanted.subject

    def finish(part: Path, merged: Merged) -> None:
        difference = f"{merged.max_difference:.3g} (scale {merged.logit_scale:.3g})" if subject.adapter else ""
        facts = {"merged logits differ by at most": difference, "context length in training": subject.max_length}
        _describe(part, wanted, facts, merged)

    return merge(subject.base, subject.adapter, wanted.out, force=wanted.force, finish=finish, **options)


def _describe(part: Path, wanted: Wanted, facts: dict[str, Any], merged: Merged | None = None) -> None:
    """Chat template, model card and export.json."""
    prepared = wanted.prepared
    if prepared.chat_template:
        (part / "chat_template.jinja").write_text(prepared.chat_template, encoding="utf-8")
    facts = {**facts, "stop words": ", ".join(f"`{stop}`" for stop in prepared.stops)}
    card = model_card(wanted.subject, wanted.name or wanted.out.name, facts, wanted.license)
    (part / "README.md").write_text(card, encoding="utf-8")
    write_json(part / EXPORT_RECORD, _provenance(wanted.subject, prepared, merged))


def _provenance(subject: TunedModel, prepared: Prepared, merged: Merged | None) -> dict[str, Any]:
    """What an export was made of, and what was compared; no folder of this machine is named, since it is uploaded as it
    is."""
    return {
        "swiftagent": __version__,
        "base_model": base_name(subject),
        "run": subject.run.name if subject.run else None,
        "checkpoint": subject.adapter.name if subject.adapter else None,
        "template": prepared.template,
        **{name: subject.settings[name] for name in TEMPLATE_SETTINGS if name in subject.settings},
        "agent_template": prepared.agent_template,
        "max_length": subject.max_length,
        "react": subject.react,
        "prompt": {"style": prepared.style, "language": prepared.language} if subject.react else None,
        "stop_words": prepared.stops,
        "merged": msgspec.to_builtins(merged),
        "prompts": msgspec.to_builtins(prepared.compared),
        "limits": prepared.limits,
    }


def export_gguf(
    folder: Path, out: Path, quantize: str, llama_cpp: Path | None, *, force: bool, data: str = ""
) -> Comparison | None:
    """A GGUF of a model folder, compared with it where llama.cpp can be loaded; None where it cannot."""
    with whole(out, force=force, keep=(folder,)) as part:
        write_gguf(require_model(str(folder)), part, quantize, llama_cpp)
        return compare(folder, part, *probe_texts(data), quantize)


def probe_texts(data: str) -> tuple[list[str], list[str]]:
    """1,000 real strings and 20 prompts: from the run's data where known, else from the shipped rows."""
    paths = [*filter(Path.is_file, [Path(data)]), *sorted(shipped("datasets").glob("*.json*"))]
    lines = (line.strip()[:600] for path in paths for line in path.read_text(encoding="utf-8").splitlines())
    texts = [*islice(filter(None, chain(HARD_TEXTS, lines)), 1000)]
    return texts, texts[:: max(1, len(texts) // 20)][:20]


def export_ollama(wanted: Wanted) -> dict[str, Any]:
    """A complete folder for Ollama: the merged model or a GGUF, Modelfile, README; `ollama create` where it is
    installed.

    Raises SetupError for a model whose calls have no template in Ollama's language.
    """
    subject, prepared, quantize = wanted.subject, wanted.prepared, wanted.quantize
    if prepared.go_template is None:
        agent = prepared.agent_template
        kind = f"agent template {agent}" if agent else f"template {prepared.template}"
        fact = f"the {kind} cannot be written for Ollama; use `swiftagent export gguf` and `swiftagent serve`"
        raise SetupError(fact)
    facts: dict[str, Any] = {}
    with whole_folder(wanted.out, force=wanted.force, keep=(subject.base, subject.adapter, subject.run)) as part:
        model = part / "model"
        merged = export_merged(msgspec.structs.replace(wanted, out=model, force=False))
        source = f"model.{quantize}.gguf" if quantize else "model"
        if quantize:
            compared = export_gguf(model, part / source, quantize, wanted.llama_cpp, force=True, data=subject.data)
            facts["gguf"] = msgspec.to_builtins(compared)
            # The GGUF holds all of it, and a folder for Ollama is copied about.
            shutil.rmtree(model)
        template, length = prepared.go_template, subject.max_length
        text = modelfile(f"./{source}", template, stops=prepared.stops, context_length=length, system=prepared.system)
        (part / "Modelfile").write_text(text, encoding="utf-8")
        executed = next((one for one in prepared.compared if one.target.startswith("Modelfile")), None)
        about = {"react": subject.react, "action": ACTION_LABEL.strip(), "limits": prepared.go_limits}
        readme = render("export/pages/ollama.md.j2", name=wanted.name, executed=executed, **about)
        (part / "README.md").write_text(readme, encoding="utf-8")
        facts["merged"] = {**msgspec.to_builtins(merged), "folder": str(wanted.out)}
    facts["created"] = _create(wanted.out, wanted.name)
    return facts


def _create(out: Path, name: str) -> str:
    if not shutil.which("ollama"):
        return "ollama is not installed here; the README has the command"
    done = subprocess.run(["ollama", "create", name, "-f", "Modelfile"], cwd=out, capture_output=True, text=True)
    return f"created {name}" if done.returncode == 0 else f"`ollama create` failed: {done.stderr.strip()[-300:]}"


def export_adapter(wanted: Wanted) -> None:
    """The adapter alone with tokenizer, chat template and card. Raises SetupError for a full fine-tuning, which has
    none."""
    subject, adapter = wanted.subject, adapter_of(wanted.subject)
    with whole_folder(wanted.out, force=wanted.force, keep=(adapter, subject.base, subject.run)) as part:
        own = [adapter / name for name in ADAPTER_FILES]
        for file in [*own, *(Path(subject.base, name) for name in (*TOKENIZER_FILES, *TOKENIZER_PARTS))]:
            if file.exists():
                shutil.copy2(file, part / file.name)
        config = json.loads((part / "adapter_config.json").read_text(encoding="utf-8"))
        # PEFT wrote the folder of this machine.
        config["base_model_name_or_path"] = subject.name or subject.base
        write_json(part / "adapter_config.json", config)
        _describe(part, wanted, {})


def adapter_of(subject: TunedModel) -> Path:
    """The adapter of a subject. Raises SetupError where it is a full model, or the adapter is not whole."""
    if subject.adapter is None:
        where = subject.run or subject.base
        raise SetupError(f"{where}: a full model, there is no adapter; use `swiftagent export merge`")
    require_adapter(subject.adapter)
    return subject.adapter


def vllm_commands(folder: str, subject: TunedModel, agent_template: str | None, template: str) -> dict[str, str]:
    """Serve a merged model: with native calls by vLLM's own parser, with ReAct text by `swiftagent serve` above
    vLLM."""
    words = ["vllm", "serve", folder, "--max-model-len", str(subject.max_length), "--enable-prefix-caching"]
    chat_template = Path(folder) / "chat_template.jinja"
    if chat_template.is_file():
        words += ["--chat-template", str(chat_template)]
    # vLLM has no parser of ReAct text.
    if subject.react:
        kind = subject.settings.get("model_type")
        serve = shlex.split("swiftagent serve --port 8001 --engine openai --base-url http://localhost:8000/v1")
        serve += ["--model", folder, "--template", template, *(["--model-type", str(kind)] if kind else [])]
        return {"engine": shlex.join(words), "openai_server": shlex.join(serve)}
    parser = PARSERS.get(agent_template or "")
    if parser is None:
        why = f"vLLM has no parser for calls of the agent template {agent_template}; use `swiftagent serve --native`"
        return {"engine": shlex.join(words), "tool_calls": why}
    return {"engine": shlex.join([*words, "--enable-auto-tool-choice", "--tool-call-parser", parser])}


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
    return _shown(subject.name or subject.base)


def _sources(subject: TunedModel) -> list[tuple[str, Any, Any]]:
    """(names, revision, rows taken) of each source of the training data, without folders of this machine."""
    found = read_object(Path(subject.data).with_suffix(".manifest.json")).get("sources") if subject.data else None
    sources = [source for source in found or () if isinstance(source, dict)]
    names = [", ".join(map(_shown, str(source.get("source") or "?").split(", "))) for source in sources]
    return [(name, each.get("revision"), each.get("taken")) for name, each in zip(names, sources, strict=True)]


def _shown(name: str) -> str:
    return Path(name).name if Path(name).is_absolute() or Path(name).is_dir() else name


def _scores(metrics: Any) -> dict[str, dict[str, Any]]:
    """The metrics that were measured on at least one row."""
    wanted = {"value", "n", "low", "high"}
    found = metrics.items() if isinstance(metrics, dict) else ()
    whole = ((name, m) for name, m in found if isinstance(m, dict) and wanted <= m.keys())
    return {name: m for name, m in whole if m["n"] and m["value"] is not None}
