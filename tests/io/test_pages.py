"""Pages: values are escaped, a template's mistake is an error, a page of any length comes in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from swiftagent.io.pages import PACKAGE, render, stream

EVIL = "</script><b onload='x'>&"


def test_values_are_escaped():
    stats = {"rows": 1, "rejected": 0, "tokens_are": "exact", "channels": {}}
    page = render("commands/stats.html.j2", name=EVIL, stats=stats)
    assert EVIL not in page and "<h1>&lt;/script&gt;&lt;b onload=&#39;x&#39;&gt;&amp;</h1>" in page


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError, match="stats"):
        render("commands/stats.html.j2", name="x")


def test_a_page_is_written_while_its_parts_are_made():
    taken = []

    def chunks() -> Iterator[str]:
        for number in range(3):
            taken.append(number)
            yield f"chunk-{number}"

    pieces = stream("masks/page.html.j2", name="x", chunks=chunks(), index=None)
    assert any("chunk-0" in piece for piece in pieces) and taken == [0]


def test_one_sheet_and_no_address():
    templates = sorted(PACKAGE.rglob("*.html.j2"))
    assert len(templates) >= 6
    for path in templates:
        # The pages of `ui` share a page that asks the server for the sheet.
        of_ui = path.parent.name == "ui" and (
            path.stem in ("page.html", "parts.html") or "ui/page.html.j2" in path.read_text()
        )
        assert of_ui or path.name == "macros.html.j2" or "io/templates/" in path.read_text(encoding="utf-8")
        assert "://" not in path.read_text(encoding="utf-8")
    assert "io/templates/sheet.css" in Path(PACKAGE, "ui/app.css").read_text(encoding="utf-8")
    sheets = [path for path in PACKAGE.rglob("*.css") if "color-scheme" in path.read_text(encoding="utf-8")]
    assert sheets == [Path(PACKAGE, "io/templates/sheet.css")]
