"""The ledger: every row is accounted for, by format, reason and repair; turns of one conversation are put together."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from swiftagent.convert import reading
from swiftagent.convert.files import convert_files
from swiftagent.convert.reading import Ledger, Policy, read_trajectories
from swiftagent.convert.rows import Job
from swiftagent.errors import ConfigError, RejectsError, RowError
from swiftagent.io.jsonl import BadRow, Row, encode, write_lines
from swiftagent.io.rows import read_rows
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Trajectory
from swiftagent.trajectory.wellformed import check

CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "z", "function": {"name": "w", "arguments": "{}"}}]}
ASK, DONE = {"role": "user", "content": "Oslo?"}, {"role": "assistant", "content": "3C."}


def read(*values: Any, policy: Policy | None = None) -> tuple[list[Trajectory], Ledger, list[dict[str, Any]]]:
    ledger = Ledger()
    rejects: list[dict[str, Any]] = []
    rows = [value if isinstance(value, Row) else Row(value, f"in.jsonl:{n}") for n, value in enumerate(values, 1)]
    found = list(read_trajectories(rows, policy or Policy(), ledger, rejects.append))
    assert ledger.balanced
    return found, ledger, rejects


def test_a_rejected_row_is_told_whole_with_place_code_and_sentence() -> None:
    row = {"messages": [ASK, {"role": "tool", "tool_call_id": "z", "content": "3C"}, DONE]}
    _, ledger, rejects = read(row)
    message = "tool result '3C' answers no call"
    assert rejects == [{"source": "in.jsonl:1", "code": "orphan-observation", "message": message, "row": row}]
    assert (ledger.rows_in, ledger.rows_out, ledger.rejected) == (1, 0, 1)


def test_a_row_that_is_no_json_is_a_rejected_row() -> None:
    _, ledger, rejects = read(
        BadRow("{", "in.jsonl:1", (), RowError("not-json", "not JSON")), {"messages": [ASK, DONE]}
    )
    assert rejects[0]["code"] == "not-json" and (ledger.rows_in, ledger.rows_out) == (2, 1)


@pytest.mark.parametrize(
    "row", [None, 1, "text", [], [1], {}, {"a": 1}, {"messages": []}, {"messages": [1]}, {"messages": {"a": 1}}]
)
def test_what_is_no_conversation_is_rejected_and_counted(row: Any) -> None:
    assert len(read(row)[2]) == 1


def test_marks_of_failure() -> None:
    turns = [ASK, DONE, {"role": "user", "content": "Rome?"}, {**DONE, "weight": 0}, ASK, DONE]
    found, ledger, _ = read(
        {"messages": turns}, {"messages": [ASK, DONE], "reward": 0.0}, {"messages": [ASK, DONE], "label": True}
    )
    assert [event.trained for event in found[0].events if isinstance(event, Answer)] == [True, False, True]
    assert len(found) == 2 and ledger.reasons == {"failed-row": 1}
    assert len(read({"messages": [ASK, DONE], "reward": 0.0}, policy=Policy(on={"failed-row": "keep"}))[0]) == 1


def test_parallel_calls_answered_by_one_message() -> None:
    calls = {**CALL, "tool_calls": [{"function": {"name": name, "arguments": {}}} for name in "ab"]}
    found, ledger, _ = read({"messages": [ASK, calls, {"role": "tool", "content": '["1", {"n": 2}]'}, DONE]})
    assert [event for event in found[0].events if isinstance(event, Observation)] == [
        Observation("1", "c0"),
        Observation('{"n": 2}', "c1"),
    ]
    assert ledger.repairs["joined-results"] == 1


def test_one_id_used_for_two_calls() -> None:
    seen = {"role": "tool", "tool_call_id": "z", "content": "1"}
    found, _, _ = read({"messages": [ASK, CALL, seen, CALL, {**seen, "content": "2"}, DONE]})
    assert [event for event in found[0].events if isinstance(event, Observation)] == [
        Observation("1", "c0"),
        Observation("2", "c1"),
    ]


def test_results_find_their_calls_by_id_whatever_their_order() -> None:
    calls = {**CALL, "tool_calls": [{"id": id, "function": {"name": "w", "arguments": {}}} for id in ("x", "y")]}
    seen = [{"role": "tool", "tool_call_id": id, "content": id} for id in ("y", "x")]
    found, _, _ = read({"messages": [ASK, calls, *seen, DONE]})
    assert {event.text: event.call_id for event in found[0].events if isinstance(event, Observation)} == {
        "x": "c0",
        "y": "c1",
    }


def test_single_turns_of_one_conversation_become_one_row_by_id_and_turn() -> None:
    system = {"role": "system", "content": "s"}
    rows = [
        {
            "id": "a",
            "turn": 2,
            "messages": [system, {"role": "user", "content": "Rome?"}, CALL, {"role": "tool", "content": "9C"}, DONE],
        },
        {"id": "b", "turn": 1, "messages": [ASK, DONE]},
        {"id": "a", "turn": 1, "messages": [system, ASK, CALL, {"role": "tool", "content": "3C"}, DONE]},
    ]
    found, ledger, _ = read(*rows)
    assert found[0].events == (
        *(System("s"), Question("Oslo?"), Call("w", {}, "c0"), Observation("3C", "c0"), Answer("3C.")),
        *(Question("Rome?"), Call("w", {}, "c1"), Observation("9C", "c1"), Answer("3C.")),
    )
    assert (ledger.rows_in, ledger.merged, ledger.rows_out, len(found)) == (3, 1, 2, 2)


def test_a_transcript_is_one_row_and_what_does_not_belong_is_rejected_alone() -> None:
    def line(role: str, content: Any) -> dict[str, Any]:
        return {"type": role, "sessionId": "s", "message": {"role": role, "content": content}}

    call = [{"type": "tool_use", "id": "t", "name": "Write", "input": {}}]
    result = [{"type": "tool_result", "tool_use_id": "t", "content": "written"}]
    found, ledger, rejects = read(
        line("user", "go"), line("assistant", call), 42, line("user", result), line("assistant", "Done.")
    )
    assert found[0].events == (Question("go"), Call("Write", {}, "c0"), Observation("written", "c0"), Answer("Done."))
    assert (ledger.rows_in, ledger.merged, ledger.rows_out, ledger.rejected) == (5, 3, 1, 1) and rejects[0]["row"] == 42


def test_own_records_come_back_as_they_were() -> None:
    found, _, _ = read({"messages": [ASK, CALL, {"role": "tool", "content": "3C"}, DONE], "id": "7"})
    record = to_record(found[0])
    again, ledger, _ = read(record)
    assert again[0].events == found[0].events and to_record(again[0]) == record and ledger.formats == {"swiftagent": 1}


def test_an_unknown_format_names_its_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean sharegpt?"):
        read({}, policy=Policy("sharegtp"))


def test_a_reader_from_outside(tmp_path: Path) -> None:
    reader = tmp_path / "mine.py"
    reader.write_text(
        "from swiftagent.trajectory.types import *\n"
        "def parse(row): return Trajectory((Question(row['q']), Answer(row['a'])))\n"
    )
    found, ledger, rejects = read({"q": "1", "a": "2"}, {"q": "1"}, policy=Policy(f"{reader}:parse"))
    assert found[0].events == (Question("1"), Answer("2")) and rejects[0]["code"] == "reader-failed"
    assert "KeyError" in rejects[0]["message"]


def test_every_file_of_training_data_is_read(shared: Path, tmp_path: Path, check_record: Any) -> None:
    """At most 3 % of the real training rows are rejected, and every record that is written conforms."""
    total = Ledger()
    out = tmp_path / "all.jsonl"

    def records() -> Any:
        for path in sorted((shared / "data").iterdir()):
            if path.name.startswith(("bfcl_", "toucan_mcp", "glaive_v2_call_texts")) or path.suffix == ".md":
                continue
            ledger = Ledger()
            for trajectory in read_trajectories(read_rows(str(path)), Policy(), ledger):
                yield to_record(trajectory)
            assert ledger.balanced and ledger.rows_out, path.name
            total.add(ledger.as_dict())

    write_lines(out, records())
    assert out.read_bytes().count(b"\n") == total.rows_out
    assert total.rejected <= 0.03 * (total.rows_out + total.rejected), total.as_dict()
    check_record(out)


def test_mutated_rows_never_end_the_program(shared: Path) -> None:
    """A short fuzz run; `scripts/fuzz_convert` is the long one."""
    rng = random.Random(7)
    names = (
        "ms_agent_doc_row.json",
        "functionary_cases.jsonl",
        "lf_reason_tool_use.jsonl",
        "glaive_v2_rows.jsonl",
        "tooltalk.jsonl",
    )
    rows = [row.value for name in names for row in list(read_rows(str(shared / "data" / name)))[:6]]
    mutated = [_mutated(rng.choice(rows), rng) for _ in range(1500)]
    assert read(*mutated)[1].rows_in == 1500


def _mutated(value: Any, rng: random.Random) -> Any:
    if rng.random() < 0.04:
        return rng.choice(
            [None, 0, "", [], {}, "\ud800", True, [[]], {"role": 1}, "Observation:", "<tool_call>", 1e400]
        )
    if isinstance(value, dict):
        return {key: _mutated(item, rng) for key, item in value.items() if rng.random() > 0.02}
    if isinstance(value, list):
        return [_mutated(item, rng) for item in value if rng.random() > 0.03]
    if isinstance(value, str) and rng.random() < 0.1:
        cut = rng.randint(0, len(value))
        return (
            value[:cut]
            + rng.choice(["", "\x00", "}", "'", "<think>", "\nAction:", "\nAction Input: {"])
            + value[cut + 1 :]
        )
    return value


def test_an_error_of_the_fast_path_is_reported_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(row: object, where: str) -> None:
        raise OverflowError("no such thing")

    monkeypatch.setattr(reading, "read_fast", break_down)
    found, ledger, rejects = read({"messages": [{"role": "user", "content": "Oslo?"}, DONE]})
    assert (found, ledger.rows_in, ledger.reasons) == ([], 1, {"bug": 1})
    assert rejects[0]["traceback"].endswith("OverflowError: no such thing\n")


def test_an_error_of_ours_costs_one_row_and_leaves_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_on_bergen(trajectory: Trajectory, policy: Policy) -> Trajectory:
        if trajectory.events[0] == Question("Bergen?"):
            raise OverflowError("no such thing")
        return check(trajectory, policy)

    monkeypatch.setattr(reading, "check", break_on_bergen)
    rows = [{"messages": [{"role": "user", "content": place}, DONE], "more": 1} for place in ("Oslo?", "Bergen?")]
    found, ledger, rejects = read(*rows)
    assert [row.events[0] for row in found] == [Question("Oslo?")]
    assert ledger.reasons == {"bug": 1}
    assert rejects[0]["traceback"].endswith("OverflowError: no such thing\n")
    path = tmp_path / "in.jsonl"
    write_lines(path, rows)
    job = Job((str(path),), tmp_path / "out.jsonl", max_rejects=1)
    with pytest.raises(RejectsError, match="an error of this program in 1 of 2 rows"):
        convert_files(job)


def test_escaped_lone_surrogates_in_arguments_need_no_net() -> None:
    for text in ('{"a": "\\ud800"}', '{"\\udc00": [1]}', "{'a': '\\ud83d'}"):
        call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "w", "arguments": text}}]}
        found, ledger, _ = read({"messages": [ASK, call, {"role": "tool", "content": "3C"}, DONE]})
        assert (len(found), ledger.reasons) == (1, {})
        encode(to_record(found[0]))
