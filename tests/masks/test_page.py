"""The page of `inspect --html`, in a real browser: no network, ten thousand rows, keys, filters, both themes."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from strategies import random_trajectory

from swiftagent.masks.page import write_page
from swiftagent.masks.view import ShownRow, ShownSpan, shown_without_model
from swiftagent.trajectory.record import to_record

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine (apt-get install chromium)")
HELPERS = """
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
const settle = async () => {
    for (let n = 0; n < 50; n++) { await wait(20); if ($("row").querySelector(".s")) return; } };
"""


def rows(number: int) -> list[ShownRow]:
    return [shown_without_model(n + 1, to_record(random_trajectory(n))) for n in range(number)]


def in_browser(page: Path, steps: str, *options: str) -> Any:
    """Run JavaScript in the page, as `return VALUE` in an async function, and give back the value."""
    script = f"""<script>{HELPERS}
    const steps = async () => {{ {steps} }};
    steps().catch((error) => "failed: " + error.stack).then((result) => {{
      const box = document.createElement("pre");
      box.id = "result";
      box.textContent = JSON.stringify(result);
      document.body.append(box);
    }});
    </script>"""
    tried = page.with_name("tried.html")
    tried.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{script}</body>"), encoding="utf-8")
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1300,800",
    ]
    command += [
        f"--user-data-dir={page.parent / 'profile'}",
        "--virtual-time-budget=60000",
        *options,
        "--dump-dom",
        tried.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found.group(1)))


def test_the_page_asks_for_nothing_from_anywhere(tmp_path: Path):
    number, size = write_page(tmp_path / "page.html", Path("rows.jsonl"), rows(5))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (number, size) == (5, len(text.encode()))
    assert "default-src 'none'" in text
    assert re.findall(r"https?://[^\"']+", text) == ["http://www.w3.org/2000/svg"]
    assert re.findall(r"\b(?:src|href)=", text) == []


def test_data_cannot_end_the_script_it_stands_in(tmp_path: Path):
    evil = ShownRow(
        1, "</script><script>alert(1)</script>", "<!--", "", [ShownSpan("answer", 0, ["</script>"], [True])]
    )
    write_page(tmp_path / "page.html", Path("<b>.jsonl"), [evil])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in text
    assert "<title>&lt;b&gt;.jsonl</title>" in text


@needs_browser
def test_ten_thousand_rows_are_browsed_by_keys_filters_and_search(tmp_path: Path):
    few = rows(500)
    many = [
        ShownRow(n + 1, f"row-{n}", r.channel, "", r.spans, r.tools, r.flags, r.turns) for n, r in enumerate(few * 20)
    ]
    many[7777], many[4000] = deepcopy(many[7777]), deepcopy(many[4000])
    many[7777].spans[-1].tokens[0] += " needle-in-the-haystack"
    many[4000].flags.append("faulty")
    write_page(tmp_path / "page.html", Path("rows.jsonl"), many)
    found = in_browser(
        tmp_path / "page.html",
        """
        await settle();
        const seen = {ready: document.body.dataset.ready, rows: $("shown").textContent};
        seen.items = document.querySelectorAll("#rows li").length;
        press("j"); press("j"); press("ArrowDown"); press("k"); await wait(200);
        seen.third = $("row").querySelector("h2").firstChild.textContent;
        press("n"); await wait(500);
        seen.fault = $("row").querySelector("h2").firstChild.textContent;
        press("End"); await wait(500);
        seen.last = $("row").querySelector("h2").firstChild.textContent;
        $("text").value = "NEEDLE-in"; $("text").dispatchEvent(new Event("change")); await wait(8000);
        seen.search = [$("shown").textContent, $("row").querySelector("h2").firstChild.textContent];
        $("clear").click(); await wait(100);
        $("channel").value = "general"; $("channel").dispatchEvent(new Event("change")); await wait(300);
        const names = [...document.querySelectorAll("#rows small")].map((one) => one.textContent.split(" · ")[0]);
        seen.general = [...new Set(names)];
        $("clear").click(); await wait(100);
        const bar = [...document.querySelectorAll("#charts figure")].pop().querySelector("rect");
        bar.dispatchEvent(new MouseEvent("click")); await wait(300);
        seen.tool = $("tool").value === bar.dataset.value && $("shown").textContent !== seen.rows;
        seen.charts = document.querySelectorAll("#charts svg").length;
        return seen;
        """,
    )
    assert found["items"] < 60
    assert found == {
        "ready": "yes",
        "rows": "10,000 of 10,000 rows",
        "items": found["items"],
        "third": "line 3 · row-2 ",
        "fault": "line 4,001 · row-4000 ",
        "last": "line 10,000 · row-9999 ",
        "search": ["1 of 10,000 rows", "line 7,778 · row-7777 "],
        "general": ["general"],
        "tool": True,
        "charts": 4,
    }


@needs_browser
def test_a_span_tells_its_kind_tokens_and_weight(tmp_path: Path):
    spans = [
        ShownSpan("question", 0, ["hi", "\u2060"], [False, False]),
        ShownSpan("call", 1, ["Act", "ion", "🤦🏽‍♀️"], [True, True, False], [2.0, 2.0, 0.0], "call not in the loss"),
    ]
    write_page(
        tmp_path / "page.html",
        Path("rows.jsonl"),
        [ShownRow(1, "a", "agent", "", spans, ["weather"], ["faulty"], 1, True)],
    )
    found = in_browser(
        tmp_path / "page.html",
        """
        await settle();
        const call = document.querySelectorAll("#row .s")[1];
        call.dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
        press("t");
        return {
          hover: $("hover").textContent,
          tokens: [...call.querySelectorAll(".t")].map((t) => [t.textContent, t.className]),
          border: getComputedStyle(call.querySelector(".t")).borderRightStyle,
          problem: document.querySelector(".problem").textContent,
          unseen: document.querySelector(".unseen").textContent,
        };
        """,
    )
    assert found == {
        "hover": "call · 2 of 3 trained, weight 2, 0 · 3 tokens · message 1 · call not in the loss",
        "tokens": [["Act", "t on"], ["ion", "t on"], ["🤦🏽\u200d♀️", "t off"]],
        "border": "solid",
        "problem": "call not in the loss",
        "unseen": "2060",
    }


@needs_browser
def test_light_and_dark(tmp_path: Path):
    write_page(tmp_path / "page.html", Path("rows.jsonl"), rows(2))
    steps = """
        await settle();
        const back = () => getComputedStyle(document.body).backgroundColor;
        const first = back(); $("theme").click(); return [first, back()];
    """
    assert in_browser(tmp_path / "page.html", steps, "--blink-settings=preferredColorScheme=1") == [
        "rgb(255, 255, 255)",
        "rgb(20, 22, 26)",
    ]
    assert in_browser(tmp_path / "page.html", steps, "--blink-settings=preferredColorScheme=0") == [
        "rgb(20, 22, 26)",
        "rgb(255, 255, 255)",
    ]


@needs_browser
def test_a_page_of_no_rows_says_so(tmp_path: Path):
    write_page(tmp_path / "page.html", Path("rows.jsonl"), [])
    assert in_browser(tmp_path / "page.html", 'await wait(300); return $("row").textContent;') == "No row is like this."
