"""What a model folder or name is: its files, its shape, the trainer's name for it."""

PUBLIC = ("files", "identity", "known")
