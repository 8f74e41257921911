from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import a_task, an_experiment, sentences, write_jsonl
from torch import Tensor, nn

from workbench.config.experiment import ExperimentConfig
from workbench.data.kinds.tagging import WordLabelColumn
from workbench.plan import Trial
from workbench.training.preflight import (
    TRIALS,
    a_batch_is_learned_by_heart,
    first_loss_is_near_guessing,
    gradients_reach_what_is_trained,
    labels_are_aligned,
    padding_changes_nothing,
    trials,
)
from workbench.training.preparation import prepare
from workbench.training.run import Run
from workbench.worker.errands import run_errand


def prepared(run_folder: Path, **sections: Any) -> Run:
    return prepared_from(an_experiment(**sections), run_folder)


def prepared_from(config: ExperimentConfig, folder: Path) -> Run:
    preparation = prepare(config, folder)
    while True:
        try:
            next(preparation)
        except StopIteration as ended:
            made: Run = ended.value
            return made


def failed(found: list[Trial]) -> list[str]:
    return [trial.name for trial in found if not trial.is_well]


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_a_sound_experiment_passes_every_trial(
    family: str, backbones: Callable[[str], Path], corpus: Path, tmp_path: Path
) -> None:
    run = prepared(tmp_path, backbone=backbones(family), folder=corpus)

    found = list(trials(run))

    assert failed(found) == []
    names = [trial.name for trial in found]
    assert names == [
        "padding",
        "alignment of entity",
        "first loss of mood",
        "first loss of entity",
        "gradients",
        "speed",
        "learning mood",
        "learning entity",
    ]
    assert all(trial.what and trial.means and not trial.next_step for trial in found)


@pytest.mark.parametrize(
    "sections",
    [
        {"freezing": {"mode": "embeddings"}},
        {"freezing": {"gradual": 0.9}},
        {"freezing": {"mode": "lowest", "layers": 1}},
        {"weighting": {"gradients": "upgrad"}},
        {"pooling": {"mode": "max"}},
    ],
    ids=str,
)
def test_what_is_frozen_or_weighted_otherwise_is_no_fault(
    sections: dict[str, Any], bert: Path, corpus: Path, tmp_path: Path
) -> None:
    run = prepared(tmp_path, backbone=bert, folder=corpus, **sections)

    assert failed(list(trials(run))) == []


class UnmaskedMean(nn.Module):
    """Averages over padding, too."""

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        return hidden.mean(dim=1)


def test_a_pooling_that_counts_padding_is_found_out(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    run = prepared(tmp_path, backbone=bert, folder=corpus)
    run.loaded.model.pooling = UnmaskedMean()  # type: ignore[assignment]  # a wrong one

    (found,) = padding_changes_nothing(run)

    assert not found.is_well
    assert "depend on the batch" in found.means


def test_spans_that_are_cut_off_are_counted(bert: Path, corpus: Path, tmp_path: Path) -> None:
    config = an_experiment(backbone=bert, folder=corpus)
    backbone = config.backbone.model_copy(update={"max_length": 8})
    run = prepared_from(config.model_copy(update={"backbone": backbone}), tmp_path)

    (found,) = labels_are_aligned(run)

    gold = sum(len(example.labels["entity"].spans) for example in run.corpus.train.examples)
    cut = sum(int((e.labels["entity"].positions < 0).sum()) for e in run.train_split.examples)
    assert not found.is_well
    assert f"{gold} words" in found.what
    assert f"and {cut} word(s) are cut off" in found.what
    assert "raise backbone.max_length" in found.next_step


def test_a_label_at_another_words_piece_is_found_out(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    run = prepared(tmp_path, backbone=bert, folder=corpus)
    labels = run.train_split.table.parts["entity"].labels
    assert isinstance(labels, WordLabelColumn)
    for row in range(len(labels)):
        labels.positions[labels.where.of(row)][1:] += 1

    (found,) = labels_are_aligned(run)

    assert not found.is_well
    assert "a piece that is not their own" in found.what


def test_a_head_that_begins_sure_of_itself_is_found_out(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    run = prepared(tmp_path, backbone=bert, folder=corpus)
    with torch.no_grad():
        run.loaded.model.heads["mood"].linear.weight.mul_(200)

    found = list(first_loss_is_near_guessing(run))

    assert failed(found) == ["first loss of mood"]
    assert "guessing among 3 labels costs 1.10" in found[0].what


def test_a_weight_that_nothing_reaches_and_a_frozen_one_that_moves_are_found_out(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    run = prepared(tmp_path, backbone=bert, folder=corpus)
    run.loaded.model.register_parameter("forgotten", nn.Parameter(torch.zeros(2)))
    run.frozen = frozenset({"heads.mood.linear.bias"})

    (found,) = gradients_reach_what_is_trained(run)

    assert not found.is_well
    assert "No gradient: forgotten" in found.what
    assert "frozen and yet with a gradient: heads.mood.linear.bias" in found.what


def test_labels_that_nothing_tells_apart_cannot_be_learned(bert: Path, tmp_path: Path) -> None:
    # All of these are one unknown piece to the tokenizer.
    rows = [{"text": chr(0x4E00 + n), "mood": "good" if n % 2 else "bad"} for n in range(16)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "dev.jsonl", rows[:4])
    write_jsonl(tmp_path / "names" / "train.jsonl", sentences(12))
    write_jsonl(tmp_path / "names" / "dev.jsonl", sentences(4))
    tasks = {
        "mood": a_task(tmp_path),
        "entity": a_task(tmp_path / "names", "tagging"),
    }
    run = prepared(tmp_path / "run", backbone=bert, tasks=tasks)

    found = list(a_batch_is_learned_by_heart(run))

    assert failed(found) == ["learning mood"]
    assert "contradict" in found[0].means


def test_trials_are_an_errand(bert: Path, corpus: Path) -> None:
    config = an_experiment(backbone=bert, folder=corpus)

    answer = run_errand("trials", {"config": config.model_dump(mode="json")})

    assert len(answer["trials"]) == 8
    assert all(trial["is_well"] for trial in answer["trials"])
    assert len(TRIALS) == 6
