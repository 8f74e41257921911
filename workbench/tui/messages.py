"""What threads tell the screens, and what screens ask of the application.

Threads only post these; handlers alone touch widgets. All are frozen: an attribute is set
once, and what it holds is a frozen value of the layers below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

from workbench.errors import Problem

if TYPE_CHECKING:
    from workbench.config.experiment import ExperimentConfig
    from workbench.config.presets import PresetInfo
    from workbench.data.peeking import Peek
    from workbench.operations.baselines import Companion, Transfer
    from workbench.operations.keeping import Change
    from workbench.operations.playground import Tried
    from workbench.operations.queue import Queue
    from workbench.operations.reading import Comparison, RunSummary
    from workbench.plan import Check, Measured, Trial
    from workbench.store.records import (
        CheckpointRecord,
        Curve,
        ExportRecord,
        MessageRecord,
        RunRecord,
        SeriesKey,
        StepTable,
    )
    from workbench.tui.form import FormDraft
    from workbench.worker.machine import MachineFigures


class FrozenMessage(Message):
    """A message whose payload cannot be changed once it is made.

    A frozen dataclass will not do: Textual keeps its own account in attributes with an
    underscore, which have to stay free.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and name in self.__dict__:
            raise FrozenInstanceError(f"{type(self).__name__}.{name} cannot be changed")
        super().__setattr__(name, value)


# ── What threads tell ─────────────────────────────────────────────────────────


@dataclass(eq=False)
class ReadFinished(FrozenMessage):
    """A reading thread is done: the next look may be planned."""


@dataclass(eq=False)
class ReadFailed(FrozenMessage):
    """The store or a file could not be read; the screen keeps what it shows."""

    problems: tuple[Problem, ...]


@dataclass(eq=False)
class WorkFailed(FrozenMessage):
    """Something that a person asked for could not be done."""

    doing: str
    """What was being done, as in "stopping the run"."""
    problems: tuple[Problem, ...]


@dataclass(eq=False)
class RunsRead(FrozenMessage):
    """All runs as they are now."""

    runs: tuple[RunSummary, ...]
    version: int
    """The store's data version just before the reading."""


@dataclass(eq=False)
class QueueRead(FrozenMessage):
    """Who waits, and how the queue is worked off."""

    queue: Queue
    version: int
    """The store's data version just before the reading."""


@dataclass(eq=False)
class QueueChanged(FrozenMessage):
    """Something was done to the queue, or could not be."""


@dataclass(eq=False)
class EndsRead(FrozenMessage):
    """All runs, for who waits for one to end; none if they could not be read."""

    runs: tuple[RunSummary, ...]


@dataclass(eq=False)
class RunsKept(FrozenMessage):
    """What people add to runs was changed."""

    words: str
    """What was done, as a sentence."""
    change: Change | None
    """How to take it back; None if there is nothing to take back."""


@dataclass(eq=False)
class RunRead(FrozenMessage):
    """What is new of one run."""

    run_id: str
    summary: RunSummary
    curves: Mapping[SeriesKey, Curve]
    """Only points after the cursor that was asked with."""
    steps: StepTable
    """Of the steps after the cursor, what each cost."""
    messages: tuple[MessageRecord, ...]
    """All that it said beside steps and evaluations."""
    machine: MachineFigures | None
    """What its machine is doing, if that can be known from here."""
    checkpoints: tuple[CheckpointRecord, ...]
    log: tuple[str, ...] | None
    """The log's tail, or None if it was not asked for."""
    version: int
    """The store's data version just before the reading."""
    steps_after: int
    """The step after which `steps` was read; 0 if from the beginning."""


@dataclass(eq=False)
class InterferenceRead(FrozenMessage):
    """What is new of the cosines of one run."""

    summary: RunSummary
    curves: Mapping[SeriesKey, Curve]
    """Only points after the cursor that was asked with."""
    version: int


@dataclass(eq=False)
class LogRead(FrozenMessage):
    """The log of a run, as much of its end as is shown."""

    lines: tuple[str, ...]
    errors: tuple[int, ...]
    """Places of the lines with an error."""


@dataclass(eq=False)
class RequestSent(FrozenMessage):
    """Something was asked of a run."""

    words: str
    """What, as a sentence."""


@dataclass(eq=False)
class ComparisonRead(FrozenMessage):
    """Two or more runs, side by side."""

    comparison: Comparison
    keys: tuple[tuple[SeriesKey, ...], ...]
    """Which curves each run has, in the order of the runs."""
    dev: tuple[Mapping[SeriesKey, Curve], ...]
    """Curves of evaluations on dev of each."""
    key: SeriesKey | None
    """What is charted."""
    charted: Mapping[str, Curve]
    """Its curve by run."""
    version: int


@dataclass(eq=False)
class CurvesRead(FrozenMessage):
    """One curve of several runs, which someone wants to see charted."""

    run_ids: tuple[str, ...]
    key: SeriesKey
    curves: Mapping[str, Curve]


@dataclass(eq=False)
class ComparisonWritten(FrozenMessage):
    """A comparison was written into a file."""

    file: str


@dataclass(eq=False)
class CheckpointsRead(FrozenMessage):
    """The checkpoints and exports of one run."""

    summary: RunSummary
    checkpoints: tuple[CheckpointRecord, ...]
    exports: tuple[ExportRecord, ...]
    missing: frozenset[int]
    """Steps of the checkpoints whose files are not on this machine."""
    removed: tuple[CheckpointRecord, ...] = ()
    """Those that retention removed, for their metrics."""


@dataclass(eq=False)
class PresetsRead(FrozenMessage):
    """The presets there are."""

    presets: tuple[PresetInfo, ...]


@dataclass(eq=False)
class DraftLoaded(FrozenMessage):
    """A preset as a form can show it; the draft is the receiver's from now on."""

    draft: FormDraft


@dataclass(eq=False)
class FormChecked(FrozenMessage):
    """What the schema says of the form."""

    serial: int
    """Number of the check; an older one than the last is not shown."""
    config: ExperimentConfig | None
    """The experiment, if it is valid."""
    problems: tuple[Problem, ...]
    command: str = ""
    """The command line that does the same, empty if the form is not valid."""
    toml: str = ""
    """The experiment as a file, empty if the form is not valid."""


@dataclass(eq=False)
class FilesPeeked(FrozenMessage):
    """What is in the data files that a form names, by task and key of the field."""

    serial: int
    """Number of the check that it belongs to."""
    peeks: Mapping[str, Mapping[str, Peek]]


@dataclass(eq=False)
class PlanProgressed(FrozenMessage):
    """What the helper that makes a plan does now."""

    line: str


@dataclass(eq=False)
class PlanMade(FrozenMessage):
    """A plan, and the experiment that it is of."""

    config: ExperimentConfig
    check: Check


@dataclass(eq=False)
class UpdatesMeasured(FrozenMessage):
    """Two updates of an experiment were timed."""

    config: ExperimentConfig
    measured: Measured


@dataclass(eq=False)
class TrialsMade(FrozenMessage):
    """An experiment was tried out in the small."""

    config: ExperimentConfig
    trials: tuple[Trial, ...]


@dataclass(eq=False)
class PresetSaved(FrozenMessage):
    """A preset was written."""

    file: str
    """As it was named."""


@dataclass(eq=False)
class RunStarted(FrozenMessage):
    """A worker has claimed the run that was asked for."""

    record: RunRecord


@dataclass(eq=False)
class RunsQueued(FrozenMessage):
    """Runs were written down and wait for their turn."""

    records: tuple[RunRecord, ...]


@dataclass(eq=False)
class StopSent(FrozenMessage):
    """A run was told to stop."""

    name: str
    state: str


@dataclass(eq=False)
class WorkProgressed(FrozenMessage):
    """What a child that does torch work is doing now."""

    line: str


@dataclass(eq=False)
class TextsTried(FrozenMessage):
    """What a checkpoint says of sentences."""

    run_id: str
    checkpoint: str
    tried: Tried


@dataclass(eq=False)
class ReviewRead(FrozenMessage):
    """Where a checkpoint is wrong, by task."""

    tasks: Mapping[str, Mapping[str, Any]]


@dataclass(eq=False)
class GainsRead(FrozenMessage):
    """What the tasks of some experiments gain by each other, or why that is not known."""

    found: tuple[Transfer, ...]
    why_not: str = ""


@dataclass(eq=False)
class BaselinesFound(FrozenMessage):
    """The runs that it takes to know what tasks gain, those that are there and those that miss."""

    companions: tuple[Companion, ...]


@dataclass(eq=False)
class ExportProgressed(FrozenMessage):
    """What the export is doing now."""

    line: str


@dataclass(eq=False)
class ExportFinished(FrozenMessage):
    """The export is written, and was compared with its checkpoint."""

    record: ExportRecord


# ── What screens ask of the application ───────────────────────────────────────


@dataclass(eq=False)
class ScreenWanted(FrozenMessage):
    """Go to a screen."""

    mode: str


@dataclass(eq=False)
class RunWanted(FrozenMessage):
    """Open a run."""

    run_id: str


@dataclass(eq=False)
class CloneWanted(FrozenMessage):
    """Fill the form with the experiment of a run."""

    run: RunSummary


@dataclass(eq=False)
class ComparisonWanted(FrozenMessage):
    """Compare runs, in this order."""

    run_ids: tuple[str, ...]


@dataclass(eq=False)
class CheckpointsWanted(FrozenMessage):
    """Show the checkpoints of a run."""

    run_id: str


@dataclass(eq=False)
class PlaygroundWanted(FrozenMessage):
    """Try a checkpoint on sentences."""

    record: RunRecord
    checkpoint: str


@dataclass(eq=False)
class InterferenceWanted(FrozenMessage):
    """Show how the gradients of a run's tasks stand to one another."""

    run_id: str


@dataclass(eq=False)
class StopWanted(FrozenMessage):
    """Stop a run, after asking."""

    run: RunSummary
