from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import a_task, an_experiment, events_of

from workbench.cli.app import main
from workbench.config.experiment import ExperimentConfig
from workbench.control import SetRateScale, kind_of, to_json
from workbench.errors import NotFoundError, WorkbenchError
from workbench.events import RequestObeyed
from workbench.operations import reading
from workbench.operations.baselines import companions_of, start_missing, transfer
from workbench.operations.workspace import Workspace, open_workspace
from workbench.store.records import ExitRecord, RunRecord
from workbench.training.manifest import BEST_ON_DEV

SEEDS = (1, 2)
_NUMBERS = itertools.count()


def train_here(ws: Workspace, config: ExperimentConfig) -> RunRecord:
    """A real run, in this process instead of a worker's."""
    record = RunRecord(f"arun{next(_NUMBERS):04}", config.name, datetime.now(UTC), config, "")
    ws.store.add_run(record)
    folder = ws.location.run_folder(record.id)
    folder.mkdir(parents=True)
    events = events_of(config, folder)
    ws.store.append(record.id, events, exit=ExitRecord("finished", datetime.now(UTC)))
    return record


def metrics_of(ws: Workspace, run: RunRecord, task: str) -> Mapping[str, float]:
    return reading.summarize(ws, run.id).metrics[task]


def three_tasks(bert: Path, corpus: Path) -> ExperimentConfig:
    return an_experiment(
        backbone=bert,
        name="joint",
        tasks={
            "mood": a_task(corpus, metric="macro_f1"),
            "length": a_task(corpus, data={"label": "length"}),
            "entity": a_task(corpus, "tagging"),
        },
        training={"epochs": 2, "batch_size": 8},
    )


@pytest.fixture(scope="module")
def compared(
    bert: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Workspace, list[RunRecord], ExperimentConfig]]:
    """Three tasks together, alone and in pairs, with two seeds each."""
    database = tmp_path_factory.mktemp("compared") / "experiments.db"
    config = three_tasks(bert, corpus)
    with open_workspace(str(database)) as ws:
        wanted = companions_of(ws, config, seeds=SEEDS, pairs=True)
        yield ws, list(start_missing(ws, wanted, submit=train_here)), config


def test_each_seed_has_the_experiment_its_tasks_alone_and_its_pairs(
    compared: tuple[Workspace, list[RunRecord], ExperimentConfig],
) -> None:
    _, runs, _ = compared

    made = [(run.config.seed, tuple(run.config.tasks)) for run in runs]

    alone = [("mood",), ("length",), ("entity",)]
    pairs = [("mood", "length"), ("mood", "entity"), ("length", "entity")]
    expected = [("mood", "length", "entity"), *alone, *pairs]
    assert made == [(seed, tasks) for seed in SEEDS for tasks in expected]


def test_what_is_there_is_not_made_anew(
    compared: tuple[Workspace, list[RunRecord], ExperimentConfig],
) -> None:
    ws, runs, config = compared

    again = companions_of(ws, config, seeds=SEEDS, pairs=True)
    more = companions_of(ws, config, seeds=(2, 3))

    assert [one.run_id for one in again] == [run.id for run in runs]
    assert list(start_missing(ws, again, submit=train_here)) == []
    assert [one.run_id is None for one in more] == [False] * 4 + [True] * 4


def test_gains_are_those_of_the_best_checkpoints_with_intervals(
    compared: tuple[Workspace, list[RunRecord], ExperimentConfig],
) -> None:
    ws, runs, _ = compared

    (found,) = transfer(ws, [runs[0].id])

    assert found.runs == (runs[0].id, runs[7].id)
    assert [gain.task for gain in found.gains] == ["mood", "length", "entity"]
    for place, gain in enumerate(found.gains, start=1):
        metric = {"mood": "macro_f1", "length": "accuracy", "entity": "span_f1"}[gain.task]
        means = [
            sum(metrics_of(ws, runs[at + 7 * seed], gain.task)[metric] for seed in (0, 1)) / 2
            for at in (0, place)
        ]
        assert (gain.together, gain.alone) == pytest.approx(tuple(means))
        assert gain.seeds == SEEDS
        assert gain.texts == 12
        assert gain.low is not None
        assert gain.high is not None
        assert gain.low <= gain.difference + 1e-9
        assert gain.high >= gain.difference - 1e-9
    relative = [gain.relative for gain in found.gains]
    if None not in relative:
        assert found.mean_gain == pytest.approx(sum(filter(None, relative)) / 3)
    assert found.mean_interval is not None
    assert found.mean_interval[0] <= found.mean_interval[1]


def test_the_matrix_tells_who_helped_whom(
    compared: tuple[Workspace, list[RunRecord], ExperimentConfig],
) -> None:
    ws, runs, _ = compared

    (found,) = transfer(ws, [runs[0].id, runs[7].id])  # two seeds of one experiment

    assert {task: set(row) for task, row in found.matrix.items()} == {
        "mood": {"length", "entity"},
        "length": {"mood", "entity"},
        "entity": {"mood", "length"},
    }
    # mood and entity are the fifth kind of run, entity alone is the third.
    pair, alone = (
        sum(metrics_of(ws, runs[at + 7 * seed], "entity")["span_f1"] for seed in (0, 1)) / 2
        for at in (5, 3)
    )
    assert found.matrix["entity"]["mood"].difference == pytest.approx(pair - alone)


def test_without_kept_predictions_there_are_gains_but_no_intervals(
    compared: tuple[Workspace, list[RunRecord], ExperimentConfig],
) -> None:
    ws, runs, _ = compared
    file = ws.location.run_folder(runs[1].id) / BEST_ON_DEV
    aside = file.rename(file.with_suffix(".away"))

    (found,) = transfer(ws, [runs[0].id])

    aside.rename(file)
    mood, length, _ = found.gains
    assert (mood.low, mood.high, mood.texts) == (None, None, 0)
    assert found.mean_interval is None
    assert length.low is not None
    assert mood.together > 0


def test_the_command_prints_gains_and_matrix(
    compared: tuple[Workspace, list[RunRecord], ExperimentConfig],
    capsys: pytest.CaptureFixture[str],
) -> None:
    ws, runs, _ = compared
    database = str(ws.location.database_file)

    assert main(["--db", database, "compare", "--transfer", runs[0].id]) == 0
    printed = capsys.readouterr().out
    assert main(["--db", database, "baselines", runs[0].id, "--pairs", "--dry-run"]) == 0
    planned = capsys.readouterr().out

    assert "joint: mean gain over the tasks alone" in printed
    assert "gain of the row's task in a pair with the column's" in printed
    assert all(run.id in planned for run in runs[:7])


def test_tasks_that_were_not_run_alone_are_named(bert: Path, corpus: Path, tmp_path: Path) -> None:
    config = three_tasks(bert, corpus)
    with open_workspace(str(tmp_path / "experiments.db")) as ws:
        joint = train_here(ws, config)
        with pytest.raises(NotFoundError, match="No task of joint was run alone"):
            transfer(ws, [joint.id])
        train_here(ws, companions_of(ws, config)[1].config)

        (found,) = transfer(ws, [joint.id])

    assert [gain.task for gain in found.gains] == ["mood"]
    assert found.missing == ("length", "entity")
    assert found.mean_gain is None


def test_forks_and_runs_that_were_adjusted_are_nobodys_baseline(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = three_tasks(bert, corpus)
    with open_workspace(str(tmp_path / "experiments.db")) as ws:
        for run_id, parent in (("whole222", None), ("fork2222", "whole222"), ("asked222", None)):
            record = RunRecord(run_id, "joint", datetime.now(UTC), config, "", parent, 1)
            ws.store.add_run(record)
            ws.store.record_exit(run_id, ExitRecord("finished", datetime.now(UTC)))
        asked = SetRateScale(0.5)
        ws.store.append("asked222", [RequestObeyed(1, kind_of(asked), to_json(asked))])

        assert companions_of(ws, config)[0].run_id == "whole222"
        for run_id in ("fork2222", "asked222"):
            with pytest.raises(WorkbenchError, match="settings alone do not make it what it is"):
                transfer(ws, [run_id])


def test_one_task_is_its_own_baseline(bert: Path, corpus: Path, tmp_path: Path) -> None:
    config = an_experiment(backbone=bert, tasks={"mood": a_task(corpus)})

    with open_workspace(str(tmp_path / "experiments.db")) as ws:
        alone = train_here(ws, config)
        with pytest.raises(WorkbenchError, match="its own baseline"):
            companions_of(ws, config)
        with pytest.raises(WorkbenchError, match="its own baseline"):
            transfer(ws, [alone.id])


@pytest.mark.parametrize(
    "sections",
    [
        {"weighting": {"method": "formula", "formula": "mood + 0.5 * length + entity"}},
        {"weighting": {"method": "uncertainty", "gradients": "pcgrad", "match_norm": True}},
        {"sampling": {"strategy": "fixed", "shares": {"mood": 2.0, "entity": 1.0}}},
        {"freezing": {"heads": ["mood"]}},
        {"selection": {"rule": "task", "task": "mood"}},
        {"selection": {"rule": "gain", "baselines": {"mood": 0.5}}},
        {"pooling": {"mode": "attention"}},
    ],
    ids=str,
)
def test_every_experiment_has_valid_companions_of_the_same_budget(
    sections: dict[str, Any], corpus: Path
) -> None:
    config = an_experiment(
        tasks=dict(three_tasks(Path("tiny"), corpus).model_dump(mode="json")["tasks"]), **sections
    )

    from workbench.config.baselines import companions

    for one in companions(config, pairs=True)[1:]:
        assert ExperimentConfig.model_validate(one.model_dump()) == one
        assert (one.training, one.optimization, one.seed, one.backbone) == (
            config.training,
            config.optimization,
            config.seed,
            config.backbone,
        )
        if len(one.tasks) == 1:
            assert (one.sampling.strategy, one.weighting.method) == ("natural", "sum")
        else:
            assert one.weighting.gradients == config.weighting.gradients
