"""The core type, the ReAct text and the training record that are made of it, and the rules every trajectory obeys."""

PUBLIC = (
    "content", "escape", "ledger", "order", "prompts", "react", "react_scan", "read_loose", "read_step", "record",
    "schema", "style", "suspicion", "types", "wellformed",
)  # fmt: skip
