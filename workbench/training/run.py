"""What a run holds while it trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from workbench.config.experiment import ExperimentConfig
from workbench.data.examples import Corpus
from workbench.data.tokenizing import EncodedSplit
from workbench.events import ParameterGroup
from workbench.model.arithmetic import Arithmetic
from workbench.model.dropout import MaskSource
from workbench.model.folder import LoadedModel
from workbench.model.freezing import GradualUnfreezing
from workbench.schedules import Plateau
from workbench.training.checkpoint import checkpoint_name
from workbench.training.feature_cache import FeatureCache


@dataclass
class Run:
    """What a run holds while it trains."""

    config: ExperimentConfig
    folder: Path
    corpus: Corpus
    train_split: EncodedSplit
    dev_split: EncodedSplit
    loaded: LoadedModel
    arithmetic: Arithmetic
    optimizer: torch.optim.Optimizer
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
    step: int = 0
    plateau: Plateau = field(default_factory=Plateau)
    """What the evaluations of dev have done to the rate."""
    best_selection: float | None = None
    checkpoints: list[int] = field(default_factory=list)
    """Steps of the checkpoints that are there, oldest first."""
    best_step: int | None = None

    @property
    def best_or_last(self) -> Path:
        """Model folder of the best checkpoint, or of the last where nothing was selected."""
        step = self.best_step if self.best_step is not None else self.checkpoints[-1]
        return self.folder / checkpoint_name(step) / "model"
