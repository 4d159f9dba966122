"""What a tool gave, told in tags in a turn of the user."""

from __future__ import annotations

import re

_RESULT_TAGS = (
    r"(?:tool_(?:results?|responses?|outputs?|use_result)|function_(?:results?|responses?|outputs?)"
    r"|observation|obs|information|result|output)"
)
_RESULTS_IN_TAGS = re.compile(rf"\s*<({_RESULT_TAGS})(?:\s[^>\n]*)?>\s*(.*?)\s*</\1>", re.S)
_RESULT_PARTS = re.compile(r"<(?:stdout|output)>\s*(.*?)\s*</(?:stdout|output)>", re.S)


def outputs_of(text: str) -> str:
    """What stands in the <stdout> or <output> of a result, else all of it."""
    parts = _RESULT_PARTS.findall(text)
    return "\n".join(parts) if parts else text


def results_in_tags(text: str) -> tuple[list[str], str, bool]:
    """The results in tags that a user turn begins with, what it says behind them, and whether the tags are of results
    alone."""
    results: list[str] = []
    place = 0
    alone = True
    while found := _RESULTS_IN_TAGS.match(text, place):
        results.append(outputs_of(found[2]) if found[1] == "function_results" else found[2])
        alone = alone and found[1].startswith(("tool", "function"))
        place = found.end()
    return results, text[place:].strip(), alone
