"""Classes from a handful of examples: by contrast, and by descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import (
    a_task,
    an_experiment,
    events_of,
    sentences,
    write_backbone,
    write_jsonl,
)
from torch.nn import functional

from workbench.data.batching import TextTargets
from workbench.data.examples import read_corpus
from workbench.errors import ConfigError, DataError
from workbench.events import CheckpointSaved, EvaluationFinished, StepFinished, Warned
from workbench.inference.predictor import Predictor
from workbench.model.head_options import in_words
from workbench.model.heads import FittedHead

METHODS = ("contrastive", "matching")


def few_shot(corpus: Path, method: str, **settings: Any) -> dict[str, Any]:
    return a_task(corpus, "few_shot", method=method, **settings)


def last_model(folder: Path, events: list[Any]) -> Path:
    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    return folder / saved[-1].folder / "model"


def a_fitted_head() -> FittedHead:
    return FittedHead(4, labels=("a", "b"), dropout=0.0, temperature=0.5)


def targets_of(*labels: int) -> TextTargets:
    return TextTargets(torch.arange(len(labels)), torch.tensor(labels))


def test_the_contrastive_loss_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    head, vectors, labels = a_fitted_head(), torch.randn(5, 4), (0, 0, 1, 1, 1)
    z = functional.normalize(vectors, dim=1)
    expected = 0.0
    for i in range(5):
        others = [j for j in range(5) if j != i]
        whole = sum(torch.exp(z[i] @ z[j] / 0.5) for j in others)
        alike = [j for j in others if labels[j] == labels[i]]
        terms = [torch.log(torch.exp(z[i] @ z[j] / 0.5) / whole) for j in alike]
        expected -= float(sum(terms)) / len(alike)

    loss = head.loss_sum(head(vectors), targets_of(*labels))

    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_text_without_another_of_its_class_adds_nothing() -> None:
    head, vectors = a_fitted_head(), torch.randn(3, 4)

    loss = head.loss_sum(head(vectors), targets_of(0, 1, 1))
    of_the_pair = head.loss_sum(head(vectors), targets_of(0, 1, 0))

    assert torch.isfinite(loss)
    assert loss != of_the_pair
    assert head.loss_sum(head(vectors[:1]), targets_of(0)).item() == 0.0


def test_a_fitted_head_is_judged_by_what_it_says_not_by_the_contrast() -> None:
    head = a_fitted_head().eval()
    head.set_layer(torch.eye(2, 4), torch.zeros(2))
    logits = head(torch.tensor([[2.0, 0, 0, 0], [0, 3.0, 0, 0]]))

    loss = head.loss_sum(logits, targets_of(0, 1))

    assert torch.equal(logits, torch.eye(2))
    assert loss.item() == pytest.approx(2 * float(np.log(1 + np.exp(-1))), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_run_learns_from_few_and_its_checkpoint_says_the_same(
    method: str, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    rows = sentences(9)
    file = str(write_jsonl(tmp_path / "few.jsonl", rows))
    settings = few_shot(corpus, method, data={"train": file, "dev": file}, dropout=0.0)
    config = an_experiment(
        backbone=bert,
        tasks={"mood": settings, "entity": a_task(corpus, "tagging", data={"train": file})},
        training={"epochs": 30, "batch_size": 9, "evaluations_per_epoch": 1},
    )

    events = events_of(config, tmp_path / "run")

    dev = [event.metrics["mood"] for event in events if isinstance(event, EvaluationFinished)]
    assert dev[-1]["accuracy"] == 1.0
    model = last_model(tmp_path / "run", events)
    one, other = Predictor.open(model), Predictor.open(model)
    texts = ["Ada loves the rain in Paris.", "Kurt left"]
    first, second = one.predict(texts), other.predict(texts)
    assert [found.tasks["mood"] for found in first] == [found.tasks["mood"] for found in second]
    assert one.predict(texts[1:])[0].tasks["mood"].logits == pytest.approx(
        first[1].tasks["mood"].logits, abs=1e-4
    )


def test_a_matching_task_takes_labels_that_training_has_not_shown(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert,
        tasks={"mood": few_shot(corpus, "matching"), "entity": a_task(corpus, "tagging")},
        training={"epochs": 1},
    )
    predictor = Predictor.open(last_model(tmp_path, events_of(config, tmp_path)))
    before = predictor.predict(["Ada loves the rain."])[0].tasks["mood"]

    asked = predictor.described(
        {"mood": {"joy": "loves", "leaving": "left", "all": "rain in paris"}}
    )
    found = asked.predict(["Ada loves the rain."])[0].tasks["mood"]

    assert found.labels == ("joy", "leaving", "all")
    assert sum(found.probabilities) == pytest.approx(1.0)
    assert predictor.predict(["Ada loves the rain."])[0].tasks["mood"] == before
    with pytest.raises(ConfigError, match='"entity" does not take labels by their descriptions'):
        predictor.described({"entity": {"x": "y"}})


def test_a_description_stands_for_its_label_whatever_the_order(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert, tasks={"mood": few_shot(corpus, "matching")}, training={"epochs": 1}
    )
    predictor = Predictor.open(last_model(tmp_path, events_of(config, tmp_path)))
    words = {"good": "loves it", "bad": "hates it", "plain": "left"}

    one = predictor.described({"mood": words}).predict(["Ada loves"])[0].tasks["mood"]
    other = predictor.described({"mood": dict(reversed(words.items()))}).predict(["Ada loves"])[0]

    by_label = dict(zip(one.labels, one.logits, strict=True))
    assert dict(
        zip(other.tasks["mood"].labels, other.tasks["mood"].logits, strict=True)
    ) == pytest.approx(by_label, abs=1e-4)


@pytest.mark.parametrize("kind", ["classification", "few_shot"])
def test_the_same_examples_of_each_class_are_drawn_for_every_kind(kind: str, corpus: Path) -> None:
    task = a_task(corpus, kind, data={"examples_per_class": 3})

    train = read_corpus(an_experiment(tasks={"mood": task})).train

    labels = [example.labels["mood"] for example in train.examples]
    assert {label: labels.count(label) for label in labels} == {"good": 3, "bad": 3, "plain": 3}
    plain = a_task(corpus, data={"examples_per_class": 3})
    same = read_corpus(an_experiment(tasks={"mood": plain})).train
    assert [example.text for example in same.examples] == [one.text for one in train.examples]


def test_a_description_of_a_label_that_is_not_there_is_an_error(corpus: Path) -> None:
    task = few_shot(corpus, "matching", descriptions={"god": "likes it"})

    with pytest.raises(DataError, match='"god", which does not occur in train') as caught:
        read_corpus(an_experiment(tasks={"mood": task}))

    assert 'did you mean "good"' in caught.value.problems[0].next_step


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("AddToPlaylist", "add to playlist"),
        ("rate_book", "rate book"),
        ("ABBR:exp", "ABBR exp"),
        ("_", "_"),
    ],
)
def test_a_label_without_a_description_is_read_as_words(label: str, words: str) -> None:
    assert in_words(label) == words


def test_descriptions_are_padded_with_pieces_that_are_known(corpus: Path, tmp_path: Path) -> None:
    # Of a model that reads left to right piece 0 is a sign that may not occur in train at all.
    backbone = write_backbone(tmp_path / "gpt2", "gpt2")
    words = {"good": "loves the old rain in paris again and again", "bad": "hates", "plain": "left"}
    task = few_shot(corpus, "matching", descriptions=words)
    config = an_experiment(
        backbone=backbone, tasks={"mood": task}, training={"epochs": 1, "packing": False}
    )

    steps = [
        event for event in events_of(config, tmp_path / "run") if isinstance(event, StepFinished)
    ]

    assert all(np.isfinite(event.losses["mood"]) for event in steps)


def test_a_batch_without_two_of_a_class_teaches_nothing_and_weighs_nothing(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    few = few_shot(corpus, "contrastive", data={"examples_per_class": 1})
    config = an_experiment(
        backbone=bert,
        tasks={"few": few, "entity": a_task(corpus, "tagging")},
        weighting={"method": "geometric"},
        training={"epochs": 1},
    )

    events = events_of(config, tmp_path)

    steps = [event for event in events if isinstance(event, StepFinished)]
    told = [event.message for event in events if isinstance(event, Warned)]
    assert any("only 0 of 3 batches" in message for message in told)
    assert all(event.weights.keys() == {"entity"} for event in steps)
    assert all(event.weights["entity"] == pytest.approx(1.0) for event in steps)
