"""Seeds of one configuration as one."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean, stdev

import pytest
from summaries import a_run

from workbench.operations.folding import SeedFolder
from workbench.operations.reading import RunSummary
from workbench.worker.liveness import RunState


def seeded(seed: int, accuracy: float | None, rate: float = 1e-4, name: str = "n") -> RunSummary:
    run: RunSummary = a_run(
        f"r{seed}{int(rate * 1e6)}x",
        name=name,
        accuracy=accuracy,
        settings={"seed": seed, "optimization": {"learning_rate": rate}},
    )
    return run


def test_only_what_differs_in_seed_and_name_alone_is_folded() -> None:
    runs = [seeded(1, 0.8), seeded(2, 0.9, name="other"), seeded(1, 0.5, rate=1e-5)]

    folds = SeedFolder().fold(runs)

    assert [[run.record.id for run in fold.runs] for fold in folds] == [
        [runs[0].record.id, runs[1].record.id],
        [runs[2].record.id],
    ]


def test_a_fold_tells_mean_and_sample_deviation_of_those_that_have_a_value() -> None:
    values = [0.8, 0.9, 0.85]
    runs = [seeded(seed, value) for seed, value in enumerate([*values, None])]

    (fold,) = SeedFolder().fold(runs)

    assert fold.mean.metrics["question"]["accuracy"] == pytest.approx(fmean(values))
    assert fold.spread["question"]["accuracy"] == pytest.approx(stdev(values))
    assert fold.selection_spread == pytest.approx(stdev(values))


def test_one_run_alone_is_itself() -> None:
    run = seeded(1, 0.7)

    (fold,) = SeedFolder().fold([run])

    assert fold.mean is run
    assert fold.spread == {}
    assert fold.selection_spread is None


def test_the_key_of_a_fold_stays_when_a_newer_seed_is_added() -> None:
    old, new = seeded(1, 0.7), replace(seeded(2, 0.8))

    assert SeedFolder().fold([old])[0].key == SeedFolder().fold([new, old])[0].key


def test_forks_and_runs_that_were_adjusted_are_no_seeds() -> None:
    seeds = [seeded(1, 0.8), seeded(2, 0.9)]
    fork = seeded(3, 0.1)
    fork = replace(fork, record=replace(fork.record, parent_id="parent22"))
    adjusted = replace(seeded(4, 0.1), was_adjusted=True)

    folds = SeedFolder().fold([*seeds, fork, adjusted])

    assert [fold.runs for fold in folds] == [tuple(seeds), (fork,), (adjusted,)]


def test_a_mean_is_of_the_finished_runs_if_there_are_any() -> None:
    failed = replace(seeded(3, 0.1), state=RunState.FAILED)

    (fold,) = SeedFolder().fold([seeded(1, 0.8), seeded(2, 0.9), failed])
    (unfinished,) = SeedFolder().fold([failed, replace(seeded(4, 0.3), state=RunState.RUNNING)])

    assert fold.mean.metrics["question"]["accuracy"] == pytest.approx(0.85)
    assert unfinished.mean.metrics["question"]["accuracy"] == pytest.approx(0.2)
