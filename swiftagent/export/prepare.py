"""The templates of an export, written from ms-swift's own and compared with what the model was trained on."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec

from swiftagent.backend.template import Trainer, open_trainer
from swiftagent.errors import SetupError
from swiftagent.export.check import (
    Compared,
    chat_of,
    check_chat_template,
    check_go_template,
    ollama_text,
    prompt_style,
    react_cases,
    records_of,
)
from swiftagent.export.check_native import native_cases, native_chat, ollama_tool
from swiftagent.export.merge import require_model
from swiftagent.export.subject import TunedModel
from swiftagent.export.templates import (
    GO_LIMITS,
    HERMES_GO_LIMITS,
    JINJA_LIMITS,
    go_hermes,
    go_template,
    jinja_hermes,
    jinja_template,
)
from swiftagent.export.tokens import require_same_prompts, stop_words, turns_of
from swiftagent.io.jsonl import read_lines
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.record import Record, from_record
from swiftagent.trajectory.types import System

MARK = {"type": "function", "function": {"name": "MARK"}}


class Prepared(msgspec.Struct):
    """What a target needs to write the trained prompt, and how its prompts compared.

    chat_template: None where the base's own is kept. go_template: None where none could be written. system: the system
    prompt that most of the training data has, "" where none does. limits: what the templates cannot do.
    """

    chat_template: str | None
    go_template: str | None
    stops: list[str]
    template: str
    agent_template: str | None
    style: PromptStyle = "auto"
    language: str = "en"
    system: str = ""
    compared: list[Compared] = []
    limits: list[str] = []
    go_limits: list[str] = []


def prepare(subject: TunedModel, allow_differences: bool = False) -> Prepared:
    """Write the templates and compare their prompts with training's. Raises CheckError where they differ."""
    model = str(require_model(subject.base))
    # The subject has both: those of the training may be a folder that is gone.
    settings = {name: value for name, value in subject.settings.items() if name not in ("model", "template")}
    with open_trainer(model, subject.template, settings) as trainer:
        prepared = _of_react(subject, trainer) if subject.react else _of_native(subject, trainer)
    if not allow_differences:
        for one in prepared.compared:
            require_same_prompts(one.differences, one.target)
    return prepared


def _of_react(subject: TunedModel, trainer: Trainer) -> Prepared:
    records = records_of(Path(subject.data)) if subject.data else []
    stops = stop_words(trainer, react=True)
    try:
        turns = turns_of(trainer)
    # It can still be merged, and `swiftagent serve` writes its prompts itself.
    except SetupError as error:
        return Prepared(None, None, stops, trainer.template_name, None, limits=[str(error)])
    style, language = subject.prompt or prompt_style(records)
    chat = jinja_template(turns, style, language)
    go = go_template(turns, style, language)
    as_go = react_cases(records, style, language, for_go=True)
    by_go = check_go_template(go, as_go, lambda one: ollama_text(chat, one)) if records else None
    by_jinja = check_chat_template(trainer, chat, react_cases(records, style, language), chat_of) if records else None
    fixed = (
        f"the tool prompt is always {_LANGUAGES[language]}, the commoner one of the training data, "
        "whatever the question is in"
    )
    return Prepared(
        chat_template=chat,
        go_template=go,
        stops=stops,
        template=trainer.template_name,
        agent_template=None,
        style=style,
        language=language,
        system=_common_system(records),
        compared=[one for one in (by_jinja, by_go) if one],
        limits=[*JINJA_LIMITS, fixed],
        go_limits=[*JINJA_LIMITS, fixed, *GO_LIMITS],
    )


_LANGUAGES = {"en": "English", "zh": "Chinese (中文)"}


def _of_native(subject: TunedModel, trainer: Trainer) -> Prepared:
    """Hermes calls get templates of our own; of any other kind the base's chat template is kept, if it writes the
    same."""
    rows = _native_rows(Path(subject.data)) if subject.data else []
    agent = trainer.template._agent_template
    chat = go = None
    by_go = None
    if agent == "hermes":
        turns, before, after = turns_of(trainer), *_around_tools(trainer)
        chat, go = jinja_hermes(turns, before, after), go_hermes(turns, before, after)
        cases = native_cases(rows)
        by_go = check_go_template(go, cases, lambda one: ollama_text(str(chat), one, ollama_tool)) if rows else None
    template = chat or trainer.tokenizer.chat_template
    by_jinja = check_chat_template(trainer, template, native_cases(rows), native_chat) if rows else None
    stops = stop_words(trainer, react=False)
    limits = ["control tokens in a text are not escaped: a template cannot, `swiftagent serve` does"]
    compared = [one for one in (by_jinja, by_go) if one]
    return Prepared(
        chat, go, stops, trainer.template_name, agent, "ms-agent", "en", "", compared, limits, list(HERMES_GO_LIMITS)
    )


def _around_tools(trainer: Trainer) -> tuple[str, str]:
    """What ms-swift's agent template writes between the system text and the tools, and after them."""
    # Rendered with a mark in place of the tools, since ms-swift keeps the texts around them nowhere apart.
    text = trainer.template.agent_template._format_tools([MARK], "")
    before, _, after = text.partition(json.dumps(MARK, ensure_ascii=False))
    return before, after


def _native_rows(data: Path, count: int = 200) -> list[Record]:
    rows = (row.value for row in read_lines(data))
    return list(islice((row for row in rows if row.get("tools")), count))


def _common_system(records: list[Record]) -> str:
    """The user's own system prompt, where at least half of the rows have the very same one."""
    owns = [[event.text for event in from_record(record).events if isinstance(event, System)] for record in records]
    found: Counter[str] = Counter(own[0] for own in owns if own)
    text, count = found.most_common(1)[0] if found else ("", 0)
    return text if 2 * count >= len(records) and '"""' not in text else ""
