"""The prompt of a model that was trained on native calls of the hermes kind (`<tool_call>{...}</tool_call>`: Qwen and
others), written for other engines as a Jinja chat template and as Ollama's Go template.
"""

from __future__ import annotations

import json

from swiftagent.export.templates import Turns

GO_LIMITS = (
    "arguments of earlier calls are written by Ollama itself: keys sorted, no space after `,` and `:`",
    "tools are declared with the fields that Ollama knows, in its own order and spacing",
)


def jinja_hermes(turns: Turns, before_tools: str, after_tools: str) -> str:
    """A chat template for `tokenizer.apply_chat_template(messages, tools=tools)`; `before_tools` follows the system
    text."""
    quoted = {name: json.dumps(getattr(turns, name), ensure_ascii=False) for name in Turns.__struct_fields__}
    quoted |= {
        "before": json.dumps(before_tools, ensure_ascii=False),
        "after": json.dumps(after_tools, ensure_ascii=False),
    }
    return "".join(line.strip() for line in _JINJA.format(**quoted).splitlines())


_JINJA = """
{{%- set s = namespace(own=none, asked=false, last="") -%}}
{{%- for m in messages -%}}
{{%- if m.role == "system" -%}}
{{%- set s.own = m.content if s.own is none else s.own + "\\n\\n" + m.content -%}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- if s.own is none -%}}{{%- set s.own = {default_system} -%}}{{%- endif -%}}
{{{{- {begin} -}}}}
{{%- if tools -%}}
{{{{- {system_open} + s.own + {before} -}}}}
{{%- for tool in tools -%}}{{{{- ("\\n" if not loop.first else "") + (tool | tojson) -}}}}{{%- endfor -%}}
{{{{- {after} + {system_close} -}}}}
{{%- elif s.own -%}}
{{{{- {system_open} + s.own + {system_close} -}}}}
{{%- endif -%}}
{{%- for m in messages -%}}
{{%- if m.role == "user" -%}}
{{{{- ({between} if s.asked else "") + {user_open} + m.content + {user_close} -}}}}
{{%- set s.asked = true -%}}
{{%- elif m.role == "assistant" -%}}
{{{{- ("<think>\\n" + m.reasoning_content + "\\n</think>\\n\\n" if m.reasoning_content else "") + \
(m.content or "") -}}}}
{{%- for call in m.tool_calls or [] -%}}
{{%- set f = call.function or call -%}}
{{{{- ("\\n" if m.content or not loop.first else "") + '<tool_call>\\n{{"name": ' + (f.name | tojson) + \
', "arguments": ' -}}}}
{{{{- (f.arguments if f.arguments is string else f.arguments | tojson) + "}}\\n</tool_call>" -}}}}
{{%- endfor -%}}
{{%- elif m.role == "tool" -%}}
{{{{- "\\n" if s.last == "tool" else {between} + {user_open} -}}}}
{{{{- "<tool_response>\\n" + m.content + "\\n</tool_response>" -}}}}
{{%- if loop.last or messages[loop.index].role != "tool" -%}}{{{{- {user_close} -}}}}{{%- endif -%}}
{{%- endif -%}}
{{%- set s.last = m.role -%}}
{{%- endfor -%}}
{{%- if not add_generation_prompt and messages[-1].role == "assistant" -%}}{{{{- {end} -}}}}{{%- endif -%}}
"""


def go_hermes(turns: Turns, before_tools: str, after_tools: str) -> str:
    """The TEMPLATE of an Ollama Modelfile. Ollama finds calls in an answer by the first text in the first `if
    .ToolCalls`."""
    default = turns.default_system
    return _GO.format(
        **{name: getattr(turns, name) for name in Turns.__struct_fields__},
        before=before_tools,
        after=after_tools,
        else_system=f"{{{{ else }}}}{default}" if default else "",
        else_default=f"{{{{ else }}}}{turns.system_open}{default}{turns.system_close}" if default else "",
    )


_GO = (
    "{begin}{{{{- if .Tools }}}}{system_open}{{{{ if .System }}}}{{{{ .System }}}}{else_system}{{{{ end }}}}{before}"
    "{{{{ range $i, $tool := .Tools }}}}{{{{ if $i }}}}\n{{{{ end }}}}{{{{ json $tool }}}}{{{{ end }}}}{after}"
    "{system_close}"
    "{{{{ else if .System }}}}{system_open}{{{{ .System }}}}{system_close}{else_default}{{{{ end }}}}"
    '{{{{ $asked := false }}}}{{{{ $last := "" }}}}{{{{ range $i, $m := .Messages }}}}'
    "{{{{ $rest := slice $.Messages $i }}}}"
    '{{{{ if eq .Role "user" }}}}{{{{ if $asked }}}}{between}{{{{ end }}}}{user_open}{{{{ .Content }}}}{user_close}'
    "{{{{ $asked = true }}}}"
    '{{{{ else if eq .Role "assistant" }}}}'
    "{{{{ if .Thinking }}}}<think>\n{{{{ .Thinking }}}}\n</think>\n\n{{{{ end }}}}{{{{ .Content }}}}"
    "{{{{ $calls := len .ToolCalls }}}}{{{{ if and .Content $calls }}}}\n{{{{ end }}}}"
    "{{{{ if .ToolCalls }}}}{{{{ range $j, $call := .ToolCalls }}}}<tool_call>\n"
    '{{"name": {{{{ json .Function.Name }}}}, "arguments": {{{{ .Function.Arguments }}}}}}\n</tool_call>'
    '{{{{ if lt (len (printf "%*s_" $j "")) $calls }}}}\n{{{{ end }}}}{{{{ end }}}}{{{{ end }}}}'
    '{{{{ else if eq .Role "tool" }}}}{{{{ if eq $last "tool" }}}}\n{{{{ else }}}}{between}{user_open}{{{{ end }}}}'
    "<tool_response>\n{{{{ .Content }}}}\n</tool_response>"
    '{{{{ if eq (len $rest) 1 }}}}{user_close}{{{{ else if ne (index $rest 1).Role "tool" }}}}{user_close}{{{{ end }}}}'
    "{{{{ end }}}}{{{{ $last = .Role }}}}{{{{ end }}}}"
)
