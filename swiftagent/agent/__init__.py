"""The loop of thought, call and observation, and what drives it: terminal, batch, server.

In reading order: loop (the generator), native (its grammar of native calls), drive (engine and tools answer it), traces
(what is kept of a run), batch, terminal, session (the chat prompt), events (the same as JSON lines), sampling, serving
(OpenAI's and Anthropic's interfaces).
"""

PUBLIC = ("batch", "drive", "events", "loop", "native", "sampling", "session", "terminal", "traces")
