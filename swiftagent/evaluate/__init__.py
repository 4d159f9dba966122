"""A model asked the next step of held-out rows, its predictions scored and reported."""

PUBLIC = ("bfcl_files", "data", "jobs", "report", "scoring", "session", "state", "target", "writing")
