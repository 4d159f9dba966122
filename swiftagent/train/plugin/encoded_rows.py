"""Rows are encoded once and kept on disk, by their content and by all that encodes them: further runs, resumes and
ranks read them. Rows over max_length are made to fit without losing their sense (`masks.fit`), else left out."""

from __future__ import annotations

import collections
import hashlib
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from swift.dataset import AddLengthPreprocessor, LazyLLMDataset
from swift.pipelines.train import sft
from swift.template import MaxLengthError
from swift.utils import safe_ddp_context

from datasets import Features, List, Value
from swiftagent import masks
from swiftagent.masks.fit import fitted
from swiftagent.models.files import read_object

KEPT = 30 * 86_400  # seconds after its last use for which an encoded file is kept
ENCODED = Features(
    {
        "input_ids": List(Value("int32")), "labels": List(Value("int32")), "loss_scale": List(Value("float32")),
        "length": Value("int32"), "lengths": List(Value("int32")), "channel": Value("string"), "fate": Value("string"),
    }
)  # fmt: skip
LEFT_OUT, SHORTENED = "left out", "shortened"

# What became of rows over max_length: (fate, channel) to rows, of all data sets of this process.
fates: collections.Counter[tuple[str, str]] = collections.Counter()


def run_folder() -> Path:
    """The run's folder, which is the trainer's output_dir, read from the words that ms-swift was started with."""
    return Path(sys.argv[sys.argv.index("--output_dir") + 1])


def settings() -> dict[str, Any]:
    """What the launcher left in `plugin.json` of the run folder; {} where it left nothing."""
    return read_object(run_folder() / "plugin.json")


def encode_once() -> None:
    """Put `EncodedOnce` and `EncodedRows` in the place of what ms-swift prepares rows with."""
    sft.AddLengthPreprocessor, sft.LazyLLMDataset = EncodedOnce, EncodedRows


class EncodedRows(LazyLLMDataset):  # type: ignore[misc]  # ms-swift has no types
    """Rows by number, those of text as they were encoded."""

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, str) or "input_ids" not in self.dataset.column_names:
            return super().__getitem__(number)
        return {name: value for name, value in self.dataset[number].items() if value is not None}


class EncodedOnce(AddLengthPreprocessor):  # type: ignore[misc]
    """Called as ms-swift's own, which finds the lengths of rows and forgets their tokens."""

    def __call__(self, dataset: Any, *, num_proc: int = 1, **how: Any) -> Any:
        self.kept = self._is_plain(dataset)
        if not self.kept:
            return _without_left_out(super().__call__(dataset, num_proc=num_proc, **how))
        path = self._file_of(dataset)
        with safe_ddp_context(path.stem, True):  # the first rank encodes, the others read
            prepared = dataset.map(
                self.preprocess, features=ENCODED, remove_columns=dataset.column_names,
                num_proc=num_proc if num_proc > 1 else None,  # 1 starts a process
                cache_file_name=str(path), load_from_cache_file=True, new_fingerprint=path.stem,
            )  # fmt: skip
        return _without_left_out(prepared)

    def _is_plain(self, dataset: Any) -> bool:
        """Whether an encoded row is what `ENCODED` holds: images are larger encoded than they are as files."""
        if self.template.model_meta.is_multimodal or not hasattr(self.template.tokenizer, "backend_tokenizer"):
            return False
        limit, self.template.max_length = self.template.max_length, None
        try:
            return set(self.template.encode(dict(dataset[0]))) <= set(ENCODED)
        finally:
            self.template.max_length = limit

    def preprocess(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row as it is kept, with its `fate`."""
        row, fate, channel = dict(row), "", row.get("channel")
        try:
            encoded = self.template.encode(row, return_length=True)
        except MaxLengthError:
            shorter = fitted(row, self.template, self.template.max_length)
            fate = SHORTENED if shorter else LEFT_OUT
            encoded = self.template.encode(shorter, return_length=True) if shorter else {"lengths": [0]}
            row = shorter or row
        kept = {name: encoded.get(name) for name in ENCODED} if self.kept else row | {"lengths": encoded["lengths"]}
        return {**kept, "channel": channel, "fate": fate}

    def _file_of(self, dataset: Any) -> Path:
        folder = run_folder().parent / ".encoded"
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.arrow"):
            if old.stat().st_mtime < time.time() - KEPT:
                old.unlink(missing_ok=True)
        path = folder / f"{_digest_of_rows(dataset)}-{digest_of_encoding(self.template)}.arrow"
        if path.is_file():
            path.touch()
        return path


def _without_left_out(prepared: Any) -> Any:
    found = prepared["fate"]
    fates.update((fate, channel or "") for fate, channel in zip(found, prepared["channel"], strict=True) if fate)
    kept = [number for number, fate in enumerate(found) if fate != LEFT_OUT]
    prepared = prepared.remove_columns("fate")
    return prepared if len(kept) == len(found) else prepared.select(kept)


def _digest_of_rows(dataset: Any) -> str:
    found = hashlib.sha256()
    columns = [name for name in dataset.column_names if name != "dataset"]  # the path that the rows come from
    for table in dataset.select_columns(columns).with_format("arrow").iter(1000):
        found.update(repr(table.to_pydict()).encode())
    return found.hexdigest()[:24]


def digest_of_encoding(template: Any) -> str:
    """Of the template with its settings, the tokenizer, the versions, and every Python file that the command names:
    plugins may register templates of their own."""
    plain = {name: value for name, value in vars(template).items() if isinstance(value, (str, int, float, type(None)))}
    plain.pop("padding_free", None)  # how encoded rows are put together
    tokenizer = template.tokenizer
    parts = [type(template).__qualname__, sorted(plain.items()), template.template_meta, tokenizer.chat_template]
    parts += [template.model_info.model_type, tokenizer.special_tokens_map]
    parts += [version(name) for name in ("ms-swift", "transformers", "tokenizers")]
    found = hashlib.sha256(repr(parts).encode())
    found.update(tokenizer.backend_tokenizer.to_str().encode())
    named = [Path(word) for word in sys.argv if word.endswith(".py")]
    for path in sorted([*Path(masks.__file__).parent.glob("*.py"), *named]):
        found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()[:24]
