"""A tuned model in the form that other programs load: merged, GGUF, Ollama, vLLM."""

PUBLIC = (
    "check",
    "check_native",
    "folder",
    "gguf",
    "grammars",
    "merge",
    "prepare",
    "push",
    "subject",
    "targets",
    "vllm",
)
