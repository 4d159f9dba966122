"""What a writable format cannot hold, by the code that the report counts under `lost`."""

from __future__ import annotations

LOSSES: dict[str, tuple[str, tuple[str, ...]]] = {  # code: (what it says, the formats that lose it)
    "mask-lost": ("a step is not trained here, but the format has no masks", ("sharegpt", "alpaca", "hermes", "anthropic")),
    "mask-widened": ("one part of a step is not trained; the format masks the whole step", ("native", "openai")),
    "results-trained": ("calls and results are one text, so a trainer of the format trains on results too", ("alpaca",)),
    "system-joined": ("a system message that is not the first was joined to it", ("sharegpt", "alpaca", "hermes", "anthropic")),
    "turns-joined": ("two turns of one side in a row became one", ("sharegpt", "alpaca")),
    "turn-inserted": ("an empty turn was put in, since both sides have to take turns", ("sharegpt",)),
    "arguments-wrapped": ('arguments that are no object became {"input": ...}', ("anthropic",)),
    "react-words": ("ms-swift takes a call whose arguments hold `Action:` and `Action Input:` for ReAct text", ("native",)),
}
