"""Which runs have ended, or fallen silent, since one last looked: what is worth a bell."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from workbench.operations.reading import RunSummary
from workbench.tui import figures
from workbench.tui.visible import visible
from workbench.worker.liveness import RunState


@dataclass(frozen=True)
class Ending:
    """One run that needs nobody any more, or somebody now."""

    words: str
    is_bad: bool


class EndWatch:
    """Remembers states; the first look at a run tells nothing, since nobody waited for it."""

    def __init__(self) -> None:
        self._states: dict[str, RunState] = {}

    def look(self, runs: Iterable[RunSummary]) -> list[Ending]:
        """What came to an end, or fell silent, since the last look at these runs."""
        found = []
        for run in runs:
            before = self._states.get(run.record.id)
            self._states[run.record.id] = run.state
            if before is None or before is run.state or before.is_over:
                continue
            if run.state.is_over or run.state is RunState.SILENT:
                found.append(_ending(run))
        return found

    @property
    def has_open_runs(self) -> bool:
        """Whether any run that is known may still end."""
        return any(not state.is_over for state in self._states.values())


def _ending(run: RunSummary) -> Ending:
    reached = "" if run.selection is None else f", best {figures.metric(run.selection)}"
    is_bad = run.state not in (RunState.FINISHED, RunState.STOPPED, RunState.WITHDRAWN)
    why = f": {run.exit.what}" if run.exit is not None and is_bad and run.exit.what else ""
    return Ending(visible(f'"{run.record.name}" is {run.state.value}{reached}{why}'), is_bad)


def notification(words: str) -> str:
    """The escape sequence (OSC 9) that asks a terminal to show a notification.

    Inside tmux it is wrapped, so that it reaches the terminal outside.
    """
    sequence = f"\x1b]9;{visible(words)}\x07"
    if os.environ.get("TMUX"):
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{doubled}\x1b\\"
    return sequence
