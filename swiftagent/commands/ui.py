"""The whole way in a browser: data, masks, training, the agent, evaluation, export; each page shows its command line.

swiftagent ui                      prints an address with a token; open it in a browser
swiftagent ui --open --port 7860

It listens on this machine alone unless --host says otherwise. Closing it stops no training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from swiftagent.commands.options import Add, parser_of


def add_arguments(add: Add) -> None:
    add("--port PORT", "0 takes a free one", type=int, default=7860)
    add("--host HOST", "0.0.0.0 listens on every address of this machine", default="127.0.0.1")
    add("--open", "open the address in the browser")
    add("--folder FOLDER", "the working folder", type=Path, default=Path("."))


def run(args: argparse.Namespace) -> None:
    from swiftagent.ui.app import serve

    def ready(address: str) -> None:
        print(address, flush=True)
        if args.open:
            import webbrowser

            webbrowser.open(address)

    serve(args.folder.resolve(), parser_of, args.host, args.port, ready)
