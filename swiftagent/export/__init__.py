"""A tuned model in the form that other programs load: merged, GGUF, Ollama, vLLM."""

PUBLIC = ("check", "folder", "gguf", "grammars", "merge", "prepare", "push", "subject", "targets")
