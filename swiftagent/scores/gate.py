"""The gate: which scores a tuned model must reach, and what it may lose, before anyone ships it.

gate:
  call_exact: {min: 0.6, gain: 0.05}    at least 0.6, and at least 0.05 above the base model
  no_call_recall: {drop: 0.02}          at most 0.02 below the base model
  bits_per_byte: {max: 1.2, rise: 0.05} at most 1.2, and at most 0.05 above the base model
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from swiftagent.errors import ConfigError
from swiftagent.io.words import did_you_mean
from swiftagent.scores.metrics import METRICS

RULES = {
    "min": "the tuned value at least",
    "max": "the tuned value at most",
    "gain": "tuned - base at least",
    "drop": "base - tuned at most",
    "rise": "tuned - base at most",
}
AGAINST_BASE = {"gain", "drop", "rise"}


class Rule(msgspec.Struct, frozen=True):
    metric: str
    kind: str  # a key of RULES
    limit: float

    def __str__(self) -> str:
        return f"{self.metric}: {RULES[self.kind]} {self.limit:g}"


class RuleResult(msgspec.Struct, frozen=True):
    """How one rule came out. `measured` is None where there was nothing to measure: such a rule has failed."""

    rule: Rule
    measured: float | None
    passed: bool
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        rule = self.rule
        named = {"metric": rule.metric, "rule": rule.kind, "limit": rule.limit}
        return {**named, "measured": self.measured, "passed": self.passed, "note": self.note}


def parse_gate(gate: Any) -> tuple[Rule, ...]:
    """The rules of a `gate:` section. Raises ConfigError with every problem in it."""
    rules, problems = read_gate(gate)
    if problems:
        raise ConfigError(problems)
    return rules


def read_gate(gate: Any) -> tuple[tuple[Rule, ...], list[str]]:
    """The rules of a `gate:` section, and what is wrong with it; each problem starts with its key."""
    if gate is None:
        return (), []
    if not isinstance(gate, Mapping):
        return (), ["gate: expected `metric: {rule: number}`, for example `call_exact: {min: 0.6}`"]
    rules: list[Rule] = []
    problems: list[str] = []
    for metric, wanted in gate.items():
        if metric not in METRICS:
            problems.append(f"gate.{metric}: unknown metric{did_you_mean(str(metric), METRICS, ', ')}")
        elif not isinstance(wanted, Mapping) or not wanted:
            problems.append(f"gate.{metric}: expected rules such as {{min: 0.6}}; there are {', '.join(RULES)}")
        else:
            _read_rules(str(metric), wanted, rules, problems)
    return tuple(rules), problems


def _read_rules(metric: str, wanted: Mapping[Any, Any], rules: list[Rule], problems: list[str]) -> None:
    for kind, limit in wanted.items():
        if kind not in RULES:
            problems.append(
                f"gate.{metric}.{kind}: unknown rule{did_you_mean(str(kind), RULES, ', ')}; there are "
                f"{', '.join(RULES)}"
            )
            continue
        number = _number(limit)
        if number is None:
            problems.append(f"gate.{metric}.{kind}: expected a number, got {limit!r}")
        # 60 where 0.6 was meant would be a gate that nothing passes.
        elif METRICS[metric].share and not 0 <= number <= 1:
            problems.append(f"gate.{metric}.{kind}: {limit!r} is not between 0 and 1 (0.6 is 60 %)")
        else:
            rules.append(Rule(metric, str(kind), number))


def _number(value: Any) -> float | None:
    """A finite number; "5e-2", which YAML reads as text, is one too."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def check_gate(
    rules: tuple[Rule, ...], tuned: Mapping[str, float | None], base: Mapping[str, float | None] | None
) -> list[RuleResult]:
    """Each rule against the values measured. A rule that could not be measured has failed."""
    return [
        _check_rule(rule, tuned.get(rule.metric), None if base is None else base.get(rule.metric), base is not None)
        for rule in rules
    ]


def gate_report(
    rules: tuple[Rule, ...], tuned: Mapping[str, float | None], base: Mapping[str, float | None] | None
) -> dict[str, Any]:
    """Whether every rule is passed, and how each came out."""
    results = check_gate(rules, tuned, base)
    return {"passed": all(result.passed for result in results), "rules": [result.as_dict() for result in results]}


def _check_rule(rule: Rule, tuned: float | None, base: float | None, has_base: bool) -> RuleResult:
    # A gate that passes what was not measured would ship a model on missing data.
    if tuned is None:
        return RuleResult(rule, None, False, "not measured on this data")
    if rule.kind not in AGAINST_BASE:
        passed = tuned >= rule.limit if rule.kind == "min" else tuned <= rule.limit
        return RuleResult(rule, tuned, passed)
    if base is None:
        note = "not measured for the base model" if has_base else "no base model was measured"
        return RuleResult(rule, None, False, note)
    change = tuned - base
    # 0.62 - 0.57 is 0.05000000000000004 and 0.58 - 0.53 is 0.04999999999999993: neither may decide.
    close = math.isclose(abs(change), rule.limit, rel_tol=1e-9, abs_tol=1e-12)
    if rule.kind == "gain":
        return RuleResult(rule, change, change >= rule.limit or (close and change > 0))
    measured = base - tuned if rule.kind == "drop" else change
    return RuleResult(rule, measured, measured <= rule.limit or close)
