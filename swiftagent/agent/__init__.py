"""The loop of thought, call and observation, and those who drive it: terminal, batch, server."""

PUBLIC = ("batch", "drive", "loop", "native", "server", "session", "terminal", "traces")
