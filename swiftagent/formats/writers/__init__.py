"""One file a format that can be written."""

PUBLIC = ("dataset_info", "hermes", "native", "openai", "table")
