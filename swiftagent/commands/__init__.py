"""One thin file a command: flags in, an exit code out."""

PUBLIC = (
    "clean", "completion", "configs", "convert", "demo", "doctor", "eval", "export", "formats", "improve", "infer",
    "inspect", "mcp", "mix", "options", "runs", "serve", "sft", "stats", "sweep", "sweep_plan",
)  # fmt: skip
