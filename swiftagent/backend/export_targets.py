"""The targets of `swiftagent export`: each writes a whole folder or file, or nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from swiftagent import __version__
from swiftagent.backend.export import Subject, model_card, require_same_prompts, stop_words, turns_of, vllm_command
from swiftagent.backend.export_check import Compared, check_chat_template, check_go_template, prompt_style, records_of
from swiftagent.backend.gguf import Comparison, can_compare, compare, require_equal, write_gguf
from swiftagent.backend.merge import Merged, merge, require_adapter, require_model, whole_folder
from swiftagent.backend.runs import Run, find_run, newest_run
from swiftagent.backend.trainer_template import Trainer, open_trainer
from swiftagent.errors import ConfigError, SetupError
from swiftagent.export_templates import GO_LIMITS, JINJA_LIMITS, go_template, jinja_template, modelfile
from swiftagent.jsonl import write_json
from swiftagent.shipped import find, shipped

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "additional_config.json")


def subject_of(run: str | None, model: str | None, adapter: str | None, checkpoint: str = "best") -> Subject:
    """What is meant: a run by name or folder (the newest where none is given), a plain model folder, or model and adapter."""
    if model is not None:
        return Subject(str(find(model)), Path(adapter) if adapter else None)
    if adapter is not None:
        return _subject_of_adapter(Path(adapter))
    if run is not None and (Path(run) / "config.json").is_file() and not (Path(run) / "run.json").is_file():
        return Subject(run)
    return _subject_of_run(find_run(run) if run is not None else newest_run(), checkpoint)


def _subject_of_adapter(adapter: Path) -> Subject:
    require_adapter(adapter)
    base = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8")).get("base_model_name_or_path")
    if not base:
        raise ConfigError(f"{adapter}: it does not name its base; give the base with --model")
    return Subject(str(find(str(base))), adapter)


def _subject_of_run(run: Run, checkpoint: str) -> Subject:
    if run.state != "done" and checkpoint == "best":
        raise SetupError(
            f"{run.folder} is {run.state}: finish it with `swiftagent sft --resume {run.name}`, "
            "or export what it has with --checkpoint last"
        )
    chosen = _checkpoint(run, checkpoint)
    config = run.config
    settings = {**(config.get("train") or {}), "model": run.model}
    data = [entry for entry in config.get("data") or [] if Path(entry).exists() or find(entry).exists()]
    is_adapter = (chosen / "adapter_config.json").exists()
    return Subject(
        base=str(find(run.model)) if is_adapter else str(chosen),
        adapter=chosen if is_adapter else None,
        run=run.folder,
        template=run.template,
        settings=settings,
        max_length=int(settings.get("max_length") or 2048),
        data=str(find(data[0])) if data else "",
    )


def _checkpoint(run: Run, which: str) -> Path:
    chosen = {"best": run.checkpoint_best, "last": run.checkpoint_last}.get(which)
    if which.isdigit():
        chosen = next((path for path in run.checkpoints if path.name == f"checkpoint-{which}"), None)
    if chosen is None:
        known = ", ".join(path.name for path in run.checkpoints) or "none"
        raise SetupError(f"{run.folder}: no complete checkpoint {which!r} (there is {known})")
    return chosen


class Prepared(msgspec.Struct):
    """The chat template that a target gets, and how its prompts compared."""

    chat_template: str | None
    go_template: str
    stops: list[str]
    react: bool
    compared: list[Compared]


def prepare(subject: Subject, allow_differences: bool = False) -> Prepared:
    """Write the templates and compare their prompts with training's. Raises CheckError where they differ."""
    model = str(require_model(subject.base))
    settings = {name: value for name, value in subject.settings.items() if name not in ("model", "template")}
    with open_trainer(model, subject.template, settings) as trainer:
        records = records_of(Path(subject.data)) if subject.data else []
        react = not subject.data or bool(records)
        turns = turns_of(trainer)
        style, language = prompt_style(records)
        chat = jinja_template(turns, style, language) if react else trainer.tokenizer.chat_template
        go = go_template(turns, style, language)
        compared = _compare(trainer, turns, chat, go, records, style, language)
        if not allow_differences:
            for one in compared:
                require_same_prompts(one.differences, one.target)
        return Prepared(chat if react else None, go, stop_words(trainer, react=react), react, compared)


def _compare(trainer: Trainer, turns: Any, chat: Any, go: str, records: list[Any], style: Any, language: str) -> list[Compared]:
    if not records:
        return []
    by_go = check_go_template(turns, go, records, style, language)
    return [check_chat_template(trainer, chat, records, language), *([by_go] if by_go else [])]


def export_merged(
    subject: Subject, prepared: Prepared, out: Path, *, dtype: str, max_shard_size: str, force: bool, license: str = ""
) -> Merged:
    """The merged model with tokenizer, chat template, generation config, model card and export.json."""

    def finish(part: Path, merged: Merged) -> None:
        if prepared.chat_template:
            (part / "chat_template.jinja").write_text(prepared.chat_template, encoding="utf-8")
        facts = {
            "name": out.name,
            "license": license,
            "merged logits differ by at most": f"{merged.max_difference:.3g} (scale {merged.logit_scale:.3g})"
            if subject.adapter
            else "",
            "context length in training": subject.max_length,
            "stop words": ", ".join(f"`{stop}`" for stop in prepared.stops),
        }
        (part / "README.md").write_text(model_card(subject, facts), encoding="utf-8")
        write_json(part / "export.json", provenance(subject, prepared, merged))

    return merge(subject.base, subject.adapter, out, dtype=dtype, max_shard_size=max_shard_size, force=force, finish=finish)


def provenance(subject: Subject, prepared: Prepared, merged: Merged | None) -> dict[str, Any]:
    """What an export was made of, and what was compared."""
    return {
        "swiftagent": __version__,
        "subject": msgspec.to_builtins(subject, enc_hook=str),
        "merged": msgspec.to_builtins(merged),
        "prompts": msgspec.to_builtins(prepared.compared),
        "limits": list(JINJA_LIMITS),
        "stop_words": prepared.stops,
    }


def export_gguf(
    folder: Path, out: Path, quantize: str, llama_cpp: Path | None, *, force: bool, data: str = ""
) -> Comparison | None:
    """A GGUF of a model folder, compared with it where llama.cpp can be loaded; None where it cannot."""
    part = out.with_name(f".{out.name}.part")
    if out.exists() and not force:
        raise SetupError(f"{out} is there already; name another file with -o, or give --force to replace it")
    try:
        write_gguf(folder, part, quantize, llama_cpp, force=True)
        comparison = None
        if can_compare():
            strings, prompts = probe_texts(data)
            rounded = {"f16": "float16", "bf16": "bfloat16"}.get(quantize.lower(), "")
            comparison = compare(folder, part, strings, prompts, rounded=rounded)
            require_equal(comparison, quantize)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return comparison


def probe_texts(data: str) -> tuple[list[str], list[str]]:
    """1,000 real strings and 20 prompts: from the run's data where known, else from the shipped rows."""
    texts: list[str] = []
    places = [Path(data)] if data and Path(data).is_file() else []
    for path in [*places, *sorted(shipped("datasets").glob("*.json*"))]:
        for line in path.read_text(encoding="utf-8").splitlines():
            texts.append(line.strip()[:600])
        if len(texts) >= 1000:
            break
    texts = [text for text in texts if text][:1000]
    return texts, texts[:: max(1, len(texts) // 20)][:20]


def export_ollama(
    subject: Subject, prepared: Prepared, out: Path, *, quantize: str, llama_cpp: Path | None, force: bool, name: str
) -> dict[str, Any]:
    """A complete folder for Ollama: the merged model or a GGUF, Modelfile, README; `ollama create` where it is installed."""
    facts: dict[str, Any] = {}
    with whole_folder(out, force=force) as part:
        model = part / "model"
        merged = export_merged(subject, prepared, model, dtype="auto", max_shard_size="5GB", force=True)
        source = "./model"
        if quantize:
            comparison = export_gguf(model, part / f"model.{quantize}.gguf", quantize, llama_cpp, force=True, data=subject.data)
            facts["gguf"] = msgspec.to_builtins(comparison)
            shutil.rmtree(model)
            source = f"./model.{quantize}.gguf"
        text = modelfile(source, prepared.go_template, stops=prepared.stops, context_length=subject.max_length)
        (part / "Modelfile").write_text(text, encoding="utf-8")
        (part / "README.md").write_text(_ollama_readme(name, prepared), encoding="utf-8")
        facts["merged"] = {**msgspec.to_builtins(merged), "folder": str(out)}
    facts["created"] = (
        _create(out, name) if shutil.which("ollama") else "ollama is not installed here; the README has the command"
    )
    return facts


def _create(out: Path, name: str) -> str:
    done = subprocess.run(["ollama", "create", name, "-f", "Modelfile"], cwd=out, capture_output=True, text=True)
    return f"created {name}" if done.returncode == 0 else f"`ollama create` failed: {done.stderr.strip()[-300:]}"


def _ollama_readme(name: str, prepared: Prepared) -> str:
    executed = next((one for one in prepared.compared if one.target.startswith("Modelfile")), None)
    proof = (
        f"The template was executed with Go's text/template on {executed.conversations} conversations of the training data and "
        "wrote the text of training, up to the points below."
        if executed
        else "The template was not executed here: there is no Go compiler. It is generated from the text of training."
    )
    limits = "".join(f"- {limit}\n" for limit in GO_LIMITS)
    return (
        f"# {name}\n\n    ollama create {name} -f Modelfile\n    ollama run {name}\n\n{proof}\n\n"
        "The model writes ReAct text. Ollama hands it on as content: a client reads `Action` and `Action Input`, sends the\n"
        "result as a `tool` message, and is done at `Final Answer`.\n\n"
        f"    swiftagent infer --react --engine openai --base-url http://localhost:11434/v1 --model {name}\n\n"
        "does so, and `swiftagent serve` gives standard `tool_calls`.\n\n## What Ollama cannot render as in training\n\n"
        f"{limits}"
    )


def export_adapter(subject: Subject, out: Path, *, force: bool, license: str = "") -> None:
    """The adapter alone with its tokenizer and card. Raises SetupError for a full fine-tuning, which has none."""
    if subject.adapter is None:
        raise SetupError(f"{subject.run or subject.base}: a full model, there is no adapter; use `swiftagent export merge`")
    require_adapter(subject.adapter)
    with whole_folder(out, force=force) as part:
        for name in ADAPTER_FILES:
            if (subject.adapter / name).exists():
                shutil.copy2(subject.adapter / name, part / name)
        config = json.loads((part / "adapter_config.json").read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = str(subject.settings.get("model") or subject.base)
        write_json(part / "adapter_config.json", config)
        (part / "README.md").write_text(model_card(subject, {"name": out.name, "license": license}), encoding="utf-8")


def serve_command(folder: str, subject: Subject, prepared: Prepared) -> dict[str, str]:
    """The commands that serve a merged model."""
    config = json.loads((require_model(folder) / "config.json").read_text(encoding="utf-8"))
    words = vllm_command(folder, subject, str(config.get("model_type", "")))
    if prepared.react:
        return {
            "engine": " ".join(words),
            "openai_server": f"swiftagent serve --port 8001 --engine openai --base-url http://localhost:8000/v1 --model {folder}",
        }
    return {"engine": " ".join(words)}
