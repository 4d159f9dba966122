"""Print what makes a shell complete commands and options.

eval "$(swiftagent completion bash)"                                       in ~/.bashrc; zsh alike
swiftagent completion fish > ~/.config/fish/completions/swiftagent.fish
"""

from __future__ import annotations

import argparse

from swiftagent.commands.options import Add


def add_arguments(add: Add) -> None:
    add("shell SHELL", "bash, zsh or fish", choices=("bash", "zsh", "fish"))


def run(args: argparse.Namespace) -> None:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["swiftagent"], shell=args.shell))
