"""From one YAML to a training run: config, plan, preflight, launch and what follows."""

PUBLIC = (
    "advice", "cards", "config", "foreign", "inputs", "launch", "lines", "loss_curves", "machine",
    "options", "preflight", "raw_data", "runs", "session",
)  # fmt: skip
