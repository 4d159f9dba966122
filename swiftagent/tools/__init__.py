"""Where the tools of a run come from, and how they are called.

In reading order: source (the interface), toolbox (opens and calls them), secrets (what is redacted), then the sources:
builtin, declared, python_file with worker and function_schema, mcp, openapi; http_client and processes
are what two of them use.
"""

PUBLIC = ("processes", "secrets", "source", "toolbox")
