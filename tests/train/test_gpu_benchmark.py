"""What `benchmarks/gpu.py` says without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_what_a_gpu_machine_needs_is_listed_at_once(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import gpu
    from packaging.requirements import Requirement

    found = [Requirement(line) for line in gpu.wheels()]
    pinned = {one.name: str(one.specifier) for one in found}
    assert pinned["torch"].startswith("==") and pinned["ms-swift"] == "==4.6.0"
    assert {"bitsandbytes", "liger-kernel", "flash-attn-4"} <= set(pinned)
    assert len(found) > 100
