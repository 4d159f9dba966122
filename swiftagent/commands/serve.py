"""Serve a tuned model with OpenAI's and Anthropic's interfaces: standard clients send tools and get tool calls.

  swiftagent serve                                       the newest run at http://127.0.0.1:8000/v1
  swiftagent serve --run my-run --port 9000 --key-env MY_KEY
  swiftagent serve --record served.jsonl                 each conversation becomes a row to convert and mix
  swiftagent serve --upstream https://api.openai.com/v1 --record served.jsonl     of another server, without a model

It listens on this machine alone unless --host says otherwise.
"""

from __future__ import annotations

import argparse
import os
import socket
from contextlib import ExitStack
from pathlib import Path

import msgspec

from swiftagent import console
from swiftagent.commands.agent_options import add_limit_arguments, add_model_arguments
from swiftagent.commands.options import Add
from swiftagent.errors import SetupError, refuse

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_arguments(add: Add) -> None:
    server = add.group("the server")
    server("--host", "0.0.0.0 listens on every address of this machine", default="127.0.0.1")
    server("--port", "0 takes a free one", type=int, default=8000)
    server("--name NAME", "what the model is called; else the run's, adapter's or model's name")
    server("--key-env NAME", "the variable that holds the API key that clients must send")
    server("--max-request MB", "larger requests are refused", type=float, default=4)
    server(
        "--record FILE", "add each conversation, turn by turn, as a row of messages; cut turns are left out", type=Path
    )
    server("--upstream URL", "pass requests on to this server, with the client's own key, and record them")
    add_model_arguments(add)
    add_limit_arguments(add)


def run(args: argparse.Namespace) -> None:
    key, url = os.environ.get(args.key_env or "", ""), args.upstream or ""
    record = "--upstream records a server: give --record FILE; clients send its key, so leave --key-env out"
    http = f"--upstream {url}: not an http address; write https://api.openai.com/v1"
    refuse({record: url and (not args.record or args.key_env)})
    refuse({http: url and not url.startswith(("http://", "https://"))})
    refuse({f"--key-env {args.key_env}: this variable is not set or empty": args.key_env and not key})
    with _listening(args.host, args.port) as listening, ExitStack() as ends:
        import uvicorn

        from swiftagent.agent.serving.recording import Recording
        from swiftagent.agent.serving.server import Settings, make_app
        from swiftagent.agent.serving.upstream import make_gateway
        from swiftagent.commands.asking import grammar_of, limits_of, load

        host, port = listening.getsockname()[:2]
        own = LOOPBACK if host in LOOPBACK else ()
        settings = Settings(args.name or _name(args), key, own, int(args.max_request * (1 << 20)), args.temperature)
        recording = Recording(args.record, settings.name) if args.record else None
        if recording:
            ends.callback(recording.close)
        if args.upstream and recording:
            app = make_gateway(args.upstream, recording, settings)
        else:
            engine = load(args)
            ends.callback(engine.close)
            settings = msgspec.structs.replace(settings, strict=bool(getattr(engine, "is_strict", False)))
            app = make_app(engine, grammar_of(args), limits_of(args), settings, recording)
        if not own and not key:
            console.warn(f"everybody who reaches {host} may use it; --key-env NAME asks for a key")
        console.say(f"{settings.name} at http://{host}:{port}/v1 (Ctrl-C ends it)")
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise SetupError(f"{host}:{port} cannot be listened on: {error}; choose another with --port") from None
    return listening


def _name(args: argparse.Namespace) -> str:
    return args.upstream or Path(args.run or args.adapter or args.model or "swiftagent").name
