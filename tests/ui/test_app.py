"""The server: its token, forms of other sites, uploads, what may be read; and texts in two languages."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from swiftagent.commands.ui import parser_of
from swiftagent.io.language import chinese, speaker, wanted_language
from swiftagent.train.config import load
from swiftagent.trajectory.record import to_record
from swiftagent.trajectory.types import Answer, Question, Trajectory
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


def texts_of_pages() -> set[str]:
    found = set()
    for path in Path(__import__("swiftagent.ui", fromlist=["ui"]).__file__).parent.glob("*.j2"):
        found |= set(re.findall(r'say\("((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf-8")))
    return found


def texts_of_forms() -> set[str]:
    shown = {"infer": ("run", "model", "tools", "mock", "system", "compare", "confirm"), "mix": None}
    shown |= {"eval": ("data", "n", "checkpoint", "against", "no_base", "no_free", "gate")}
    shown |= {"export": ("output", "checkpoint", "quantize", "name", "hub", "private", "force", "dry_run")}
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
