"""The formats that can be read and written: the table, and what groups lines into rows."""

PUBLIC = ("dataset_entries", "grouping", "outside", "table")
