"""What runs a model: loading, templates, labels, engines and the hub.

In reading order: loading (what is loaded), engine (chooses one), engine_prompt and the engines
(transformers, batch, vllm, openai), template (ms-swift's own), token_spans, row_labels and labels (which tokens are
trained), token_counts, packaged (a base of a PyPI package), hub (data sets).
"""

PUBLIC = (
    "engine", "engine_prompt", "hub", "labels", "loading", "packaged", "template", "token_counts", "token_spans",
)  # fmt: skip
