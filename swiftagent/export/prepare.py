"""The templates of an export, written from ms-swift's own and compared with what the model was trained on."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from swiftagent.backend.template import Trainer, open_trainer
from swiftagent.errors import SetupError
from swiftagent.export import check, templates
from swiftagent.export.merge import require_model
from swiftagent.export.subject import TunedModel
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
    compared: list[check.Compared] = []
    limits: list[str] = []
    go_limits: list[str] = []


def prepare(subject: TunedModel, allow_differences: bool = False) -> Prepared:
    """Write the templates and compare their prompts with training's. Raises CheckError where they differ."""
    model = str(require_model(subject.base))
    # The subject has both: those of the training may be a folder that is gone.
    settings = {name: value for name, value in subject.settings.items() if name not in ("model", "template")}
    with open_trainer(model, subject.template, settings) as trainer:
        prepared, rows = templates_of(subject, trainer)
        if rows:
            chat, go = prepared.chat_template or trainer.tokenizer.chat_template, prepared.go_template
            cases = partial(check.prompt_cases, rows, prepared.style, prepared.language)
            by_go = check.check_go_template(go, chat, cases(for_go=True)) if go else None
            prepared.compared = [check.check_chat_template(trainer, chat, cases()), *([by_go] if by_go else [])]
    if not allow_differences:
        for one in prepared.compared:
            one.require_equal()
    return prepared


def templates_of(
    subject: TunedModel, trainer: Trainer, most: int = 4 * check.CONVERSATIONS
) -> tuple[Prepared, list[Record]]:
    """The templates, and up to `most` rows to compare; none where no data is known or no template can be written."""
    prepared = Prepared(trainer.template_name, templates.stop_words(trainer.tokenizer, is_react=subject.react))
    read = check.records_of if subject.react else _native_rows
    rows = read(Path(subject.data), most) if subject.data else []
    try:
        (_react if subject.react else _native)(prepared, subject, trainer, rows)
    # It can still be merged, and `swiftagent serve` writes its prompts itself.
    except SetupError as error:
        if not subject.react:
            raise
        prepared.limits = [str(error)]
        return prepared, []
    return prepared, rows


def _react(prepared: Prepared, subject: TunedModel, trainer: Trainer, records: list[Record]) -> None:
    turns = templates.turns_of(trainer)
    style, language = prepared.style, prepared.language = subject.prompt or check.prompt_style(records)
    prepared.chat_template, prepared.go_template = templates.react_templates(turns, style, language)
    # The user's own system prompt, where at least half of the rows have the very same one.
    owns = [[event.text for event in from_record(record).events if isinstance(event, System)] for record in records]
    text, count = (Counter(own[0] for own in owns if own).most_common(1) or [("", 0)])[0]
    prepared.system = text if 2 * count >= len(records) and '"""' not in text else ""
    fixed = f"the tool prompt is always {_LANGUAGES[language]}, the commoner one of the training data, whatever the "
    prepared.limits = [*templates.JINJA_LIMITS, f"{fixed}question is in"]
    prepared.go_limits = [*prepared.limits, *templates.GO_LIMITS]


_LANGUAGES = {"en": "English", "zh": "Chinese (中文)"}


def _native(prepared: Prepared, subject: TunedModel, trainer: Trainer, rows: list[Record]) -> None:
    """Hermes calls get templates of our own; of any other kind the base's chat template is kept, if it writes the
    same."""
    prepared.agent_template = trainer.template._agent_template
    if prepared.agent_template == "hermes":
        # What stands around the tools: they are rendered as a mark, since ms-swift keeps the texts nowhere apart.
        text = trainer.template.agent_template._format_tools([MARK], "")
        before, _, after = text.partition(json.dumps(MARK, ensure_ascii=False))
        written = templates.hermes_templates(templates.turns_of(trainer), before, after)
        prepared.chat_template, prepared.go_template = written
    prepared.limits = ["control tokens in a text are not escaped: a template cannot, `swiftagent serve` does"]
    prepared.go_limits = list(templates.HERMES_GO_LIMITS)


def _native_rows(data: Path, count: int) -> list[Record]:
    rows = (row.value for row in read_lines(data))
    return list(islice((row for row in rows if row.get("tools")), count))
