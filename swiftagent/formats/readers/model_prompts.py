"""The turns of a prompt as one text, in the templates of model families whose turns begin with marks of their own:
Mistral, DeepSeek, Kimi, GLM, MiniMax, Granite, Command R, EXAONE, Nemotron, Llama 4, FunctionGemma, Phi-4-mini.

Each mark begins a turn of the role that stands beside it; what follows is said in that turn until the next mark.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

Turn = dict[str, Any]
_TOOLS = "tools"  # the declarations of tools, as a turn
_NOTHING = ""  # what stands behind such a mark is nobody's


class Template(NamedTuple):
    """A family's marks: `start` is how its prompts begin, each of `roles` begins a turn, `ends` close one."""

    start: str
    roles: tuple[tuple[str, str], ...]
    ends: str = r"(?!)"


_WORDS = "system|user|assistant|tool|developer|ipython|observation|tool_response|available_tools"
_ROLES = {
    "available_tools": _TOOLS, "ai": "assistant", "model": "assistant", "chatbot": "assistant", "ipython": "tool",
    "observation": "tool", "tool_response": "tool", "tool_declare": _TOOLS, "developer": "system",
}  # fmt: skip
_TEMPLATES = (
    Template(
        r"\[(?:AVAILABLE_TOOLS|SYSTEM_PROMPT)\]|\[INST\](?=[^\[]*\[/INST\]\s*\[TOOL_CALLS\])",  # Mistral
        (
            (r"\[AVAILABLE_TOOLS\]", _TOOLS),
            (r"\[SYSTEM_PROMPT\]", "system"),
            (r"\[INST\]", "user"),
            (r"\[/INST\]|\[/TOOL_RESULTS\]", "assistant"),
            (r"\[TOOL_RESULTS\]", "tool"),
            (r"\[/(?:AVAILABLE_TOOLS|SYSTEM_PROMPT)\]", _NOTHING),
        ),
        r"</s>",
    ),
    Template(
        r"(?:(?!<｜User｜>).)*<｜User｜>",  # DeepSeek: the system text has no mark
        (
            (r"\A", "system"),
            (r"<｜User｜>", "user"),
            (r"<｜Assistant｜>|<｜tool▁output▁end｜>", "assistant"),
            (r"<｜tool▁output▁begin｜>", "tool"),
        ),
        r"<｜tool▁outputs▁(?:begin|end)｜>|<｜(?:begin|end)▁of▁sentence｜>",
    ),
    Template(
        r"<\|im_system\|>|<\|im_user\|>",  # Kimi: a tool speaks as a system of its own name
        (
            (r"<\|im_system\|>tool_declare<\|im_middle\|>", _TOOLS),
            (r"<\|im_system\|>system<\|im_middle\|>", "system"),
            (r"<\|im_system\|>[^<\n]*<\|im_middle\|>(?:## Return of [^\n]*\n)?", "tool"),
            (r"<\|im_user\|>[^<\n]*<\|im_middle\|>", "user"),
            (r"<\|im_assistant\|>[^<\n]*<\|im_middle\|>", "assistant"),
        ),
        r"<\|im_end\|>",
    ),
    Template(r"\]~!b\[|\]~b\]", ((r"\]~b\](system|user|ai|tool)\n", ""),), r"\[e~\[|\]~!b\["),  # MiniMax
    Template(
        r"<\|start_of_role\|>",  # Granite
        ((rf"<\|start_of_role\|>({_WORDS})[^<]*<\|end_of_role\|>", ""),),
        r"<\|end_of_text\|>",
    ),
    Template(
        r"<\|START_OF_TURN_TOKEN\|>",  # Command R: a tool speaks as the system, behind the call
        (
            (r"<\|START_OF_TURN_TOKEN\|><\|SYSTEM_TOKEN\|>(?=\s*<results>)", "tool"),
            (r"<\|START_OF_TURN_TOKEN\|><\|(SYSTEM|USER|CHATBOT)_TOKEN\|>", ""),
        ),
        r"<\|END_OF_TURN_TOKEN\|>",
    ),
    Template(r"\[\|(?:system|user)\|\]", ((rf"\[\|({_WORDS})\|\]", ""),), r"\[\|endofturn\|\]"),  # EXAONE
    Template(
        r"<SPECIAL_1[01]>",  # Nemotron: a tool speaks as the user
        ((r"<SPECIAL_11>User\n(?=\s*<TOOL_RESPONSE>)", "tool"), (r"<SPECIAL_1[01]>(System|User|Assistant)\n", "")),
        r"<SPECIAL_12>",
    ),
    Template(
        r"<\|header_start\|>",  # Llama 4
        ((rf"<\|header_start\|>({_WORDS})<\|header_end\|>", ""),),
        r"<\|(?:eot|eom|end_of_text)\|>",
    ),
    Template(
        r"<start_of_turn>(?=.*<start_function_(?:call|response)>)",  # FunctionGemma
        (
            (r"<start_of_turn>(developer|system|user|model)\n", ""),
            (r"<start_function_response>response:[\w.\-]+", "tool"),
            (r"<end_function_response>", "assistant"),
        ),
        r"<end_of_turn>|<eos>",
    ),
    Template(
        r"<\|system\|>(?=.*<\|tool\|>\s*\[)",  # Phi-4-mini
        ((r"<\|(system|user|assistant|tool_response)\|>", ""), (r"<\|tool\|>", _TOOLS), (r"<\|/tool\|>", _NOTHING)),
        r"<\|end\|>|<\|endoftext\|>",
    ),
)
_RESULT = re.compile(
    r"\s*<(tool_response|response|results|result|tool_result|TOOL_RESPONSE)>\s*(.*?)\s*</\1>\s*\Z", re.S
)


def template_of(text: str, place: int) -> Template | None:
    """The template in which a text is written; place: behind the mark with which any text may begin."""
    return next((one for one in _TEMPLATES if re.compile(one.start, re.S).match(text, place)), None)


def turns_of(template: Template, text: str) -> list[Turn]:
    """The turns of a text; declared tools are a turn of the role `tools`."""
    marks = re.compile("|".join(f"(?P<m{number}>{mark})" for number, (mark, _) in enumerate(template.roles)))
    found = list(marks.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    turns: list[Turn] = []
    for mark, end in zip(found, ends, strict=True):
        role = _role(template, mark)
        said = re.sub(template.ends, "", text[mark.end() : end]).strip()
        if role and said:
            turns += _results(said) if role == "tool" else [{"role": role, "content": said}]
    return turns


def _role(template: Template, mark: re.Match[str]) -> str:
    """The role that the mark has, or that stands in it."""
    number = next(int(name[1:]) for name, found in mark.groupdict().items() if found is not None)
    pattern, role = template.roles[number]
    named = re.compile(pattern).match(mark.group()) if role == _NOTHING else None
    word = named[1].lower() if named is not None and named.re.groups else role
    return _ROLES.get(word, word)


def _results(said: str) -> list[Turn]:
    """What tools gave, without the tags or the JSON around it."""
    inner = _RESULT.fullmatch(said)
    text = inner[2] if inner else said
    try:
        value = json.loads(text)
    except ValueError:
        return [{"role": "tool", "content": text}]
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, dict) and "content" in item for item in items):
        return [{"role": "tool", "content": text}]
    kept = ("content", "name", "tool_call_id", "call_id")
    return [
        {"role": "tool", **{("tool_call_id" if key == "call_id" else key): item[key] for key in kept if key in item}}
        for item in items
    ]
