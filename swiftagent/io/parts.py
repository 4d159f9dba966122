"""A file as parts that are read each on its own, so that processes or machines share it: the same rows with the same
places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, BinaryIO, Literal

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.io.json_rows import HEAD, is_by_line, json_lines
from swiftagent.io.jsonl import Row
from swiftagent.io.rows import NOT_TEXT, damage, kind_of, read_rows
from swiftagent.io.storage import open_binary, size_and_stamp
from swiftagent.io.table_rows import parquet_rows

_BUFFER = 1 << 20
_BOM, _UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


class Part(msgspec.Struct):
    """All rows of a file, or those of its lines that begin in [start, end), or of row groups [start, end) of a Parquet
    file.

    `first` is the line, or the number, of the first of them.
    """

    path: str
    kind: Literal["whole", "lines", "parquet"] = "whole"
    start: int = 0
    end: int = 0
    first: int = 1


def parts_of(path: str, size: int, line_key: Callable[[Any], Any] = lambda first: None) -> list[Part]:
    """A file, not a folder, as parts of about `size` bytes in order; one where it cannot be cut.

    `line_key` is None for a first row that stands for itself: lines of a transcript are one conversation.
    `first` is not known yet for parts of kind "lines": it is one more than the `lines_in` all before it.
    """
    with damage(path), open_binary(path, _BUFFER) as stream:
        length, _ = size_and_stamp(path)
        head = stream.read(len(_BOM) + HEAD) if length > size else b""
        kind = kind_of(head[:8], path.rpartition("/")[2].lower())
        if length <= size:
            return [Part(path)]
        if kind == ".parquet":
            return _row_groups(path, stream, size)
    first = next(read_part(Part(path, "lines", 0, 1)), None) if is_a_row_a_line(head, path) else None
    if first is None or line_key(first.value) is not None:
        return [Part(path)]
    return cut(path, length, size)


def is_a_row_a_line(head: bytes, path: str) -> bool:
    """Whether the rows of a file begin where its lines do, by its first bytes and its name."""
    kind = kind_of(head[:8], path.rpartition("/")[2].lower())
    if kind in NOT_TEXT | {".csv", ".tsv"} or head.startswith(_UTF16):
        return False
    return is_by_line(head.removeprefix(_BOM)[:HEAD], kind in (".jsonl", ".ndjson"))


def cut(path: str, length: int, size: int) -> list[Part]:
    """A file of lines as parts of nearly equal sizes."""
    count = max(1, -(-length // max(1, size)))
    cuts = [length * number // count for number in range(count + 1)]
    return [Part(path, "lines", start, end) for start, end in zip(cuts, cuts[1:], strict=False)]


def lines_in(part: Part) -> int:
    """How many lines begin in a part."""
    count, at = int(part.start == 0), max(0, part.start - 1)
    with damage(part.path), open_binary(part.path, _BUFFER) as stream:
        stream.seek(at)
        while at < part.end - 1 and (block := stream.read(min(_BUFFER, part.end - 1 - at))):
            count += block.count(b"\n")
            at += len(block)
    return count


def numbered(parts: list[Part], each: Callable[[Callable[[Part], int], list[Part]], Iterator[int]]) -> list[Part]:
    """The same parts, those of lines with the number of their first line; `each` calls a function with each of some
    parts."""
    lines = [part for part in parts if part.kind == "lines"]
    counts = each(lines_in, [one for one, following in pairwise(lines) if following.start])
    for one, following in pairwise(lines):
        if following.start:
            following.first = one.first + next(counts)
    return parts


def read_part(part: Part) -> Iterator[Row]:
    """The rows of a part, as `read_rows` gives them for the whole file."""
    if part.kind == "whole":
        yield from read_rows(part.path)
        return
    with damage(part.path), open_binary(part.path, _BUFFER) as stream:
        if part.kind == "parquet":
            yield from parquet_rows(stream, part.path, range(part.start, part.end), part.first)
        else:
            yield from json_lines(text_lines(stream, part), part.path, part.first)


def text_lines(stream: BinaryIO, part: Part) -> Iterator[bytes]:
    """The lines that begin in a part, without a byte order mark."""
    for at, line in lines_between(stream, part.start, part.end):
        if text := line if at else line.removeprefix(_BOM):
            yield text


def lines_between(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """(offset, line) of the lines that begin in [start, end)."""
    at = start
    if at:
        stream.seek(at - 1)
        at += len(stream.readline()) - 1
    for line in stream if at < end else ():
        yield at, line
        at += len(line)
        if at >= end:
            return


def _row_groups(path: str, stream: BinaryIO, size: int) -> list[Part]:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        about = pyarrow.parquet.ParquetFile(stream).metadata
    except pyarrow.ArrowException as error:
        raise ConfigError(f"{path}: cut or damaged Parquet ({error}); get it again") from error
    parts = [Part(path, "parquet")]
    held = rows = 0
    for number in range(about.num_row_groups):
        if held >= size:
            parts.append(Part(path, "parquet", number, number, 1 + rows))
            held = 0
        group = about.row_group(number)
        held += group.total_byte_size
        rows += group.num_rows
        parts[-1].end = number + 1
    return parts
