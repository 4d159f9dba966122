"""One file a format that can be written."""

PUBLIC = ("alpaca", "dataset_info", "hermes", "native", "openai", "table")
