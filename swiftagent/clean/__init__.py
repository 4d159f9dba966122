"""Traces made good: drifted, wrong, foreign and repeated steps of a file found, and rewritten, masked or dropped.

In reading order: codes (what is found, and what is done about it), values and runs (what one row shows), drift (calls
rewritten for today's tools), survey (what all rows show together), cleaner (the step that rows go through).
"""

PUBLIC = ("cleaner", "codes", "drift", "runs", "survey", "values")
