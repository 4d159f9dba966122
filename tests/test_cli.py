"""Wrong words on the command line end in one line and exit code 2, as all wrong input does."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from swiftagent.cli import main
from swiftagent.errors import SetupError

Run = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mix", "--agnt", "5"], ["swiftagent mix: --agnt: no such option, did you mean --agent?"]),
        (
            ["infer", "x", "y", "--tols=z"],
            ["swiftagent infer: y: one word too many", "swiftagent infer: --tols=z: no such option"],
        ),
        (
            ["mix", "--agent", "x"],
            ["swiftagent mix: --agent: 'x' is not a number or a share such as 40%; `swiftagent mix --help`"],
        ),
        (["mix", "--seed", "1.5"], ["swiftagent mix: --seed: '1.5' is not a whole number; `swiftagent mix --help`"]),
        (["export", "foo"], ["swiftagent export: TARGET: invalid choice: 'foo' (choose from"]),
        (["sft", "-o"], ["swiftagent sft: -o: no such option; `swiftagent sft --help` lists them"]),
        (["mixx"], ["no command 'mixx'; did you mean mix?"]),
        (["--nope"], ["swiftagent: --nope: no such option; `swiftagent --help` lists them"]),
        (["stats"], ["swiftagent stats: the following arguments are required: "]),
    ],
)
def test_wrong_words_are_one_line_each(words: list[str], said: list[str], swiftagent: Run, tmp_path: Path):
    done = swiftagent(*words)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (2, "", len(said)), done.stderr
    assert all(line.startswith(f"error: {start}") for line, start in zip(lines, said, strict=True)), done.stderr
    assert not list(tmp_path.iterdir())


def test_an_error_under_json_is_one_object_on_stdout(swiftagent):
    done = swiftagent("sft", "nowhere.yaml", "--json")
    message = json.loads(done.stdout)["error"]
    assert (done.returncode, message["code"], message["message"] in done.stderr) == (2, 2, True)
    assert message["message"].startswith("nowhere.yaml: no such config")


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device"), 4, "make room on that disk, or choose another place"),
        (SetupError(["a: one", "b: two"]), 4, "a: one\nb: two"),
    ],
)
def test_whatever_ends_a_command_is_one_object_under_json(
    raised: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def stop(*_: object) -> None:
        raise raised

    monkeypatch.setattr("swiftagent.commands.formats._formats", stop)
    assert main(["formats", "--json"]) == code
    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert error["code"] == code and error["message"].endswith(message)
    assert main(["formats"]) == code
    assert capsys.readouterr().out == ""
    # In words each problem has a line of its own.
    assert printed.err.splitlines()[-1] == ("error: b: two" if "two" in message else printed.err.strip())
