"""Rows are encoded once: read again as they were, encoded anew where anything differs that encodes them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from made import record, write_rows

pytestmark = [pytest.mark.needs_swift, pytest.mark.filterwarnings("ignore")]
SETTINGS = {"model_type": "qwen2", "template": "qwen2_5", "max_length": 900}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six rows, of which one can be made to fit and one cannot; a run of them would lie in runs/one."""
    monkeypatch.setattr("sys.argv", ["sft.py", "--output_dir", str(tmp_path / "runs" / "one")])
    (tmp_path / "runs").mkdir()
    endless = record(9)
    endless["messages"][0]["content"] += " " + "y" * 2000
    rows = [record(number, "general" if number % 2 else "agent") for number in range(4)]
    return write_rows(tmp_path / "data.jsonl", 0, [*rows, record(8, result="x" * 900), endless])


def encoded(data: Path, model: Path, **settings: object) -> tuple[list[dict[str, object]], Counter[tuple[str, str]]]:
    """The rows as training reads them, and the fates of those that were too long."""
    from swiftagent.backend.template import open_trainer, quiet
    from swiftagent.train.plugin import encoded_rows

    encoded_rows.fates.clear()
    with open_trainer(str(model), None, SETTINGS | settings) as trainer, quiet():
        rows = encoded_rows.EncodedOnce(template=trainer.template)(trainer.load_rows(data), strict=True)
        read = encoded_rows.EncodedRows(rows, trainer.template.encode, strict=True)
        return [read[number] for number in range(len(read))], encoded_rows.fates.copy()


def test_rows_are_read_again_as_they_were_encoded(data: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch):
    from swift.template import Template

    from swiftagent.backend.template import open_trainer, quiet

    rows, fates = encoded(data, tiny_model)
    with open_trainer(str(tiny_model), None, SETTINGS) as trainer, quiet():
        ours = trainer.load_rows(data)
        plain = [trainer.template.encode(ours[number], return_length=True) for number in range(4)]
    assert rows[:4] == [
        {name: row[name] for name in ("input_ids", "labels", "length", "lengths", "channel")} for row in plain
    ]
    assert (len(rows), len(rows[4]["input_ids"]) <= 900) == (5, True)
    assert fates == {("shortened", "agent"): 1, ("left out", "agent"): 1}
    count = []
    whole = Template.encode
    monkeypatch.setattr(Template, "encode", lambda *args, **how: count.append(1) or whole(*args, **how))
    assert encoded(data, tiny_model) == (rows, fates)
    assert len(count) == 1  # one row, which shows what an encoded row holds


def test_what_encodes_otherwise_is_encoded_anew(data: Path, tiny_model: Path):
    files = data.parent / "runs" / ".encoded"
    sizes = []
    for settings in ({}, {}, {"max_length": 901}, {"template": "chatml"}, {"loss_scale": "last_round"}):
        encoded(data, tiny_model, **settings)
        sizes.append(len(list(files.iterdir())))
    encoded(data.rename(data.with_name("moved.jsonl")), tiny_model, padding_free=True)
    sizes.append(len(list(files.iterdir())))
    write_rows(data, 0, [record(7)])
    encoded(data, tiny_model)
    assert [*sizes, len(list(files.iterdir()))] == [1, 1, 2, 3, 4, 4, 5]
