"""What a tool gave, told in a turn of the user: behind a label, in a fence or in tags."""

from __future__ import annotations

import re

# What a user turn says where it is the answer to such a call.
_RESULT = re.compile(
    r"\s*(?:(?=<returncode>)|EXECUTION RESULT of \[[^\]\n]*\]:\s?|OBSERVATION:\s?|Observation:\s?|Result:\s?"
    r"|```tool_output\n|<function_results>\s*)(.*?)"
    r"(?:\n?```|\s*</function_results>)?\s*\Z",
    re.S,
)
_RESULT_TAGS = (
    r"(?:tool_(?:results?|responses?|outputs?|use_result)|function_(?:results?|responses?|outputs?)"
    r"|observation|obs|information|result|output)"
)
_RESULTS_IN_TAGS = re.compile(rf"\s*<({_RESULT_TAGS})(?:\s[^>\n]*)?>\s*(.*?)\s*</\1>", re.S)
_RESULT_PARTS = re.compile(r"<(?:stdout|output)>\s*(.*?)\s*</(?:stdout|output)>", re.S)


def result_in_user_turn(text: str, marked: bool) -> str | None:
    """What a tool gave, where a user turn tells it in one of the known ways; else None.

    `marked` says that it did so before in this conversation: then the environment speaks there, and what has no mark is
    its word too ("Your command ran successfully and did not produce any output." of SWE-agent).
    """
    found = _RESULT.match(text)
    if found is None:
        return text if marked else None
    parts = _RESULT_PARTS.findall(found[1]) if "<function_results>" in text else []
    return "\n".join(parts) if parts else found[1]


def results_in_tags(text: str) -> tuple[list[str], str, bool]:
    """The results in tags that a user turn begins with, what it says behind them, and whether the tags are of results
    alone."""
    results: list[str] = []
    place = 0
    alone = True
    while found := _RESULTS_IN_TAGS.match(text, place):
        parts = _RESULT_PARTS.findall(found[2]) if found[1] == "function_results" else []
        results.append("\n".join(parts) if parts else found[2])
        alone = alone and found[1].startswith(("tool", "function"))
        place = found.end()
    return results, text[place:].strip(), alone
