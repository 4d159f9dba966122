"""Files in and out, whole or not at all, and the tasks that read them on several cores or machines."""

PUBLIC = (
    "json_rows", "jsonl", "language", "outputs", "own_command", "pages", "parts", "ray_workers", "rows", "shipped",
    "storage", "table_rows", "words", "workers", "yaml_file",
)  # fmt: skip
