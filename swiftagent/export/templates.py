"""The prompt that a model was trained on, written for other engines: a Jinja chat template (vLLM, transformers,
llama.cpp) and a Go template (Ollama).

Both are generated from `prompts.py` and `react.py`, so that a client that knows nothing of ReAct sends `tools` and
`tool_calls` and the model reads what it was trained on. What the two languages cannot do is named in `JINJA_LIMITS` and
`GO_LIMITS`.
"""

from __future__ import annotations

import json

import msgspec

from swiftagent.trajectory.prompts import FLAT_OBJECT, FLAT_PARAMETER, FORMAT, HEAD, PARAMETERS, PromptStyle
from swiftagent.trajectory.react import (
    ACTION_LABEL,
    ANSWER_LABEL,
    INPUT_LABEL,
    NO_THOUGHT,
    STOP,
    THINK_CLOSE,
    THINK_OPEN,
    THOUGHT_LABEL,
)

JINJA_LIMITS = (
    "control tokens and ReAct keywords inside texts are not escaped: a template cannot; `swiftagent serve` does",
)
GO_LIMITS = (
    "arguments of earlier calls are written by Ollama itself: keys sorted, no space after `,` and `:`",
    "the parameters of a tool are listed sorted by name, and `<`, `>`, `&` in their descriptions as "
    "\\u003c, \\u003e, \\u0026",
)


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
    begin: str = ""
    default_system: str = ""


def jinja_template(turns: Turns, style: PromptStyle = "auto", language: str = "en") -> str:
    """A chat template for `tokenizer.apply_chat_template(messages, tools=tools)` of a text-ReAct model."""
    before_names, after_names = FORMAT[language].split("{names}")
    texts = {
        **{name: getattr(turns, name) for name in Turns.__struct_fields__},
        **_LABELS,
        **{"head": HEAD[language], "before_names": before_names, "after_names": after_names},
        **{"thought_and_answer": f"\n{ANSWER_LABEL}", "think_open": THINK_OPEN, "think_close": THINK_CLOSE},
    }
    quoted = {name: json.dumps(text, ensure_ascii=False) for name, text in texts.items()}
    text = _JINJA.format(**quoted, **_by_style(style, _JINJA_RULE, _JINJA_FLAT, _JINJA_SCHEMA, _JINJA_CHOICE))
    return "".join(line.strip() for line in text.splitlines())


def _by_style(style: PromptStyle, rule: str, flat: str, schema: str, choice: str) -> dict[str, str]:
    """How a template writes the parameters of a tool, below the rule that looks at all tools of a request."""
    if style == "auto":
        return {"rule": rule, "parameters": choice.replace("FLAT", flat).replace("SCHEMA", schema)}
    return {"rule": "", "parameters": schema if style == "schema" else flat}


_LABELS = {
    **{"thought": THOUGHT_LABEL, "action": ACTION_LABEL, "action_input": INPUT_LABEL, "stop": STOP},
    **{"no_thought": NO_THOUGHT, "parameters_label": PARAMETERS},
}
_JINJA_SCHEMA = "{{- (f.parameters or dict()) | tojson -}}"
_JINJA_FLAT = """
{{- "[" -}}
{%- for name, p in ((f.parameters or dict()).properties or dict()).items() -%}
{{- (", " if not loop.first else "") + '{"name": ' + (name | tojson) + \
', "description": ' + ((p.description or "") | tojson) -}}
{{- ', "required": "' + ("True" if name in (f.parameters.required or []) else "False") + '"}' -}}
{%- endfor -%}
{{- "]" -}}
"""
# `is_flat` of prompts.py for all tools.
_JINJA_RULE = f"""
{{%- set s.flat = true -%}}
{{%- for tool in tools -%}}
{{%- set given = (tool.function or tool).parameters or dict() -%}}
{{%- for key, value in given.items() -%}}
{{%- if key not in {list(FLAT_OBJECT)} or (key == "type" and value != "object") \
or (key == "additionalProperties" and value is mapping) -%}}
{{%- set s.flat = false -%}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- for name in given.required or [] -%}}
{{%- if name not in (given.properties or dict()) -%}}{{%- set s.flat = false -%}}{{%- endif -%}}
{{%- endfor -%}}
{{%- for name, p in (given.properties or dict()).items() -%}}
{{%- if p is mapping -%}}
{{%- for key, value in p.items() -%}}
{{%- if key not in {list(FLAT_PARAMETER)} or (key == "type" and value != "string") -%}}
{{%- set s.flat = false -%}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- else -%}}{{%- set s.flat = false -%}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- endfor -%}}
"""
_JINJA_CHOICE = "{%- if s.flat -%}FLAT{%- else -%}SCHEMA{%- endif -%}"
_JINJA = """
{{%- set s = namespace(own=none, react=false, open=false, result=none, flat=false) -%}}
{{%- if tools -%}}{{%- set s.react = true -%}}{{%- endif -%}}
{{%- for m in messages -%}}
{{%- if m.role == "system" -%}}
{{%- set s.own = m.content if s.own is none else s.own + "\\n\\n" + m.content -%}}
{{%- endif -%}}
{{%- if m.tool_calls -%}}{{%- set s.react = true -%}}{{%- endif -%}}
{{%- endfor -%}}
{{{{- {begin} -}}}}
{{%- if tools -%}}
{rule}
{{{{- {system_open} + (s.own + "\\n\\n" if s.own else "") + {head} -}}}}
{{%- for tool in tools -%}}
{{%- set f = tool.function or tool -%}}
{{{{- ("\\n\\n" if not loop.first else "") ~ loop.index ~ ". " ~ f.name ~ ":" -}}}}
{{{{- (" " + f.description if f.description else "") + {parameters_label} -}}}}
{parameters}
{{%- endfor -%}}
{{{{- {before_names} -}}}}
{{%- for tool in tools -%}}{{{{- (", " if not loop.first else "") + (tool.function or tool).name -}}}}{{%- endfor -%}}
{{{{- {after_names} + {system_close} -}}}}
{{%- elif s.own is not none or {default_system} -%}}
{{{{- {system_open} + (s.own if s.own is not none else {default_system}) + {system_close} -}}}}
{{%- endif -%}}
{{%- for m in messages -%}}
{{%- if m.role == "user" -%}}
{{{{- ({between} if s.open else "") + {user_open} + m.content + {user_close} -}}}}
{{%- set s.open = true -%}}
{{%- elif m.role == "assistant" and m.tool_calls -%}}
{{{{- {thought} + m.reasoning_content + "\\n" if m.reasoning_content else "" -}}}}
{{{{- {thought} + m.content + "\\n" if m.content else "" -}}}}
{{%- set at = loop.index0 -%}}
{{%- for call in m.tool_calls -%}}
{{%- set f = call.function or call -%}}
{{%- set position = loop.index0 -%}}
{{{{- {action} + f.name + {action_input} + \
(f.arguments if f.arguments is string else f.arguments | tojson) + {stop} -}}}}
{{%- set s.result = none -%}}
{{%- for later in messages[at + 1 : at + 1 + m.tool_calls | length] -%}}
{{%- if later.role == "tool" -%}}
{{%- if later.tool_call_id and call.id -%}}
{{%- if later.tool_call_id == call.id -%}}{{%- set s.result = later.content -%}}{{%- endif -%}}
{{%- elif loop.index0 == position -%}}{{%- set s.result = later.content -%}}
{{%- endif -%}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- if s.result is not none -%}}{{{{- " " + s.result + "\\n" -}}}}{{%- endif -%}}
{{%- endfor -%}}
{{%- elif m.role == "assistant" and s.react -%}}
{{{{- {thought} + (m.reasoning_content or {no_thought}) + {thought_and_answer} + m.content -}}}}
{{%- elif m.role == "assistant" -%}}
{{{{- ({think_open} + m.reasoning_content + {think_close} if m.reasoning_content else "") + m.content -}}}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- if not add_generation_prompt and messages[-1].role == "assistant" and not messages[-1].tool_calls -%}}
{{{{- {end} -}}}}
{{%- endif -%}}
"""


def go_template(turns: Turns, style: PromptStyle = "auto", language: str = "en") -> str:
    """The TEMPLATE of an Ollama Modelfile for a text-ReAct model, with `.System`, `.Messages`, `.Tools` and
    `.ToolCalls`."""
    before_names, after_names = FORMAT[language].split("{names}")
    default = turns.default_system
    return _GO.format(
        **{name: getattr(turns, name) for name in Turns.__struct_fields__},
        **_LABELS,
        else_default=f"{{{{ else }}}}{turns.system_open}{default}{turns.system_close}" if default else "",
        head=HEAD[language],
        before_names=before_names,
        after_names=after_names,
        **_by_style(style, _GO_RULE, _GO_FLAT, _GO_SCHEMA, _GO_CHOICE),
        answer_label=ANSWER_LABEL,
    )


# Ollama reads calls out of an answer by the first text inside the first `if .ToolCalls` of the template, which has to
# be `Action:`; so nothing before it may ask `if .ToolCalls`.
# Go templates cannot add: `len (printf "%*s_" $i "")` is $i + 1.
_GO_FLAT = (
    "[{{ $required := .Function.Parameters.Required }}{{ $first := true }}"
    "{{ range $name, $p := .Function.Parameters.Properties }}{{ if not $first }}, {{ end }}{{ $first = false }}"
    '{"name": {{ json $name }}, "description": {{ json $p.Description }}, "required": "'
    '{{ $is := "False" }}{{ range $required }}{{ if eq . $name }}{{ $is = "True" }}{{ end }}{{ end }}{{ $is }}"}'
    "{{ end }}]"
)
_GO_SCHEMA = "{{ json .Function.Parameters }}"
# A plain string is one whose JSON holds nothing but type and description; so no field is named that an older Ollama has
# not.
_GO_RULE = (
    "{{ $flat := true }}{{ range .Tools }}{{ range .Function.Parameters.Properties }}"
    '{{ $about := json .Description }}{{ if not (eq (json .) "{}" (printf `{"type":"string","description":%s}` $about) '
    '`{"type":"string"}` (printf `{"description":%s}` $about)) }}{{ $flat = false }}{{ end }}'
    "{{ end }}{{ end }}"
)
_GO_CHOICE = "{{ if $flat }}FLAT{{ else }}SCHEMA{{ end }}"
_GO = (
    "{begin}{{{{- $react := false }}}}{{{{ if .Tools }}}}{{{{ $react = true }}}}{{{{ end }}}}"
    "{{{{ range .Messages }}}}{{{{ range .ToolCalls }}}}{{{{ $react = true }}}}{{{{ end }}}}{{{{ end }}}}"
    "{rule}{{{{ if .Tools }}}}{system_open}{{{{ if .System }}}}{{{{ .System }}}}\n\n{{{{ end }}}}{head}"
    "{{{{ range $i, $tool := .Tools }}}}{{{{ if $i }}}}\n\n{{{{ end }}}}"
    '{{{{ len (printf "%*s_" $i "") }}}}. {{{{ .Function.Name }}}}:'
    "{{{{ if .Function.Description }}}} {{{{ .Function.Description }}}}{{{{ end }}}}{parameters_label}{parameters}"
    "{{{{ end }}}}{before_names}"
    "{{{{ range $i, $tool := .Tools }}}}{{{{ if $i }}}}, {{{{ end }}}}{{{{ .Function.Name }}}}{{{{ end }}}}"
    "{after_names}{system_close}"
    "{{{{ else if .System }}}}{system_open}{{{{ .System }}}}{system_close}{else_default}{{{{ end }}}}"
    "{{{{ $open := false }}}}{{{{ range $i, $m := .Messages }}}}{{{{ $rest := slice $.Messages $i }}}}"
    '{{{{ if eq .Role "user" }}}}{{{{ if $open }}}}{between}{{{{ end }}}}{user_open}{{{{ .Content }}}}{user_close}'
    "{{{{ $open = true }}}}"
    '{{{{ else if eq .Role "assistant" }}}}{{{{ $calls := len .ToolCalls }}}}{{{{ if $calls }}}}'
    "{{{{ if .Thinking }}}}{thought}{{{{ .Thinking }}}}\n{{{{ end }}}}"
    "{{{{ if .Content }}}}{thought}{{{{ .Content }}}}\n{{{{ end }}}}"
    "{{{{ if .ToolCalls }}}}{{{{ range $j, $call := .ToolCalls }}}}{action}{{{{ .Function.Name }}}}"
    "{action_input}{{{{ .Function.Arguments }}}}{stop}"
    '{{{{ $k := len (printf "%*s_" $j "") }}}}{{{{ if gt (len $rest) $k }}}}{{{{ $result := index $rest $k }}}}'
    '{{{{ if eq $result.Role "tool" }}}} {{{{ $result.Content }}}}\n{{{{ end }}}}'
    "{{{{ end }}}}{{{{ end }}}}{{{{ end }}}}"
    "{{{{ else if $react }}}}{thought}"
    "{{{{ if .Thinking }}}}{{{{ .Thinking }}}}{{{{ else }}}}{no_thought}{{{{ end }}}}\n{answer_label}{{{{ .Content }}}}"
    "{{{{ else }}}}{{{{ if .Thinking }}}}<think>\n{{{{ .Thinking }}}}\n</think>\n\n{{{{ end }}}}{{{{ .Content }}}}"
    "{{{{ end }}}}{{{{ end }}}}{{{{ end }}}}"
)


def modelfile(
    source: str,
    template: str,
    *,
    stops: list[str],
    context_length: int,
    system: str = "",
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int = 1,
) -> str:
    """An Ollama Modelfile. Defaults are greedy, and repetition costs nothing: a call copies names from its question and
    tools."""
    lines = [f"FROM {source}", f'TEMPLATE """{template}"""']
    if system:
        lines.append(f'SYSTEM """{system}"""')
    lines += [f'PARAMETER stop "{stop}"' for stop in stops]
    lines += [f"PARAMETER temperature {temperature:g}", f"PARAMETER top_p {top_p:g}", f"PARAMETER top_k {top_k}"]
    lines += ["PARAMETER repeat_penalty 1", f"PARAMETER num_ctx {context_length}"]
    return "\n".join(lines) + "\n"
