"""What a run says: the only thing that leaves the engine.

The engine yields these; the worker hands them to the store; screens and commands show what the
store kept. All are frozen values of plain Python. Losses are means
per label in the unit of the task's kind (nats but for regression and cosine), rates are per step,
times are seconds. A value that is not finite stays so: hiding it would hide the trouble.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PhaseStarted:
    """The run does something else from now on, which may keep it silent for a while."""

    phase: str
    """In words: reading data, loading the backbone, training, evaluating, showcase, `SAVING`, and
    `PAUSED` for a run that waits to be told to go on."""
    expected_seconds: float
    """How long it may stay in this phase without another sign of life."""


SAVING = "saving"
"""The phase before a checkpoint appears: what was said so far is on the disk when it begins."""
PAUSED = "paused"
"""The phase of a run that waits: nothing is expected of it until it is told to go on."""


@dataclass(frozen=True)
class RunResumed:
    """A run whose process had ended goes on; what was told of later steps counts no more."""

    step: int
    """The last step that still counts: that of the checkpoint, 0 from the beginning."""
    previous: str
    """How the process before ended, in words."""


@dataclass(frozen=True)
class TaskDescribed:
    """What the data of one task turned out to be."""

    task: str
    kind: str
    labels: tuple[str, ...]
    """The label space, built from train, in its order; empty for a kind without labels."""
    examples: Mapping[str, int]
    """Examples by split (train, dev)."""
    truncated: Mapping[str, int]
    """Texts by split that are longer than the backbone's maximum length."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters of one part of the model that are treated alike."""

    name: str
    """embeddings, layer 3, top (what comes after the layers), pooling, head question."""
    parameters: int
    """How many values."""
    rate: float
    """Highest learning rate; 0 if frozen."""
    decay: float
    """Weight decay; 0 for biases, norms, embeddings, and what is frozen."""
    frozen: bool
    """For the whole run."""
    first_step: int = 1
    """The update that they begin to move in; later than 1 if they thaw."""


@dataclass(frozen=True)
class RunStarted:
    """Data are read, the model is built, the first step is about to be made."""

    total_steps: int
    steps_per_epoch: int
    tasks: tuple[TaskDescribed, ...]
    device: str
    precision: str
    trainable_parameters: int
    total_parameters: int
    frozen_checksum: str
    """SHA-256 over the frozen parameters, empty if nothing is frozen."""
    groups: tuple[ParameterGroup, ...] = ()
    """What moves how fast, from the bottom of the model to its heads."""


@dataclass(frozen=True)
class FeaturesReady:
    """What the frozen part of the backbone makes of the texts is at hand from now on."""

    part: str
    """the backbone, or the lowest 4 layers."""
    texts: int
    """Different texts of train and dev."""
    found: int
    """How many of them were in the cache already, from other runs."""
    bytes: int
    """Size of their features."""
    place: str
    """memory or disk: where they are read from."""
    seconds: float
    """What finding and computing them took."""


@dataclass(frozen=True)
class StepFinished:
    """One optimizer update."""

    step: int
    """Counted from 1."""
    epoch: float
    """Passes over the training examples so far, fractional."""
    losses: Mapping[str, float]
    """Mean loss of each task that has labels in the update, before weighting."""
    total_loss: float
    """The weighted sum that was minimised."""
    learning_rates: Mapping[str, float]
    """By parameter group."""
    gradient_norm: float
    """Before clipping."""
    texts: int
    tokens: int
    """Word pieces, padding left out."""
    seconds: float
    """Duration of this update, data loading included; on a GPU the mean of a block of updates."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """By task, what its loss or its gradient on the shared parameters was multiplied with; empty
    if that was its own weight, as configured."""
    task_norms: Mapping[str, float] = field(default_factory=dict)
    """By task, of its gradient on the shared parameters, where a method combines them."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """By task, what part of the labelled texts of the update it had; empty if they came as they
    came."""
    planned_shares: Mapping[str, float] = field(default_factory=dict)
    """What part it was to have."""


@dataclass(frozen=True)
class InterferenceProbed:
    """How the gradients of the tasks stood to one another in an update."""

    step: int
    tasks: tuple[str, ...]
    """Those that had labels in it."""
    norms: Mapping[str, Mapping[str, float]]
    """By part of the shared model (`all`, `embeddings`, `layer 0`, …), by task."""
    cosines: Mapping[str, Mapping[str, float]]
    """By part, by pair of tasks (`one|other`); a pair of which one gradient is 0 is left out."""
    weights: Mapping[str, float]
    """By task, what its gradient on the shared parameters was multiplied with."""


@dataclass(frozen=True)
class MachineSampled:
    """What the machine was doing; the worker looks each few seconds, the engine knows nothing."""

    step: int
    """The last update before it."""
    shares: Mapping[str, float]
    """Parts in use, 0 to 1, by what they are of: `worker cpu`, `worker memory`, `host cpu`,
    `host memory`, and `gpu0`, `gpu0 memory` for each GPU that the run may use."""


@dataclass(frozen=True)
class UpdateSkipped:
    """A batch was left out: a number in it was not finite. Nothing was learned from it."""

    step: int
    """The update that it would have been. It counts: the next batch is that of the next step."""
    what: str
    """Which number, as a sentence."""
    examples: tuple[int, ...]
    """Numbers of the batch's examples in train."""
    places: tuple[str, ...]
    """Where they come from: file and line."""


@dataclass(frozen=True)
class RequestObeyed:
    """Somebody asked something of the run, and it did it.

    Repeated after the same steps, these make another run of the same config learn the same.
    """

    step: int
    """The last update before it took effect."""
    kind: str
    """A name in `control.KINDS`."""
    body: str
    """What it said, as `control.from_json` reads it."""


@dataclass(frozen=True)
class EvaluationFinished:
    """A split was evaluated."""

    step: int
    split: str
    metrics: Mapping[str, Mapping[str, float]]
    """By task, by metric; `loss` is among them."""
    selection: float | None
    """Value of the selection rule on the dev split; None for other splits."""
    seconds: float


@dataclass(frozen=True)
class TaskGraduated:
    """A task has stopped improving: it is not trained any more, and evaluated all the same."""

    step: int
    task: str
    metric: str
    best: float
    """The highest value of its metric on dev."""
    best_step: int


@dataclass(frozen=True)
class LayersMixed:
    """How much of each layer the tasks with `layer_mix` read, after an evaluation."""

    step: int
    shares: Mapping[str, tuple[float, ...]]
    """By task: of the embeddings, then of each layer; their sum is 1."""


@dataclass(frozen=True)
class CheckpointSaved:
    """A folder that can be taken away now exists."""

    step: int
    folder: str
    """Relative to the run's folder."""
    is_best: bool
    """Best of the run so far, by the selection rule."""
    selection: float | None
    bytes: int
    """Of its model."""
    best_for: tuple[str, ...] = ()
    """Tasks whose own metric is the best so far in it."""
    training_bytes: int = 0
    """Of what only a resumed run needs. It goes when the next checkpoint is there, unless this
    one stays for good."""
    stays: bool = False
    """Whether it stays for good: each K-th as configured, and those that were asked for."""


@dataclass(frozen=True)
class CheckpointRemoved:
    """Retention deleted a checkpoint."""

    step: int


@dataclass(frozen=True)
class Warned:
    """Something a person should know that does not stop the run."""

    message: str


@dataclass(frozen=True)
class ShowcaseComputed:
    """Vectors and predictions of the texts of `[showcase]`, from the best checkpoint."""

    texts: tuple[str, ...]
    vectors: tuple[tuple[float, ...], ...]
    """One per text, all dimensions."""
    labels: Mapping[str, tuple[str, ...]]
    """By classification task: names of the columns of its scores."""
    logits: Mapping[str, tuple[tuple[float, ...], ...]]
    """By classification task: one row of logits per text."""
    entities: Mapping[str, tuple[tuple[tuple[str, str], ...], ...]] = field(default_factory=dict)
    """By tagging task: for each text the pairs (surface, type) found."""
    answers: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    """By task of another kind: what it says of each text, as `predict --json` prints it. Tasks
    that read pairs say nothing here."""


@dataclass(frozen=True)
class RunFinished:
    """The run came to its end, or was asked to stop and did."""

    step: int
    stopped: bool
    """Whether it was asked to stop before its last step."""
    frozen_checksum: str
    """As at the start, if frozen means frozen."""
    seconds: float


@dataclass(frozen=True)
class RunFailed:
    """The run cannot go on."""

    what: str
    where: str
    next_step: str
    traceback: str


Event = (
    PhaseStarted
    | RunResumed
    | RunStarted
    | FeaturesReady
    | StepFinished
    | InterferenceProbed
    | MachineSampled
    | UpdateSkipped
    | RequestObeyed
    | EvaluationFinished
    | LayersMixed
    | TaskGraduated
    | CheckpointSaved
    | CheckpointRemoved
    | Warned
    | ShowcaseComputed
    | RunFinished
    | RunFailed
)
