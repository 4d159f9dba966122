"""What a person is format_value."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from swiftagent.evaluate.page import page
from swiftagent.evaluate.report import (
    Case,
    cases,
    comparison,
    evalscope_lines,
    format_value,
    gate_lines,
    headline,
    markdown,
    sentence,
)
from swiftagent.evaluate.scoring import Scored, gold_from, score_model, summary
from swiftagent.scores.calls import Attempt, Predicted
from swiftagent.scores.gate import parse_gate
from swiftagent.trajectory.types import Answer, Call, Question, Tool, Trajectory

EVIL = "</script><img src=x onerror=alert(1)>"


def rows() -> list[Trajectory]:
    called = [
        Trajectory((Question(f"q{n} {EVIL}"), Call("weather", {"n": n}, "c0")), (Tool("weather"),), f"r{n}")
        for n in range(20)
    ]
    return [*called, Trajectory((Question("hello"), Answer("hi")), (Tool("weather"),), "chat")]


def scored(right: int) -> Scored:
    gold = gold_from(rows())
    entries = {}
    for number, step in enumerate(gold.steps):
        if step.calls:
            entries[step.id] = Predicted((Attempt("weather", {"n": number if number < right else -1}),), text=EVIL)
        else:
            entries[step.id] = Predicted(answer="hi", text="hi")
    return score_model(gold, entries, {}, {})


def told(base: int = 5, tuned: int = 15) -> tuple[dict[str, Any], dict[str, Scored]]:
    models = {"base": scored(base), "tuned": scored(tuned)}
    rules = parse_gate({"call_exact": {"min": 0.5, "gain": 0.9}})
    return summary(
        gold_from(rows()), models, rules=rules, about={"name": f"run {EVIL}", "trained on": ["mix.jsonl"]}
    ), models


def test_headline_tells_gain_from_noise():
    found, _ = told()
    verdicts = {row.metric: row.verdict for row in headline(found)}
    assert (verdicts["call_exact"], verdicts["no_call_recall"]) == ("better", "")
    assert {row.metric: row.verdict for row in headline(told(15, 5)[0])}["call_exact"] == "worse"
    assert sentence(found) == "Of 19 scores the tuned model is better in 4 and worse in none; 15 moved within noise."
    assert sentence(told(5, 5)[0]) == "No score changed by more than noise."


def test_evalscope_stands_beside_our_scores():
    found, _ = told()
    found["evalscope"] = {
        "base": {"gsm8k": {"value": 0.3, "n": 20, "score": "mean_acc"}},
        "tuned": {
            "gsm8k": {"value": 0.35, "n": 20, "score": "mean_acc"},
            "arc": {"value": None, "n": None, "score": None},
        },
    }
    assert evalscope_lines(found) == [("gsm8k mean_acc", "0.3", "0.35", 20), ("arc", "–", "–", 0)]
    assert "| gsm8k mean_acc | 0.3 | 0.35 | 20 |" in markdown(found)
    assert "<td>gsm8k mean_acc</td><td>0.3</td>" in page(found, [])


def test_cases_side_by_side():
    _, models = told()
    found = cases(**models)
    statuses = [case.status for case in found]
    assert [statuses.count(kind) for kind in ("broke", "improved", "still wrong", "right")] == [0, 10, 5, 6]
    assert statuses[0] == "improved"
    assert found[0].gold == 'weather {"n": 5}'


def test_markdown():
    text = markdown(told()[0])
    assert re.search(
        r"\| call_exact \| 25\.0 \(\S+\) \| 75\.0 \(\S+\) \| \+50\.0 \(\+\S+ to \+\S+\) \| 20 \| better \|", text
    )
    assert "gate: FAILED" in text
    assert "| call_exact: min 0.5 | 0.75 | passed |" in text


def test_the_gate_is_told_rule_by_rule():
    assert gate_lines(told()[0]) == [
        ("call_exact: min 0.5", "0.75", "passed"),
        ("call_exact: gain 0.9", "0.5", "FAILED"),
    ]


def test_values_are_written_for_people():
    assert [
        format_value("call_exact", 0.875),
        format_value("bits_per_byte", 1.25),
        format_value("call_exact", None),
    ] == ["87.5", "1.250", "–"]
    assert [format_value("call_exact", -0.02, signed=True), format_value("bits_per_byte", 0.1, signed=True)] == [
        "−2.0",
        "+0.100",
    ]


def test_comparison_of_runs_marks_the_best():
    columns, table = comparison({"one": told(5, 10)[0], "two": told(5, 15)[0]})
    line = next(row for row in table if row[0] == "call_exact")
    assert columns == ["", "one", "two"]
    assert line[1].startswith("50.0")
    assert line[2].endswith("*")


class Strict(HTMLParser):
    """Collects what a page would fetch or run, and whether its tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input", "path", "line", "circle", "img", "wbr"):
            self.open.append(tag)
        self.fetched += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None: ...

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def html() -> str:
    found, models = told()
    side_by_side = cases(**models)
    curve = [{"step": n, "loss": 3.0 / n} for n in range(1, 20)] + [{"step": 19, "eval_loss": 0.3}]
    return page(found, side_by_side, curve)


def test_the_page_stands_alone_and_runs_nothing_of_the_data():
    parser = Strict()
    parser.feed(html())
    assert (parser.open, parser.fetched) == ([], [])
    assert EVIL not in html()
    assert "http" not in re.sub(r"http://www.w3.org/\S+", "", html())


def test_what_a_tool_answered_stays_text():
    shown = page(told()[0], [Case("r#1", "broke", EVIL, "q", EVIL, EVIL, EVIL, EVIL)])
    assert EVIL not in shown and "last result" in shown


def test_a_score_leads_to_its_cases_and_a_case_to_the_rows_that_trained_it():
    shown = html()
    assert shown.index("<h2>Examples</h2>") < shown.index("<h2>Scores</h2>")
    assert '<button class="link" data-missed="call_exact">5 missed</button>' in shown
    assert len(re.findall(r'<article [^>]*data-missed="[^"]*\bcall_exact\b', shown.partition('id="cases"')[2])) == 5
    assert "swiftagent inspect mix.jsonl --tool" in shown


@pytest.mark.parametrize("scheme", [0, 1])
def test_the_page_in_chromium(tmp_path: Path, scheme: int):
    """The filter's script ran: the number of cases stands beside it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    (tmp_path / "report.html").write_text(html())
    words = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    words += [f"--blink-settings=preferredColorScheme={scheme}", "--dump-dom", (tmp_path / "report.html").as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert "<output>21 of 21</output>" in done.stdout
