"""The server: its token, forms of other sites, uploads, what may be read; and texts in two languages."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from swiftagent.commands.export import TARGETS
from swiftagent.commands.options import parser_of
from swiftagent.io.language import chinese, speaker, wanted_language
from swiftagent.train.config import load
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, Tool, Trajectory
from swiftagent.ui.app import Site
from swiftagent.ui.forms import command_fields, train_fields
from swiftagent.ui.pages import NAMES, Pages

XSS = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(Site(Pages(tmp_path, parser_of), "secret").app(), base_url="http://127.0.0.1")


@pytest.fixture
def inside(client: TestClient) -> TestClient:
    assert client.get("/?token=secret&lang=en").status_code == 200
    return client


@pytest.mark.parametrize("path", ["/", "/data", "/run", "/static/app.js", "/file/x", "/try/events?chat=1", "/nothing"])
def test_without_the_token_nothing_answers(client: TestClient, path: str):
    assert client.get(path).status_code == 403
    assert client.get(path, params={"token": "wrong"}).status_code == 403
    assert client.post(path, data={"a": "b"}).status_code == 403


def test_the_address_with_its_token_answers_and_lets_the_browser_in(inside: TestClient):
    for name in NAMES:
        answer = inside.get(f"/{name}")
        assert answer.status_code == 200, name
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_a_form_of_another_site_is_refused(inside: TestClient):
    form = {"target": "merge"}
    assert inside.post("/ship", data=form, headers={"origin": "http://evil.example"}).status_code == 403
    assert inside.post("/ship", data=form, headers={"origin": "null"}).status_code == 403


def test_files_outside_the_folder_are_not_shown(inside: TestClient, tmp_path: Path):
    (tmp_path.parent / "outside.jsonl").write_text("{}\n")
    for name in ("/etc/passwd", "../outside.jsonl", "%2e%2e/outside.jsonl"):
        assert inside.get(f"/file/{name}").status_code == 400 or inside.get(f"/file/{name}").status_code == 404
        assert inside.get("/data", params={"file": name}).status_code == 400


def test_an_upload_keeps_its_bytes_and_replaces_nothing(inside: TestClient, tmp_path: Path):
    for content in (b"one", b"two"):
        answer = inside.post("/upload", files={"files": ("../../my rows.jsonl", content)}, follow_redirects=False)
        assert answer.status_code == 303
    kept = {path.name: path.read_bytes() for path in (tmp_path / "uploads").iterdir()}
    assert kept == {"my_rows.jsonl": b"one", "my_rows-2.jsonl": b"two"}


def test_payloads_in_rows_and_names_stay_text(inside: TestClient, tmp_path: Path):
    row = to_record(Trajectory((Question(XSS), Answer(XSS)), (), XSS, XSS, XSS))
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "rows.rejects.jsonl").write_text(
        json.dumps({"code": XSS, "message": XSS, "source": XSS, "row": XSS}) + "\n"
    )
    (tmp_path / "runs" / "r").mkdir(parents=True)
    (tmp_path / "runs" / "r" / "run.json").write_text(
        json.dumps({"state": "failed", "cause": XSS, "config": {"model": XSS}})
    )
    (tmp_path / "runs" / "r" / "log.txt").write_text(XSS)
    for address in ("/data?file=rows.jsonl", "/run", "/run?name=r", f"/data?file={XSS}", f"/mix?agent={XSS}"):
        page = inside.get(address).text
        assert "<img" not in page and "<script>" not in page, address
        assert "&lt;script&gt;" in page, address


def test_ten_thousand_rows_are_windows(inside: TestClient, tmp_path: Path):
    row = to_record(Trajectory((Question("hi"), Answer("no")), (), "x", "s", "c"))
    (tmp_path / "rows.jsonl").write_text((json.dumps(row) + "\n") * 10_000)
    page = inside.get("/data", params={"file": "rows.jsonl", "at": "9990"}).text
    assert page.count("<article") == 10
    assert "9,991–10,000" in page


def test_the_rows_of_a_tool_are_shown_with_their_masks(inside: TestClient, tmp_path: Path):
    def row(name: str, tool: str) -> dict[str, object]:
        events = (Question("weather"), Call(tool, {}, "c0"), Observation("3C", "c0"), Answer("It is."))
        return to_record(Trajectory(events, (Tool("weather"), Tool("clock")), name))

    lines = [json.dumps(row(f"row-{n}", ("weather", "clock")[n % 2])) for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    page = inside.get("/data?file=rows.jsonl&tool=weather&at=10").text
    assert re.findall(r'id="row-(\d+)"', page) == [str(number) for number in range(21, 41, 2)]
    assert "11–20 of 20" in page
    assert page.count('class="s call on"') == 10 + 1  # the legend has one
    assert "swiftagent inspect rows.jsonl --tool=weather" in page
    assert "No row calls this tool." in inside.get("/data?file=rows.jsonl&tool=nothing").text


def test_rows_of_another_program_are_converted_first(inside: TestClient, tmp_path: Path):
    call = {"id": "c0", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    turns = [{"role": "user", "content": "Oslo?"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    turns += [{"role": "tool", "tool_call_id": "c0", "content": "3C"}, {"role": "assistant", "content": "It is 3C."}]
    (tmp_path / "openai.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    assert "Convert to training records" in inside.get("/data?file=openai.jsonl").text


def test_a_hub_id_is_converted_and_a_missing_file_is_an_error(inside: TestClient):
    page = inside.get("/data?file=hf::owner/data.set").text
    assert "swiftagent convert hf::owner/data.set -o uploads/hf-owner-data.set.react.jsonl" in page
    assert inside.get("/data?file=missing/rows.jsonl").status_code == 400


def test_ship_has_every_target_of_export_and_the_options_of_the_chosen_one(inside: TestClient):
    page = inside.get("/ship?target=grammar&tools=calculator&quantize=q8_0&run=r").text
    assert set(re.findall(r"<option(?: selected)?>(\w+)</option>", page)) == set(TARGETS)
    assert "swiftagent export grammar r --tools=calculator<" in page
    assert ('name="tools"' in page, 'name="quantize"' in page) == (True, False)
    assert 'name="tools"' not in inside.get("/ship?target=gguf").text


def test_judge_shows_the_gate_and_runs_side_by_side(inside: TestClient, tmp_path: Path):
    for name, value in (("a", 0.5), ("b", 0.75)):
        checkpoint = tmp_path / "runs" / name / "checkpoint-1"
        checkpoint.mkdir(parents=True)
        (checkpoint / "trainer_state.json").write_text('{"global_step": 1}')
        (checkpoint / "adapter_model.bin").write_bytes(b"weights")
        (tmp_path / "runs" / name / "run.json").write_text(json.dumps({"state": "done", "config": {"model": "m"}}))
        rule = {"metric": "call_exact", "rule": "min", "limit": 0.7, "measured": value, "passed": value > 0.7}
        found = {"value": value, "n": 4, "low": 0.1, "high": 0.9}
        summary = {"about": {"trained on": ["mix.jsonl"]}, "tuned": {"call_exact": found}, "data": {"rows": 4}}
        (tmp_path / "runs" / name / "eval").mkdir()
        (tmp_path / "runs" / name / "eval" / "metrics.json").write_text(
            json.dumps({**summary, "gate": {"rules": [rule]}})
        )
    page = inside.get("/judge?run=a").text
    assert "swiftagent eval --run=a<" in page
    assert re.search(r'"state failed">failed</span></td>\s*<td>call_exact: min 0.7</td>\s*<td class="n">0.5<', page)
    assert "75.0 (10.0–90.0) *" in page


def texts_of_pages() -> set[str]:
    found = set()
    for path in Path(__import__("swiftagent.ui", fromlist=["ui"]).__file__).parent.glob("*.j2"):
        found |= set(re.findall(r'say\("((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf-8")))
    return found


def texts_of_forms() -> set[str]:
    shown = {"infer": ("run", "model", "tools", "mock", "system", "compare", "confirm"), "mix": None}
    shown |= {"eval": ("data", "n", "checkpoint", "against", "no_base", "no_free", "gate")}
    shown |= {"export": ("output", "checkpoint", "quantize", "tools", "name", "hub", "private", "force")}
    found = {field.label for field in train_fields(load("tiny_cpu"), {})}
    for command, names in shown.items():
        for field in command_fields(parser_of(command), {}):
            if names is None or field.name in names:
                found |= {field.label, field.about}
    return found - {""}


def test_every_text_has_its_chinese():
    assert sorted((texts_of_pages() | texts_of_forms()) - set(chinese())) == []
    for english, translated in chinese().items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", translated)), english


def test_the_language_is_the_chosen_one_else_the_browsers(inside: TestClient):
    assert wanted_language("", "zh-CN,zh;q=0.9") == "zh"
    assert wanted_language("en", "zh-CN") == "en"
    assert speaker("zh")("rejected: {code}", code="x") == "被拒绝：x"
    assert "数据" in inside.get("/data?lang=zh").text
    assert "数据" in inside.get("/mix").text  # the choice is kept


def test_the_parser_of_a_command_is_its_own():
    assert isinstance(parser_of("mix"), argparse.ArgumentParser)
