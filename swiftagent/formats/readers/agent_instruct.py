"""AgentInstruct's shell tasks: `Think:` and `Act: bash` with a code block, the output in the next user turn."""

from __future__ import annotations

import re
from typing import Any

from swiftagent.formats.reading.builder import Builder
from swiftagent.formats.reading.messages import ROLES, as_messages, is_trained, read_message, say_plainly
from swiftagent.formats.reading.react_text import read_react_text
from swiftagent.formats.reading.view import view_of
from swiftagent.trajectory.types import Trajectory

ABOUT = "AgentInstruct / AgentTuning: Think: and Act: (bash, answer, finish) in turns; its Thought:/Action: parts are `react`"
SAMPLE = {
    "id": "os_1",
    "conversations": [
        {"role": "user", "content": "How many files are in /etc?"},
        {"role": "assistant", "content": "Think: I count.\n\nAct: bash\n\n```bash\nls /etc | wc -l\n```"},
        {"role": "user", "content": "The output of the OS:\n220"},
        {"role": "assistant", "content": "Think: It is 220.\n\nAct: answer(220)"},
    ],
}
_STEP = re.compile(
    r"\s*(?:Think:\s*(?P<think>.*?)\s*)?(?:^|\n)\s*Act:\s*(?P<act>\w+)\s*(?:\((?P<answer>.*)\)\s*)?(?P<rest>.*)\Z", re.S
)
_CODE = re.compile(r"```\w*\n?(.*?)\n?```", re.S)
_ROOM_ACTION = re.compile(r"(?:\A|\n)\s?ACTION: *([^\n]+)\s*\Z")  # ALFWorld: an action is words, `go to desk 1`
_OUTPUT = "The output of the OS:"


def looks_like(row: Any) -> bool:
    return view_of(row).format == "agent-instruct"


def parse(row: Any) -> Trajectory:
    view = view_of(row)
    builder = Builder()
    for message in as_messages(view.messages):
        text = message.get("content", message.get("value"))
        kind = ROLES.get(str(message.get(view.style)))
        if not isinstance(text, str) or kind not in ("user", "assistant"):
            read_message(builder, message, say_plainly)
        elif kind == "assistant":
            _speak(builder, text, is_trained(message))
        elif builder.waits_for_result:
            builder.result(text.removeprefix(_OUTPUT).strip())
        else:
            builder.question(text)
    return builder.build(row.get("id"))


def _speak(builder: Builder, text: str, trained: bool) -> None:
    if text.lstrip().startswith(("THOUGHT:", "ACTION:")):
        read_react_text(builder, _ROOM_ACTION.sub(r"\nAction: act[\1]", text).lstrip(), False, trained)
        return
    step = _STEP.match(text)
    if step is None:
        builder.say(text, trained=trained)
        return
    builder.thought((step["think"] or "").strip(), trained=trained)
    code = _CODE.search(step["rest"])
    if step["act"] in ("answer", "finish"):
        builder.repairs.append("finish-action")
        if step["answer"] or not step["think"]:
            builder.answer((step["answer"] or step["rest"]).strip(), trained)
    else:
        builder.repairs.append("text-action")
        builder.call(step["act"], {"input": code.group(1) if code else step["rest"].strip()}, trained=trained)
