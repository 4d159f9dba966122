"""Rows of any format to training records, with a ledger of every row."""

PUBLIC = ("files", "parts", "reading", "rows")
