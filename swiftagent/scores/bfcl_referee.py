"""A program of its own: it runs inside an environment that holds `bfcl-eval` and imports nothing of swiftagent.

JSON lines in, verdicts out:

    in   {"id", "functions", "answers", "category", "calls": [{name: arguments}, ...]}
    out  {"id", "valid", "error_type"}

`pip install --no-deps bfcl-eval` is enough: its table of models, which imports every vendor's client, is not needed to
match calls, so it is replaced by a table of one model whose function names are left as they are.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from typing import Any


def stand_in(name: str, **content: Any) -> None:
    module = types.ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module


def main() -> None:
    stand_in(
        "bfcl_eval.constants.model_config",
        MODEL_CONFIG_MAPPING={"react": types.SimpleNamespace(underscore_to_dot=False)},
    )
    # They serve languages that the Python categories do not use.
    for name in ("java_type_converter", "js_type_converter"):
        stand_in(f"bfcl_eval.eval_checker.ast_eval.type_convertor.{name}", **{name: None})
    language = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON
    check = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker").ast_checker
    for line in sys.stdin:
        row = json.loads(line)
        try:
            verdict = check(row["functions"], row["calls"], row["answers"], language, row["category"], "react")
        # A crash on one row is a verdict of its own; the other rows are still checked.
        except Exception as error:
            verdict = {"valid": None, "error_type": f"crash: {error!r}"}
        print(json.dumps({"id": row["id"], "valid": verdict["valid"], "error_type": verdict.get("error_type", "")}))


if __name__ == "__main__":
    main()
