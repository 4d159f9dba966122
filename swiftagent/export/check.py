"""The same prompt everywhere: what a target's template renders, token by token against what the model was trained on.

Conversations come from the run's own data. What a target cannot avoid is left out by name; anything else refuses the
export.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from swiftagent.backend.engine_prompt import common_prefix
from swiftagent.backend.template import Trainer
from swiftagent.errors import CheckError
from swiftagent.export.templates import turns_of
from swiftagent.formats.readers.openai import parse_turns
from swiftagent.formats.writers.openai import render as render_openai
from swiftagent.io.jsonl import first_values
from swiftagent.trajectory.escape import JOINER, hide, hide_control_tokens
from swiftagent.trajectory.prompts import HEAD, PromptStyle, style_for
from swiftagent.trajectory.record import Record, from_record, is_record
from swiftagent.trajectory.style import common_style, style_of
from swiftagent.trajectory.types import Call, Trajectory

RENDER_GO = Path(__file__).parent / "go_template" / "render.go"


class PromptDifference(msgspec.Struct):
    """The first place where a rendered prompt departs from the trained one: token index and both sides around it."""

    conversation: str
    token: int
    trained: str
    rendered: str


class Compared(msgspec.Struct):
    """How many conversations were rendered alike; `left_out` counts by reason those that a template cannot render
    alike."""

    target: str
    conversations: int = 0
    left_out: Counter[str] = msgspec.field(default_factory=Counter)
    differences: list[PromptDifference] = []

    def comparable(self, cases: Iterable[PromptCase]) -> Iterator[PromptCase]:
        for case in cases:
            if case.reason:
                self.left_out[case.reason] += 1
            else:
                yield case

    def compare(self, name: str, trained: Any, rendered: Any, show: Callable[[Any], str], around: int = 6) -> None:
        """Count a conversation, and keep the first place where it differs; show: tokens or a text to be read."""
        self.conversations += 1
        if trained != rendered:
            index = common_prefix(trained, rendered)
            window = slice(max(0, index - around // 2), index + around)
            self.differences.append(PromptDifference(name, index, show(trained[window]), show(rendered[window])))

    def require_equal(self) -> None:
        """Raises CheckError with the first differing token."""
        if self.differences:
            first = self.differences[0]
            where = f"first in {first.conversation} at token {first.token}"
            both = f"trained {first.trained!r}, rendered {first.rendered!r}; --allow-differences exports it anyway"
            raise CheckError(f"{self.target}: {len(self.differences)} prompts differ from training, {where}: {both}")


# Compared for each target.
CONVERSATIONS = 50


def records_of(data: Path, count: int = 4 * CONVERSATIONS) -> list[Record]:
    """The first `count` agent rows of a training file, and as many chat rows as then are missing."""
    found = filter(is_record, first_values(data, 40 * count))
    # Tool prompts are what templates get wrong, so agent rows come first.
    return sorted(found, key=lambda row: not any(head in str(row["messages"][0]) for head in HEAD.values()))[:count]


def prompt_style(records: list[Record]) -> tuple[PromptStyle, str]:
    """(style, language) of the tool prompts in the data; the language that most have."""
    systems = [record["messages"][0]["content"] for record in records]
    languages = Counter(language for system in systems for language, head in HEAD.items() if head in system)
    language = languages.most_common(1)[0][0] if languages else "en"
    return common_style(map(style_of, records)) or "auto", language


class PromptCase(NamedTuple):
    """A conversation to compare. reason: why a template cannot render it as it was trained; "" where it can."""

    name: str
    record: Record
    trajectory: Trajectory
    reason: str


# (whether it is so, why a template then cannot render a conversation as it was trained)
_Reasons = Iterator[tuple[bool, str]]


def prompt_cases(rows: list[Record], style: PromptStyle, language: str, for_go: bool = False) -> Iterator[PromptCase]:
    """Records, or native rows (`tools`, `tool_call`, `tool_response`), as they are compared; for_go: as Ollama writes
    them."""
    for number, record in enumerate(rows, 1):
        is_native = "tools" in record
        trajectory = parse_turns(record) if is_native else from_record(record)
        reasons = [_of_any(trajectory, record)]
        reasons += [] if is_native else [_of_react(trajectory, record, style, language)]
        reasons += [_of_go(trajectory, style)] if for_go and not is_native else []
        reason = next((reason for is_so, reason in chain(*reasons) if is_so), "")
        yield PromptCase(str(record.get("id") or f"row {number}"), record, trajectory, reason)


def _of_any(trajectory: Trajectory, record: Record) -> _Reasons:
    text = json.dumps(record, ensure_ascii=False)
    yield JOINER in text or "\\u003c" in text, "control tokens in a text"
    calls = [event for event in trajectory.events if isinstance(event, Call)]
    yield not all(isinstance(call.arguments, dict) for call in calls), "arguments that are not an object"


def _of_react(trajectory: Trajectory, record: Record, style: PromptStyle, language: str) -> _Reasons:
    texts = [event.text for event in trajectory.events if not isinstance(event, Call)]
    texts += [tool.description for tool in trajectory.tools]
    yield any(hide(text) != hide_control_tokens(text) for text in texts), "a ReAct keyword at the start of a line"
    if trajectory.tools:
        yield HEAD[language] not in record["messages"][0]["content"], "the tool prompt in another language"
        yield style_of(record) != style_for(trajectory.tools, style), "the tool prompt in another style"
    masked = [m["content"] for m in record["messages"] if m.get("loss") is False and m["role"] == "assistant"]
    yield not all(text.startswith(" ") for text in masked), "a masked step"


def _of_go(trajectory: Trajectory, style: PromptStyle) -> _Reasons:
    # Ollama reads a schema into types of its own and writes those.
    is_schema = bool(trajectory.tools) and style_for(trajectory.tools, style) == "schema"
    yield is_schema, "a tool's schema, which Ollama writes in its own order and spacing"
    described = json.dumps([tool.parameters for tool in trajectory.tools], ensure_ascii=False)
    yield any(letter in described for letter in "<>&"), "`<`, `>` or `&` in a parameter's description"


def check_chat_template(trainer: Trainer, template: str, cases: Iterable[PromptCase]) -> Compared:
    """Render conversations through a Jinja chat template as transformers and vLLM do, and compare the ids."""
    compared = Compared("chat template")
    for case in compared.comparable(cases):
        chat = chat_of(case.trajectory)
        form = {"tools": chat["tools"] or None, "chat_template": template, "tokenize": True, "return_dict": False}
        try:
            rendered = trainer.tokenizer.apply_chat_template(chat["messages"], **form)
        except TemplateError as error:
            compared.left_out[f"refused by the chat template: {error}"] += 1
            continue
        # All of the row: tokens that are only read must be equal as well.
        trained = trained_ids(trainer, case.record)
        if "tools" not in case.record and isinstance(case.trajectory.events[-1], Call):
            # A row that ends on a call is closed in training; where the model is used, the result follows there.
            is_closed = trainer.tokenizer.decode(trained[len(rendered) :]) == turns_of(trainer).end
            trained = trained[: len(rendered)] if is_closed else trained
        compared.compare(case.name, trained, list(rendered), trainer.tokenizer.decode)
        if compared.conversations == CONVERSATIONS:
            break
    return compared


def trained_ids(trainer: Trainer, record: Record) -> list[int]:
    """The token ids of a whole training row, of a native one with its tools, as training sees them."""
    row = {key: record[key] for key in ("messages", "tools") if key in record}
    return list(trainer.template.encode({**row, "messages": [dict(m) for m in row["messages"]]})["input_ids"])


def check_go_template(template: str, chat_template: str, cases: Iterable[PromptCase]) -> Compared | None:
    """Execute a Modelfile's template with Go itself and compare with the texts that the chat template writes in
    Ollama's JSON; None where no Go works here."""
    compared = Compared("Modelfile template")
    kept = list(islice(compared.comparable(cases), CONVERSATIONS))
    rendered = _run_go(template, [case.trajectory for case in kept])
    if rendered is None:
        return None
    for case, found in zip(kept, rendered, strict=True):
        wanted = ollama_text(chat_template, case.trajectory, found["Tools"])
        compared.compare(case.name, wanted, found["Prompt"], str, around=40)
    return compared


def chat_of(trajectory: Trajectory) -> dict[str, Any]:
    """The conversation as a chat client sends it, arguments as objects, call ids of nine letters and digits: Mistral's
    template takes no other."""
    row, _ = render_openai(trajectory)
    for message in row["messages"]:
        for call in message.get("tool_calls", ()):
            call["id"] = f"call{int(call['id'][1:]):05d}"
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        if message["role"] == "tool":
            message["tool_call_id"] = f"call{int(message['tool_call_id'][1:]):05d}"
    return {"messages": row["messages"], "tools": row.get("tools", [])}


def ollama_text(template: str, trajectory: Trajectory, tools: list[dict[str, Any]]) -> str:
    """What a chat template writes up to the last answer's end token, with tools and arguments in Ollama's JSON. The
    chat template itself is compared with training, so a Modelfile's that writes this text writes the trained one.

    tools: as Ollama's types hold them, with its own fields in its own order.
    """
    chat = chat_of(trajectory)
    for message in chat["messages"]:
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(json.dumps(call["function"]["arguments"], sort_keys=True))
    engine = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    engine.filters["tojson"] = _go_json
    chat["tools"] = tools or None
    return str(engine.from_string(template).render(chat, add_generation_prompt=True))


def _go_json(value: Any) -> str:
    """As Go's encoding/json writes it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # encoding/json escapes them so that JSON can stand in HTML.
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _run_go(template: str, trajectories: list[Trajectory]) -> list[dict[str, Any]] | None:
    """What Ollama would make of the conversations, and their tools as its types hold them; None where Go cannot build
    here."""
    lines = []
    for trajectory in trajectories:
        chat = chat_of(trajectory)
        system = "\n\n".join(m["content"] for m in chat["messages"] if m["role"] == "system")
        # Ollama hands system messages to its templates apart from the others.
        messages = [message for message in chat["messages"] if message["role"] != "system"]
        for message in messages:
            message["thinking"] = message.pop("reasoning_content", "")
        lines.append(json.dumps({"System": system, "Messages": messages, "Tools": chat["tools"]}, ensure_ascii=False))
    with tempfile.TemporaryDirectory() as scratch:
        path, program = Path(scratch, "template"), Path(scratch, "render")
        path.write_text(template, encoding="utf-8")
        build = ["go", "build", "-o", str(program), str(RENDER_GO)]
        built = shutil.which("go") and subprocess.run(build, capture_output=True)
        # No Go, or one that is too old or has no room to build.
        if not built or built.returncode:
            return None
        words = [str(program), str(path)]
        done = subprocess.run(words, input="\n".join(lines), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]
