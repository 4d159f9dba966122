"""Traces made good: drifted, wrong, foreign and repeated steps of a file found, and rewritten, masked or dropped.

In reading order: codes (what is found, and what is done about it), values and runs (what one row shows), drift (calls
rewritten for today's tools), survey (what all rows show together), cleaner (the step that rows go through), files.
"""

PUBLIC = ("cleaner", "codes", "drift", "files", "runs", "survey", "values")
