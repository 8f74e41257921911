"""Sweeps: every combination, named by what was varied."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config import loading
from workbench.config.loading import load_experiment, parse_experiment, to_toml
from workbench.config.sweeps import sweep
from workbench.errors import ConfigError

BASE = load_experiment("quickstart")


def test_every_combination_is_an_experiment_named_by_what_was_varied() -> None:
    found = sweep(BASE, ["optimization.learning_rate=1e-4, 3e-4", "tasks.topic.weight=1,2,0.5"])

    assert [(one.optimization.learning_rate, one.tasks["topic"].weight) for one in found] == [
        (rate, weight) for rate in (1e-4, 3e-4) for weight in (1.0, 2.0, 0.5)
    ]
    assert found[1].name == "quickstart learning_rate=1e-4 weight=2"
    assert len({one.name for one in found}) == 6
    alike = {"name": "", "optimization": BASE.optimization, "tasks": BASE.tasks}
    assert all(one.model_copy(update=alike) == BASE.model_copy(update=alike) for one in found)


def test_seeds_keep_the_name_so_that_they_are_one_row() -> None:
    assert [(one.name, one.seed) for one in sweep(BASE, ["seed=1,2"])] == [
        ("quickstart", 1),
        ("quickstart", 2),
    ]


def test_keys_of_one_ending_are_told_apart_and_long_names_are_cut() -> None:
    (one,) = sweep(BASE, ["tasks.topic.weight=2", "tasks.sentiment.weight=3"])
    assert one.name == "quickstart tasks.topic.weight=2 tasks.sentiment.weight=3"

    long = BASE.model_copy(update={"name": "x" * 80})
    (one,) = sweep(long, ["training.epochs=2"])
    assert len(one.name) == 80
    assert one.name.endswith("x epochs=2")


def test_a_list_is_one_value() -> None:
    found = sweep(BASE, ["pooling.mode=concat", 'pooling.modes=["mean", "max"],["cls", "mean"]'])

    assert [one.pooling.modes for one in found] == [("mean", "max"), ("cls", "mean")]


def test_a_table_is_one_value() -> None:
    found = sweep(BASE, ["selection.weights={topic=1.0, entity=0.5},{topic=2.0}"])

    assert [dict(one.selection.weights) for one in found] == [
        {"topic": 1.0, "entity": 0.5},
        {"topic": 2.0},
    ]


def test_what_is_set_to_nothing_stays_so() -> None:
    unset = load_experiment(
        "few-shot", overrides=["tasks.intent.data.examples_per_class=none"], check_files=False
    )
    (base,) = sweep(unset, [])

    assert base.tasks["intent"].data.examples_per_class is None
    assert (
        parse_experiment(
            to_toml(unset),
            origin="",
            folder=Path(),
            overrides=loading.unset(unset),
            check_files=False,
        )
        == unset
    )


def test_nothing_varied_is_the_experiment_itself() -> None:
    assert sweep(BASE, []) == [BASE]
    long = BASE.model_copy(update={"name": "x" * 80})
    assert sweep(long, ["seed=1"])[0].name == long.name


@pytest.mark.parametrize(
    ("variations", "what"),
    [
        (["seed"], "is not KEY=VALUE,VALUE"),
        (["seed="], "is not KEY=VALUE,VALUE"),
        (["seed=1,2", "seed=3"], "varied twice"),
        (["seed=1,x"], "seed"),
        (["optimization.learning_rat=1,2"], "learning_rat"),
        ([f"seed={','.join(map(str, range(1001)))}"], "1001 combinations"),
    ],
)
def test_what_cannot_be_varied_is_an_error_in_words(variations: list[str], what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sweep(BASE, variations)

    assert what in str(caught.value)
    assert caught.value.next_step
