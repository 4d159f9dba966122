"""Rows out of tables: CSV, Parquet and Arrow."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any, BinaryIO

from swiftagent.errors import ConfigError, RowError
from swiftagent.io.json_rows import LONGEST_ROW, too_long
from swiftagent.io.jsonl import BadRow, Row

_BATCH = 64  # rows; a row may hold a megabyte
_LARGEST_BATCH = 1 << 28  # bytes
_LONGEST_CELL = 1 << 28  # characters


def csv_rows(table: Iterable[bytes], place: str) -> Iterator[Row]:
    """Yield each line of a table with a header as an object of texts; the separator is found in the header.

    The place of a row is the line on which it starts. A line with too few or too many cells is a `BadRow`.
    """
    csv.field_size_limit(_LONGEST_CELL)
    rest = iter(table)
    header = next(rest, b"")
    text = (line.decode(errors="surrogateescape") for line in chain([header], rest))
    lines = csv.reader(text, delimiter=max(",;\t|", key=header.decode(errors="replace").count))
    names: list[str] = []
    while True:
        where = f"{place}:{lines.line_num + 1}"
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow("", where, (), RowError("not-csv", str(error)))
            continue
        if not names:
            names = [cell.strip() for cell in cells]
        elif cells:
            yield _csv_row(names, cells, where)


def _csv_row(names: list[str], cells: list[str], where: str) -> Row:
    if len(cells) != len(names):
        return BadRow(cells, where, (), RowError("not-csv", f"{len(cells)} cells under a header of {len(names)}"))
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        shown = [cell.encode(errors="surrogateescape").decode(errors="backslashreplace") for cell in cells]
        return BadRow(shown, where, (), RowError("not-utf8", "not UTF-8 text"))
    return Row(dict(zip(names, cells, strict=True)), where)


def parquet_rows(stream: BinaryIO, place: str, groups: range | None = None, first: int = 1) -> Iterator[Row]:
    """Yield each row of a Parquet file, or of some of its row groups; its place is its number.

    Raises ConfigError where the file is damaged.
    """
    import pyarrow.parquet  # type: ignore[import-untyped]

    def batches() -> Iterator[Any]:
        file = pyarrow.parquet.ParquetFile(stream)
        for batch in file.iter_batches(_batch_size(file.metadata), groups, use_threads=False):
            if batch.nbytes > LONGEST_ROW * batch.num_rows:
                raise too_long(place)
            yield batch

    return _rows_of(batches(), place, "Parquet", first)


def _rows_of(batches: Iterator[Any], place: str, kind: str, first: int = 1) -> Iterator[Row]:
    import pyarrow

    try:
        for batch in batches:
            for start in range(0, batch.num_rows, _BATCH):
                for number, value in enumerate(batch.slice(start, _BATCH).to_pylist(), first + start):
                    yield Row(_plain(value), f"{place}:{number}")
            first += batch.num_rows
    except pyarrow.ArrowException as error:
        raise ConfigError(f"{place}: cut or damaged {kind} ({error}); get it again") from error


def _batch_size(about: Any) -> int:
    """Rows read at once: a value that stands once in a file, in a dictionary, may come back in each of them."""
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    sizes = (group.column(number).total_uncompressed_size for group in groups for number in range(group.num_columns))
    return max(1, min(_BATCH, _LARGEST_BATCH // max(sizes, default=1 << 10)))


def arrow_rows(stream: io.BufferedReader, place: str) -> Iterator[Row]:
    """Yield each row of an Arrow file or stream (what `datasets` saves); its place is its number."""
    return _rows_of(_arrow_batches(stream), place, "Arrow file")


def _arrow_batches(stream: io.BufferedReader) -> Iterator[Any]:
    import pyarrow

    if not stream.peek(6).startswith(b"ARROW1"):
        yield from pyarrow.ipc.open_stream(stream)
        return
    file = pyarrow.ipc.open_file(stream if stream.seekable() else io.BytesIO(stream.read()))
    for index in range(file.num_record_batches):
        yield file.get_batch(index)


def _plain(value: Any, inside: bool = False) -> Any:
    """A cell as a JSON value. Arrow gives every struct the keys of all of them, so an empty key inside one was never
    there."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _plain(item, True) for key, item in value.items() if not (inside and item is None)}
        case list() if value and all(isinstance(item, tuple) and len(item) == 2 for item in value):  # a map
            return {str(key): _plain(item, True) for key, item in value}
        case list() | tuple():
            return [_plain(item, True) for item in value]
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return base64.b64encode(value).decode()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
    return str(value)
