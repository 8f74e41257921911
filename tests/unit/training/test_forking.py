"""A run that begins with another one's model takes over what fits, and says what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import (
    Script,
    TrainedRun,
    a_model,
    a_task,
    an_experiment,
    events_of,
    resumable_steps,
    sentences,
    write_corpus,
    write_jsonl,
)

from workbench.config.experiment import ExperimentConfig
from workbench.control import Stop
from workbench.errors import CheckpointError
from workbench.events import Event, RunFinished, RunStarted, StepFinished, Warned
from workbench.model.folder import load_model_folder
from workbench.model.lora import LoraSettings
from workbench.training import resuming
from workbench.training.forking import _misfit
from workbench.training.loop import train
from workbench.training.manifest import checkpoint_name

STILL = {"optimization": {"learning_rate": 1e-12, "warmup": 0.0}, "training": {"epochs": 1}}
"""Settings under which the weights stay where they begin, as far as one sees."""


@pytest.fixture(scope="module")
def parent(trained: TrainedRun) -> Path:
    return trained.folder / checkpoint_name(18)


def fork(config: ExperimentConfig, folder: Path, parent: Path, **how: Any) -> list[Event]:
    return list(train(config, folder=folder, start_from=parent, **how))


def told(events: list[Event], begin: str) -> str:
    found = [one.message for one in events if isinstance(one, Warned)]
    return next(text for text in found if text.startswith(begin))


def the_model(folder: Path) -> dict[str, torch.Tensor]:
    last = folder / checkpoint_name(resumable_steps(folder)[-1])
    return dict(load_model_folder(last / "model").model.state_dict())


def carried(folder: Path, parent: Path, begin: str) -> bool:
    """Whether all weights of this name are those of the parent."""
    before = load_model_folder(parent / "model").model.state_dict()
    now = {name: value for name, value in the_model(folder).items() if name.startswith(begin)}
    assert now
    return all(
        name in before
        and before[name].shape == value.shape
        and torch.allclose(before[name], value, atol=1e-6)
        for name, value in now.items()
    )


def test_a_fork_begins_with_the_whole_model_if_all_of_it_fits(
    trained: TrainedRun, parent: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=trained.config.backbone.model, folder=corpus, **STILL)

    events = fork(config, tmp_path, parent)

    assert carried(tmp_path, parent, "")
    steps = [event.step for event in events if isinstance(event, StepFinished)]
    assert steps == [1, 2, 3]
    message = told(events, "Begun with the model of step-00000018")
    assert "backbone, head mood, head entity carried over" in message
    assert "new are" not in message


def test_a_head_whose_labels_changed_is_new_and_the_rest_carries_over(
    trained: TrainedRun, parent: Path, corpus: Path, tmp_path: Path
) -> None:
    rows = [row | {"mood": row["mood"].replace("plain", "dull")} for row in sentences(24)]
    write_jsonl(tmp_path / "data" / "train.jsonl", rows)
    data = {"dev": None, "test": None}
    tasks = {
        "mood": a_task(tmp_path / "data", data=data),
        "entity": a_task(corpus, "tagging", crf=True),
        "length": a_task(corpus, data={"label": "length"}),
    }
    config = an_experiment(backbone=trained.config.backbone.model, tasks=tasks, **STILL)

    events = fork(config, tmp_path / "run", parent)

    assert carried(tmp_path / "run", parent, "backbone")
    for task in tasks:
        assert not carried(tmp_path / "run", parent, f"heads.{task}")
    message = told(events, "Begun with")
    assert ": backbone carried over;" in message
    assert "head mood (its labels are others)" in message
    assert "head entity (its layers are others)" in message
    assert "head length" in message


def test_what_the_fork_has_no_use_for_is_left_behind(
    trained: TrainedRun, parent: Path, corpus: Path, tmp_path: Path
) -> None:
    tasks = {"mood": a_task(corpus)}
    config = an_experiment(backbone=trained.config.backbone.model, tasks=tasks, **STILL)

    events = fork(config, tmp_path, parent)

    assert carried(tmp_path, parent, "")
    assert "left behind are head entity" in told(events, "Begun with")


def test_another_backbone_keeps_its_own_weights(
    parent: Path, corpus: Path, backbones: Callable[[str], Path], tmp_path: Path
) -> None:
    config = an_experiment(backbone=backbones("roberta"), folder=corpus, **STILL)

    events = fork(config, tmp_path, parent)

    message = told(events, "Begun with")
    assert "backbone (its vocabulary is another)" in message
    assert "head mood, head entity carried over" in message
    assert carried(tmp_path, parent, "heads")


def test_nothing_that_fits_is_an_error(
    parent: Path, corpus: Path, backbones: Callable[[str], Path], tmp_path: Path
) -> None:
    tasks = {"length": a_task(corpus, data={"label": "length"})}
    config = an_experiment(backbone=backbones("roberta"), tasks=tasks)

    with pytest.raises(CheckpointError, match="Nothing of the checkpoint fits"):
        fork(config, tmp_path, parent)


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "schedule_free"])
def test_the_optimizer_goes_on_only_if_it_is_wanted_and_all_is_as_it_was(
    optimizer: str, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    if optimizer == "schedule_free":
        pytest.importorskip("schedulefree", reason="the extra schedulefree is not installed")
    how = {"optimizer": optimizer, "schedule": "constant", "warmup": 0.0}
    config = an_experiment(backbone=bert, folder=corpus, optimization=how)
    events_of(config, tmp_path / "parent")
    parent = tmp_path / "parent" / checkpoint_name(6)
    slower = an_experiment(backbone=bert, folder=corpus, optimization=how | {"learning_rate": 1e-3})

    kept, anew = (
        fork(slower, tmp_path / name, parent, keep_optimizer=keeps)
        for name, keeps in (("kept", True), ("anew", False))
    )

    assert "goes on with what it had gathered at step-00000006" in told(kept, "The optimizer")
    steps = [[one for one in events if isinstance(one, StepFinished)] for events in (kept, anew)]
    assert steps[0][0].losses == steps[1][0].losses or optimizer == "schedule_free"
    assert steps[0][1].losses != steps[1][1].losses
    assert steps[0][0].learning_rates["heads"] == 1e-3


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"optimization": {"optimizer": "adafactor"}}, "it is of AdamW, not of Adafactor"),
        ({"freezing": {"mode": "embeddings"}}, "is another"),
        ({"optimization": {"layer_rates": "decay"}}, "the groups of parameters are others"),
        ({"training": {"batch_size": 4}}, ""),
    ],
)
def test_why_the_optimizer_begins_anew_is_told(
    change: dict[str, Any],
    why: str,
    trained: TrainedRun,
    parent: Path,
    corpus: Path,
    tmp_path: Path,
) -> None:
    config = an_experiment(backbone=trained.config.backbone.model, folder=corpus, **change)

    events = fork(config, tmp_path, parent, keep_optimizer=True)

    message = told(events, "The optimizer")
    assert message.startswith("The optimizer begins anew: " if why else "The optimizer goes on")
    assert why in message


@pytest.mark.parametrize("same", [True, False])
def test_the_optimizer_of_a_checkpoint_from_before_goes_on_if_the_texts_are_the_same(
    same: bool, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = an_experiment(backbone=bert, folder=write_corpus(tmp_path / "corpus"))
    with monkeypatch.context() as before:  # when data were told apart in another way
        before.setattr(resuming, "_digest_of", resuming._digest_of_each)
        events_of(config, tmp_path / "parent")
    if not same:
        write_jsonl(tmp_path / "corpus" / "train.jsonl", sentences(24, first=1))

    parent = tmp_path / "parent" / checkpoint_name(6)
    events = fork(config, tmp_path / "run", parent, keep_optimizer=True)

    begin = "The optimizer goes on" if same else "The optimizer begins anew: the training texts"
    assert told(events, "The optimizer").startswith(begin)


def test_a_fork_is_resumed_exactly_from_its_own_checkpoint(
    trained: TrainedRun, parent: Path, corpus: Path, tmp_path: Path
) -> None:
    # What is frozen comes from the parent, so that the parent is named when the fork goes on.
    config = an_experiment(
        backbone=trained.config.backbone.model, folder=corpus, freezing={"mode": "embeddings"}
    )
    whole = fork(config, tmp_path / "whole", parent)
    first = fork(config, tmp_path / "run", parent, control=Script((4, Stop())))

    rest = fork(
        config,
        tmp_path / "run",
        parent,
        resume_from=tmp_path / "run" / checkpoint_name(4),
    )

    losses = [
        [one.losses for one in events if isinstance(one, StepFinished)]
        for events in (whole, first + rest)
    ]
    assert losses[0] == losses[1]
    assert not [one for one in rest if isinstance(one, Warned) and "Begun with" in one.message]
    told_of = [one for one in whole + first + rest if isinstance(one, RunStarted | RunFinished)]
    assert len({one.frozen_checksum for one in told_of}) == 1


def test_a_head_that_means_something_else_by_its_weights_is_new(bert: Path) -> None:
    before = a_model(bert, tasks=("grade",))
    heads = before.description.heads
    options = dict(heads["grade"].options) | {"mean": 7.0}
    other = replace(heads["grade"], options=options)
    now = replace(before, description=replace(before.description, heads={"grade": other}))
    head = before.model.heads["grade"]

    assert _misfit("heads.grade", before, before, head, head) == ""
    assert _misfit("heads.grade", now, before, head, head) == "its mean is another"


def test_adapters_with_another_factor_are_another_backbone(bert: Path) -> None:
    plain = a_model(bert)
    backbone = plain.model.backbone
    one, other = (replace(plain, lora=LoraSettings(2, alpha)) for alpha in (4, 8))

    assert _misfit("backbone", one, one, backbone, backbone) == ""
    assert _misfit("backbone", one, other, backbone, backbone).startswith("the alpha")
