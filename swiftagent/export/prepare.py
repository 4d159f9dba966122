"""The templates of an export, written from ms-swift's own and compared with what the model was trained on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from swiftagent.backend.template import Trainer, open_trainer
from swiftagent.errors import SetupError
from swiftagent.export.check import (
    CONVERSATIONS,
    Compared,
    PromptCase,
    check_chat_template,
    check_go_template,
    native_cases,
    prompt_style,
    react_cases,
    records_of,
)
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

    template: str
    stops: list[str]
    chat_template: str | None = None
    go_template: str | None = None
    agent_template: str | None = None
    style: PromptStyle = "auto"
    language: str = "en"
    system: str = ""
    compared: list[Compared] = []
    limits: list[str] = []
    go_limits: list[str] = []


# The cases to compare, or those of Ollama's template.
Cases = Callable[[bool], Iterator[PromptCase]]


def prepare(subject: TunedModel, allow_differences: bool = False) -> Prepared:
    """Write the templates and compare their prompts with training's. Raises CheckError where they differ."""
    model = str(require_model(subject.base))
    # The subject has both: those of the training may be a folder that is gone.
    settings = {name: value for name, value in subject.settings.items() if name not in ("model", "template")}
    with open_trainer(model, subject.template, settings) as trainer:
        prepared, cases = templates_of(subject, trainer)
        if cases is not None:
            chat = prepared.chat_template or trainer.tokenizer.chat_template
            go = prepared.go_template
            by_go = check_go_template(go, chat, cases(True)) if go else None
            prepared.compared = [check_chat_template(trainer, chat, cases(False)), *([by_go] if by_go else [])]
    if not allow_differences:
        for one in prepared.compared:
            require_same_prompts(one.differences, one.target)
    return prepared


def templates_of(subject: TunedModel, trainer: Trainer, most: int = 4 * CONVERSATIONS) -> tuple[Prepared, Cases | None]:
    """The templates, and what is compared, of `most` rows; None where no data is known."""
    prepared = Prepared(trainer.template_name, stop_words(trainer.tokenizer, react=subject.react))
    return (_react if subject.react else _native)(prepared, subject, trainer, most)


def _react(prepared: Prepared, subject: TunedModel, trainer: Trainer, most: int) -> tuple[Prepared, Cases | None]:
    records = records_of(Path(subject.data), most) if subject.data else []
    try:
        turns = turns_of(trainer)
    # It can still be merged, and `swiftagent serve` writes its prompts itself.
    except SetupError as error:
        prepared.limits = [str(error)]
        return prepared, None
    style, language = prepared.style, prepared.language = subject.prompt or prompt_style(records)
    prepared.chat_template = jinja_template(turns, style, language)
    prepared.go_template = go_template(turns, style, language)
    prepared.system = _common_system(records)
    fixed = f"the tool prompt is always {_LANGUAGES[language]}, the commoner one of the training data, whatever the "
    prepared.limits = [*JINJA_LIMITS, f"{fixed}question is in"]
    prepared.go_limits = [*prepared.limits, *GO_LIMITS]
    return prepared, (lambda for_go: react_cases(records, style, language, for_go=for_go)) if records else None


_LANGUAGES = {"en": "English", "zh": "Chinese (中文)"}


def _native(prepared: Prepared, subject: TunedModel, trainer: Trainer, most: int) -> tuple[Prepared, Cases | None]:
    """Hermes calls get templates of our own; of any other kind the base's chat template is kept, if it writes the
    same."""
    rows = _native_rows(Path(subject.data), most) if subject.data else []
    prepared.agent_template = trainer.template._agent_template
    if prepared.agent_template == "hermes":
        turns, before, after = turns_of(trainer), *_around_tools(trainer)
        prepared.chat_template, prepared.go_template = (
            jinja_hermes(turns, before, after),
            go_hermes(turns, before, after),
        )
    prepared.limits = ["control tokens in a text are not escaped: a template cannot, `swiftagent serve` does"]
    prepared.go_limits = list(HERMES_GO_LIMITS)
    return prepared, (lambda for_go: native_cases(rows)) if rows else None


def _around_tools(trainer: Trainer) -> tuple[str, str]:
    """What ms-swift's agent template writes between the system text and the tools, and after them."""
    # Rendered with a mark in place of the tools, since ms-swift keeps the texts around them nowhere apart.
    text = trainer.template.agent_template._format_tools([MARK], "")
    before, _, after = text.partition(json.dumps(MARK, ensure_ascii=False))
    return before, after


def _native_rows(data: Path, count: int) -> list[Record]:
    rows = (row.value for row in read_lines(data))
    return list(islice((row for row in rows if row.get("tools")), count))


def _common_system(records: list[Record]) -> str:
    """The user's own system prompt, where at least half of the rows have the very same one."""
    owns = [[event.text for event in from_record(record).events if isinstance(event, System)] for record in records]
    found: Counter[str] = Counter(own[0] for own in owns if own)
    text, count = found.most_common(1)[0] if found else ("", 0)
    return text if 2 * count >= len(records) and '"""' not in text else ""
