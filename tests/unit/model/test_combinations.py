"""Every head with every pooling, every way of freezing and every precision.

Each combination is prepared as a run is, makes two updates, is saved, opened again, and has to
say the same; or the config, or the machine, refuses it with a reason. The whole product takes
minutes (`make combinations`); here are so many of it that each two choices of different axes meet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import a_task, an_experiment
from head_options import OPTIONS, close, name_of
from pydantic import ValidationError

from workbench.errors import ConfigError
from workbench.inference.evaluation import predict_split
from workbench.inference.predictor import Predictor
from workbench.model.arithmetic import choose_arithmetic
from workbench.model.folder import save_model_folder
from workbench.model.pooling import LEARNED_POOLINGS, POOLINGS
from workbench.training.preparation import prepare
from workbench.training.run import Run
from workbench.training.update import make_update

HEADS: list[tuple[str, dict[str, Any]]] = [
    ("tagging", {}),
    ("classification", {}),
    ("similarity", {"loss": "cosine"}),
    ("contrastive", {}),
    ("few_shot", {"method": "matching"}),
    ("few_shot", {"method": "contrastive"}),
    ("masked_lm", {}),
    *OPTIONS,
]
POOLED: list[dict[str, Any]] = [
    *({"mode": name} for name in [*POOLINGS, *LEARNED_POOLINGS]),
    {"mode": "concat", "modes": ["mean", "max"], "projection": 8, "normalize": True},
]
LEARNED = ("concat", *LEARNED_POOLINGS)
UNPOOLED = ("tagging", "masked_lm")
"""Kinds that look at pieces, not at a text's vector."""
FREEZING: list[dict[str, Any]] = [
    {},
    {"mode": "everything"},
    {"mode": "backbone"},
    {"mode": "embeddings"},
    {"mode": "lowest", "layers": 1},
    {"mode": "all_but_top", "layers": 1},
    {"mode": "norms_only"},
    {"mode": "biases_only"},
    {"heads": ["task"]},
    {"patterns": ["*.attention.*"]},
    {"gradual": 0.5},
]
PRECISIONS = ["fp32", "bf16", "fp16"]
AXES: tuple[list[Any], ...] = (HEADS, POOLED, FREEZING, PRECISIONS)
FP32 = choose_arithmetic("cpu", "fp32")
TEXTS = ["Ada loves the rain in Paris.", "Great!", " ".join(["Emmy"] * 60)]

Chosen = tuple[int, int, int, int]
"""A combination, by the number of its choice on each axis."""


def some() -> Iterator[Chosen]:
    """For each head and way of freezing one pooling and one precision, going round."""
    for head, freezing in product(range(len(HEADS)), range(len(FREEZING))):
        precision = (head // 2 + freezing) % len(PRECISIONS)
        yield head, (head + freezing) % len(POOLED), freezing, precision


def everything() -> Iterator[Chosen]:
    yield from product(*(range(len(axis)) for axis in AXES))  # type: ignore[misc]


ALL = os.environ.get("MTL_WORKBENCH_COMBINATIONS") == "all"


def named(chosen: Chosen) -> str:
    head, pooling, freezing, precision = (axis[at] for axis, at in zip(AXES, chosen, strict=True))
    words = [
        f"{head[0]}({name_of(head[1])})",
        name_of(pooling),
        name_of(freezing) or "none",
        precision,
    ]
    return " ".join(map(str, words))


def test_each_two_choices_meet() -> None:
    met = {
        (one, chosen[one], two, chosen[two])
        for chosen in some()
        for one, two in combinations(range(len(AXES)), 2)
    }

    assert met == {
        (one, at, two, there)
        for one, two in combinations(range(len(AXES)), 2)
        for at, there in product(range(len(AXES[one])), range(len(AXES[two])))
    }


@pytest.mark.parametrize("chosen", list(everything() if ALL else some()), ids=named)
def test_it_makes_two_updates_and_says_the_same_when_opened_or_is_refused(
    chosen: Chosen, bert: Path, corpus: Path, tmp_path: Path
) -> None:
    (kind, options), pooling, freezing, precision = (
        axis[at] for axis, at in zip(AXES, chosen, strict=True)
    )
    make = partial(
        an_experiment,
        backbone=bert,
        tasks={"task": a_task(corpus, kind, **options)},
        pooling=pooling,
        freezing=freezing,
        training={"precision": precision},
        cache={"tokens": False, "features": False},
    )
    if kind in UNPOOLED and pooling["mode"] in LEARNED:
        with pytest.raises(ValidationError, match="no task looks at it"):
            make()
        return
    config = make()
    if precision == "fp16":
        with pytest.raises(ConfigError, match="fp16 is for GPUs"):
            prepared(config, tmp_path)
        return
    run = prepared(config, tmp_path)
    before = {name: value.detach().clone() for name, value in run.loaded.model.named_parameters()}
    frozen = {
        name for name, value in run.loaded.model.named_parameters() if not value.requires_grad
    }

    if run.total_steps:
        for step in range(2):
            update = make_update(run, range(8 * step, 8 * step + 8))
            assert np.isfinite(float(update.total_loss))

    after = dict(run.loaded.model.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not moved & frozen
    assert bool(moved) == bool(run.total_steps)
    run.loaded.model.eval()
    (tmp_path / "model").mkdir()
    save_model_folder(run.loaded, tmp_path / "model")
    theirs = Predictor.open(tmp_path / "model")
    found, again = (
        predict_split(model, run.dev_split, run.corpus.labels, pad_id=0, arithmetic=FP32)
        for model in (run.loaded.model, theirs.loaded.model)
    )
    assert found["task"].predicted
    assert close(vars(found["task"]), vars(again["task"]))
    is_pair = run.loaded.description.heads["task"].pair is not None
    texts: Any = list(zip(TEXTS, TEXTS[::-1], strict=True)) if is_pair else TEXTS
    assert [bool(one.tasks) for one in theirs.predict(texts)] == [True] * len(TEXTS)


def prepared(config: Any, folder: Path) -> Run:
    steps = prepare(config, folder)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            run: Run = done.value
            return run
