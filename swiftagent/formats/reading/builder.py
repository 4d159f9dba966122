"""What all readers share: a trajectory is built event by event, and every spelling of calls, ids and results is met
here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isfinite
from typing import Any

from swiftagent.errors import RowError
from swiftagent.formats.reading.calls import RawCall, calls_of
from swiftagent.formats.reading.python_calls import looks_like_calls, python_calls
from swiftagent.formats.reading.tools import types_of
from swiftagent.formats.reading.user_results import results_in_tags
from swiftagent.io.jsonl import encode, without_surrogates
from swiftagent.trajectory import react
from swiftagent.trajectory.escape import JOINER, show_control_tokens, show_value
from swiftagent.trajectory.read_loose import read_arguments, read_loose
from swiftagent.trajectory.types import Answer, Call, Event, Observation, Question, System, Thought, Tool, Trajectory

MEDIA_BLOCKS = frozenset(
    ("image_url", "image", "input_image", "input_audio", "audio", "audio_url", "video", "video_url", "file")
    + ("input_file",)
)
THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
# Where reasoning ends in OpenThoughts, and in MiniCPM 4.
THOUGHT_ENDS = ("<|end_of_thought|>", "<|thought_end|>")
_THOUGHT_STARTS = re.compile(r"<\|(?:begin_of_thought|thought_start)\|>")
_SOLUTION = re.compile(r"<\|(?:begin|end)_of_solution\|>")
_NAME_AND_JSON = re.compile(r"\s*([A-Za-z_][\w.\-]*)\n\s*(\{.*\})\s*", re.S)
_NAMED, _GIVEN = re.compile('"(?:name|function)"'), re.compile('"(?:arguments|parameters)"')
_FINISHING = frozenset(("finish", "final_answer"))
_FINAL = ("message", "answer", "final_answer", "final_thought", "result", "output", "text", "response", "summary")


class Builder:
    """Collects the events of one conversation in the order of the row.

    Call ids are renumbered c0, c1, ...; a result finds its call by id, else by name, else in order; texts that are
    empty are left out. `repairs` holds a code for each thing that was mended.
    """

    __slots__ = ("events", "tools", "repairs", "_calls", "_open", "_ids")

    def __init__(self, tools: tuple[Tool, ...] = (), repairs: tuple[str, ...] = ()) -> None:
        self.events: list[Event] = []
        self.tools = tools
        self.repairs = list(repairs)
        self._calls = 0
        self._ids: set[str] = set()
        self._open: list[tuple[str, str, str]] = []  # (id in the row, name, our id) of calls that have no result yet

    def system(self, text: str) -> None:
        if text:
            self.events.append(System(_shown(text)))

    def question(self, text: str) -> None:
        """What the user says; results in tags at its beginning are those of the calls before it."""
        if "</" in text and text.lstrip()[:1] == "<":
            text = self._results_of_user(text)
            if not text:
                return
        self.close_step()
        if text:
            self.events.append(Question(_shown(text)))
        else:
            self.repairs.append("empty-turn")

    def _results_of_user(self, text: str) -> str:
        """Take the results from a user turn that stands behind a call; returns what else it says."""
        results, rest, alone = results_in_tags(text)
        if not results or not self._open:
            if results and alone and not rest:
                self.repairs.append("unread-result")
            return text
        for result in results:
            self.result(result)
        return rest

    def thought(self, text: str, said: bool = False, trained: bool = True) -> None:
        self._begin()
        if text and text != react.NO_THOUGHT:
            self.events.append(Thought(_shown(text), said, trained))

    def call(self, name: Any, arguments: Any, id: Any = None, trained: bool = True) -> None:
        """A call with its arguments as the row holds them. Raises RowError("call-without-name", ...)."""
        if not isinstance(name, str) or not name.strip():
            raise RowError("call-without-name", f"a call names no tool: {str(arguments)[:80]!r}")
        if type(arguments) is dict:
            value = arguments
        else:
            value, repairs = read_arguments(arguments)
            self.repairs += repairs
        value = _checked_arguments(name, value)
        try:
            encode(value)
        except UnicodeEncodeError:  # a surrogate: escaped in JSON text, it passed the check of the row
            value = without_surrogates(value)
            self.repairs.append("lone-surrogate")
        self._begin()
        ours = f"c{self._calls}"
        self._calls += 1
        name = _shown(name.strip())
        if "\n" in name:
            raise RowError("broken-call", f"a tool's name holds a line break: {name[:80]!r}")
        if value:
            value = show_value(value)
        given = id if isinstance(id, str) else "" if id is None else str(id)
        if given:
            if given in self._ids:
                self.repairs.append("reused-call-id")
            self._ids.add(given)
        self._open.append((given, name, ours))
        self.events.append(Call(name, value, ours, trained))

    def result(self, text: str, id: Any = None, name: Any = None) -> None:
        """What a tool answered. One that finds no open call gets no call id; `wellformed` rejects it."""
        if not self._open:
            self._find_calls_in_last_answer()
        waiting = self._open
        text = _shown(text)
        if not waiting:
            self.events.append(Observation(text, ""))
            return
        wanted, ids = "" if id is None else str(id), [given for given, _, _ in waiting]
        if wanted and wanted in ids:
            index = ids.index(wanted)
        else:
            index = next((place for place, (_, given, _) in enumerate(waiting) if given == name), 0)
            if wanted and any(ids):
                self.repairs.append("unknown-result-id")
        self.events.append(Observation(text, waiting.pop(index)[2]))

    def _begin(self) -> None:
        """What the model writes right behind a call takes no result away from it; behind a result it is a new step."""
        if self._open and type(self.events[-1]) is Observation:
            self.close_step()

    def answer(self, text: str, trained: bool = True) -> None:
        self._begin()
        if text:
            if self.tools and text[:1] in "[{`" and self._answer_is_calls(text, trained):
                return
            self.events.append(Answer(_shown(text), trained))
        else:
            self.repairs.append("empty-turn")

    def say(self, text: str, calls_follow: bool = False, trained: bool = True) -> None:
        """What an assistant turn says: `<think>` reasoning is a thought; the rest an answer, or text beside calls."""
        if THINK_CLOSE in text or thought_end(text):
            reasoning, text = split_thinking(text)
            if reasoning:
                self.thought(reasoning, trained=trained)
            if not text:
                return
        if not calls_follow:
            self.answer(text, trained)
        elif text:
            self.thought(text, said=True, trained=trained)

    @property
    def waits_for_result(self) -> str:
        """The last tool whose result is missing; "" where none is."""
        return self._open[-1][1] if self._open else ""

    @property
    def answered(self) -> bool:
        """Whether the last word is an answer."""
        return bool(self.events) and type(self.events[-1]) is Answer

    def build(self, id: Any = "") -> Trajectory:
        """The trajectory as read; `wellformed.check` settles its order. `id` becomes text."""
        self._end_with_answer()
        self.close_step()
        self._leave_out_nulls()
        name = id if isinstance(id, str) else "" if id is None else str(id)
        return Trajectory(tuple(self.events), self.tools, name, "", "agent", tuple(self.repairs))

    def _leave_out_nulls(self) -> None:
        """Without nulls for parameters that the tool does not have: Arrow fills in those of other tools."""
        for place, event in enumerate(self.events):
            if type(event) is not Call or type(event.arguments) is not dict or None not in event.arguments.values():
                continue
            known = types_of(event.tool, self.tools)
            kept = {key: value for key, value in event.arguments.items() if value is not None or key in known}
            if known and len(kept) < len(event.arguments):
                self.events[place] = Call(event.tool, kept, event.id, event.trained)
                self.repairs.append("null-arguments")

    def _end_with_answer(self) -> None:
        """A run that ends on `finish(message=...)`, which no tool answers, ends on that message (OpenHands,
        smolagents)."""
        last = self.events[-1] if self.events else None
        if type(last) is not Call or not self._open or not any(type(event) is Observation for event in self.events):
            return
        if last.tool.lower() not in _FINISHING or (len(self.events) > 1 and type(self.events[-2]) is Call):
            return
        given: dict[str, Any] = last.arguments if isinstance(last.arguments, dict) else {}
        texts = {key: value for key, value in given.items() if isinstance(value, str) and value.strip()}
        said = self.events[-2]
        answer = next((texts[key] for key in _FINAL if key in texts), "")
        if not texts and type(said) is Thought and said.said:
            answer = said.text
            self.events.pop()
        if not answer:
            return
        self.events[-1] = Answer(answer, last.trained)
        if not any(type(event) is Call and event.tool == last.tool for event in self.events):
            self.tools = tuple(tool for tool in self.tools if tool.name != last.tool)
        self._open.pop()
        self.repairs.append("finish-action")

    def _answer_is_calls(self, text: str, trained: bool) -> bool:
        """Where tools are declared, an answer that is nothing but calls of them is those calls."""
        calls = calls_in_text(text)
        names = {tool.name for tool in self.tools}
        if not calls or any(name not in names for name, _, _ in calls):
            return False
        self.repairs.append("call-in-text")
        self.calls(calls, trained)
        return True

    def _find_calls_in_last_answer(self) -> None:
        """A result with no open call, and an answer before it that is nothing but calls as text: that answer is the
        call."""
        last = self.events[-1] if self.events else None
        if type(last) is not Answer:
            return
        calls = calls_in_text(last.text)
        if calls:
            self.events.pop()
            self.repairs.append("call-in-text")
            self.calls(calls, last.trained)

    def calls(self, calls: Iterable[RawCall], trained: bool = True) -> None:
        """Calls of one step."""
        for name, arguments, id in calls:
            self.call(name, arguments, id, trained)

    def close_step(self) -> None:
        """What comes next is no result, even where calls have none yet (ReAct text has them one by one); one result
        that answers several parallel calls as a JSON list is taken apart."""
        if not self._open:
            return
        waiting, self._open = self._open, []
        last = self.events[-1]
        if type(last) is Observation and last.call_id and last.text.lstrip()[:1] == "[":
            try:
                parts, _ = read_loose(last.text)
            except RowError:
                return
            if isinstance(parts, list) and len(parts) == len(waiting) + 1 and _is_first_of(self.events, len(parts)):
                ids = [last.call_id, *(ours for _, _, ours in waiting)]
                self.events[-1:] = [Observation(as_text(part), ours) for part, ours in zip(parts, ids, strict=True)]
                self.repairs.append("joined-results")


def _checked_arguments(name: str, value: Any) -> dict[str, Any]:
    """Raises RowError("broken-call") for arguments that no JSON object can hold as they are."""
    if type(value) is not dict:
        raise RowError("broken-call", f"the arguments of {name} are a {type(value).__name__}, not an object")
    if _has_no_json(value):
        raise RowError("broken-call", f"an argument of {name} is infinite or not a number, which JSON cannot hold")
    return value


def _has_no_json(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return not isfinite(value)
    if kind is dict:
        return any(_has_no_json(item) for item in value.values() if type(item) is not str)
    return kind is list and any(_has_no_json(item) for item in value if type(item) is not str)


def _shown(text: str) -> str:
    """What our own writers hid, so that no tokenizer takes it for a control token, as it was."""
    return show_control_tokens(text) if JOINER in text else text


def calls_in_text(text: str) -> list[RawCall]:
    """The calls of a text that is nothing else: JSON with name and arguments, fenced or not, or `[f(a=1)]`; [] for
    other text."""
    named = _NAME_AND_JSON.fullmatch(text)
    if named:  # GLM-4
        return [(named[1], named[2], None)]
    bare = text.strip().strip("`").removeprefix("json").removeprefix("JSON").strip()
    try:
        if looks_like_calls(bare):
            return [(name, arguments, None) for name, arguments in python_calls(bare)]
        if bare[:1] in ("{", "[") and _NAMED.search(bare) and _GIVEN.search(bare):
            return calls_of(bare)[0]
    except RowError:
        pass
    return []


def _is_first_of(events: list[Event], calls: int) -> bool:
    """Whether the last event is a result that stands directly behind as many calls."""
    return len(events) > calls and all(type(event) is Call for event in events[-1 - calls : -1])


def as_text(value: Any) -> str:
    """A content of any shape as text: text stays, null is empty, blocks of text are joined, the rest is JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and value and all(_is_text_block(item) for item in value):
        return "\n".join(_block_text(item) for item in value)
    return json_like(value)


def json_like(value: Any) -> str:
    """A JSON value as `json.dumps` writes it, so that a result keeps its spelling."""
    import json

    return json.dumps(value, ensure_ascii=False)


def thought_end(text: str) -> str:
    """The mark of another family than `</think>` that ends the reasoning of a text, "" where none does."""
    return next((end for end in THOUGHT_ENDS if end in text), "") if "<|" in text else ""


def split_thinking(text: str) -> tuple[str, str]:
    """`<think>reasoning</think> text` as (reasoning, text)."""
    if text.startswith(react.THINK_OPEN) and react.THINK_CLOSE in text:  # as models and our own writers put it: exact
        reasoning, _, after = text[len(react.THINK_OPEN) :].partition(react.THINK_CLOSE)
        return reasoning, after
    if THINK_CLOSE not in text and (end := thought_end(text)):
        before, _, after = text.partition(end)
        return _THOUGHT_STARTS.sub("", before).strip(), _SOLUTION.sub("", after).strip()
    before, _, after = text.partition(THINK_CLOSE)
    head, opened, reasoning = before.partition(THINK_OPEN)
    if not opened:
        return before.strip(), after.lstrip()
    return reasoning.strip(), (head.strip() + "\n" + after.lstrip() if head.strip() else after.lstrip())


def _is_text_block(item: Any) -> bool:
    if isinstance(item, str):
        return True
    return isinstance(item, dict) and ("text" in item or item.get("type") in ("text", *MEDIA_BLOCKS))


def _block_text(item: Any) -> str:
    if isinstance(item, str):
        return item
    text = item.get("text", item.get("value"))
    if isinstance(text, dict):  # OpenAI's threads: {"type": "text", "text": {"value": "...", "annotations": []}}
        text = text.get("value")
    if isinstance(text, str):
        return text
    return f"<{item.get('type', 'text').removesuffix('_url').removeprefix('input_')}>"
