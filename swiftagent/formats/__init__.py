"""The formats that can be read and written: one file a format, one line a format in this table.

A format module has

    ABOUT: str                                   one line for `swiftagent formats`
    SAMPLE: a raw row (JSON value)
    looks_like(row: Json) -> bool                cheap and exact; used by `auto`, in the order of this table
    parse(row: Json) -> Trajectory | list[Trajectory]      raises RowError(code, sentence)
    render(trajectory) -> row                    only where the format can be written
    group(rows: Iterable[Row]) -> Iterator[Row]  only where several lines make one conversation

`parse` builds its trajectory with `formats.build.Builder`, which holds what all formats share: arguments in every
spelling, call ids, parallel results, empty content, repairs counted by code.
"""

from __future__ import annotations

FORMATS: dict[str, str] = {  # name: module, in the order in which `auto` asks them
    "swiftagent": "swiftagent.formats.swiftagent",
    "ms-agent": "swiftagent.formats.ms_agent",
    "react": "swiftagent.formats.react",
    "openai": "swiftagent.formats.openai",
    "sharegpt": "swiftagent.formats.sharegpt",
    "alpaca": "swiftagent.formats.alpaca",
}
