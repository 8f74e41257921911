"""How runs beside each other are told apart: a letter and a name for each."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.operations.reading import RunSummary
from workbench.tui.charts.series import LETTERS
from workbench.tui.visible import visible

_LETTERS_OF_RUNS = LETTERS + LETTERS.lower()


def letter(slot: int) -> str:
    """The letter of the run at this place, in charts and tables."""
    return _LETTERS_OF_RUNS[slot % len(_LETTERS_OF_RUNS)]


def distinct_names(runs: Sequence[RunSummary]) -> list[str]:
    """Names of the runs; those of the same name with their seed, or the beginning of their id."""
    names = [run.record.name for run in runs]
    told = []
    for name, run in zip(names, runs, strict=True):
        twins = [one for one in runs if one.record.name == name]
        seeds = [one.record.config.seed for one in twins]
        if len(twins) == 1:
            told.append(visible(name))
        elif len(set(seeds)) == len(twins):
            told.append(visible(f"{name} seed {run.record.config.seed}"))
        else:
            told.append(visible(f"{name} {run.record.id[:4]}"))
    return told
