"""The pages: the values of an address to what its template shows and to the command line that it stands for."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from swiftagent.errors import ConfigError, SwiftAgentError, refuse
from swiftagent.evaluate.report import comparison, gate_lines
from swiftagent.io.jsonl import first_values
from swiftagent.masks.pieces import KINDS
from swiftagent.models.files import read_object
from swiftagent.models.identity import is_hub_id
from swiftagent.train.cards import describe_recipes
from swiftagent.train.config import load
from swiftagent.train.runs import Run, all_runs, find_run
from swiftagent.ui import forms, views
from swiftagent.ui.chats import Chat
from swiftagent.ui.forms import Field, Values
from swiftagent.ui.jobs import Jobs

NAMES = ("data", "mix", "train", "run", "try", "judge", "ship")
_CHANNELS = ("agent", "general", "self_cognition")
_CARDS = ("24GB", "48GB", "80GB", "8x80GB")  # that `doctor` is asked about beside this machine


Parsers = Callable[[str], ArgumentParser]


class Page(msgspec.Struct, frozen=True):
    """What a page shows. words: the command that its button starts; result_at: the address of what comes of it."""

    values: dict[str, Any]
    words: list[str] = []
    result_at: str = ""


class Pages:
    """The pages of one working folder. parser_of: the parser of a command, whose options become fields."""

    def __init__(self, root: Path, parser_of: Parsers) -> None:
        self.root = root
        self.jobs = Jobs(root / ".swiftagent-ui" / "jobs")
        self.chats: dict[str, Chat] = {}  # by their ids
        self.answers = views.Answers(root)
        self._parser_of = parser_of

    def open_chat(self, words: list[str]) -> Chat:
        """Start a model in a process of its own, which ends with this server."""
        chat = Chat(words, self.root / ".swiftagent-ui")
        self.chats[chat.id] = chat
        return chat

    def page(self, name: str, asked: Values) -> Page:
        """One page by its name in NAMES. Raises SwiftAgentError."""
        refuse({f"/{name}: no such page": name not in NAMES})
        pages = (self._data, self._mix, self._train, self._run, self._try, self._judge, self._ship)
        return pages[NAMES.index(name)](asked)

    def _data(self, asked: Values) -> Page:
        name = asked.get("file", "")
        values: dict[str, Any] = {"files": views.data_files(self.root), "file": name, "window": None, "kinds": KINDS}
        if not name:
            return Page(values)
        tool = asked.get("tool", "")
        values |= {"tool": tool, "rejected": [], "ledger": {}, "stats": {}, "facts": {}}
        if is_hub_id(name):
            out = f"uploads/{re.sub('[^a-zA-Z0-9.-]+', '-', name)}.react.jsonl"
            return Page(values, ["convert", name, "-o", out], _address("data", file=out))
        path = views.readable(self.root, name)
        # What `convert` or `mix` wrote beside it: the first rows that were rejected, and the ledger.
        values["rejected"] = first_values(path.with_name(f"{path.stem}.rejects.jsonl"), 50)
        values["ledger"] = read_object(path.with_name(f"{path.stem}.report.json"))
        try:
            values["window"] = views.masked_rows(path, int(asked.get("at") or 0), tool)
        except ConfigError:
            # Rows of another program: what they are, and the command that reads them.
            values["facts"] = self.answers.about(path, ["formats", "--of", str(path)])
        else:
            values["stats"] = self.answers.about(path, ["stats", str(path)])
            return Page(values, ["inspect", name, *([f"--tool={tool}"] if tool else [])])
        out = f"uploads/{path.name.split('.')[0]}.react.jsonl"
        return Page(values, ["convert", name, "-o", out], _address("data", file=out))

    def _mix(self, asked: Values) -> Page:
        fields = self._fields("mix", asked)
        sources = {name: (asked.get(name, ""), asked.get(f"{name}_source", "")) for name in _CHANNELS}
        shares = views.mix_shares(sources, self.answers)
        first = [name for channel in _CHANNELS for name in (channel, f"{channel}_source")] + ["name", "author", "out"]
        values: dict[str, Any] = {"files": views.data_files(self.root), "shares": shares}
        values |= {"first": [fields.pop(name) for name in first], "rest": list(fields.values())}
        counts = ("rows", "tokens", "trained_tokens")
        values["totals"] = {key: sum(each[key] for each in shares.values()) for key in counts}
        out = asked.get("out") or "datasets/mix.jsonl"
        return Page(values, ["mix", *self._words("mix", asked)], _address("data", file=out))

    def _train(self, asked: Values) -> Page:
        name = asked.get("recipe") or "qwen7b_agent"
        values: dict[str, Any] = {"recipe": name, "recipes": describe_recipes(), "more": asked.get("more", "")}
        values |= {"error": "", "doctor": {}, "cards": {}, "fields": []}
        try:
            recipe = load(name)
        except SwiftAgentError as error:
            return Page(values | {"error": str(error)})
        words = forms.train_words(name, recipe, asked)
        values["fields"] = forms.train_fields(recipe, asked)
        if asked.get("check"):
            cards = [f"--gpu={card}" for card in _CARDS]
            values["doctor"], values["cards"] = self.answers.now(["doctor", *words], ["doctor", *words, *cards])
        return Page(values, ["sft", *words], _address("run", name="newest"))

    def _run(self, asked: Values) -> Page:
        runs = all_runs(self.root / "runs")
        name = asked.get("name", "")
        if not name or not runs:
            return Page({"runs": [views.run_view(run) for run in runs], "view": None}, ["runs"])
        view = views.run_view(runs[0] if name == "newest" else find_run(name, self.root / "runs"))
        name = view.run.name
        return Page({"runs": [], "view": view}, ["sft", f"--resume={name}"], _address("run", name=name))

    def _try(self, asked: Values) -> Page:
        fields = self._fields("infer", asked)
        chat = self.chats.get(asked.get("chat", ""))
        shown = ("run", "model", "tools", "mock", "system", "compare", "confirm")
        values = {"runs": [run.name for run in self._trained()], "fields": [fields[key] for key in shown], "chat": chat}
        return Page(values, chat.argv[:-1] if chat else ["infer", *self._words("infer", asked)])

    def _judge(self, asked: Values) -> Page:
        found = {run.name: read_object(run.folder / "eval/metrics.json") for run in self._trained()}
        name = asked.get("run") or next(iter(found), "")
        report = f"runs/{name}/eval/report.html"
        fields = self._fields("eval", asked)
        shown = ("data", "n", "checkpoint", "against", "no_base", "no_free", "gate")
        judged = {each: summary for each, summary in found.items() if summary}
        trained_on = judged[name]["about"].get("trained on") if name in judged else None
        values: dict[str, Any] = {"runs": list(found), "name": name, "fields": [fields[key] for key in shown]}
        values["gate"] = gate_lines(judged[name]) if name in judged else []
        values["compared"] = comparison(judged) if len(judged) > 1 else None
        values["report"] = report if (self.root / report).is_file() else ""
        # Where several files were trained on, the first is the mix.
        values["trained_on"] = (trained_on or [""])[0]
        return Page(values, ["eval", *self._words("eval", {**asked, "run": name})], _address("judge", run=name))

    def _ship(self, asked: Values) -> Page:
        runs, targets = [run.name for run in self._trained()], forms.choices_of(self._parser_of("export"), "target")
        target, subject = asked.get("target") or targets[0], asked.get("run") or (runs[0] if runs else "")
        to = asked.get("repository", "") if target == "push" else ""
        shown = ("output", "checkpoint", "quantize", "tools", "name", "hub", "private", "force")
        fields = self._fields("export", asked)
        fields = {key: fields[key] for key in shown if forms.concerns(fields[key], target, targets)}
        values: dict[str, Any] = {"runs": runs, "target": target, "targets": targets, "name": subject}
        values |= {"repository": to, "fields": list(fields.values())}
        # What was filled in for another target is no part of this one's command.
        own = {key: value for key, value in asked.items() if key in fields}
        places = [word for word in (target, subject, to) if word]
        return Page(values, ["export", *places, *self._words("export", own)])

    def _trained(self) -> list[Run]:
        return [run for run in all_runs(self.root / "runs") if run.checkpoint_last]

    def _fields(self, command: str, asked: Values) -> dict[str, Field]:
        return {field.name: field for field in forms.command_fields(self._parser_of(command), asked)}

    def _words(self, command: str, asked: Values) -> list[str]:
        return forms.command_words(self._parser_of(command), asked)


def _address(page: str, **values: str) -> str:
    return f"/{page}?{urlencode(values)}"
