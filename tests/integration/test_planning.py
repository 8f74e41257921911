"""Plans by a true child process, for the form and for the command `check`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import an_experiment

from workbench.cli.app import main
from workbench.config.experiment import ExperimentConfig
from workbench.config.loading import to_toml
from workbench.errors import ConfigError, WorkerError
from workbench.operations.planning import Planner
from workbench.training import planning


@pytest.fixture(scope="module")
def planner() -> Iterator[Planner]:
    made = Planner()
    yield made
    made.close()


@pytest.fixture
def config(bert: Path, corpus: Path) -> ExperimentConfig:
    return an_experiment(backbone=bert, folder=corpus)


def test_the_child_says_what_the_engine_says(planner: Planner, config: ExperimentConfig) -> None:
    told: list[str] = []

    found = planner.check(config, told.append)

    assert found == planning.check(config)
    assert told == ["reading data", "loading the backbone"]


def test_two_updates_are_timed_in_the_child(planner: Planner, config: ExperimentConfig) -> None:
    measured = planner.measure(config)

    assert measured.seconds_per_update > 0


def test_what_cannot_be_measured_is_told_as_what_it_is(
    planner: Planner, bert: Path, corpus: Path
) -> None:
    frozen = an_experiment(backbone=bert, folder=corpus, freezing={"mode": "everything"})

    with pytest.raises(ConfigError, match="no update to measure"):
        planner.measure(frozen)


def test_check_prints_the_plan_and_ends_with_2_where_the_run_would_fail(
    config: ExperimentConfig,
    planner: Planner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # One child for all: each would take seconds to import torch.
    monkeypatch.setattr("workbench.operations.planning.Planner", lambda: planner)
    monkeypatch.setattr(planner, "close", lambda: None)
    file = tmp_path / "try.toml"
    file.write_text(to_toml(config))

    assert main(["check", str(file)]) == 0
    text = capsys.readouterr().out
    assert "6, 3 a pass, 2 passes" in text
    assert "mood  classification  train 24, dev 12" in text

    assert main(["check", str(file), "--json", "--measure", "--set", "training.epochs=3"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["plan"]["total_steps"] == 9
    assert document["plan"]["memory"]["total"] > 0
    assert document["measured"]["seconds_per_update"] > 0

    elsewhere = ["check", str(file), "--set", "backbone.model=minilmm"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(elsewhere) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert 'The backbone "minilmm" is not on this machine, and HF_HUB_OFFLINE keeps' in said
    assert "[backbone] model" in said
    assert 'did you mean "minilm"? Else name a backbone\'s folder, or unset' in said

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert main(elsewhere) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the run fetches it from the hub when it begins" in said

    assert main(["check", str(file), "--set", "tasks.mood.data.label=tone"]) == 2
    assert 'There is no column "tone"' in capsys.readouterr().out

    assert main(["check", str(file), "--json", "--set", "training.epochs=0"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["plan"] is None
    assert document["findings"][0]["severity"] == "error"


def test_after_its_child_died_the_next_question_gets_another(
    planner: Planner, config: ExperimentConfig
) -> None:
    planner.check(config)
    child = planner._child
    assert child is not None
    child._process.kill()
    with pytest.raises(WorkerError, match="ended in the middle"):
        planner.check(config)

    assert planner.check(config).plan is not None

    planner.rest(idle_seconds=3600)
    assert planner._child is not None
    planner.rest(idle_seconds=0)
    assert planner._child is None
