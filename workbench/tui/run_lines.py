"""The lines of the table of runs: sorted, and seeds of one configuration folded or side by side."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.errors import ConfigError
from workbench.operations.filtering import sort_runs
from workbench.operations.folding import Fold, SeedFolder
from workbench.operations.reading import RunSummary
from workbench.tui import columns
from workbench.tui.preferences import Preferences
from workbench.tui.widgets.run_table import RunLine


class RunLines:
    """Remembers the lines it made, which folds are open, and the cells of what did not change."""

    def __init__(self) -> None:
        self._folder = SeedFolder()
        self._lines: dict[str, RunLine] = {}
        self._single_lines: dict[str, RunLine] = {}
        self._unfolded: frozenset[str] = frozenset()

    def arrange(self, found: list[RunSummary], wanted: Preferences) -> list[RunLine]:
        """The lines of these runs, from top to bottom."""
        lines = self._lines_of(found, wanted)
        self._lines = {line.key: line for line in lines}
        return lines

    def _lines_of(self, found: list[RunSummary], wanted: Preferences) -> list[RunLine]:
        keys, sort = wanted.columns, wanted.sort
        if not wanted.folds_seeds:
            return [self._line_of(run, keys) for run in _sorted(found, sort)]
        folds = {fold.mean.record.id: fold for fold in self._folder.fold(found)}
        lines = []
        for mean in _sorted([fold.mean for fold in folds.values()], sort):
            line = RunLine(folds[mean.record.id], keys)
            lines.append(line)
            if line.key in self._unfolded and len(line.fold.runs) > 1:
                lines += [
                    RunLine(Fold((run,), run, {}, None), keys, is_part=True)
                    for run in _sorted(list(line.fold.runs), sort)
                ]
        return lines

    def _line_of(self, run: RunSummary, keys: tuple[str, ...]) -> RunLine:
        """The line of one run; the one that was made before, with its cells, if nothing changed."""
        known = self._single_lines.get(run.record.id)
        if known is None or known.fold.mean is not run or known.keys is not keys:
            known = RunLine(Fold((run,), run, {}, None), keys)
            self._single_lines[run.record.id] = known
        return known

    # ── what was made ─────────────────────────────────────────────────────────

    def get(self, key: str | None) -> RunLine | None:
        """The line with this key."""
        return None if key is None else self._lines.get(key)

    def run_ids(self) -> list[str]:
        """The runs of all lines from top to bottom, also as seeds of a fold; each once."""
        ids = (run.record.id for line in self._lines.values() for run in line.fold.runs)
        return list(dict.fromkeys(ids))

    def keys_within(self, run_ids: Iterable[str]) -> set[str]:
        """Keys of the lines all of whose runs are among these."""
        among = {*run_ids}
        return {
            key
            for key, line in self._lines.items()
            if all(run.record.id in among for run in line.fold.runs)
        }

    # ── folds ─────────────────────────────────────────────────────────────────

    def toggle(self, line: RunLine) -> None:
        """From the next time on show each seed under its fold, or no longer."""
        self._unfolded ^= {line.key}

    def close_all(self) -> None:
        """From the next time on show no seed under its fold."""
        self._unfolded = frozenset()


def _sorted(runs: list[RunSummary], sort: str) -> list[RunSummary]:
    """By a column; as they are, if none of them has a value there."""
    key = sort.removeprefix("-")
    name = columns.SORT_KEYS.get(key, key)
    try:
        return sort_runs(runs, f"-{name}" if sort.startswith("-") else name)
    except ConfigError:
        return runs
