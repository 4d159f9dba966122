"""Rows of any format to training records, with a ledger of every row."""

PUBLIC = ("explain", "files", "parts", "reading", "rows")
