"""What runs a model: loading, templates, labels, engines and the hub."""

PUBLIC = ("engine", "engine_files", "hub", "labels", "likelihood", "loading", "option_table", "template", "token_counts",
          "token_spans")  # fmt: skip
