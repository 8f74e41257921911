"""What a run holds while it trains."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from workbench.config.experiment import ExperimentConfig
from workbench.data.examples import Corpus
from workbench.data.sampling import SamplingPlan
from workbench.data.tokenizing import EncodedSplit
from workbench.events import ParameterGroup
from workbench.inference.evaluation import TaskPredictions
from workbench.model.arithmetic import Arithmetic
from workbench.model.dropout import MaskSource
from workbench.model.folder import LoadedModel
from workbench.model.freezing import GradualUnfreezing
from workbench.schedules import Plateau
from workbench.training.balance import Balance
from workbench.training.feature_cache import FeatureCache
from workbench.training.graduation import Graduation
from workbench.training.interference import ConflictWatch
from workbench.training.manifest import MODEL, checkpoint_name, checkpoint_steps, is_whole
from workbench.training.memory import FittedValues, OptimizerMemory, ScalerMemory, TrainedWeights
from workbench.training.reproducibility import RandomStreams
from workbench.training.requests import Requests
from workbench.training.state import State, Stateful


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation of dev found."""

    step: int
    metrics: Mapping[str, Mapping[str, float]]
    selection: float | None


@dataclass
class Run:
    """What a run holds while it trains."""

    config: ExperimentConfig
    folder: Path
    corpus: Corpus
    train_split: EncodedSplit
    dev_split: EncodedSplit
    sampling: SamplingPlan
    loaded: LoadedModel
    arithmetic: Arithmetic
    optimizer: torch.optim.Optimizer
    weights: TrainedWeights
    balance: Balance
    """How losses become gradients."""
    looks_every: int
    """Updates between two looks at how the tasks' gradients stand to one another; 0 for none."""
    watch: ConflictWatch
    """What the looks and the evaluations of dev together warn of."""
    graduation: Graduation
    """Which tasks are through."""
    unfreezing: GradualUnfreezing
    features: FeatureCache
    frozen: frozenset[str]
    """Names of the parameters that never move."""
    groups: tuple[ParameterGroup, ...]
    scaler: torch.amp.GradScaler
    masks: MaskSource | None
    """Where dropout's masks come from, if not from torch."""
    trainable_parameters: int
    total_parameters: int
    total_steps: int
    origin: State
    """What the run is made of: its settings, its data, the versions of what computes."""
    step: int = 0
    """Updates so far. With the seed it says where in which epoch the next batch is."""
    plateau: Plateau = field(default_factory=Plateau)
    """What the evaluations of dev have done to the rate."""
    best_selection: float | None = None
    best_step: int | None = None
    best_steps: dict[str, int] = field(default_factory=dict)
    """By task, the step of the checkpoint in which its own metric is best."""
    best_metrics: dict[str, float] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)
    """Steps of the checkpoints that stay for good: every K-th, and those that were asked for."""
    evaluations: int = 0
    """Planned evaluations so far."""
    requests: Requests = field(default_factory=Requests)
    """What was set by hand."""
    skipped: int = 0
    """Updates that were left out."""
    micro_batch_size: int = 0
    """Texts of one pass; 0 for all of an update. Smaller than configured if memory ran out."""
    fitted_pieces: int = 0
    """The most pieces, padding included, that one pass had without running out of memory."""
    latest_metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    """By task, what the last planned evaluation that looked at it found on dev."""
    latest_predictions: dict[str, TaskPredictions] = field(default_factory=dict)
    """By task, what the last evaluation of all that looked at it was of."""
    evaluated: Evaluated | None = None
    """The last evaluation of dev, for the checkpoint of the same step."""
    saved_step: int | None = None
    """Step of the last checkpoint that was written."""
    saved_at: float = field(default_factory=time.monotonic)
    """When it was; before the first, when the run was prepared."""

    @property
    def members(self) -> dict[str, Stateful]:
        """Everything here that has a memory, by the name that a checkpoint keeps it under.

        Whoever adds something that has one adds its line; the rest of a run is made anew from
        its settings and data. Restored in this order, the random streams last.
        """
        return {
            "weights": self.weights,
            "fitted": FittedValues(self.loaded.model),
            "optimizer": OptimizerMemory(self.loaded.model, self.optimizer),
            "scaler": ScalerMemory(self.scaler),
            "requests": self.requests,
            "balance": self.balance,
            "watch": self.watch,
            "graduation": self.graduation,
            "progress": Progress(self),
            "random": RandomStreams(),
        }

    @property
    def best_or_last(self) -> Path | None:
        """Model folder of the best checkpoint, else of the last one; None if none is whole."""
        steps = checkpoint_steps(self.folder)
        steps.sort(key=lambda step: (step == self.best_step, step), reverse=True)
        folders = (self.folder / checkpoint_name(step) for step in steps)
        return next((folder / MODEL for folder in folders if is_whole(folder)), None)

    def weight_of(self, task: str) -> float:
        """The factor of a task's loss: as it was set by hand, else as configured; 0 if through."""
        if task in self.graduation.steps:
            return 0.0
        return self.requests.weights.get(task, self.config.tasks[task].weight)

    @property
    def looks_now(self) -> bool:
        """Whether the tasks' gradients are looked at in the next update."""
        return bool(self.looks_every) and (self.step + 1) % self.looks_every == 0

    @property
    def is_through(self) -> bool:
        """Whether every task that was to be trained is."""
        through = self.graduation.steps.keys()
        return bool(through) and through >= set(self.config.trained_tasks)

    def learning_from(self, indices: Sequence[int]) -> Sequence[int]:
        """Those of these examples that still teach a task something."""
        through = self.graduation.steps.keys()
        if not through:
            return indices
        examples = self.train_split.examples
        return [index for index in indices if examples[index].labels.keys() - through]


class Progress:
    """How far a run is and what it has found best: the fields of `Run` that are plain values, and
    whether it uses kept features.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def state(self) -> State:
        """Their values."""
        run = self._run
        return {
            "step": run.step,
            "plateau": asdict(run.plateau),
            "best_selection": run.best_selection,
            "best_step": run.best_step,
            "best_steps": run.best_steps,
            "best_metrics": run.best_metrics,
            "kept": run.kept,
            "evaluations": run.evaluations,
            "skipped": run.skipped,
            "latest_metrics": run.latest_metrics,
            "micro_batch_size": run.micro_batch_size,
            "features": run.features.state(),
        }

    def restore(self, state: State) -> None:
        """Set them."""
        for name, value in state.items():
            if name == "features":
                self._run.features.restore(value)
            else:
                setattr(self._run, name, Plateau(**value) if name == "plateau" else value)
