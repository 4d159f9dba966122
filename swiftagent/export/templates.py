"""The prompt that a model was trained on, written for other engines: a Jinja chat template (vLLM, transformers,
llama.cpp) and a Go template (Ollama).

Both are in the folder prompts, for ReAct text and for native calls of the hermes kind (`<tool_call>{...}</tool_call>`:
Qwen and others). `<<...>>` there is filled in from the training template, `prompts.py` and `react.py`, so that a client
that knows nothing of ReAct sends `tools` and `tool_calls` and the model reads what it was trained on. What the two
languages cannot do is named in `JINJA_LIMITS` and `GO_LIMITS`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, StrictUndefined

from swiftagent.backend.template import Trainer
from swiftagent.errors import SetupError
from swiftagent.trajectory import react
from swiftagent.trajectory.prompts import FLAT_OBJECT, FLAT_PARAMETER, FORMAT, HEAD, PARAMETERS, PromptStyle

JINJA_LIMITS = ("control tokens and ReAct keywords in texts are not escaped; `swiftagent serve` does that",)
_ARGUMENTS = "arguments of earlier calls are written by Ollama itself: keys sorted, no space after `,` and `:`"
GO_LIMITS = (
    _ARGUMENTS,
    "the parameters of a tool are listed sorted by name, and `<`, `>`, `&` in their descriptions as "
    "\\u003c, \\u003e, \\u0026",
    "a tool that is shown by its schema is written with the fields that Ollama knows, in its own order and spacing",
)
HERMES_GO_LIMITS = (_ARGUMENTS, "tools are declared with the fields that Ollama knows, in its own order and spacing")
END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "</s>")
PROMPTS = Path(__file__).parent / "prompts"
_WORDS = {
    **{"react": react, "parameters_label": PARAMETERS},
    **{"flat_object": str(list(FLAT_OBJECT)), "flat_parameter": str(list(FLAT_PARAMETER))},
}
# Signs that neither language knows: what is filled in here differs from what the engines fill in.
_SIGNS = ("<%", "%>", "<<", ">>", "<#", "#>")
_FILLER = Environment(*_SIGNS, undefined=StrictUndefined, keep_trailing_newline=True)
_FILLER.filters["quoted"] = lambda text: json.dumps(text, ensure_ascii=False)


class Turns(msgspec.Struct, frozen=True):
    """The texts around the parts of a conversation, as the training template writes them.

    `user_close` opens the assistant's turn; `between` ends an answer that is followed by a question, `end` the last
    one.
    """

    system_open: str = "<|im_start|>system\n"
    system_close: str = "<|im_end|>\n"
    user_open: str = "<|im_start|>user\n"
    user_close: str = "<|im_end|>\n<|im_start|>assistant\n"
    between: str = "<|im_end|>\n"
    end: str = "<|im_end|>"
    default_system: str = ""


def turns_of(trainer: Trainer) -> Turns:
    """The texts around the parts of a conversation in ms-swift's template. Raises SetupError where they are not plain
    text."""
    meta = trainer.template.template_meta
    system_prefix = meta.system_prefix or meta.prefix
    system_open, found, system_close = _text(trainer, system_prefix).partition("{{SYSTEM}}")
    user_open, asked, user_close = _text(trainer, meta.prompt).partition("{{QUERY}}")
    between, end = _text(trainer, meta.chat_sep), _text(trainer, meta.suffix)
    written = Turns(system_open, system_close, user_open, user_close, between, end, meta.default_system or "")
    # A placeholder that is left over, such as {{ROUND0}}, is a text that no other engine could fill in.
    left_over = any("{{" in getattr(written, name) for name in Turns.__struct_fields__)
    if not found or not asked or meta.chat_sep is None or left_over:
        name = trainer.template_name
        raise SetupError(f"the template {name} cannot be written for other engines; use `swiftagent serve`")
    return written


def _text(trainer: Trainer, parts: Iterable[Any]) -> str:
    """ms-swift's template parts are texts or token ids."""
    return "".join(part if isinstance(part, str) else trainer.tokenizer.decode(part) for part in parts or [])


def react_templates(turns: Turns, style: PromptStyle = "auto", language: str = "en") -> tuple[str, str]:
    """Of a text-ReAct model, a chat template for `tokenizer.apply_chat_template(messages, tools=tools)` and the
    TEMPLATE of an Ollama Modelfile, with `.System`, `.Messages`, `.Tools` and `.ToolCalls`."""
    # Ollama reads calls out of an answer by the first text inside the first `if .ToolCalls` of the template, which has
    # to be `Action:`; so nothing before it may ask `if .ToolCalls`.
    # Go templates cannot add: `len (printf "%*s_" $i "")` is $i + 1.
    before_names, after_names = FORMAT[language].split("{names}")
    words = {"style": style, "head": HEAD[language], "before_names": before_names, "after_names": after_names}
    return _filled("react.jinja", turns, **words), _filled("react.go.tmpl", turns, **words)


def hermes_templates(turns: Turns, before: str, after: str) -> tuple[str, str]:
    """The same of a model trained on hermes calls; `before` stands between the system text and the tools."""
    words = {"before": before, "after": after}
    return _filled("hermes.jinja", turns, **words), _filled("hermes.go.tmpl", turns, **words)


def _filled(name: str, turns: Turns, **values: str) -> str:
    """A template of the folder prompts as one line, its indentation left out; a newline of Go's text is written \\n."""
    text = "".join(map(str.strip, (PROMPTS / name).read_text(encoding="utf-8").splitlines()))
    text = text if name.endswith(".jinja") else text.replace("\\n", "\n")
    return _FILLER.from_string(text).render(**msgspec.structs.asdict(turns), **_WORDS, **values)


def modelfile(source: str, template: str, *, stops: list[str], context_length: int, system: str = "") -> str:
    """An Ollama Modelfile. It is greedy, and repetition costs nothing: a call copies names from its question and
    tools."""
    lines = [f"FROM {source}", f'TEMPLATE """{template}"""', *([f'SYSTEM """{system}"""'] if system else [])]
    lines += [f'PARAMETER stop "{stop}"' for stop in stops]
    fixed = {"temperature": 0, "top_p": 1, "top_k": 1, "repeat_penalty": 1, "num_ctx": context_length}
    return "\n".join([*lines, *(f"PARAMETER {name} {value}" for name, value in fixed.items())]) + "\n"


def stop_words(tokenizer: Any, *, is_react: bool) -> list[str]:
    """What ends a turn: the end tokens, and for ReAct the label of a result."""
    return [*([react.OBSERVATION] if is_react else []), *end_tokens(tokenizer)]


def end_tokens(tokenizer: Any) -> list[str]:
    """The tokenizer's end token, and others of its family: a base may end its turn with another than the template."""
    known = tokenizer.get_vocab()
    return [token for token in dict.fromkeys((tokenizer.eos_token, *END_TOKENS)) if token in known]
