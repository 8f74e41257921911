"""The command `mtl-workbench`: which commands there are, and how errors and exit codes come out.

Exit codes are an API: 0 done, 1 the run failed, 2 wrong usage or configuration, 3 not found,
130 interrupted.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from workbench import collector
from workbench.cli import (
    artefacts,
    asking,
    baselines,
    caching,
    catalogue,
    checking,
    control,
    keeping,
    listing,
    machine,
    output,
    queue,
    serving,
    training,
)
from workbench.cli.options import Database, workspace
from workbench.cli.training import INTERRUPTED
from workbench.errors import ConfigError, NotFoundError, WorkbenchError

COMMANDS = (
    training.train,
    training.watch,
    listing.runs,
    listing.show,
    training.stop,
    control.pause,
    control.resume,
    control.checkpoint,
    control.adjust,
    control.fork,
    control.repeat,
    listing.compare,
    baselines.baselines,
    keeping.tag,
    keeping.note,
    keeping.rename,
    keeping.star,
    keeping.archive,
    keeping.delete,
    keeping.restore,
    listing.checkpoints,
    artefacts.export,
    asking.predict,
    asking.encode,
    artefacts.evaluate,
    caching.cache,
    checking.check,
    catalogue.presets,
    catalogue.schema,
    serving.serve,
    machine.doctor,
    machine.repair,
)
"""Every command, in the order of the help. The name of the function is the name of the command."""


app = typer.Typer(
    name="mtl-workbench",
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help: rich would cost 0.1 s at each start, and escape codes in a pipe.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def start(
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
        listing.print_plainly(workspace(context, db))
    elif context.invoked_subcommand is None:
        _open_interface(context, db)


for _command in COMMANDS:
    app.command()(_command)
app.add_typer(queue.app)


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
    try:
        result = typer.main.get_command(app).main(
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


def exit_code(error: WorkbenchError) -> int:
    """The exit code that an error ends the program with."""
    if isinstance(error, ConfigError):
        return 2
    return 3 if isinstance(error, NotFoundError) else 1


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
    training.open_interface(workspace(context, db))
