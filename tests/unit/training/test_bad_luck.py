"""Numbers that are not finite, disks that are full, checkpoints that somebody damaged."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import Script, an_experiment, events_of
from safetensors.torch import load_file

from workbench.control import SaveCheckpoint
from workbench.errors import WorkerError
from workbench.events import Event, RunFinished, StepFinished, UpdateSkipped
from workbench.model.heads import ClassificationHead
from workbench.training.loop import train
from workbench.training.manifest import check_checkpoint, checkpoint_name, checkpoint_steps

SKIPS = {"on_nan": "skip", "checkpoint_minutes": 1e-9}


class Poison:
    """Makes the losses or gradients of some updates NaN; counts the updates of the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: set[int] = set()
        self.of = "loss"
        self._count = 0
        plain = ClassificationHead.loss_sum

        def loss_sum(head: Any, logits: torch.Tensor, targets: Any) -> torch.Tensor:
            if not logits.requires_grad:
                return plain(head, logits, targets)
            self._count += 1
            if self._count not in self.steps:
                return plain(head, logits, targets)
            if self.of == "gradient":
                logits.register_hook(lambda gradient: gradient * math.inf)
                return plain(head, logits, targets)
            return plain(head, logits, targets) * math.nan

        monkeypatch.setattr(ClassificationHead, "loss_sum", loss_sum)

    def begin_at(self, step: int) -> None:
        """The next update of the process is this one."""
        self._count = step - 1


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    return Poison(monkeypatch)


def tensors_of(folder: Path, step: int) -> dict[str, torch.Tensor]:
    found = load_file(folder / checkpoint_name(step) / "training" / "tensors.safetensors")
    return {name: value for name, value in found.items() if not name.startswith("random/")}


def steps_of(events: list[Event]) -> dict[int, StepFinished]:
    return {event.step: event for event in events if isinstance(event, StepFinished)}


# --- Not finite ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "what"),
    [
        ("loss", 'The loss of task "mood" is nan'),
        ("gradient", "The norm of the gradient is"),
    ],
)
@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "schedule_free"])
def test_a_skipped_update_changes_neither_weights_nor_optimizer(
    of: str, what: str, optimizer: str, bert: Path, corpus: Path, tmp_path: Path, poison: Poison
) -> None:
    if optimizer == "schedule_free":
        pytest.importorskip("schedulefree", reason="the extra schedulefree is not installed")
    poison.steps, poison.of = {3}, of
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        optimization={"optimizer": optimizer, "schedule": "constant"},
        training=SKIPS,
    )
    saving = Script((2, SaveCheckpoint()), (3, SaveCheckpoint()))

    events = events_of(config, tmp_path, saving)

    skipped = [event for event in events if isinstance(event, UpdateSkipped)]
    assert [one.step for one in skipped] == [3]
    assert skipped[0].what.startswith(what)
    assert len(skipped[0].examples) == len(skipped[0].places) == 8
    assert all(place.startswith(f"{corpus / 'train.jsonl'}:") for place in skipped[0].places)
    assert list(steps_of(events)) == [1, 2, 4, 5, 6]
    assert all(math.isfinite(one.total_loss) for one in steps_of(events).values())
    before, after = tensors_of(tmp_path, 2), tensors_of(tmp_path, 3)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    one, other = (
        json.loads((tmp_path / checkpoint_name(step) / "training" / "state.json").read_text())
        for step in (2, 3)
    )
    assert one["optimizer"]["groups"] == other["optimizer"]["groups"]


def test_the_schedule_and_the_order_of_texts_go_on_over_a_skipped_update(
    bert: Path, corpus: Path, tmp_path: Path, poison: Poison
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, training=SKIPS)
    plain = steps_of(events_of(config, tmp_path / "plain"))
    poison.begin_at(1)
    poison.steps = {2}

    skipping = steps_of(events_of(config, tmp_path / "skipping"))

    assert skipping[1] == plain[1] or skipping[1].losses == plain[1].losses
    for step in (3, 4, 5, 6):
        assert skipping[step].learning_rates == plain[step].learning_rates
        assert skipping[step].tokens == plain[step].tokens
        assert skipping[step].losses != plain[step].losses


@pytest.mark.parametrize("killed_after", [2, 3, 4])
def test_a_run_that_skips_is_resumed_exactly(
    killed_after: int, bert: Path, corpus: Path, tmp_path: Path, poison: Poison
) -> None:
    poison.steps = {3, 5}
    config = an_experiment(
        backbone=bert, folder=corpus, training=SKIPS | {"max_skipped_updates": 2}
    )
    whole = steps_of(events_of(config, tmp_path / "whole"))
    poison.begin_at(1)
    first: list[Event] = []
    for event in train(config, folder=tmp_path / "run"):
        first.append(event)
        if isinstance(event, StepFinished | UpdateSkipped) and event.step == killed_after + 1:
            break
    poison.begin_at(killed_after + 1)

    rest = list(
        train(
            config,
            folder=tmp_path / "run",
            resume_from=tmp_path / "run" / checkpoint_name(killed_after),
        )
    )

    found = steps_of(first + rest)
    assert {step: one.losses for step, one in found.items()} == {
        step: one.losses for step, one in whole.items()
    }
    assert isinstance(rest[-1], RunFinished)


def test_one_skipped_update_more_than_allowed_ends_the_run(
    bert: Path, corpus: Path, tmp_path: Path, poison: Poison
) -> None:
    poison.steps = {2, 4, 5}
    config = an_experiment(
        backbone=bert, folder=corpus, training=SKIPS | {"max_skipped_updates": 2}
    )
    events: list[Event] = []

    with pytest.raises(WorkerError, match=r"nan, and 2 update\(s\) were skipped before at step 5"):
        events.extend(train(config, folder=tmp_path))

    assert [one.step for one in events if isinstance(one, UpdateSkipped)] == [2, 4, 5]
    check_checkpoint(tmp_path / checkpoint_name(4))


# --- A disk that is full ------------------------------------------------------------------------

LIMITS = {"nothing": 0, "no weights": 20_000, "no training state": 110_000}
"""How long a file may still become, in bytes, by what cannot be written then."""
FULL_DISK = """
import json, resource, sys
from pathlib import Path
from workbench.config.experiment import ExperimentConfig
from workbench.errors import CheckpointError
from workbench.events import CheckpointSaved
from workbench.training.loop import train

config = ExperimentConfig.model_validate_json(sys.argv[1], strict=False)
for name, limit in json.loads(sys.argv[3]).items():
    try:
        for event in train(config, folder=Path(sys.argv[2]) / name):
            if isinstance(event, CheckpointSaved):
                saved = event.step
                # From here on writing more than this fails, as on a full disk.
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    except CheckpointError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        print(json.dumps([saved, error.what, error.next_step]), flush=True)
"""


def test_a_disk_that_is_full_ends_the_run_with_the_last_checkpoint_intact(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus)
    arguments = [config.model_dump_json(), str(tmp_path), json.dumps(LIMITS)]

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == len(LIMITS)
    for name, (saved, what, next_step) in zip(LIMITS, said, strict=True):
        assert saved == 3
        assert what.startswith("The checkpoint of step 6 cannot be written: ")
        assert "File too large" in what
        assert "the run can be resumed" in next_step
        checkpoints = tmp_path / name / "checkpoints"
        assert [file.name for file in checkpoints.iterdir()] == ["step-00000003"]
        check_checkpoint(checkpoints / "step-00000003")
    last = tmp_path / "no weights" / checkpoint_name(3)
    rest = list(train(config, folder=tmp_path / "no weights", resume_from=last))
    assert isinstance(rest[-1], RunFinished)
    assert 6 in checkpoint_steps(tmp_path / "no weights")
