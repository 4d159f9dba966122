"""Tokens, lengths and labels of a training file as ms-swift makes them, measured on a sample in a process of its own:
the launcher itself never imports ms-swift, and what it measured takes no memory while the training runs.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import SwiftAgentError

SAMPLE = 200  # rows; a sample of this size sees a fault that one row in fifty has with 98 %


class ChannelTokens(msgspec.Struct):
    """Sampled rows of one channel. `too_long` are rows over max_length, `left_out` those of them that cannot be made to
    fit."""

    rows: int = 0
    tokens: int = 0
    trained: int = 0
    longest: int = 0
    too_long: int = 0
    left_out: int = 0


class Measured(msgspec.Struct):
    """What was measured. `problems` are faults of the masks with file:line; `template_note` says where a template
    differs."""

    template: str = ""
    sampled: int = 0
    of: int = 0
    channels: dict[str, ChannelTokens] = {}
    masks: dict[str, Any] = {}
    faults: list[str] = []
    template_note: str = ""
    error: str = ""


def measure(
    paths: list[Path], model: str, settings: dict[str, Any], *, sample: int | None, trust: bool,
    progress: Callable[[int, int], None],
) -> Measured:  # fmt: skip
    """Measure JSONL files of records or messages; `sample` of their rows, or all. `trust`: the model's own code is run.
    What goes wrong is reported in `error`. progress: called with (rows measured, of)."""
    question = [list(map(str, paths)), model, settings, sample, trust]
    argv, pipe = [sys.executable, "-m", __name__], subprocess.PIPE
    with tempfile.TemporaryFile() as said, subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=said) as child:
        assert child.stdin and child.stdout
        child.stdin.write(json.dumps(question).encode())
        child.stdin.close()
        answer = b""
        for answer in child.stdout:
            if answer.startswith(_DONE):
                progress(*map(int, answer.split()[1:]))
        child.wait()
        said.seek(0)
        errors = said.read().decode("utf-8", "replace").strip().splitlines()
    try:
        return msgspec.json.decode(answer, type=Measured)
    except msgspec.DecodeError:
        return Measured(error=errors[-1] if errors else f"measuring ended with exit code {child.returncode}")


_DONE = b"#done"


def _report_done(done: int, of: int) -> None:
    # Not sys.stdout, which is taken away while ms-swift would print there.
    print(f"\n{_DONE.decode()} {done} {of}", file=sys.__stdout__, flush=True)


def _answer() -> None:
    """Read a question from stdin, print the answer as the last line of stdout."""
    paths, *question = json.load(sys.stdin)
    try:
        measured = _measure_rows(list(map(Path, paths)), *question)
    except SwiftAgentError as error:
        measured = Measured(error=str(error))
    sys.stdout.write("\n" + msgspec.json.encode(measured).decode() + "\n")


def _measure_rows(paths: list[Path], model: str, settings: dict[str, Any], sample: int | None, trust: bool) -> Measured:
    from swiftagent.backend.labels import check_labels
    from swiftagent.backend.template import open_trainer, quiet

    of = sum(1 for _ in _rows_of(paths))
    drawn = range(of) if sample is None or sample >= of else sorted(random.Random(0).sample(range(of), sample))
    with tempfile.TemporaryDirectory(prefix="swiftagent-") as folder:
        path = Path(folder) / "sample.jsonl"
        places = _copy_rows(paths, set(drawn), path)
        measured = Measured(sampled=len(places), of=of)
        limits = ("max_length", "truncation_strategy")
        unlimited = {name: value for name, value in settings.items() if name not in limits}
        with open_trainer(model, None, unlimited, trust) as trainer, quiet():
            measured.template = trainer.template_name
            measured.template_note = _compare_with_chat_template(trainer)
            _count_tokens(trainer, path, int(settings.get("max_length") or 0), measured)
        totals = check_labels(path, model, None, unlimited, progress=_report_done, trust_remote_code=trust)
    measured.masks = totals.as_dict()
    measured.masks.pop("faults", None)
    for fault in totals.faults[:5]:
        measured.faults.append(f"{places[fault.row - 1]}: message {fault.span}: {fault.text} [{fault.code}]")
    return measured


def _rows_of(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    """(file:line, row) of every row."""
    for path in paths:
        with path.open("rb") as lines:
            yield from ((f"{path}:{number}", line) for number, line in enumerate(lines, 1) if line.strip())


def _copy_rows(paths: list[Path], drawn: set[int], target: Path) -> list[str]:
    """Copy the rows that were drawn; returns the place of each."""
    places = []
    with target.open("wb") as out:
        for index, (place, line) in enumerate(_rows_of(paths)):
            if index in drawn:
                places.append(place)
                out.write(line.rstrip(b"\r\n") + b"\n")
    return places


def _count_tokens(trainer: Any, path: Path, max_length: int, measured: Measured) -> None:
    from swiftagent.masks.fit import fitted

    rows = trainer.load_rows(path)
    encoded_rows = trainer.lazily_encoded(rows)
    for number in range(len(rows)):
        encoded = encoded_rows[number]
        channel = measured.channels.setdefault(str(rows[number].get("channel") or "(none)"), ChannelTokens())
        length = len(encoded["input_ids"])
        channel.rows += 1
        channel.tokens += length
        channel.longest = max(channel.longest, length)
        channel.trained += sum(label != -100 for label in encoded["labels"])
        if 0 < max_length < length:
            channel.too_long += 1
            channel.left_out += fitted(rows[number], trainer.template, max_length) is None


def _compare_with_chat_template(trainer: Any) -> str:
    """Whether ms-swift's template writes what the model's own chat template writes; "" where it does or there is
    none."""
    written = (("system", "SYSTEM"), ("user", "USER"), ("assistant", "ANSWER"))
    messages = [{"role": role, "content": text} for role, text in written]
    tokenizer = trainer.tokenizer
    if not getattr(tokenizer, "chat_template", None):
        return ""
    try:
        own = tokenizer.apply_chat_template(messages, tokenize=False)
    except Exception as error:  # a chat template is a program of the model's author: it may raise anything
        return "" if "system" in str(error).lower() else f"the model's chat template fails: {str(error)[:120]}"
    ours = tokenizer.decode(trainer.template.encode({"messages": messages})["input_ids"])
    head = [text.partition("ANSWER")[0].replace(" ", "").strip() for text in (own, ours)]
    if head[0].removesuffix("<think>\n\n</think>") == head[1] or head[1].endswith(head[0]):
        return ""
    return f"template {trainer.template_name} writes {head[1][-70:]!r}, the model's own chat template {head[0][-70:]!r}"


if __name__ == "__main__":
    _answer()
