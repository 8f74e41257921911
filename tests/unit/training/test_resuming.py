"""Interrupted and resumed equals never interrupted, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from builders import Script, an_experiment, events_of
from safetensors.torch import load_file

from workbench.config.experiment import ExperimentConfig
from workbench.control import Stop
from workbench.events import EvaluationFinished, Event, StepFinished
from workbench.training.checkpoint_files import checkpoint_name, resumable_steps
from workbench.training.loop import train

UPDATES = 6
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adamw": {},
    "adafactor": {"optimizer": "adafactor"},
    "schedule_free": {"optimizer": "schedule_free", "schedule": "constant"},
}


def weights_of(folder: Path, step: int = UPDATES) -> dict[str, torch.Tensor]:
    found = {}
    for file in sorted((folder / checkpoint_name(step) / "model").rglob("*.safetensors")):
        found |= {f"{file.stem}/{name}": value for name, value in load_file(file).items()}
    return found


def numbers_of(events: list[Event]) -> dict[tuple[str, int], Any]:
    """Everything that was told of each step but what it took; the later of two telling counts."""
    told: dict[tuple[str, int], Any] = {}
    for event in events:
        if isinstance(event, StepFinished):
            values = (event.epoch, event.losses, event.total_loss, event.learning_rates)
            told["step", event.step] = (*values, event.gradient_norm, event.texts, event.tokens)
        elif isinstance(event, EvaluationFinished):
            told["dev", event.step] = (event.metrics, event.selection)
    return told


def stopped_and_resumed(config: ExperimentConfig, folder: Path, at: int) -> list[Event]:
    first = events_of(config, folder, Script((at, Stop())))
    torch.manual_seed(99)
    checkpoint = folder / checkpoint_name(resumable_steps(folder)[-1])
    return first + list(train(config, folder=folder, resume_from=checkpoint))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_run_that_is_stopped_and_resumed_learns_what_it_would_have(
    optimizer: str, at: int, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    if optimizer == "schedule_free":
        pytest.importorskip("schedulefree", reason="the extra schedulefree is not installed")
    config = an_experiment(backbone=bert, folder=corpus, optimization=OPTIMIZERS[optimizer])
    whole = list(train(config, folder=tmp_path / "whole"))

    broken = stopped_and_resumed(config, tmp_path / "broken", at)

    expected, found = numbers_of(whole), numbers_of(broken)
    assert {key: found[key] for key in expected} == expected
    one, other = weights_of(tmp_path / "whole"), weights_of(tmp_path / "broken")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
