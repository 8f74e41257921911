"""`check`: what a run would do and what would go wrong, without training."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import output
from workbench.cli.options import AsJson, Database

if TYPE_CHECKING:
    from workbench.plan import Check, Measured, Trial

WRONG = 2
"""Exit code of an experiment that would fail."""
_WIDEST = 100


def check(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PRESET_OR_FILE",
            help="Name of a preset, or path of a TOML file.",
            show_default=False,
        ),
    ],
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting, as of train.", show_default=False
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Look for data files here first.", show_default=False),
    ] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Time two real updates, too.")] = False,
    trials: Annotated[
        bool,
        typer.Option(
            "--trials",
            help="Try it out, too: padding, labels, first loss, gradients, a batch by heart.",
        ),
    ] = False,
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Look at an experiment without training: what it would do.

    Nothing is fetched from a network and no test split is read. The exit code is 2 if the run
    would fail; a backbone that only the hub has is a warning, and with HF_HUB_OFFLINE an error.
    With --json an object with the keys plan (null if there is none), findings (a list of objects
    with severity, what, where, next_step, setting), measured and trials (a list of objects with
    name, is_well, what, means, next_step).
    """
    from workbench.config.loading import load_experiment
    from workbench.errors import WorkbenchError
    from workbench.operations.planning import Planner
    from workbench.plan import Check, Finding

    measured = None
    tried: tuple[Trial, ...] = ()
    planner = Planner()
    try:
        config = load_experiment(source, overrides=set or [], data_root=data_root)
        found = planner.check(config, _told)
        if measure and not found.has_errors:
            measured = planner.measure(config, _told)
        if trials and not found.has_errors:
            tried = planner.trials(config, _told)
    except WorkbenchError as error:
        if not json:
            raise
        problems = (Finding("error", *vars(one).values()) for one in error.problems)
        found = Check(None, tuple(problems))
    finally:
        planner.close()
    _print(found, measured, tried, as_json=json)
    if found.has_errors:
        raise typer.Exit(WRONG)


def _told(message: str) -> None:
    output.note(f"… {message}")


def _print(
    found: Check, measured: Measured | None, tried: Sequence[Trial], *, as_json: bool
) -> None:
    if as_json:
        output.json_document(found.as_json() | {"measured": measured, "trials": list(tried)})
        return
    from workbench.tui.plan_lines import as_text, plan_lines

    width = min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    for line in plan_lines(found, width, measured, tried):
        output.line(as_text(line))
    if found.plan is not None:
        output.note("Time two updates: add --measure" if measured is None else "")
