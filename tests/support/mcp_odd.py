"""An MCP server that breaks rules, by hand since the SDK keeps them: odd schemas, wrong results, sudden ends."""

import json
import os
import pathlib
import sys
import time

READING = {"type": "object", "properties": {"degrees": {"type": "number"}}, "required": ["degrees"]}
TOOLS = [
    {"name": "untyped", "inputSchema": {"properties": {}}},
    {"name": "odd", "inputSchema": {"type": "array"}},
    {"name": "none"},
    {"name": "measure", "inputSchema": {"type": "object"}, "outputSchema": READING},
    {"name": "pay", "inputSchema": {"type": "object"}},
    {"name": "slow", "inputSchema": {"type": "object"}},
    {"name": "hang", "inputSchema": {"type": "object"}},
    {"name": "flood", "inputSchema": {"type": "object"}},
    {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
]


def call(name, arguments):
    if name in ("pay", "look"):
        log = pathlib.Path(arguments["log"])
        calls = log.read_text().split() if log.exists() else []
        log.write_text(" ".join([*calls, name]))
        if name not in calls:
            os._exit(3)
    if name == "flood":
        while True:
            sys.stdout.write("x" * 65536)
    return {"content": [{"type": "text", "text": name}], "structuredContent": {**arguments}}


def report_progress(token):
    for done in range(1, 7):
        time.sleep(0.25)
        params = {"progressToken": token, "progress": done}
        print(json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}), flush=True)


hanging = {}
for line in sys.stdin:
    asked = json.loads(line)
    method, given = asked.get("method"), asked.get("params") or {}
    if method == "initialize":
        found = {"protocolVersion": given["protocolVersion"], "capabilities": {"tools": {}}}
        answer = {"result": {**found, "serverInfo": {"name": "odd", "version": "1"}}}
    elif method == "tools/list":
        answer = {"result": {"tools": TOOLS}}
    elif method == "notifications/cancelled":
        pathlib.Path(hanging[given["requestId"]]).write_text("cancelled")
        continue
    elif method == "tools/call" and given["name"] == "hang":
        hanging[asked["id"]] = given["arguments"]["log"]
        continue
    elif method == "tools/call":
        if given["name"] == "slow":
            report_progress(given["_meta"]["progressToken"])
        answer = {"result": call(given["name"], given["arguments"])}
    else:
        answer = {"error": {"code": -32601, "message": "unknown method"}}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}), flush=True)
