"""Pull agent and general data, convert, sample and mix them into one training file, a validation split and a manifest.

swiftagent mix --agent 30000 --general 60000
swiftagent mix --agent 30000 --general 60000 --self-cognition 3000 --name 小鲸 "Little Whale" --author 某某 Somebody
swiftagent mix --agent 5000 --agent-source my_traces.jsonl --general 10000 --general-source hf::owner/name
swiftagent mix recipe.yaml -o datasets/mine.jsonl
swiftagent mix --manifest datasets/mix.manifest.json     the same bytes once more
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from swiftagent import console
from swiftagent.commands.options import Add, add_output_arguments, count, open_workers, print_json, share_of
from swiftagent.errors import ConfigError, SetupError, at, refuse
from swiftagent.io.outputs import Outputs, beside, outputs
from swiftagent.io.shipped import find
from swiftagent.io.storage import upload
from swiftagent.io.workers import Workers
from swiftagent.mix.recipe import AGENT, GENERAL, SELF_COGNITION, Recipe, Source, checked, from_manifest, from_yaml
from swiftagent.models.files import own_tokens
from swiftagent.models.identity import is_hub_id, local_folder
from swiftagent.trajectory.escape import add_control_tokens
from swiftagent.trajectory.prompts import STYLES

if TYPE_CHECKING:
    from swiftagent.mix.rewrite import Rewriting

DEFAULT_OUT = "datasets/mix.jsonl"
ANSWER_TOKENS = 512  # of a chat answer that is written anew
AUGMENT = "vary names, order and descriptions of tools and the prompt style, each in half of the rows"


def add_arguments(add: Add) -> None:
    add("recipe", "a recipe file (configs/mix_ms_agent.yaml is one); options below override it", nargs="?")
    add("--agent N", "rows of tool-calling data, or a share such as 40%% of --total", type=_amount)
    add("--general N", "rows of general chat, or a share", type=_amount)
    add("--self-cognition N", "rows in which the model says its name, repeated as often as needed", type=count)
    add("--name NAME", "what the model is called: a name, or a Chinese and an English one", nargs="+", default=[])
    add("--author AUTHOR", "who made it: a name, or a Chinese and an English one", nargs="+", default=[])
    add("--agent-source SOURCE", f"hub id, hf::id, files or folders (default {AGENT})", nargs="+")
    add("--general-source SOURCE", f"the same for general chat (default {GENERAL})", nargs="+")
    add("--self-cognition-source SOURCE", f"the same for self-cognition (default {SELF_COGNITION})", nargs="+")
    add("--model M", "count tokens exactly, with the tokenizer and template of this model (folder or hub id)")
    units = ("rows", "tokens", "trained-tokens")
    add("--by", "what shares are shares of (default rows; tokens need --model)", choices=units)
    add("--total N", "rows or tokens that shares are shares of", type=count)
    add("--seed", "of the sample and the order (default 42)", type=int)
    add("--val SHARE", "what goes to the validation split, as 1%% or 0.01 (default 1%%)", type=share_of)
    add("--keep-leaks", "keep ms_bench rows with another assistant's name or leaked role markers")
    add("--drop-leaks", "leave such rows out of any general source")
    add("--prompt", "how tools are written in the system prompt (default auto)", choices=STYLES)
    add("--language", "of the system prompt (default auto: that of the question)", choices=("auto", "en", "zh"))
    twins = ("keep", "exact", "near")
    add("--duplicates", "exact: rows that say the same are taken once; near: MinHash too", choices=twins)
    add("--decontaminate FILE", "leave out rows that overlap these evaluation sets", nargs="+")
    add("--max-per-tool N", "at most N rows that call one tool", type=count)
    add("--no-call SHARE", "so many rows more that teach restraint, made from rows with calls", type=share_of)
    add("--augment WAY", AUGMENT, nargs="+", choices=("names", "order", "descriptions", "prompt"))
    add("--rewrite-general", "chat answers written by --model itself, so that training on them keeps what it knew",
        action="store_true", default=None)  # fmt: skip
    add("--base-url URL", "a server that answers for --model, with OpenAI's interface (key: OPENAI_API_KEY)")
    add("--max-rejects SHARE", "more faulty rows than this end in exit code 3 (default 1%%)", type=share_of)
    add("--manifest FILE", "make the mix of this manifest again, byte by byte")
    add("-o --out FILE", f"default {DEFAULT_OUT}; val, manifest, report lie beside it", default=DEFAULT_OUT)
    add_output_arguments(add)
    add("--dry-run", "show the recipe that would be run; nothing is fetched or written")
    add("--json", "print the manifest as one JSON object")
    add("-q --quiet", "no table, no news")


def run(args: argparse.Namespace) -> None:
    repeated: dict[str, Any] | None = None
    if args.manifest:
        _refuse_changes(args)
        recipe, repeated = from_manifest(args.manifest)
    else:
        recipe = checked(_recipe(args))
    if args.dry_run:
        print(json.dumps(msgspec.to_builtins(recipe), ensure_ascii=False, indent=None if args.json else 2))
        return
    out = outputs(Path(args.out), args.report, args.rejects, args.shards, args.shard_format)
    manifest = _mix(args, recipe, repeated, out)
    if args.upload:  # the manifest last: where it stands, all of it stands
        upload([*out.rows(), out.val, out.report, out.rejects, out.manifest], args.upload)
    _warn_of_shortage(manifest)
    if not args.quiet:
        show(manifest, str(out.path))
    if args.json:
        print_json(manifest)


def _refuse_changes(args: argparse.Namespace) -> None:
    """A manifest is run again as it is. Raises ConfigError where options would have it otherwise."""
    asked = {"recipe", "agent", "general", "self_cognition", "keep_leaks", "drop_leaks", *Recipe.__struct_fields__}
    given = [name for name, value in vars(args).items() if name in asked and value is not None and value is not False]
    named = ", ".join("the recipe" if name == "recipe" else f"--{name.replace('_', '-')}" for name in given)
    refuse({f"--manifest makes the same mix once more and takes no other word of it: leave out {named}": given})


def _mix(args: argparse.Namespace, recipe: Recipe, repeated: dict[str, Any] | None, out: Outputs) -> dict[str, Any]:
    rewrites = recipe.rewrite_general
    both = "--base-url is where --rewrite-general has answers written: give both or none"
    lines = "--rewrite-general writes JSON lines: leave --shard-format parquet out"
    refuse({both: args.base_url and not rewrites, lines: rewrites and args.shard_format == "parquet"})
    model = str(find(recipe.model)) if recipe.model else ""
    folder = local_folder(model) if model else None
    if folder:  # before workers are forked, which escape the tokens of the model's own tokenizer too
        add_control_tokens(own_tokens(folder))
    # A server's name for its model brings no tokenizer, and only shares of tokens need one.
    is_counted = model and (folder or recipe.by != "rows" or not args.base_url)
    with open_workers(args) as workers:  # forked before numpy starts its threads
        from swiftagent.mix.mixing import mix
        from swiftagent.mix.plan import MixRun

        say = (lambda line: None) if args.quiet else console.say
        with console.progress("starting", quiet=args.quiet) as stage:
            recipe, fetched = _fetch(recipe, say)
            recipe = _cleaned(recipe, out, workers, say)
            counter = _counter(model) if is_counted else None
            rewriting = _rewriting(recipe.model, args.base_url) if rewrites else None
            return mix(MixRun(recipe, out, workers, stage.update, counter, rewriting), fetched, repeated)


def _rewriting(model: str, base_url: str | None) -> Rewriting:
    """The model as a writer of chat answers; it is loaded when the first is asked for, which may be never."""
    from swiftagent.agent.drive import RequestRefused
    from swiftagent.agent.loop import Generate
    from swiftagent.backend.engine import load_engine, resolve
    from swiftagent.backend.loading import Loading, Server
    from swiftagent.evaluate.jobs import BATCH, CachedEngine, finish_all
    from swiftagent.evaluate.target import Model
    from swiftagent.mix.rewrite import Prompt, Rewriting

    server = Server(base_url, os.environ.get("OPENAI_API_KEY", "")) if base_url else None
    folder = str(find(model))
    loading = Loading(model) if server else resolve(folder, None)
    engine = cache(lambda: CachedEngine(load_engine(model if server else folder, server=server)))

    def job(key: str, prompt: Prompt) -> Any:
        try:
            written = yield Generate(prompt, "", ANSWER_TOKENS, math.inf)
        except RequestRefused:  # one that is too long for a server is no reason to lose the others
            return key, ""
        return key, written.text.strip() if written.ended_by == "end" else ""

    def write(asked: Sequence[tuple[str, Prompt]]) -> Any:
        return finish_all([partial(job, *each) for each in asked], engine(), BATCH) if asked else ()

    return Rewriting(model, f"{Model(folder, loading).mark} {loading} {base_url} {ANSWER_TOKENS}", write)


def _counter(model: str) -> Any:
    from swiftagent.backend.token_counts import TokenCounts

    return TokenCounts(model).of_lines


def _recipe(args: argparse.Namespace) -> Recipe:
    """The recipe file, if any, with what the options say. Raises ConfigError."""
    base = from_yaml(args.recipe) if args.recipe else Recipe(sources=())
    sources = [*base.sources, *_sources(args)]
    what = "say what to mix: --agent N, --general N, --self-cognition N, a recipe file, or --manifest FILE"
    refuse({what: not sources})
    replace = msgspec.structs.replace
    if args.keep_leaks:
        sources = [replace(source, leave_out=()) for source in sources]
    if args.drop_leaks:
        leaks: dict[str, tuple[Any, ...]] = {"general": ("other-assistant",)}
        sources = [replace(source, leave_out=leaks.get(source.channel, source.leave_out)) for source in sources]
    given = {name: value for name, value in vars(args).items() if value is not None}
    return replace(base, **{"sources": tuple(sources), **{n: given[n] for n in Recipe.__struct_fields__ if n in given}})


def _sources(args: argparse.Namespace) -> list[Source]:
    """What the options name. Raises ConfigError with everything that is missing."""
    problems: dict[str, Any] = {}
    found = []
    for channel, default in (("agent", AGENT), ("general", GENERAL), ("self-cognition", SELF_COGNITION)):
        amount, names = (getattr(args, f"{channel}{more}".replace("-", "_")) for more in ("", "_source"))
        problems[f"--{channel}-source needs --{channel} N, the number of rows"] = names and amount is None
        if not amount:
            continue
        about: dict[str, Any] = {"share" if isinstance(amount, float) else "count": amount}
        if channel == "general" and any("ms_bench" in name for name in names or [default]):
            about["leave_out"] = ("other-assistant",)
        if channel == "self-cognition":
            about |= {"name": tuple(args.name), "author": tuple(args.author), "repeat": amount}
            about["fallback"] = "" if names else "datasets/self_cognition.jsonl"
        found.append(Source(tuple(names or [default]), channel, **about))
    named = args.name and args.author
    refuse(problems | {"--self-cognition needs --name NAME and --author AUTHOR": args.self_cognition and not named})
    return found


def _fetch(recipe: Recipe, say: Any) -> tuple[Recipe, dict[str, Any]]:
    """Every hub dataset of the recipe as local files; a source that cannot be reached gives way to its fallback."""
    found: dict[str, Any] = {}
    sources = []
    for source in recipe.sources:
        for text in source.source:
            if not is_hub_id(text) or text in found:
                continue
            from swiftagent.backend import hub

            try:
                found[text] = hub.fetch(text, source.revision, say)
            except SetupError as error:
                if not source.fallback or not find(source.fallback).exists():
                    raise
                say(f"warning: {error}")
                say(f"warning: {source.fallback} stands in for {text}")
                source = msgspec.structs.replace(source, source=(source.fallback,), fallback="")
                continue
        sources.append(source)
    return msgspec.structs.replace(recipe, sources=tuple(sources)), found


def _cleaned(recipe: Recipe, out: Outputs, workers: Workers, say: Any) -> Recipe:
    """The recipe with every source that asks for it cleaned to a file beside the mix, with its report and decisions."""
    sources = list(recipe.sources)
    for number, source in enumerate(sources):
        if source.clean is False:
            continue
        from swiftagent.clean.cleaner import Cleaning, with_cleaning
        from swiftagent.commands.convert import local_inputs
        from swiftagent.convert.files import convert_files
        from swiftagent.convert.rows import Job
        from swiftagent.trajectory.wellformed import Policy

        place = f"{', '.join(source.source)}: clean"
        try:
            cleaning = msgspec.convert({} if source.clean is True else source.clean, Cleaning)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{place}: {error}; its keys are {', '.join(Cleaning.__struct_fields__)}") from None
        inputs = local_inputs([str(find(word)) if find(word).exists() else word for word in source.source])
        job = Job(inputs, beside(out.path, f".clean-{number}.jsonl"), Policy(source.format), max_rejects=1.0)
        with at(place):
            report = convert_files(with_cleaning(job, cleaning, workers), workers=workers, say=say)
        say(
            f"{job.output}: {report['rows_out']:,} of {report['rows_in']:,} rows clean; {job.places.decisions} says why"
        )
        sources[number] = msgspec.structs.replace(source, source=(str(job.output),), format="auto", clean=False)
    return msgspec.structs.replace(recipe, sources=tuple(sources))


def show(manifest: dict[str, Any], out: str) -> None:
    """The table at the end: rows, tokens and trained tokens of every channel with their shares."""
    about = "" if manifest["tokens_are"].startswith("exact") else "~"
    channels = manifest["channels"]
    sized = ("rows", "tokens", "trained_tokens")
    sums = {name: sum(counts[name] for counts in channels.values()) or 1 for name in sized}
    lines = [
        [channel, counts["rows"], f"{counts['rows'] / sums['rows']:.0%}", f"{counts['characters']:,}"]
        + [f"{about}{counts[name]:,} ({counts[name] / sums[name]:.0%})" for name in sized[1:]]
        for channel, counts in channels.items()
    ]
    console.table("", ["channel", "rows", "share", "characters", "tokens", "trained tokens"], lines)
    for name, left in {source["source"]: source["rejected"] for source in manifest["sources"]}.items():
        if left:
            console.say(f"{name}: {left:,} rows rejected or left out; the report beside the mix says why")
    rows = manifest["rows"]
    console.say(f"{out}: {rows['mix']:,} rows to train on, {rows['val']:,} for validation")


def _warn_of_shortage(manifest: dict[str, Any]) -> None:
    for source in manifest["sources"]:
        short = [{**source, "unit": "rows"}] if source["short"] else []
        budget = source.get("budget")
        short += [budget] if budget and budget["taken"] < 0.95 * budget["wanted"] else []
        for amount in short:
            fact = f"{amount['wanted']:,} {amount['unit'].replace('-', ' ')} asked for, only {amount['taken']:,} there"
            place = f"{source['source']} ({source['channel']})"
            console.warn(f"{place}: {fact}; all of them are taken")
    if not manifest["rows"]["mix"]:
        console.warn("no row is left to train on; the report beside the mix says why")


def _amount(text: str) -> int | float:
    """A number of rows, or with a percent sign a share."""
    return share_of(text) if text.endswith("%") else count(text)
