"""The options that `infer` and `serve` share."""

from __future__ import annotations

from swiftagent.commands.options import Add, above_zero, add_loading_arguments, positive
from swiftagent.trajectory.prompts import STYLES


def add_model_arguments(add: Add) -> None:
    model = add.group("the model")
    model("--run NAME", "a run under runs/, or its folder; the newest one where nothing is named")
    model("--checkpoint best|last|N", "which checkpoint of the run", default="best")
    model("--model M", "a model folder or hub id; with --engine openai, the server's name for it")
    model("--adapter A", "an adapter folder; its base is found by itself")
    add_loading_arguments(model)
    model("--temperature", "0 always takes the likeliest token", type=float, default=0.0)
    model("--prompt", "how tools are listed; auto: as trained, else as the tools need", choices=STYLES, default="auto")
    model("--language", "of the prompt's own words", choices=("auto", "en", "zh"), default="auto")


def add_limit_arguments(add: Add) -> None:
    limits = add.group("limits")
    limits("--max-steps N", "calls of one question", type=positive, default=10)
    limits("--max-tokens N", "tokens that the model writes for one question", type=positive, default=8192)
    limits("--step-tokens N", "tokens of one step", type=positive, default=1024)
    limits("--max-seconds S", "of one question", type=above_zero, default=600)
    limits("--max-repeats N", "identical calls", type=positive, default=3)


def add_tool_arguments(add: Add) -> None:
    tools = add.group("tools")
    what = "a .py file of functions, an mcp.json, mcp:COMMAND, a URL, openapi:SPEC@URL, a tools .json, or one of "
    what += "calculator, clock, units, memory, http:HOST, human; repeatable"
    tools("--tools WHAT", what, action="append", default=[])
    tools("--mock FILE", "canned results for tools without code", default="")
    tools("--tool-seconds S", "of one call", type=float, default=30)
    tools("--tool-memory GB", "of a tool file's process", type=float, default=4)
    tools("--tool-env NAME", "a variable that tools may see; repeatable", action="append", default=[])
