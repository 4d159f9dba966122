"""Trained texts that look as if a call or a tool's result had stayed in them unread.

Recognition reads the forms it knows; what is left over must not be trained in silence. Only rows of which no call was
read are looked at: where calls stand in fields of their own, a text that quotes one is a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from swiftagent.trajectory.types import Answer, Call, Event, Observation, Thought, Tool

_FENCED = re.compile(r"```.*?(?:```|\Z)", re.S)
# A page may hold <output> behind any of these.
_HTML = (
    "div|p|span|body|head|form|label|ul|ol|li|h[1-6]|table|t[drh]|thead|tbody|script|style|button|fieldset|legend"
    "|main|section|a|b|i"
)
_RESULT_WORD = (
    r"(?:tool|function|api|code|execution)?[ _]?(?:use[ _])?"
    r"(?:results?|outputs?|responses?|observations?|obs|returns?|returned|documents?|information|interpreter)"
)
# A closing mark of one thing with the opening mark of a result directly behind it.
_RESULT_TAG = (
    rf"(?:</(?!(?:{_HTML})>)[\w:.\-]+>|<\|end[\w]*\|>|<｜[^｜>\n]*end[^｜>\n]*｜>|\[/[A-Z_]+\])\s*"
    rf"(?:<\|?(?:begin_of_)?{_RESULT_WORD}(?:\s[^>\n]*)?\|?>|\[(?:TOOL_)?(?:RESULTS?|OUTPUT|OBSERVATION)\])"
    r"|<details\s+type=\"tool_calls\""  # Open WebUI
)
# Marks that exist for results alone, wherever they stand.
_RESULT_MARK = (
    r"<\|?/?(?:begin_of_|end_of_)?(?:tool_use_result|tool_response|tool_result|tool_output|function_results?|"
    r"function_response|documents)\|?>|\[TOOL_RESULTS\]"
)
_CALL_LABEL = (
    r"(?:tool|function|api)(?:[ _]?(?:calls?|name|used?))?|工具(?:调用|名称)?|函数(?:调用|名称)?"
    r"|调用(?:工具|函数)?|action|行动"
)
_LABELLED = (
    rf"(?:\A|\n)[ \t*#>\-]*(?:{_CALL_LABEL})[ *]*[:：][^\n]*\n(?:[^\n]*\n){{0,12}}?"
    rf"[ \t*#>\-]*(?:{_RESULT_WORD}|返回(?:结果|值)?|结果|观察(?:结果)?|输出)[ *]*[:：]"
)
_RESULT_LABEL = rf"\n[ \t*#>\-]*(?:{_RESULT_WORD}|返回(?:结果|值)?|结果|观察(?:结果)?|输出)[ *]*[:：]"
# A step in the words of any language: a name, arguments and a third thing, each behind a label of its own.
_STEP = re.compile(
    r"(?:\A|\n)[^\n:：{]{1,30}[:：][ \t]*[A-Za-z_][\w.\-]*[ \t]*\n"
    r"[^\n:：{]{1,40}[:：][ \t]*\{[^\n]*\}[ \t]*\n[^\n:：{]{1,40}[:：]"
)
_STARTS_WITH_RESULT = (
    rf"\s*[*#>\-]*\s*(?:tool|function|api)?[ _]?(?:{_RESULT_WORD}|工具(?:返回|结果)|观察(?:结果)?)[ *]*[:：]"
)
_STARTS_AS_OBSERVATION = (
    r"\s*[*#>\-]*\s*(?:observation|(?:tool|function|api)[ _](?:results?|outputs?|response)|工具(?:返回|结果)"
    r"|观察(?:结果)?)[ *]*[:：]"
)
# Turns inside one text: what the tool says, and behind it the assistant again.
_TRANSCRIPT = (
    r"\n(?:### ?)?\[?(?:tool|function|observation|api|environment)(?:[ _](?:results?|outputs?|responses?))?\]?"
    r"\s?[:：](?:[^\n]*\n){1,40}?(?:### ?)?\[?(?:assistant|ai|bot|gpt|助手)\]?\s?[:：]"
)
_ARGUMENTS = re.compile(r"[{(]\s*(?:[\"'\w]|[)}])")
# Marks around calls that no text uses for anything else.
_CALL_MARK = (
    r"<\|?(?:tool_calls?|function_calls?|functioncall|invoke|tool_use)(?:_start|_begin)?\b[^>\n]*>\s*\S"
    r"|\[TOOL_CALLS\]|<function=|<\|python_tag\|>|✿FUNCTION✿|<｜tool[▁_]calls?[▁_]begin｜>|functools\["
)
# Each begins with a literal letter and has no flag, so that a search costs little.
_MAY_BE_TAG = re.compile(
    r"<(?:[|｜]|/?(?:[oO]ut|[rR]es|[oO]bs|[dD]oc|[iI]n[ftv]|[tT]oo|[fF]un|[rR]et|[eE]xe|[cC]od|[aA]pi|details type))"
)
# The label of a call at the start of a line, behind which that of its result may stand.
_MAY_BE_LABEL = re.compile(rf"\n[ \t*#>\-]*(?=[tfa工函调行])(?:{_CALL_LABEL})[ *]*[:：]", re.I)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """The patterns above that are texts: they take 3 ms together, and few rows need one."""
    return re.compile(pattern, re.I)


def may_hold_marks(text: str) -> bool:
    """A cheap look for marks of calls and results; False is sure."""
    if "<" in text and _MAY_BE_TAG.search(text) is not None:
        return True
    return "[" in text and ("[TOOL" in text or "[/" in text)


def may_hold_labels(lines: str) -> bool:
    """A cheap look for a labelled call, or for turns of others, in lines that each begin with a newline; False is
    sure."""
    return (
        _compiled(_TRANSCRIPT).search(lines) is not None
        or ("{" in lines or "(" in lines)
        and (_MAY_BE_LABEL.search(lines) is not None or may_hold_step(lines))
    )


def may_hold_step(text: str) -> bool:
    """Whether a labelled step stands in a text, in whatever language its labels are."""
    return "{" in text and (": {" in text or "：{" in text or ":{" in text) and _STEP.search(text) is not None


def starts_as_observation(text: str) -> bool:
    """Whether an answer begins with the label of a tool's result."""
    return _compiled(_STARTS_AS_OBSERVATION).match(text) is not None


def suspicion(events: Iterable[Event], tools: tuple[Tool, ...]) -> tuple[str, str] | None:
    """(code, sentence) of the first trained text that holds an unread call or result; None where none does."""
    events = tuple(events)
    # A row with calls was recognised; texts that quote a call in it are about calls.
    if any(type(event) is Call for event in events):
        return _spoken_result(events)
    for event in events:
        if (type(event) is Answer or type(event) is Thought) and event.trained:
            code = _unread(event.text, tools)
            # Reasoning speaks of tools and their parameters; an answer gives them where it is a call.
            if not code and type(event) is Answer and _gives_parameters(event.text, tools):
                code = "unread-call"
            if code:
                what = "a call" if code == "unread-call" else "what a tool answered"
                return code, f"a trained text seems to hold {what}: {event.text[:80]!r}"
    return None


def _spoken_result(events: tuple[Event, ...]) -> tuple[str, str] | None:
    """A trained text directly behind a call that says what the tool answered: in any words where its result is missing,
    as an observation where it is there."""
    for before, event in zip(events, events[1:], strict=False):
        if type(event) is not Answer or not event.trained or type(before) not in (Call, Observation):
            continue
        given = type(before) is Observation and before.text
        if _compiled(_STARTS_AS_OBSERVATION if given else _STARTS_WITH_RESULT).match(event.text):
            return "unread-result", f"a trained text seems to hold what a tool answered: {event.text[:80]!r}"
    return None


def _unread(text: str, tools: tuple[Tool, ...]) -> str:
    # A cheap look, which is sure where no tool is declared.
    if not tools and not may_hold_marks(text) and not may_hold_labels(text if text[:1] == "\n" else f"\n{text}"):
        return ""
    named = next((tool.name for tool in tools if tool.name and tool.name in text), "") if tools else ""
    bare = _FENCED.sub("", text) if "```" in text and not named else text
    if _compiled(_RESULT_TAG).search(bare) or (
        _compiled(_RESULT_MARK).search(bare) and (named or _compiled(_CALL_MARK).search(bare))
    ):
        return "unread-result"
    if may_hold_step(bare) or _compiled(_TRANSCRIPT).search(bare) is not None:
        return "unread-result"
    labelled = _compiled(_LABELLED).search(bare)
    if labelled is not None and _ARGUMENTS.search(labelled.group()) is not None:
        return "unread-result"
    if named and _is_called(bare, tools, _CALLED_WITH) and _compiled(_RESULT_LABEL).search(bare):
        return "unread-result"
    if named and (_compiled(_CALL_MARK).search(bare) or _is_called(bare, tools, _CALLED)):
        return "unread-call"
    return ""


# A declared name as a call: behind the start of a line or a mark, or with named arguments.
_CALLED = (
    r"(?:\A|\n|[<>\[(`:=|/]|\"name\"\s*:\s*\")\s*\"?{name}\"?\s*"
    r"(?:\(|\{{|>\s*[\{{<]|</[^>\n]+>\s*<[^>\n]+>\s*[\{{<]|,\s*\"(?:arguments|parameters)|\n\s*\{{)"
    r"|\b{name}\s*\(\s*(?:\w+\s*=|[{{\"'])"
    r"|\b{name}[ :：=]{{0,3}}\{{\s*[\"']"
    r"|(?:\A|\n)[ \t]*(?:tool|function|action|name|api)[ \t]*:[ \t]*[\"']?{name}[\"']?[ \t]*\n"
    r"[ \t]*(?:args|arguments|parameters|params|input)\b"
)
_CALLED_WITH = r"\b{name}\b[^\n]{{0,40}}[({{]"


def _is_called(text: str, tools: tuple[Tool, ...], form: str) -> bool:
    """Whether a declared tool's name stands in a text with arguments behind it."""
    names = [re.escape(tool.name) for tool in tools if tool.name in text]
    return any(re.search(form.format(name=name), text) is not None for name in names)


# Behind the name of a tool, one of its parameters with a value: as an option, a key, an attribute or a tag.
_GIVEN = (
    r"--(?:{keys})[ =]|[\"'](?:{keys})[\"']\s*[:=>]|=[\"'](?:{keys})[\"']"
    r"|[|,(\[{{<\n]\s*(?:{keys})\s*(?:[=>]|:\s*\S)"
)
_WINDOW = 160  # characters behind the name


def _gives_parameters(text: str, tools: tuple[Tool, ...]) -> bool:
    """Whether a declared name stands in a text with values for its parameters, in whatever notation; or as a value of a
    text that is JSON and nothing else."""
    is_json = text.lstrip()[:1] in ("{", "[") and text.rstrip()[-1:] in ("}", "]")
    for tool in tools:
        if not tool.name or tool.name not in text:
            continue
        quoted = rf"[\"']{re.escape(tool.name)}[\"']"
        if is_json and re.search(rf"{quoted}(?!\s*:)", text) is not None:
            return True
        properties = tool.parameters.get("properties")
        keys = "|".join(map(re.escape, properties)) if isinstance(properties, dict) else ""
        # A name that is a word of the language counts where a mark stands before it alone.
        before = r"(?<=[<\[(\"'`:=|/$])\s?" if tool.name.isalpha() and tool.name.islower() else r"(?<![\w.])"
        for found in re.finditer(rf"{before}{re.escape(tool.name)}(?!\w)", text) if keys else ():
            if re.search(_GIVEN.format(keys=keys), text[found.end() : found.end() + _WINDOW]) is not None:
                return True
    return False
