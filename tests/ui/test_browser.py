"""A new user's whole way in a real browser: a dropped file, its masks, a mix, a run, a question, an export; in English
on a wide screen and in Chinese on a phone."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swiftagent.ui.pages import NAMES

pytestmark = pytest.mark.needs_swift
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
SECONDS = 1000  # milliseconds


def start_server(folder: Path, port: str = "0") -> tuple[subprocess.Popen[str], str]:
    words = [sys.executable, "-m", "swiftagent", "ui", "--port", port]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


def page_of(browser: Any, address: str, language: str, width: int, scheme: str) -> Any:
    context = browser.new_context(viewport={"width": width, "height": 840}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(150 * SECONDS)
    assert page.goto(f"{address}&lang={language}").status == 200
    return page


def finish(page: Any, seconds: int = 120) -> None:
    """Wait for the command of a job page to be done."""
    page.wait_for_selector(".state.done, .state.failed, .state.stopped", timeout=seconds * SECONDS)
    assert page.locator(".state").first.get_attribute("class") == "state done", page.inner_text("main")


def _show_events_with_markup(page: Any) -> None:
    """What tools and models say stays text: the page draws these events from its own stream."""
    markup = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title='ran'\">"
    call = {"event": "call", "side": "tuned", "tool": markup, "arguments": {markup: markup}}
    said = [
        {"event": kind, "side": "tuned", "text": markup, "error": ""} for kind in ("observation", "thought", "answer")
    ]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in [call, *said])
    page.route("**/try/events*", lambda route: route.fulfill(content_type="text/event-stream", body=stream))
    page.reload()
    page.wait_for_selector(".said.answer")
    assert page.locator("#talk img, #talk script").count() == 0
    assert (page.title() == "ran", page.inner_text(".said.observation").count(markup)) == (False, 1)


SHIFTS = """() => new Promise((done) => {
  let sum = 0;
  const add = (list) => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value; };
  new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 200);
})"""


def data_and_mix(page: Any, base: str, file: Path, mixed: str) -> None:
    """Drop a file, convert it, look at its masks and the rows of a tool, and mix it."""
    page.goto(f"{base}/data")
    page.set_input_files(".drop input", file)
    page.click("main form[action='/data'] button.main")
    finish(page)
    page.click("#job a.button")
    page.wait_for_selector("article.card .s.on")
    page.wait_for_selector("#facts tbody tr")
    # What is counted later stands in a place that was kept for it (0.1 is where Chrome calls a page good).
    assert page.evaluate(SHIFTS) < 0.1
    converted = page.input_value("[name=file]")
    page.fill("[name=tool]", "fire_recognition")
    page.keyboard.press("Enter")
    page.wait_for_selector("#command >> text=--tool=fire_recognition")
    assert page.locator("article.card .s.call.on", has_text="Action: fire_recognition").count() >= 10

    page.goto(f"{base}/mix")
    page.fill("[name=agent]", "40")
    page.fill("[name=agent_source]", converted)
    page.fill("[name=out]", mixed)
    page.wait_for_selector("#shares table")
    page.wait_for_selector("#command >> text=--agent=40")
    page.click("button.main")
    finish(page)


def _write_gold(gold: Path, trained: Path, held_out: Path) -> None:
    """Two held-out rows, each of a tool that was trained."""
    known = set(re.findall(r"Action: (\w+)", trained.read_text(encoding="utf-8")))
    rows = [json.loads(line) for line in held_out.read_text(encoding="utf-8").splitlines()]
    called = [row for row in rows if row["messages"][1].get("tool_calls")]
    chosen = [row for row in called if row["messages"][1]["tool_calls"][0]["function"]["name"] in known][:2]
    gold.write_text("".join(json.dumps(row) + "\n" for row in chosen), encoding="utf-8")


def judge(page: Any, base: str, gold: Path) -> None:
    """Evaluate, and go from a case to the training rows of its tool."""
    page.goto(f"{base}/judge?run=first")
    page.fill("[name=data]", str(gold))
    page.check("[name=no_free]")
    page.click("button.main")
    # A model of five steps does not pass the gate of its config; the report is there all the same.
    page.wait_for_selector(".state.failed", timeout=240 * SECONDS)
    assert "the gate was not passed" in page.inner_text("main")
    page.click("#job a.button")
    frame = page.frame_locator("iframe")
    frame.locator("#cases button[data-status='']").wait_for()
    frame.locator("#cases article button.link").first.click()
    page.wait_for_url(re.compile(r"/data\?file=.*mix\.jsonl&tool=\w+$"))
    tool = page.url.rpartition("=")[2]
    page.wait_for_selector("article.card")
    assert page.locator("article.card .s.call.on", has_text=f"Action: {tool}").count() > 0


def export(page: Any, base: str, folder: Path) -> None:
    """An export that lacks a word fails and says why; with it, the model is there."""
    page.goto(f"{base}/ship?run=first")
    page.click("button.main")
    page.wait_for_selector(".state.failed")
    assert "-o" in page.inner_text("#log")
    page.goto(f"{base}/ship?run=first")
    page.fill("[name=output]", folder.name)
    page.wait_for_selector(f"#command >> text={folder.name}")
    page.click("button.main")
    finish(page)
    assert (folder / "config.json").is_file()


def test_the_whole_way(browser: Any, tmp_path: Path, root: Path):
    process, address = start_server(tmp_path)
    base, port = address.partition("/?")[0], re.findall(r":(\d+)/", address)[0]
    data, gold = root / "datasets", tmp_path / "gold.jsonl"
    try:
        page = page_of(browser, address, "en", 1280, "light")
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.focus("#theme")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.type") == "file"
        data_and_mix(page, base, data / "agent_sharegpt.jsonl", "datasets/mix.jsonl")

        page.goto(f"{base}/train?recipe=tiny_cpu")
        page.fill('[name="train.max_steps"]', "5")
        page.fill("[name=name]", "first")
        page.fill("[name=more]", "cpu_processes=1 preflight=off")
        page.wait_for_selector("#doctor .numbers")
        assert page.locator("#doctor .state.passed").count() == 4
        page.click("button.main")
        page.wait_for_url("**/job*")

        # The server is killed and started again in mid-run; training knows nothing of it.
        process.send_signal(signal.SIGKILL)
        process.wait()
        process, address = start_server(tmp_path, port)
        page = page_of(browser, address, "zh", 390, "dark")
        page.on("pageerror", lambda error: faults.append(str(error)))
        data_and_mix(page, base, data / "agent_openai.jsonl", "datasets/second.jsonl")
        page.goto(f"{base}/run?name=newest")
        page.wait_for_selector(".state.done, .state.failed", timeout=180 * SECONDS)
        assert "5 / 5" in page.inner_text("main")
        assert "完成" in page.inner_text("main")
        assert page.locator("svg.plot").count() == 1

        page.goto(f"{base}/try?run=first")
        page.fill("[name=tools]", str(data / "fire_alarm_tools.py"))
        page.click("button.main")
        page.wait_for_selector("#ask textarea:enabled", timeout=90 * SECONDS)
        assert "fire_recognition" in page.inner_text("#talk")
        page.fill("#ask textarea", "<img src=x onerror=alert(1)> Is there a fire in IMG_0036.jpeg?")
        page.keyboard.press("Enter")
        page.wait_for_selector(".said.question")
        second = page_of(browser, address, "en", 1280, "light")  # another browser sees the same conversation
        second.goto(page.url)
        second.wait_for_selector(".said.question")
        assert "IMG_0036.jpeg?" in second.inner_text("#talk")
        page.wait_for_selector(".said.answer, .said.thought, .said.call", timeout=90 * SECONDS)
        page.click("#stop")
        assert page.locator("#talk img").count() == 0
        _show_events_with_markup(second)
        second.goto(f"{base}/run?name=first")
        assert "5 / 5" in second.inner_text("main")

        _write_gold(gold, tmp_path / "datasets" / "mix.jsonl", data / "heldout.jsonl")
        judge(page, base, gold)
        export(page, base, tmp_path / "exported")
        for name in NAMES:
            page.goto(f"{base}/{name}")
            assert page.evaluate("document.documentElement.scrollWidth") == 390, name
        assert faults == []
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
