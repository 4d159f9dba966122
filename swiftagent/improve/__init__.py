"""Rounds in which a tuned model's own checked runs become training rows."""

PUBLIC = ("asking", "judging", "rounds")
