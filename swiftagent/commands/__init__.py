"""One thin file a command: add_arguments(parser) and run(args) -> exit code; no logic."""
