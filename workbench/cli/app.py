"""The command `mtl-workbench`: which commands there are, and how errors and exit codes come out."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from workbench import collector
from workbench.cli import output
from workbench.cli.exit_codes import INTERRUPTED, exit_code
from workbench.cli.options import Database, workspace
from workbench.errors import ConfigError, WorkbenchError

COMMANDS = {
    "train": "training",
    "watch": "training",
    "runs": "listing",
    "show": "listing",
    "stop": "training",
    "pause": "control",
    "resume": "control",
    "checkpoint": "control",
    "adjust": "control",
    "fork": "control",
    "repeat": "control",
    "compare": "listing",
    "baselines": "baselines",
    "tag": "keeping",
    "note": "keeping",
    "rename": "keeping",
    "star": "keeping",
    "archive": "keeping",
    "delete": "keeping",
    "restore": "keeping",
    "checkpoints": "listing",
    "export": "artefacts",
    "predict": "asking",
    "encode": "asking",
    "evaluate": "artefacts",
    "cache": "caching",
    "check": "checking",
    "presets": "catalogue",
    "schema": "catalogue",
    "serve": "serving",
    "keys": "keys",
    "doctor": "machine",
    "repair": "machine",
    "queue": "queue",
}
"""Every command, in the order of the help, and the module of its function, which has its name; a
command that has commands of its own is a `typer.Typer` called `app`. Only the module of the
command that was asked for is loaded."""


def command_line(names: Sequence[str] = tuple(COMMANDS)) -> typer.Typer:
    """The program with some of its commands."""
    app = typer.Typer(
        name="mtl-workbench",
        add_completion=False,
        pretty_exceptions_enable=False,
        # Plain help: rich would cost 0.1 s at each start, and escape codes in a pipe.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_start)
    for name in names:
        module = import_module(f"workbench.cli.{COMMANDS[name]}")
        if hasattr(module, "app"):
            app.add_typer(module.app)
        else:
            app.command()(getattr(module, name))
    return app


def _start(
    context: typer.Context,
    db: Database = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Lines of words in place of the interface.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Train, watch, compare and export multi-task text models from a terminal.

    Without a command the terminal interface opens.
    """
    if version:
        from importlib.metadata import version as version_of  # 30 ms

        output.line(f"mtl-workbench {version_of('mtl-workbench')}")
        raise typer.Exit
    if context.invoked_subcommand is None and plain:
        from workbench.cli.listing import print_plainly

        print_plainly(workspace(context, db))
    elif context.invoked_subcommand is None:
        _open_interface(context, db)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: The words after the program's name; those of this process by default.

    Returns:
        The exit code.
    """
    collector.rest()
    output.prepare()
    try:
        code = _run(sys.argv[1:] if arguments is None else list(arguments))
        output.close()
    except output.OutputClosed:
        return 0
    return code


def _run(arguments: list[str]) -> int:
    # Options of the program itself may stand before the command; then all are loaded.
    asked = arguments[:1] if arguments[:1] and arguments[0] in COMMANDS else list(COMMANDS)
    try:
        result = typer.main.get_command(command_line(asked)).main(
            args=arguments, prog_name="mtl-workbench", standalone_mode=False
        )
    except WorkbenchError as error:
        output.error(error)
        return exit_code(error)
    except typer.TyperException as error:
        output.error(_usage(error))
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        output.note("Interrupted.")
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _usage(error: typer.TyperException) -> ConfigError:
    """A wrong command line as an error of ours."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "mtl-workbench"
    # typer's own hint, such as "Did you mean 'runs'?", stands behind the first sentence.
    hint = re.search(r"(?: \(|\. )((?:Did you mean|Possible options).*?)\)?\.?$", error.message)
    message = error.format_message()
    advice = f"see: {path} --help"
    if hint:
        message = message[: message.find(hint[1])].rstrip(" (.")
        advice = f"{hint[1][0].lower()}{hint[1][1:]}; {advice}"
    return ConfigError(f"{message.rstrip('.')}.", where=path, next_step=advice)


def _open_interface(context: typer.Context, db: str | None) -> None:
    if not (sys.stdin.isatty() and output.is_terminal()):
        raise ConfigError(
            "The interface needs a terminal, and there is none here.",
            where="standard input or output" if sys.stdin.isatty() else "standard input",
            next_step="use a command: mtl-workbench train quickstart --plain, "
            "mtl-workbench runs, mtl-workbench --plain, mtl-workbench --help",
        )
    from workbench.tui.app import WorkbenchApp  # textual, 0.3 s that commands save

    WorkbenchApp(workspace(context, db)).run()
