"""Export a tuned model so that it still calls tools where it lands.

swiftagent export merge runs/NAME -o model            adapter merged into its base, proved, with a template for ReAct
swiftagent export gguf model -o model.gguf            through llama.cpp's own converter, compared with the model
swiftagent export ollama runs/NAME -o folder          Modelfile with tools and stop words, README, the model
swiftagent export vllm model                          the commands that serve it in vLLM
swiftagent export grammar runs/NAME --tools F -o folder   strict calls in vLLM, SGLang and llama.cpp
swiftagent export adapter runs/NAME -o folder         the adapter alone, ready to upload
swiftagent export push folder OWNER/NAME --hub hf     to ModelScope or Hugging Face
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from swiftagent import console
from swiftagent.commands.options import Add, print_json
from swiftagent.errors import refuse
from swiftagent.io.words import plainly


def add_arguments(add: Add) -> None:
    add("target TARGET", f"one of {', '.join(TARGETS)}", choices=tuple(TARGETS))
    add("subject RUN", "run name or folder, or a model folder; the newest run if left out", nargs="?")
    add("repository OWNER/NAME", "push: where to", nargs="?")
    add("-o --output OUT", "folder or file to write", type=Path)
    add("--model MODEL", "a model folder instead of a run; with a run or an adapter, its base is in this folder")
    add("--adapter ADAPTER", "adapter folder, instead of a run")
    add("--checkpoint WHICH", "best (default), last or a step number", default="best")
    add("--template TEMPLATE", "ms-swift's template, where neither run nor model tells it")
    add("--model-type MODEL_TYPE", "ms-swift's model type, where neither run nor model tells it")
    add("--dtype", "merge: float32, float16 or bfloat16; the base's own by default", default="auto")
    add("--max-shard-size SIZE", "merge: largest file (default 5GB)", default="5GB")
    add("--quantize TYPE", "gguf, ollama: f16 (default for gguf), q8_0, q4_K_M, ...")
    add("--llama-cpp DIR", "a llama.cpp checkout; else its converter comes from PyPI", type=Path)
    add("--tools WHAT", "grammar: the tools, as of `infer`; repeatable", action="append", default=[])
    add("--name", "ollama: the model's name there", default="")
    add("--license", "the licence named in the model card", default="")
    add("--hub", "push: which hub", choices=("modelscope", "hf"), default="modelscope")
    add("--private", "push: make the repository private")
    add("--token TOKEN", "push: access token; else the hub client's own login")
    add("--dry-run", "push: say what would be uploaded, and send nothing")
    add("--force", "replace an output that is there")
    add("--allow-differences", "export although a prompt would not equal training's")
    add("--json", "print the result as one JSON object")


def run(args: argparse.Namespace) -> None:
    target, to = args.target, args.repository
    nowhere, more = target not in ("vllm", "push") and args.output is None, to and target != "push"
    refuse({f"export {target}: say where to write with -o": nowhere})
    refuse({f"export {target}: {to} is one word too many; only push takes a repository": more})
    _check_words(args)
    refuse({"export grammar: name the tools with --tools": target == "grammar" and not args.tools})
    # A scheduler's SIGTERM leaves nothing half-written either.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    # deepspeed and the hubs' clients print on stdout
    with contextlib.redirect_stdout(sys.stderr), console.progress(f"export {target}"):
        try:
            facts = TARGETS[target](args)
        finally:
            signal.signal(signal.SIGTERM, before)
    if args.json:
        return print_json(facts)
    rows = [(name, plainly(fact)) for name, fact in facts.items()]
    return console.table(f"export {target}", ["fact", "value"], rows)


def _check_words(args: argparse.Namespace) -> None:
    """Problems of the words alone, reported before the seconds that templates and weights take."""
    from swiftagent.export.folder import require_free
    from swiftagent.export.gguf import require_known
    from swiftagent.export.merge import require_words

    require_words(args.dtype, args.max_shard_size)
    if args.quantize:
        require_known(args.quantize)
    if args.output is not None:
        require_free(args.output.absolute(), args.force)


def _given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(args, name) for name in names}


def _wanted(args: argparse.Namespace, out: Path | None = None, **more: Any) -> Any:
    """What is exported, to the output or to `out`."""
    from swiftagent.export.targets import Wanted

    return Wanted(*_prepared(args), out=out or args.output, license=args.license, **more)


def _merge(args: argparse.Namespace) -> dict[str, Any]:
    from swiftagent.export.targets import export_merged

    wanted = _wanted(args, force=args.force)
    merged = export_merged(wanted, **_given(args, "dtype", "max_shard_size"))
    return {**msgspec.to_builtins(merged), "folder": str(args.output), "prompts": _prompts(wanted.prepared)}


def _gguf(args: argparse.Namespace) -> dict[str, Any]:
    from swiftagent.export.folder import scratch_beside
    from swiftagent.export.targets import export_gguf, export_merged

    subject = _subject(args)
    quantize = args.quantize or "f16"
    given = {**_given(args, "llama_cpp", "force"), "quantize": quantize, "data": subject.data}
    if subject.adapter is None and subject.run is None:
        compared = export_gguf(Path(subject.base), args.output, **given)
    else:
        with scratch_beside(args.output, force=args.force) as scratch:
            export_merged(_wanted(args, scratch / "model", name=args.output.stem))
            compared = export_gguf(scratch / "model", args.output, **given)
    facts = {"file": str(args.output), "quantize": quantize, "bytes": args.output.stat().st_size}
    if compared is None:
        return {**facts, "compared": "no: llama-cpp-python is not installed (pip install llama-cpp-python)"}
    return {**facts, **msgspec.to_builtins(compared)}


def _ollama(args: argparse.Namespace) -> dict[str, Any]:
    from swiftagent.export.targets import export_ollama

    name = args.name or re.sub(r"[^\w.-]+", "-", args.output.absolute().name, flags=re.ASCII).strip("-.") or "model"
    is_name = re.fullmatch(r"[\w.:/-]+", name, flags=re.ASCII)
    refuse({f"--name {name}: a model's name in Ollama holds letters, digits and - _ . : / only": not is_name})
    wanted = _wanted(args, name=name, **_given(args, "quantize", "llama_cpp", "force"))
    return {"folder": str(args.output), "name": name, **export_ollama(wanted), "prompts": _prompts(wanted.prepared)}


def _vllm(args: argparse.Namespace) -> dict[str, Any]:
    from swiftagent.export.targets import vllm_commands

    subject, prepared = _prepared(args)
    folder, first = subject.base, {}
    if subject.adapter is not None or subject.run is not None:
        folder = f"{subject.run.name if subject.run else subject.adapter.name}-merged"
        first = {"merge": shlex.join(["swiftagent", "export", "merge", str(args.subject or subject.run), "-o", folder])}
    commands = vllm_commands(folder, subject, prepared.agent_template, prepared.template)
    return {**first, **commands, "prompts": _prompts(prepared)}


def _grammar(args: argparse.Namespace) -> dict[str, Any]:
    from swiftagent.export.folder import whole_folder
    from swiftagent.export.grammars import frame_of, write_grammars
    from swiftagent.tools.toolbox import open_toolbox

    subject = _subject(args)
    frame = frame_of(subject.react, "" if subject.react else _prepared(args)[1].agent_template)
    with open_toolbox(args.tools) as tools, whole_folder(args.output, force=args.force) as part:
        files = write_grammars(tools.specs, frame, part)
    return {"folder": str(args.output), "tools": len(tools.specs), **files}


def _adapter(args: argparse.Namespace) -> dict[str, Any]:
    from swiftagent.export.targets import adapter_of, export_adapter

    adapter_of(_subject(args))  # before the seconds that the templates take
    wanted = _wanted(args, force=args.force)
    export_adapter(wanted)
    return {"folder": str(args.output), "prompts": _prompts(wanted.prepared)}


def _push(args: argparse.Namespace) -> dict[str, Any]:
    from swiftagent.export.push import push

    which = "export push: name the folder and the repository: swiftagent export push FOLDER OWNER/NAME"
    refuse({which: not args.subject or not args.repository})
    given = _given(args, "private", "token", "dry_run")
    uploaded: dict[str, Any] = msgspec.to_builtins(push(Path(args.subject), args.repository, args.hub, **given))
    return uploaded


def _subject(args: argparse.Namespace) -> Any:
    from swiftagent.export.subject import subject_of

    return subject_of(args.subject, args.model, args.adapter, args.checkpoint, args.template, args.model_type)


def _prepared(args: argparse.Namespace) -> tuple[Any, Any]:
    """What is exported, and its templates, compared with what it was trained on."""
    with console.progress("comparing the prompts"):
        from swiftagent.export.prepare import prepare

        subject = _subject(args)
        prepared = prepare(subject, args.allow_differences)
    if subject.run and not any(one.conversations for one in prepared.compared):
        counts = [each for one in prepared.compared[:1] for each in one.left_out.items()]
        left_out = ", ".join(f"{count} with {reason}" for reason, count in counts)
        console.warn(f"no prompt was compared with training's: {left_out or 'its data is gone, or has no tool calls'}")
    return subject, prepared


def _prompts(prepared: Any) -> list[dict[str, Any]]:
    return [
        {"target": one.target, "equal": one.conversations - len(one.differences), "of": one.conversations}
        | {"left_out": one.left_out}
        for one in prepared.compared
    ]


TARGETS = {"merge": _merge, "gguf": _gguf, "ollama": _ollama, "vllm": _vllm, "grammar": _grammar}
TARGETS |= {"adapter": _adapter, "push": _push}
