"""A conversation as one text with a chat template's marks: ChatML, Llama 2 and 3, Gemma, Zephyr, `### Human:`,
`Human:`."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.delegate import read_turns
from swiftagent.formats.reading.messages import ROLES
from swiftagent.trajectory.types import Trajectory

ABOUT = (
    "a text with a chat template's marks (ChatML, Llama 2 and 3, Gemma, Zephyr, Harmony, ### Human, ### "
    "Instruction, Human:)"
)
SAMPLE = {"text": "<|im_start|>user\nOslo?<|im_end|>\n<|im_start|>assistant\nThe capital of Norway.<|im_end|>\n"}
_KEYS = ("text", "prompt", "content", "conversation", "input", "plain_text", "formatted_text", "chat_template_text")
_ENDINGS = ("completion", "response", "output")

KEYS = frozenset(_KEYS)
_START = re.compile(r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|endoftext\|>)?\s*")
_HASHES = r"(?:System|Human|User|Assistant|Instruction|Input|Response|Tool|Function|Observation)"
# First the mark that a text of the kind starts with, then role and text of each turn.
_TEMPLATES: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(first), re.compile(turn, re.S))
    for first, turn in (
        (r"<\|im_start\|>", r"<\|im_start\|>\s*(\w+)[^\S\n]*\n?(.*?)\s*(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)"),
        (
            r"<\|start_header_id\|>",
            r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\s*(.*?)\s*(?:<\|(?:eot_id|eom_id|end_of_text)\|>"
            r"|(?=<\|start_header_id)|\Z)",
        ),
        (r"<start_of_turn>", r"<start_of_turn>(\w+)\n(.*?)\s*(?:<end_of_turn>|(?=<start_of_turn>)|\Z)"),
        (
            r"<\|(?:system|user)\|>",
            r"<\|(system|user|assistant|observation|tool)\|>\s*(.*?)\s*"
            r"(?:<\|end\|>|</s>|<\|endoftext\|>|(?=<\|(?:system|user|assistant|observation|tool)\|>)|\Z)",
        ),
        (r"### (?:Human|User|System):", rf"### ({_HASHES}):\s*(.*?)\s*(?=### {_HASHES}:|\Z)"),
        (r"(?:Below is an? |### Instruction:)", rf"(?:^|\n)### ({_HASHES}):\s*(.*?)\s*(?=\n### {_HASHES}:|\Z)"),
        (
            r"(?:The conversation between [Hh]uman and AI assistant\.\s*)?\[\|Human\|\]",
            r"\[\|(Human|AI)\|\]\s*(.*?)\s*(?=\[\|(?:Human|AI)\|\]|\Z)",
        ),
        (r"\[Human\]: ", r"\[(Human|MOSS)\]:\s*(.*?)\s*(?:<eoh>|<eoa>|(?=\[(?:Human|MOSS)\]:)|\Z)"),
        (
            r"Human: ",
            r"(?:^|\n\n)(Human|Assistant|Tool|Observation): ?(.*?)\s*(?=\n\n(?:Human|Assistant|Tool|Observation):|\Z)",
        ),
    )
)
_INST = re.compile(
    r"\[INST\]\s*(?:<<SYS>>\s*(.*?)\s*<</SYS>>\s*)?(.*?)\s*\[/INST\]\s*(.*?)\s*(?:</s>|(?=<?s?>?\[INST\])|\Z)", re.S
)


_HARMONY = re.compile(r"<\|start\|>([\w.]+)(.*?)(?=<\|start\|>|\Z)", re.S)
_SAID = re.compile(r"<\|message\|>(.*?)(?:<\|(?:end|return|call)\|>|\Z)", re.S)


def looks_like(row: Any) -> bool:
    text = _text_of(row)
    return text is not None and any(turn["role"] == "assistant" for turn in turns_in(text))


def _text_of(row: Any) -> str | None:
    if type(row) is not dict or ("instruction" in row and "output" in row):  # Alpaca repeats the same under `text`
        return None
    for key in _KEYS:
        text = row.get(key)
        if isinstance(text, str) and _template_of(text) is not None:
            rest = (
                next((row[ending] for ending in _ENDINGS if isinstance(row.get(ending), str)), "")
                if key == "prompt"
                else ""
            )
            return text + rest
    return None


def _template_of(text: str) -> re.Pattern[str] | None:
    start = _START.match(text)
    place = start.end() if start else 0
    if text.startswith("[INST]", place):
        return _INST
    if text.startswith("<|start|>", place):
        return _HARMONY
    return next((turn for first, turn in _TEMPLATES if first.match(text, place)), None)


def turns_in(text: str) -> list[dict[str, str]]:
    """The turns of a text that is written in a known template; [] for any other text."""
    template = _template_of(text)
    if template is None:
        return []
    if template is _INST:
        return _inst_turns(text)
    if template is _HARMONY:
        return _harmony_turns(text)
    turns: list[dict[str, str]] = []
    for role, said in template.findall(text):
        name = "user" if role in ("Instruction", "Input") else ROLES.get(role.lower(), role)
        kind = {"user": "user", "assistant": "assistant", "system": "system", "result": "tool"}.get(name, name)
        if role == "Input" and turns:
            turns[-1]["content"] += f"\n{said}"
        elif said:
            turns.append({"role": kind, "content": said})
    return turns


def _harmony_turns(text: str) -> list[dict[str, str]]:
    """Of gpt-oss: what an assistant says keeps its marks, which separate what is thought, called and answered."""
    turns = []
    for role, rest in _HARMONY.findall(text):
        said = _SAID.search(rest)
        if role == "assistant":
            turns.append({"role": "assistant", "content": rest})
        elif said is not None:
            name, _, function = role.partition(".")
            turns.append(
                {"role": "tool", "name": function, "content": said[1]}
                if function
                else {"role": name, "content": said[1]}
            )
    return turns


def _inst_turns(text: str) -> list[dict[str, str]]:
    turns = []
    for system, asked, answered in _INST.findall(text):
        if system:
            turns.append({"role": "system", "content": system})
        turns.append({"role": "user", "content": asked})
        if answered:
            turns.append({"role": "assistant", "content": answered})
    return turns


def parse(row: Any) -> Trajectory:
    text = _text_of(row)
    if text is None:
        raise RowError("not-a-conversation", "no text with the marks of a chat template")
    return read_turns(list(turns_in(text)), row)
