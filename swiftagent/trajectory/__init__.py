"""The core type, the ReAct text and the training record that are made of it, and the rules every trajectory obeys."""

PUBLIC = (
    "content",
    "escape",
    "ledger",
    "prompts",
    "react",
    "read_input",
    "read_step",
    "record",
    "schema",
    "style",
    "types",
    "wellformed",
)
