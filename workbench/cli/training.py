"""`train`, `watch` and `stop`: a run from its start to its end, seen from outside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from workbench.cli import output
from workbench.cli.exit_codes import INTERRUPTED
from workbench.cli.options import Database, Run, workspace

if TYPE_CHECKING:
    from workbench.cli.following import Follower, Line
    from workbench.operations.workspace import Workspace

_LOOK_EVERY_SECONDS = 0.5
_QUESTION = "[d]etach and let it run, [s]top it, or [c]ontinue watching? "
_ANSWERS = ("detach", "stop", "continue")
Plain = Annotated[
    bool, typer.Option("--plain", help="Lines only, no progress bar, on a terminal too.")
]


def train(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="PRESET_OR_FILE",
            help="Name of a preset (see: presets), or path of a TOML file. "
            "Without it everything comes from --set.",
            show_default=False,
        ),
    ] = "",
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting, as optimization.learning_rate=3e-5; any number of times.",
            show_default=False,
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Look for data files here first.", show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call the run.", show_default=False)
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the run's id and return at once.")
    ] = False,
    queue: Annotated[
        bool,
        typer.Option("--queue", help="Let it wait for its turn, print its id and return at once."),
    ] = False,
    plain: Plain = False,
    open: Annotated[
        bool, typer.Option("--open", help="Open the interface on the run, if there is a terminal.")
    ] = False,
    db: Database = None,
) -> None:
    """Start a run in a process of its own, and follow it.

    Ctrl-C asks whether to detach, stop or go on; the run needs nobody to watch it. Without a
    terminal plain lines are printed, and Ctrl-C detaches.
    """
    if not source and not set:
        raise typer.BadParameter("name a preset or a file", param_hint="PRESET_OR_FILE")
    from workbench.config.loading import load_experiment

    overrides = [*(set or []), *([f"name={name}"] if name is not None else [])]
    config = load_experiment(source, overrides=overrides, data_root=data_root)

    from workbench.operations import lifecycle

    space = workspace(context, db)
    if queue:
        from workbench.operations.queue import add

        output.line(add(space, config, source=source).id)
        return
    record = lifecycle.start(space, config, source=source)
    if warning := lifecycle.logout_warning():
        output.note(warning)
    if detach:
        output.line(record.id)
        return
    output.note(f"Started run {record.id} ({record.name}).")
    if open and output.is_terminal() and output.can_ask():
        from workbench.tui.app import WorkbenchApp  # textual, 0.3 s that commands save

        WorkbenchApp(space, run_id=record.id).run()
    else:
        follow(space, record.id, plain=plain)


def watch(context: typer.Context, run: Run, plain: Plain = False, db: Database = None) -> None:
    """Follow a run, started from anywhere, to its end."""
    from workbench.operations import reading

    space = workspace(context, db)
    record = reading.find_run(space, run)
    output.note(f"Run {record.id} ({record.name}).")
    follow(space, record.id, plain=plain)


def stop(
    context: typer.Context,
    run: Run,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for the update or a checkpoint.")
    ] = False,
    db: Database = None,
) -> None:
    """Ask a run to stop: after this update, with a checkpoint."""
    from workbench.operations import lifecycle

    state = lifecycle.stop(workspace(context, db), run, now=now)
    if state == "withdrawn":
        output.note("Took the run out of the queue; it never began.")
        return
    output.note(f"Asked the run to stop{' now' if now else ''}; it is {state}.")


def follow(space: Workspace, run_id: str, *, plain: bool) -> None:
    """Print what a run says until it is over, then its end.

    Raises:
        WorkerError: The run failed.
        typer.Exit: 130 if it was left or stopped before its end.
    """
    from workbench.cli import report
    from workbench.cli.following import Follower
    from workbench.operations import reading

    follower = Follower(space, run_id)
    with _display(plain=plain) as display:
        while True:
            try:
                if _look(space, follower, display, run_id):
                    break
                time.sleep(_LOOK_EVERY_SECONDS)
            except KeyboardInterrupt:
                display.pause()
                _interrupted(space, run_id)
                display.go_on()
    summary = reading.summarize(space, run_id)
    report.print_end(space, summary)
    if str(summary.state) != "finished":
        raise typer.Exit(INTERRUPTED)


def _look(space: Workspace, follower: Follower, display: Display, run_id: str) -> bool:
    """Show what is new; whether the run is over."""
    from workbench.operations import reading

    # The state first: what was written before the end is then read for certain.
    is_over = bool(reading.summarize(space, run_id).state.is_over)
    for line in follower.news(is_over=is_over):
        display.show(line)
    display.progress(follower)
    return is_over


def _interrupted(space: Workspace, run_id: str) -> None:
    """Ask what Ctrl-C was meant to do. Returns if the run is to be followed on."""
    answer = "detach"
    if output.can_ask():
        output.note("")
        answer = _what_is_meant()
    if answer == "continue":
        return
    if answer == "stop":
        from workbench.operations import lifecycle

        state = lifecycle.stop(space, run_id)
        output.note(
            "Taken out of the queue." if state == "withdrawn" else "Stopping after this update …"
        )
        return
    output.note(f"Detached; the run goes on. Watch it again: mtl-workbench watch {run_id}")
    raise typer.Exit(INTERRUPTED)


def _what_is_meant() -> str:
    """The answer, asked for until there is one; who leaves the question leaves the run alone."""
    while (typed := output.ask(_QUESTION)) is not None:
        for answer in _ANSWERS:
            if typed and answer.startswith(typed):
                return answer
        output.note(f'"{typed}" is no answer. Type d to detach, s to stop the run, c to watch on.')
    return "detach"


class Display(Protocol):
    """How the lines of a run come to the screen."""

    def show(self, line: Line) -> None:
        """Print a line."""

    def progress(self, follower: Follower) -> None:
        """Say where the run is."""

    def pause(self) -> None:
        """Leave the terminal to a question."""

    def go_on(self) -> None:
        """Take it back."""


class PlainLines:
    """Lines one below the other, for pipes, logs and screen readers."""

    def show(self, line: Line) -> None:
        """Print a line; warnings and remarks go beside the data."""
        print_line = output.note if line.kind in ("warning", "note") else output.line
        print_line(line.text)

    def progress(self, follower: Follower) -> None:
        """The lines say it."""

    def pause(self) -> None:
        """Nothing is in the way."""

    def go_on(self) -> None:
        """Nothing was put away."""


class LinesAboveBar:
    """The same lines on a terminal, with a progress bar that stays beneath them."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = output.console()
        self._bar = Progress(
            BarColumn(bar_width=30),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("starting", total=None)
        self._bar.start()

    def show(self, line: Line) -> None:
        """Print a line above the bar."""
        from rich.text import Text

        from workbench.tui.visible import visible

        style = {"warning": "yellow", "evaluation": "bold", "note": "dim"}.get(line.kind, "")
        for part in line.text.split("\n"):
            self._console.print(Text(visible(part), style=style))

    def progress(self, follower: Follower) -> None:
        """Move the bar."""
        self._bar.update(
            self._task,
            completed=follower.step,
            total=follower.total_steps or None,
            description=follower.progress if follower.total_steps else "starting",
        )

    def pause(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def go_on(self) -> None:
        """Put the bar back."""
        self._bar.start()


@contextmanager
def _display(*, plain: bool) -> Iterator[Display]:
    if plain or not output.is_terminal():
        yield PlainLines()
        return
    display = LinesAboveBar()
    try:
        yield display
    finally:
        display.pause()
