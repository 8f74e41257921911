from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import (
    Script,
    a_model,
    a_task,
    an_encoded_example,
    an_encoded_split,
    an_experiment,
    events_of,
    sentences,
    some_encoded_examples,
    write_jsonl,
)

from workbench.config.cache import CacheConfig
from workbench.control import Stop
from workbench.data.batching import pad
from workbench.data.cache_folder import entries
from workbench.data.pieces import Pieces
from workbench.data.tokenizing import EncodedExample
from workbench.events import EvaluationFinished, Event, FeaturesReady, StepFinished, Warned
from workbench.model.freezing import GradualUnfreezing, freeze
from workbench.model.frozen_part import FrozenStates, frozen_part
from workbench.training.feature_cache import _Texts
from workbench.training.loop import train
from workbench.training.manifest import checkpoint_name

FREEZINGS: dict[str, dict[str, Any]] = {
    "backbone": {"mode": "backbone"},
    "lowest": {"mode": "lowest", "layers": 1},
    "all_but_top": {"mode": "all_but_top", "layers": 1},
    "gradual": {"mode": "none", "gradual": 0.8},
    "gradual above a frozen layer": {"mode": "lowest", "layers": 1, "gradual": 0.5},
}
HEADS: dict[str, dict[str, Any]] = {
    "linear": {},
    "crf": {"crf": True, "word_pieces": "first+last"},
    "rnn": {"rnn": "lstm", "hidden_size": 8},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv("MTL_WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def events(
    folder: Path, bert: Path, corpus: Path, freezing: dict[str, Any], **sections: Any
) -> list[Event]:
    """What a run says whose texts are labelled for a head of texts and one of words."""
    heads = sections.pop("heads", {})
    tasks = {"mood": a_task(corpus), "entity": a_task(corpus, "tagging", **heads)}
    training = {"epochs": 5, "evaluations_per_epoch": 2} | sections.pop("training", {})
    config = an_experiment(
        backbone=bert, tasks=tasks, freezing=freezing, training=training, **sections
    )
    return events_of(config, folder)


def losses(found: list[Event]) -> list[float]:
    """Every loss of the updates and of the evaluations on dev, in order."""
    values: list[float] = []
    for event in found:
        if isinstance(event, StepFinished):
            values += event.losses.values()
        elif isinstance(event, EvaluationFinished):
            values += [metrics["loss"] for metrics in event.metrics.values()]
    return values


def ready(found: list[Event]) -> list[FeaturesReady]:
    return [event for event in found if isinstance(event, FeaturesReady)]


# --- The same results ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freezing", "head"),
    [*((freezing, "linear") for freezing in FREEZINGS), ("lowest", "crf"), ("backbone", "rnn")],
)
def test_a_run_learns_the_same_with_features_as_without(
    freezing: str, head: str, tmp_path: Path, bert: Path, corpus: Path
) -> None:
    settings = {"freezing": FREEZINGS[freezing], "heads": HEADS[head]}

    without = events(tmp_path / "1", bert, corpus, cache={"features": False}, **settings)
    with_features = events(tmp_path / "2", bert, corpus, **settings)

    assert ready(with_features)
    assert not ready(without)
    assert losses(with_features) == pytest.approx(losses(without), abs=1e-6)


@pytest.mark.parametrize("family", ["roberta", "electra", "distilbert"])
def test_every_family_goes_on_from_its_states(
    family: str, tmp_path: Path, backbones: Callable[[str], Path], corpus: Path
) -> None:
    settings = {"freezing": FREEZINGS["lowest"]}
    folder = backbones(family)

    without = events(tmp_path / "1", folder, corpus, cache={"features": False}, **settings)
    with_features = events(tmp_path / "2", folder, corpus, **settings)

    assert [event.part for event in ready(with_features)] == ["the lowest layer"]
    assert losses(with_features) == pytest.approx(losses(without), abs=1e-6)


@pytest.mark.parametrize("limit", ["memory_megabytes", "disk_megabytes"])
def test_results_are_the_same_from_memory_and_from_the_disk(
    limit: str, tmp_path: Path, bert: Path, corpus: Path, cache: Path
) -> None:
    usual = events(tmp_path / "1", bert, corpus, FREEZINGS["lowest"])
    for entry in entries(cache):
        assert entry.kind in ("features", "tokens")
    other = events(tmp_path / "2", bert, corpus, FREEZINGS["lowest"], cache={limit: 0})

    assert [event.place for event in ready(usual)] == ["memory"]
    assert [event.place for event in ready(other)] == [
        "disk" if limit == "memory_megabytes" else "memory"
    ]
    assert losses(other) == losses(usual)


def test_half_precision_takes_half_the_room_and_learns_nearly_the_same(
    tmp_path: Path, bert: Path, corpus: Path
) -> None:
    full = events(tmp_path / "1", bert, corpus, FREEZINGS["backbone"])
    half = events(
        tmp_path / "2", bert, corpus, FREEZINGS["backbone"], cache={"features_precision": "fp16"}
    )

    assert ready(half)[0].bytes * 2 == ready(full)[0].bytes
    assert losses(half) == pytest.approx(losses(full), abs=5e-3)


def test_bfloat16_features_are_those_of_the_backbone(
    tmp_path: Path, bert: Path, corpus: Path
) -> None:
    training = {"precision": "bf16"}
    without = events(
        tmp_path / "1",
        bert,
        corpus,
        FREEZINGS["lowest"],
        training=training,
        cache={"features": False},
    )
    with_features = events(tmp_path / "2", bert, corpus, FREEZINGS["lowest"], training=training)

    assert ready(with_features)
    assert losses(with_features) == pytest.approx(losses(without), abs=2e-2)


# --- What is kept for whom ----------------------------------------------------------------------


def test_another_run_with_the_same_frozen_part_finds_all_texts(
    tmp_path: Path, bert: Path, corpus: Path
) -> None:
    first = ready(events(tmp_path / "1", bert, corpus, FREEZINGS["backbone"]))
    other = ready(
        events(
            tmp_path / "2",
            bert,
            corpus,
            FREEZINGS["backbone"],
            seed=99,
            optimization={"learning_rate": 1e-3},
        )
    )

    assert [event.found for event in first] == [0]
    assert [event.found for event in other] == [event.texts for event in first]


def test_new_texts_are_added_to_those_that_are_there(
    tmp_path: Path, bert: Path, corpus: Path
) -> None:
    larger = tmp_path / "larger"
    write_jsonl(larger / "train.jsonl", sentences(40))
    write_jsonl(larger / "dev.jsonl", sentences(12, first=60))
    write_jsonl(larger / "test.jsonl", sentences(12, first=90))
    setting = FREEZINGS["lowest"]
    first = ready(events(tmp_path / "1", bert, corpus, setting))[0]

    # From the disk, so that a batch has rows out of several files.
    second = events(tmp_path / "2", bert, larger, setting, cache={"memory_megabytes": 0})
    without = events(tmp_path / "3", bert, larger, setting, cache={"features": False})

    assert ready(second)[0].found == first.texts < ready(second)[0].texts
    assert losses(second) == pytest.approx(losses(without), abs=1e-6)


@pytest.mark.parametrize("other", ["layers", "weights"])
def test_states_of_another_frozen_part_are_not_taken(
    other: str, tmp_path: Path, bert: Path, backbones: Callable[[str], Path], corpus: Path
) -> None:
    events(tmp_path / "1", bert, corpus, FREEZINGS["lowest"])
    if other == "layers":
        found = events(tmp_path / "2", bert, corpus, {"mode": "lowest", "layers": 2})
    else:
        found = events(tmp_path / "2", backbones("electra"), corpus, FREEZINGS["lowest"])

    assert [event.found for event in ready(found)] == [0]


def test_each_thawing_layer_makes_the_kept_part_smaller(
    tmp_path: Path, bert: Path, corpus: Path
) -> None:
    found = events(
        tmp_path / "1", bert, corpus, {"mode": "none", "gradual": 1.0}, training={"epochs": 8}
    )

    assert [event.part for event in ready(found)] == ["the backbone", "the lowest layer"]


def test_a_part_that_thaws_within_an_epoch_is_not_computed_beforehand(
    tmp_path: Path, bert: Path, corpus: Path
) -> None:
    found = events(
        tmp_path / "1", bert, corpus, {"mode": "none", "gradual": 0.1}, training={"epochs": 2}
    )

    assert not ready(found)


def test_what_does_not_fit_is_computed_each_time_and_told(
    tmp_path: Path, bert: Path, corpus: Path
) -> None:
    found = events(
        tmp_path / "1",
        bert,
        corpus,
        FREEZINGS["backbone"],
        cache={"memory_megabytes": 0, "disk_megabytes": 0},
    )

    assert not ready(found)
    warnings = [event.message for event in found if isinstance(event, Warned)]
    assert any("computed anew in each epoch" in message for message in warnings)


def test_a_trained_backbone_has_no_features(tmp_path: Path, bert: Path, corpus: Path) -> None:
    assert not ready(events(tmp_path / "1", bert, corpus, {"mode": "none"}))
    assert not ready(events(tmp_path / "2", bert, corpus, {"mode": "embeddings"}))


def test_a_task_that_reads_all_layers_has_them_computed(
    tmp_path: Path, bert: Path, corpus: Path
) -> None:
    heads = {"layer_mix": True}

    assert not ready(events(tmp_path / "1", bert, corpus, FREEZINGS["lowest"], heads=heads))


# --- What is frozen from the bottom up ----------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "layers", "expected"),
    [
        ("none", 0, 0),
        ("embeddings", 0, 0),
        ("lowest", 1, 1),
        ("lowest", 2, 2),
        ("all_but_top", 1, 1),
    ],
)
def test_the_frozen_part_ends_below_what_moves(
    mode: str, layers: int, expected: int, bert: Path
) -> None:
    model = a_model(bert).model
    freeze(model, mode, layers=layers)

    assert frozen_part(model).layers == expected


def test_a_trained_parameter_that_has_a_hand_in_the_states_forbids_keeping_them(
    bert: Path,
) -> None:
    model = a_model(bert, dropout=0.1).model
    freeze(model, "lowest", layers=1)
    part = frozen_part(model)
    ids, mask = pad([torch.arange(5, 9).numpy(), torch.arange(5, 12).numpy()], 0)
    assert FrozenStates(model, part).objection(ids, mask) is None

    # As an encoder would be whose layers share a norm that is not among the layers.
    lowest = model.backbone.encoder.encoder.layer[0]  # type: ignore[union-attr, index]
    shared = torch.nn.Parameter(torch.ones(32))
    lowest.register_forward_hook(lambda module, given, output: output * shared)

    assert FrozenStates(model, part).objection(ids, mask) is not None


def test_the_updates_until_the_next_thawing_are_counted(bert: Path) -> None:
    model = a_model(bert).model
    unfreezing = GradualUnfreezing(model, share=0.6, total_steps=40)
    step = 0
    changes = []
    while step < 40:
        step += unfreezing.steps_as_now(step)
        changes.append(step)

    for before, at in zip([0, *changes], changes, strict=False):
        unfreezing.start_step(before)
        thawed = unfreezing.thawed
        unfreezing.start_step(at - 1)
        assert unfreezing.thawed == thawed
        unfreezing.start_step(at)
        assert unfreezing.thawed > thawed or at == 40


def test_of_the_texts_only_numbers_are_kept() -> None:
    splits = [an_encoded_split(*some_encoded_examples(20)), an_encoded_split(a_long_one())]
    rows = [row for split in splits for example in split.examples for row in example.rows]
    gc.collect()
    before = sum(type(one) is Pieces for one in gc.get_objects())

    texts = _Texts(splits)

    assert sum(type(one) is Pieces for one in gc.get_objects()) == before
    assert texts.lengths.tolist() == [len(row.ids) for row in rows]
    for number, row in enumerate(rows):
        assert np.array_equal(texts.pieces(number).ids, row.ids)


def a_long_one() -> EncodedExample:
    return an_encoded_example(40, text_labels={"mood": 0}, first_id=500)


def test_settings_say_what_the_cache_may_hold() -> None:
    assert CacheConfig().features
    assert CacheConfig().disk_megabytes > CacheConfig().memory_megabytes


def test_a_run_that_is_resumed_near_its_end_uses_features_as_before(
    tmp_path: Path, bert: Path, corpus: Path
) -> None:
    config = an_experiment(
        backbone=bert,
        tasks={"mood": a_task(corpus)},
        freezing={"mode": "backbone"},
        cache={"disk_megabytes": 0, "tokens": False},
    )
    whole = events_of(config, tmp_path / "whole")

    first = events_of(config, tmp_path / "run", Script((5, Stop())))
    resumed = tmp_path / "run" / checkpoint_name(5)
    rest = list(train(config, folder=tmp_path / "run", resume_from=resumed))

    assert ready(rest)
    steps = [
        [event.losses for event in found if isinstance(event, StepFinished)]
        for found in (whole, first + rest)
    ]
    assert steps[0] == steps[1]
