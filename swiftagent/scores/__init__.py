"""Metrics of tool calls and texts as pure functions, with intervals and the gate."""

PUBLIC = ("bfcl", "calls", "fields", "gate", "groups", "intervals", "metrics", "reading", "toolbench", "values")
