"""An update in parts is the same update; memory that runs out makes the parts smaller."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import a_task, an_experiment, events_of, sentences, write_jsonl
from safetensors.torch import load_file

from workbench.data.batching import Batch
from workbench.errors import WorkerError
from workbench.events import Event, RunFinished, StepFinished, Warned
from workbench.model.multitask import MultiTaskModel
from workbench.training.loop import train
from workbench.training.manifest import checkpoint_name

TEXTS = 32
HEADS: dict[str, tuple[str, dict[str, Any]]] = {
    "linear classes": ("classification", {}),
    "hidden, smoothed, balanced": (
        "classification",
        {"hidden_size": 8, "label_smoothing": 0.1, "class_weights": "balanced"},
    ),
    "focal": ("classification", {"focal_gamma": 2.0}),
    "several labels": ("multilabel", {}),
    "numbers": ("regression", {}),
    "pairs": ("similarity", {}),
    "linear tags": ("tagging", {}),
    "lstm": ("tagging", {"rnn": "lstm", "hidden_size": 8}),
    "crf": ("tagging", {"crf": True, "constrained": True}),
}


@pytest.fixture(scope="module")
def without_dropout(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT that drops nothing: what is dropped depends on what is computed together."""
    folder = tmp_path_factory.mktemp("still") / "bert"
    shutil.copytree(bert, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of which some lack a mood, all at the end: the parts have other counts of labels."""
    folder = tmp_path_factory.mktemp("uneven")
    rows = sentences(TEXTS)
    for row in rows[20:29]:
        row["mood"] = None
    write_jsonl(folder / "train.jsonl", rows)
    return folder


def an_update(
    head: str, backbone: Path, data: Path, folder: Path, **training: Any
) -> tuple[list[Event], dict[str, torch.Tensor]]:
    """One update of all texts; its events, and the first moments, a tenth of the gradients."""
    kind, settings = HEADS[head]
    sources = {"dev": None, "test": None}
    tasks = {
        "one": a_task(data, kind, data=sources, dropout=0.0, weight=0.7, **settings),
        "mood": a_task(data, data=sources, dropout=0.0),
    }
    config = an_experiment(
        backbone=backbone,
        tasks=tasks,
        optimization={"max_gradient_norm": 0.0, "warmup": 0.0},
        # A pair is an example of its own.
        training={"epochs": 1, "batch_size": TEXTS * (1 + (kind == "similarity"))} | training,
    )
    events = events_of(config, folder)
    tensors = load_file(folder / checkpoint_name(1) / "training" / "tensors.safetensors")
    moments = {name: value for name, value in tensors.items() if name.endswith("/exp_avg")}
    return events, moments


def the_step(events: list[Event]) -> StepFinished:
    return next(event for event in events if isinstance(event, StepFinished))


@pytest.mark.parametrize("head", HEADS)
def test_parts_of_an_update_add_up_to_the_whole(
    head: str, without_dropout: Path, uneven: Path, tmp_path: Path
) -> None:
    whole, gradients = an_update(head, without_dropout, uneven, tmp_path / "whole")

    parts, added = an_update(
        head, without_dropout, uneven, tmp_path / "parts", micro_batch_size=TEXTS // 4
    )

    one, other = the_step(whole), the_step(parts)
    assert other.losses == pytest.approx(one.losses, rel=1e-5)
    assert other.total_loss == pytest.approx(one.total_loss, rel=1e-5)
    assert other.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)
    assert other.texts == one.texts
    assert other.tokens >= one.tokens  # a text that several pairs share is read once a pass
    largest = max(float(value.abs().max()) for value in gradients.values())
    assert gradients.keys() == added.keys()
    for name, value in gradients.items():
        torch.testing.assert_close(added[name], value, rtol=1e-3, atol=1e-5 * largest)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A device on which so many texts at a time fit, as the first value of the list."""
    limit = [5]
    plain = MultiTaskModel.forward

    def forward(self: MultiTaskModel, batch: Batch) -> dict[str, torch.Tensor]:
        if self.training and batch.texts > limit[0]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return plain(self, batch)

    monkeypatch.setattr(MultiTaskModel, "forward", forward)
    return limit


def test_where_memory_runs_out_the_parts_are_halved_and_the_update_stays_equal(
    without_dropout: Path, uneven: Path, tmp_path: Path, fits: list[int]
) -> None:
    events, gradients = an_update(
        "crf", without_dropout, uneven, tmp_path / "halved", on_out_of_memory="halve"
    )

    fits[0] = TEXTS
    _, expected = an_update("crf", without_dropout, uneven, tmp_path / "four", micro_batch_size=4)
    warnings = [
        one.message for one in events if isinstance(one, Warned) and "Memory" in one.message
    ]
    assert [text.split("; from here on ")[1][:20] for text in warnings] == [
        "there are 16 at a ti",
        "there are 8 at a tim",
        "there are 4 at a tim",
    ]
    assert all(torch.equal(gradients[name], expected[name]) for name in expected)
    state = tmp_path / "halved" / checkpoint_name(1) / "training" / "state.json"
    assert json.loads(state.read_text())["progress"]["micro_batch_size"] == 4


def test_without_it_a_person_is_told_what_would_fit(
    without_dropout: Path, uneven: Path, tmp_path: Path, fits: list[int]
) -> None:
    with pytest.raises(WorkerError, match=r"step 1: 32 text\(s\) of up to \d+ pieces") as caught:
        an_update("crf", without_dropout, uneven, tmp_path)

    assert "training.micro_batch_size = 16" in caught.value.next_step
    assert 'on_out_of_memory = "halve"' in caught.value.next_step
    assert "[training] batch_size" in caught.value.where


def test_what_would_fit_follows_from_what_did(
    bert: Path, corpus: Path, tmp_path: Path, fits: list[int]
) -> None:
    fits[0] = TEXTS
    config = an_experiment(backbone=bert, folder=corpus)
    events = train(config, folder=tmp_path)
    next(event for event in events if isinstance(event, StepFinished))
    fits[0] = 4

    with pytest.raises(WorkerError) as caught:
        list(events)

    assert "the most that fitted was" in caught.value.where
    assert "training.micro_batch_size = " in caught.value.next_step


def test_one_text_that_does_not_fit_ends_the_run(
    bert: Path, corpus: Path, tmp_path: Path, fits: list[int]
) -> None:
    fits[0] = 0
    config = an_experiment(backbone=bert, folder=corpus, training={"on_out_of_memory": "halve"})

    with pytest.raises(WorkerError, match=r"1 text\(s\) of up to") as caught:
        events_of(config, tmp_path)

    assert caught.value.next_step.startswith("lower backbone.max_length")


def test_a_run_whose_parts_were_halved_is_resumed_with_the_halves(
    bert: Path, corpus: Path, tmp_path: Path, fits: list[int]
) -> None:
    training = {"on_out_of_memory": "halve", "checkpoint_minutes": 1e-9}
    config = an_experiment(backbone=bert, folder=corpus, training=training)
    whole = [one for one in events_of(config, tmp_path / "whole") if isinstance(one, StepFinished)]
    for event in train(config, folder=tmp_path / "run"):
        if isinstance(event, StepFinished) and event.step == 3:
            break

    rest = list(
        train(config, folder=tmp_path / "run", resume_from=tmp_path / "run" / checkpoint_name(2))
    )

    steps = [event for event in rest if isinstance(event, StepFinished)]
    assert [one.losses for one in steps] == [one.losses for one in whole[2:]]
    assert not [one for one in rest if isinstance(one, Warned) and "Memory" in one.message]
    assert isinstance(rest[-1], RunFinished)
