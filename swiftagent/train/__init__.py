"""From one YAML to a training run: config, plan, preflight, launch and what follows."""

PUBLIC = (
    "advice", "cards", "config", "fit_row", "foreign", "inputs", "launch", "lines", "loss_curves",
    "loss_plot", "machine", "options", "preflight", "raw_data", "recipes", "runs", "session",
)  # fmt: skip
