"""Sizes of a training record without a tokenizer: characters, and tokens as estimated from them (shown with a ~)."""

from __future__ import annotations

from typing import Any, NamedTuple

# Fitted on real rows with the Qwen2.5 tokenizer: prose, JSON and code in ASCII, and Chinese.
_ASCII_PER_TOKEN = 4.1
_OTHER_PER_TOKEN = 1.45
_MESSAGE_TOKENS = 4  # what a chat template puts around one message


class Size(NamedTuple):
    """Of one record. Tokens are estimates."""

    characters: int
    tokens: int
    trained: int


def size_of(messages: list[dict[str, Any]]) -> Size:
    """The size of a record's messages; a message is trained where it has no `loss`."""
    said: list[str] = []
    read: list[str] = []
    around = 0
    for message in messages:
        if "loss" not in message:
            said.append(message["content"])
            continue
        read.append(message["content"])
        if message["role"] != "assistant":
            around += _MESSAGE_TOKENS
    learnt, given = "".join(said), "".join(read)
    trained = tokens_in(learnt, len(learnt))
    return Size(len(learnt) + len(given), trained + tokens_in(given, len(given)) + around, trained)


def tokens_in(text: str, length: int) -> int:
    """About how many tokens a text has."""
    if text.isascii():
        return round(length / _ASCII_PER_TOKEN)
    # A character beyond ASCII takes two to four bytes, nearly always three (Chinese).
    other = min(length, (len(text.encode("utf-8", "surrogatepass")) - length) // 2)
    return round((length - other) / _ASCII_PER_TOKEN + other / _OTHER_PER_TOKEN)
