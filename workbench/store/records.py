"""What the store hands out: frozen values, never rows or sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.config.experiment import ExperimentConfig

Outcome = Literal["finished", "stopped", "failed"]


class ProcessIdentity(NamedTuple):
    """What tells one process from every other, now and after a restart."""

    pid: int
    started_at: float
    """Start of the process, in seconds since the machine's start (which no setting of the clock
    moves); of processes that schema 0001 knew in seconds since the epoch."""
    boot_id: str
    """Differs after every start of the machine."""
    host: str


@dataclass(frozen=True)
class RunRecord:
    """A run as it was asked for."""

    id: str
    name: str
    created_at: datetime
    config: ExperimentConfig
    source: str
    """The preset or file that it came from, empty if it came from the form."""
    parent_id: str | None = None
    """The run that it was forked from."""
    parent_step: int | None = None
    """The step of that run's checkpoint that it began with."""
    unreadable: str = ""
    """Why the stored settings cannot be read here; `config` is then what is left of them."""


@dataclass(frozen=True)
class ExitRecord:
    """How a run ended, in its own words."""

    outcome: Outcome
    at: datetime
    what: str = ""
    where: str = ""
    next_step: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class Heartbeat:
    """The last sign of life."""

    at: datetime
    phase: str
    step: int
    expected_within_seconds: float
    """The next sign is due this long after `at`."""
    monotonic: float | None = None
    """The same moment on the clock of the worker's machine that nobody sets, in seconds."""


@dataclass(frozen=True)
class QueueEntry:
    """A run that waits for its turn, or was given it."""

    run_id: str
    host: str
    """The machine that its data are on: only the supervisor there takes it."""
    priority: int
    """Higher ones go first."""
    position: float
    """Order among those of one priority."""
    added_at: datetime
    taken_at: datetime | None
    """When a worker was started for it; None while it waits."""
    device: str | None
    """What its worker sees as CUDA_VISIBLE_DEVICES; None if everything."""


@dataclass(frozen=True)
class RunFacts:
    """All that is known of a run's life; its state is computed from this, never stored."""

    process: ProcessIdentity | None
    """Who claimed the run last; None before a worker has."""
    claimed_at: datetime | None
    heartbeat: Heartbeat | None
    exit: ExitRecord | None
    launched: ProcessIdentity | None = None
    """The process that was started for it, which may not have claimed it yet."""
    launched_at: datetime | None = None
    earlier_seconds: float = 0.0
    """How long the processes before this one were at work, if the run was resumed."""
    journal_bytes: int = 0
    """How much of the journal in the run's folder is in the store."""
    queued: QueueEntry | None = None
    """Its place in the queue, if it is there."""


@dataclass(frozen=True)
class Keeping:
    """What people added to a run, beside its name."""

    starred: bool = False
    note: str = ""
    tags: tuple[str, ...] = ()
    """In alphabetical order."""
    archived_at: datetime | None = None
    """Since when it is kept out of the list of runs."""
    deleted_at: datetime | None = None
    """Since when it is in the trash."""


class SeriesKey(NamedTuple):
    """Which curve: `train` / `question` / `loss`; the task is empty for what belongs to none."""

    split: str
    """train, dev, test, or run (learning rates, gradient norm, speed)."""
    task: str
    metric: str


@dataclass(frozen=True)
class Curve:
    """One curve; a value that was not finite is NaN."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class StepTable:
    """What each update cost; the columns have one entry per step."""

    steps: NDArray[np.int64]
    epochs: NDArray[np.float64]
    seconds: NDArray[np.float64]
    texts: NDArray[np.int64]
    tokens: NDArray[np.int64]

    @property
    def updates(self) -> NDArray[np.int64]:
        """For how many updates each row stands in a table from the first step on: a run may be
        told to tell of every n-th one only.
        """
        import numpy as np  # a list of runs does without

        return np.diff(self.steps, prepend=0)


@dataclass(frozen=True)
class RunOverview:
    """What the list of runs needs to know of one run beside its record and its facts."""

    step: int = 0
    """The last step of which there is a record."""
    total_steps: int = 0
    """0 until the run has told."""
    recent_steps: int = 0
    """How many of the last 50 steps are there: what the three sums below are over."""
    recent_texts: int = 0
    recent_tokens: int = 0
    recent_seconds: float = 0.0
    best_step: int | None = None
    """Step of the best checkpoint."""
    metrics_step: int | None = None
    """Step that `metrics` are of: the best checkpoint's, else the latest evaluation's."""
    evaluated_at: datetime | None = None
    """When the dev split was evaluated last, by the run or afterwards."""
    selection: float | None = None
    """Value of the selection rule at `metrics_step`."""
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Dev metrics by task."""
    was_adjusted: bool = False
    """Whether a weight or the rates were changed while it was at work."""
    pauses: tuple[tuple[datetime, datetime | None], ...] = ()
    """From when to when it waited to be told to go on, of all its processes."""


@dataclass(frozen=True)
class CheckpointRecord:
    """A checkpoint that can be taken away."""

    step: int
    folder: str
    """Relative to the run's folder."""
    saved_at: datetime
    is_best: bool
    is_last: bool
    selection: float | None
    bytes: int
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Dev metrics at that step, by task."""
    stays: bool = False
    """Whether it is kept for good: a K-th, or asked for. Known to `reading.checkpoints` only."""
    best_for: tuple[str, ...] = ()
    """Tasks that are at their best in it so far. Known to `reading.checkpoints` only."""


@dataclass(frozen=True)
class ExportRecord:
    """Something that was taken away, and how far its numbers are from the checkpoint's."""

    at: datetime
    format: str
    folder: str
    step: int
    largest_difference: float


@dataclass(frozen=True)
class MessageRecord:
    """A warning or another rare thing that the run said."""

    at: datetime
    kind: str
    """The event's class name."""
    body: Mapping[str, object]
