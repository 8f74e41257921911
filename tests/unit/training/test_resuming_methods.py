"""A run goes on exactly, however its tasks are drawn and weighed and whatever its backbone is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from builders import (
    Script,
    a_task,
    an_experiment,
    events_of,
    resumable_steps,
    sentences,
    write_jsonl,
)
from safetensors.torch import load_file

from workbench.config.sampling import Strategy
from workbench.config.weighting import AggregationMethod, WeightingMethod
from workbench.control import Stop
from workbench.events import Event, StepFinished
from workbench.training.loop import train
from workbench.training.manifest import checkpoint_name

CUT = 4

METHODS: dict[str, dict[str, Any]] = {
    **{f"weights by {name}": {"weighting": {"method": name}} for name in get_args(WeightingMethod)},
    **{
        f"gradients by {name}": {"weighting": {"gradients": name}}
        for name in get_args(AggregationMethod)
    },
    **{f"drawn {name}": {"sampling": {"strategy": name}} for name in get_args(Strategy)},
    "one task a batch": {"sampling": {"strategy": "uniform", "batches": "one_task"}},
    "a stack": {"backbone_settings": {"kind": "stack"}},
    "lora": {"backbone_settings": {"lora": {"rank": 2}}},
}
METHODS["weights by formula"]["weighting"]["formula"] = "mood + sqrt(entity)"


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts with a mood, and others with names: so that it matters what is drawn."""
    folder = tmp_path_factory.mktemp("apart")
    write_jsonl(folder / "mood" / "train.jsonl", sentences(32))
    write_jsonl(folder / "entity" / "train.jsonl", sentences(12, first=60))
    return folder


def losses_of(events: list[Event]) -> dict[int, Any]:
    steps = [event for event in events if isinstance(event, StepFinished)]
    return {one.step: (one.losses, one.total_loss, one.gradient_norm) for one in steps}


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    last = folder / checkpoint_name(resumable_steps(folder)[-1])
    return load_file(last / "training" / "tensors.safetensors")


@pytest.mark.parametrize("method", METHODS)
def test_a_run_goes_on_exactly_with_every_method(
    method: str, bert: Path, apart: Path, tmp_path: Path
) -> None:
    if "lora" in method:
        pytest.importorskip("peft", reason="the extra lora is not installed")
    without = {"dev": None, "test": None}
    tasks = {
        "mood": a_task(apart / "mood", data=without),
        "entity": a_task(apart / "entity", "tagging", data=without),
    }
    config = an_experiment(
        backbone=bert, tasks=tasks, training={"batch_size": 12}, **METHODS[method]
    )
    whole = events_of(config, tmp_path / "whole")

    first = events_of(config, tmp_path / "cut", Script((CUT, Stop())))
    torch.manual_seed(5)
    last = tmp_path / "cut" / checkpoint_name(CUT)
    rest = list(train(config, folder=tmp_path / "cut", resume_from=last))

    assert max(losses_of(whole)) > CUT
    assert losses_of(first + rest) == losses_of(whole)
    one, other = weights_of(tmp_path / "whole"), weights_of(tmp_path / "cut")
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
