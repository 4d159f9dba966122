"""`benchmarks/real_base.py` at its smallest: the tiny base trained, weakened, measured, and the page written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.needs_swift, pytest.mark.filterwarnings("ignore")]


def test_arms_are_trained_measured_and_written_down_once(root: Path, tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import real_base

    page = tmp_path / "docs" / "evidence.md"
    words = ["--size", "toy", "--work", str(tmp_path), "--out", str(page), "--only", "untuned", "baseline"]
    real_base.main([*words, "adapter at 0.5"])
    text = page.read_text()
    assert (
        "| | untuned | baseline |" in text
        and "| | baseline | adapter at 0.5 |" in text
        and "\n- no seed: questions e" in text
    )
    assert (page.parent / "img" / "evidence.svg").is_file()
    found = {name: json.loads((tmp_path / "toy" / f"{name}-0.json").read_text()) for name in ("untuned", "baseline")}
    assert [point["step"] for point in found["baseline"]["curve"]] == [1, 2, 3]
    chat = next(name for name in found["untuned"]["parts"] if name.startswith("chat "))
    bits = [found[name]["parts"][chat]["own_bits"][0] for name in ("untuned", "baseline")]
    assert bits[0] != bits[1] and found["untuned"]["parts"][chat]["agreement"][0] > 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "toy").glob("*.json")}
    real_base.main(words)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "toy").glob("*.json")} == before
