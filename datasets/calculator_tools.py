"""One operation on two numbers, as a plain Python function: `swiftagent infer --react --tools
datasets/calculator_tools.py`."""

from __future__ import annotations

from typing import Literal


def calculator(a: int, operation: Literal["add", "subtract", "multiply"], b: int) -> dict[str, int]:
    """Work out one operation on two numbers.

    Args:
        a: number
        operation: which
        b: number
    """
    return {"result": {"add": a + b, "subtract": a - b, "multiply": a * b}[operation]}
