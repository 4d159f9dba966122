from __future__ import annotations

import pytest

from swiftagent.errors import ConfigError
from swiftagent.scores.gate import Rule, gate_report, parse_gate


def passed(gate: dict, tuned: dict, base: dict | None = None) -> list[bool]:
    return [rule["passed"] for rule in gate_report(parse_gate(gate), tuned, base)["rules"]]


def test_rules_are_read():
    gate = {"call_exact": {"min": 0.6, "gain": "5e-2"}, "bits_per_byte": {"rise": 0.05}}
    assert parse_gate(gate) == (
        Rule("call_exact", "min", 0.6),
        Rule("call_exact", "gain", 0.05),
        Rule("bits_per_byte", "rise", 0.05),
    )
    assert parse_gate(None) == parse_gate({}) == ()


def test_all_problems_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_gate({"call_exct": {"min": 1}, "call_exact": {"mim": 0.5, "min": "high", "max": 60}, "parsable": 0.9})
    assert caught.value.problems == [
        "gate.call_exct: unknown metric, did you mean call_exact?",
        "gate.call_exact.mim: unknown rule, did you mean min?; there are min, max, gain, drop, rise",
        "gate.call_exact.min: expected a number, got 'high'",
        "gate.call_exact.max: 60 is not between 0 and 1 (0.6 is 60 %)",
        "gate.parsable: expected rules such as {min: 0.6}; there are min, max, gain, drop, rise",
    ]


@pytest.mark.parametrize(
    "wrong", [["call_exact"], "call_exact", {"call_exact": {"min": True}}, {"call_exact": {"min": "nan"}}]
)
def test_no_gate(wrong: object):
    with pytest.raises(ConfigError):
        parse_gate(wrong)


def test_limits_themselves_pass():
    gate = {
        "call_exact": {"min": 0.62, "gain": 0.05},
        "no_call_recall": {"drop": 0.02},
        "bits_per_byte": {"max": 1.1, "rise": 0.1},
    }
    assert (
        passed(
            gate,
            {"call_exact": 0.62, "no_call_recall": 0.88, "bits_per_byte": 1.1},
            {"call_exact": 0.57, "no_call_recall": 0.9, "bits_per_byte": 1.0},
        )
        == [True] * 5
    )


def test_what_fails():
    gate = {
        "call_exact": {"min": 0.6, "gain": 0.05},
        "no_call_recall": {"drop": 0.02},
        "bits_per_byte": {"max": 1.0, "rise": 0.05},
    }
    assert (
        passed(
            gate,
            {"call_exact": 0.5, "no_call_recall": 0.8, "bits_per_byte": 1.2},
            {"call_exact": 0.6, "no_call_recall": 0.9, "bits_per_byte": 1.0},
        )
        == [False] * 5
    )


def test_getting_better_never_fails_a_drop_or_a_rise():
    gate = {"no_call_recall": {"drop": 0}, "bits_per_byte": {"rise": 0}}
    assert passed(
        gate, {"no_call_recall": 0.95, "bits_per_byte": 0.9}, {"no_call_recall": 0.9, "bits_per_byte": 1}
    ) == [True, True]


def test_what_was_not_measured_has_failed():
    rules = parse_gate({"call_exact": {"min": 0.1, "gain": 0.1}, "irrelevance": {"min": 0}})
    verdicts = gate_report(rules, {"call_exact": 0.5}, None)["rules"]
    assert [(each["passed"], each["note"]) for each in verdicts] == [
        (True, ""),
        (False, "no base model was measured"),
        (False, "not measured on this data"),
    ]
