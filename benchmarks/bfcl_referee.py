"""Runs inside an environment that holds `bfcl-eval`, knowing nothing of swiftagent: JSON lines in, verdicts out.

    in   {"id", "functions", "answers", "category", "calls": [{name: arguments}, ...]}
    out  {"id", "valid", "error_type"}

`pip install --no-deps bfcl-eval` is enough: its table of models, which imports every vendor's client, is not needed to match
calls, so it is replaced by a table that says of one model that its function names are left as they are.
"""

import json
import sys
import types

models = types.ModuleType("bfcl_eval.constants.model_config")
models.MODEL_CONFIG_MAPPING = {"react": types.SimpleNamespace(underscore_to_dot=False)}
sys.modules["bfcl_eval.constants.model_config"] = models
for name in ("java", "js"):  # parsers for languages that the Python categories do not use
    module = types.ModuleType(f"bfcl_eval.eval_checker.ast_eval.type_convertor.{name}_type_converter")
    setattr(module, f"{name}_type_converter", None)
    sys.modules[module.__name__] = module

from bfcl_eval.constants.enums import Language  # noqa: E402
from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker  # noqa: E402

for line in sys.stdin:
    row = json.loads(line)
    try:
        verdict = ast_checker(row["functions"], row["calls"], row["answers"], Language.PYTHON, row["category"], "react")
    except Exception as error:  # a crash of the referee is a verdict of its own
        verdict = {"valid": None, "error_type": f"crash: {error!r}"}
    print(json.dumps({"id": row["id"], "valid": verdict["valid"], "error_type": verdict.get("error_type", "")}))
