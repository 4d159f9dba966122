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

RULES = ("min", "max", "gain", "drop", "rise")
Values = Mapping[str, float | None]


class Rule(msgspec.Struct, frozen=True):
    """One limit. kind: min and max judge the tuned value, gain and rise tuned - base, drop base - tuned."""

    metric: str
    kind: str
    limit: float


def parse_gate(gate: Any) -> tuple[Rule, ...]:
    """The rules of a `gate:` section. Raises ConfigError with every problem in it."""
    rules, problems = read_gate(gate)
    if problems:
        raise ConfigError(problems)
    return rules


def read_gate(gate: Any) -> tuple[tuple[Rule, ...], list[str]]:
    """The rules of a `gate:` section, and what is wrong with it; each problem starts with its key."""
    if not isinstance({} if gate is None else gate, Mapping):
        return (), ["gate: expected `metric: {rule: number}`, for example `call_exact: {min: 0.6}`"]
    found: list[Rule | str] = []
    for metric, wanted in (gate or {}).items():
        if metric not in METRICS:
            found.append(f"gate.{metric}: unknown metric{did_you_mean(str(metric), METRICS, ', ')}")
        elif not isinstance(wanted, Mapping) or not wanted:
            found.append(f"gate.{metric}: expected rules such as {{min: 0.6}}; there are {', '.join(RULES)}")
        else:
            found += [_read_rule(metric, kind, limit) for kind, limit in wanted.items()]
    return tuple(each for each in found if isinstance(each, Rule)), [each for each in found if isinstance(each, str)]


def _read_rule(metric: str, kind: Any, limit: Any) -> Rule | str:
    """A rule, or what is wrong with it. "5e-2", which YAML reads as text, is a number too."""
    place = f"gate.{metric}.{kind}"
    if kind not in RULES:
        return f"{place}: unknown rule{did_you_mean(str(kind), RULES, ', ')}; there are {', '.join(RULES)}"
    try:
        number = math.nan if isinstance(limit, bool) else float(limit)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        return f"{place}: expected a number, got {limit!r}"
    # 60 where 0.6 was meant would be a gate that nothing passes.
    if METRICS[metric].share and not 0 <= number <= 1:
        return f"{place}: {limit!r} is not between 0 and 1 (0.6 is 60 %)"
    return Rule(metric, kind, number)


def gate_report(rules: tuple[Rule, ...], tuned: Values, base: Values | None) -> dict[str, Any]:
    """Whether every rule is passed, and how each came out; `measured` is None where there was nothing to measure: such
    a rule has failed, as a gate that passes what was not measured would ship a model on missing data."""
    judged = [_judged(rule, tuned.get(rule.metric), base) for rule in rules]
    return {"passed": all(each["passed"] for each in judged), "rules": judged}


def _judged(rule: Rule, value: float | None, base: Values | None) -> dict[str, Any]:
    before = None if base is None else base.get(rule.metric)
    measured, note = None, ""
    if value is None:
        note = "not measured on this data"
    elif rule.kind in ("min", "max"):
        measured = value
    elif before is None:
        note = "no base model was measured" if base is None else "not measured for the base model"
    else:
        measured = before - value if rule.kind == "drop" else value - before
    passed = measured is not None and (
        (measured >= rule.limit if rule.kind in ("min", "gain") else measured <= rule.limit)
        # 0.62 - 0.57 is 0.05000000000000004 and 0.58 - 0.53 is 0.04999999999999993: neither may decide.
        or math.isclose(measured, rule.limit, rel_tol=1e-9, abs_tol=1e-12)
    )
    named = {"metric": rule.metric, "rule": rule.kind, "limit": rule.limit}
    return {**named, "measured": measured, "passed": passed, "note": note}
