"""`serve`: the interface in a browser, on this machine only."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from typing import Annotated

import typer

from workbench.cli import output
from workbench.cli.options import Database
from workbench.errors import WorkbenchError
from workbench.paths import DATABASE_VARIABLE

LOOPBACK = "127.0.0.1"
"""Whoever reaches the port has the rights of this user, so nobody else may."""


def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(metavar="PORT", help="Port on 127.0.0.1.")] = 8000,
    db: Database = None,
) -> None:
    """Show the interface in a browser, on this machine.

    Listens on 127.0.0.1 only. Runs go on when it ends.
    """
    try:
        from textual_serve.server import Server
    except ModuleNotFoundError as error:
        raise WorkbenchError(
            "Serving needs textual-serve, which is not installed.",
            next_step='pip install "mtl-workbench[serve]"',
        ) from error
    if given := db or context.find_root().params.get("db"):
        os.environ[DATABASE_VARIABLE] = given  # everybody can read a command line
    output.note(f"http://{LOOPBACK}:{port} on this machine; from another one first:")
    output.line(tunnel_command(port))
    output.note("Ctrl-C ends it; runs go on.")
    Server(serve_command(), host=LOOPBACK, port=port, title="mtl-workbench").serve()


def serve_command() -> str:
    """The command that each browser window runs; the database is in its environment."""
    return shlex.join([sys.executable, "-m", "workbench"])


def tunnel_command(port: int) -> str:
    """What to type on the machine with the browser."""
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or "USER"
    return f"ssh -L {port}:{LOOPBACK}:{port} {user}@{socket.gethostname()}"
