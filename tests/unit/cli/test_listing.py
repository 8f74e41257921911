"""`runs`, `show`, `checkpoints`, `compare` over a real store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import output
from workbench.config.loading import load_experiment
from workbench.events import EvaluationFinished, StepFinished
from workbench.operations.workspace import Workspace
from workbench.paths import shipped_presets


def test_no_runs_is_said_beside_the_data(run_command: Any, add_run: Any) -> None:
    result = run_command("runs")

    assert (result.code, result.out) == (0, "")
    assert "mtl-workbench train" in result.err


def test_the_runs_are_listed_newest_first(run_command: Any, add_run: Any) -> None:
    add_run("first234", name="one")
    add_run("second23", name="two", accuracy=0.8)

    header, newest, oldest = run_command("runs").out.splitlines()

    assert header.split() == [
        "id", "name", "state", "done", "tasks", "best", "started", "took",
    ]  # fmt: skip
    assert newest.startswith("second23  two   finished  100%  question=0.800  entity=0.600  0.750")
    assert oldest.startswith("first234")


def test_the_list_as_json_has_the_promised_keys(run_command: Any, add_run: Any) -> None:
    add_run()

    (run,) = run_command("runs", "--json").json

    assert set(run) >= {
        "id", "name", "state", "why", "source", "created_at", "tasks", "phase", "step",
        "total_steps", "best_step", "selection", "metrics", "seconds", "eta_seconds",
        "texts_per_second", "config", "error",
    }  # fmt: skip
    assert run["state"] == "finished"
    assert run["metrics"]["question"]["accuracy"] == 0.9
    assert run["config"]["training"]["epochs"] == 3


def test_an_empty_list_is_json_too(run_command: Any) -> None:
    assert run_command("runs", "--json").json == []


def test_the_list_is_filtered_and_sorted(run_command: Any, add_run: Any) -> None:
    add_run("low23456", accuracy=0.7)
    add_run("high2345", accuracy=0.9)
    add_run("bad23456", accuracy=0.95, outcome="failed")

    result = run_command(
        "runs", "--json", "--filter", "state=finished", "--sort", "-question.accuracy"
    )

    assert [run["id"] for run in result.json] == ["high2345", "low23456"]


def test_runs_are_filtered_and_sorted_by_their_loss(
    run_command: Any, add_run: Any, space: Workspace
) -> None:
    for run_id, loss in (("aaaa2222", 3.0), ("bbbb2222", 1.0), ("cccc2222", 2.0)):
        add_run(run_id)
        losses = [StepFinished(s, s / 20, {"question": loss}, loss, {}, 1, 2, 9, 0.1)
                  for s in range(1, 21)]  # fmt: skip
        space.store.append(run_id, losses)

    small = run_command("runs", "--filter", "loss < 2.5", "--json").json
    ordered = run_command("runs", "--sort", "loss", "--json").json

    assert {run["id"] for run in small} == {"bbbb2222", "cccc2222"}
    assert [run["id"] for run in ordered] == ["bbbb2222", "cccc2222", "aaaa2222"]


def test_a_filter_that_cannot_be_read_is_wrong_usage(run_command: Any) -> None:
    result = run_command("runs", "--filter", "state=")

    assert (result.code, result.out) == (2, "")
    assert "column 7" in result.err


def test_escape_sequences_are_shown_and_not_obeyed(run_command: Any, add_run: Any) -> None:
    add_run(name="\x1b]0;owned\x07")

    for words in (["runs"], ["show", "@last"], ["watch", "@last"], ["runs", "--json"]):
        result = run_command(*words)
        assert "\x1b" not in result.out + result.err
        assert "\x07" not in result.out + result.err


def test_headings_of_a_table_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["run", "\x1b[31mred"], [["a", "1"]], right={"\x1b[31mred"})

    assert capsys.readouterr().out == "run  ␛[31mred\na           1\n"


def test_a_run_is_shown_whole(run_command: Any, add_run: Any) -> None:
    add_run()

    result = run_command("show", "arun")

    assert result.code == 0
    for text in (
        "night  arun2345  finished",
        "20 of 20 steps",
        "10 trained of 1,000",
        "abc unchanged",
        "question: classification, 2 labels, 80 train, 8 dev",
        "dev metrics at step 20",
        "best last",
        "90 MB",
        "warning  3 texts are cut",
        "tasks.question.data.train = /q.jsonl",
    ):
        assert text in result.out
    assert "training.epochs = 3" not in result.out  # it is the default
    assert "training.epochs = 3" in run_command("show", "arun", "--settings").out


def test_a_preset_is_printed_to_begin_a_file_with(run_command: Any, tmp_path: Path) -> None:
    printed = run_command("presets", "quickstart").out

    (tmp_path / "mine.toml").write_text(printed)
    assert load_experiment(str(tmp_path / "mine.toml"), data_root=shipped_presets())
    assert run_command("presets", "quikstart").err.count('did you mean "quickstart"?') == 1


@pytest.mark.parametrize(
    ("thresholds", "line"),
    [
        ([0.3, 0.3], "labels are given from probability 0.3 on"),
        ([0.25, 0.5], "labels are given from these probabilities on: a 0.25, b 0.5"),
    ],
)
def test_thresholds_of_the_best_checkpoint_are_shown(
    run_command: Any, add_run: Any, space: Workspace, thresholds: list[float], line: str
) -> None:
    record = add_run()
    folder = space.location.run_folder(record.id) / "checkpoints" / "20" / "model"
    folder.mkdir(parents=True)
    head = {"labels": ["a", "b"], "options": {"thresholds": thresholds}}
    (folder / "model.json").write_text(json.dumps({"heads": {"question": head, "entity": {}}}))

    result = run_command("show", "@last")

    assert line in result.out
    told = run_command("show", "@last", "--json").json["thresholds"]
    assert told == {"question": dict(zip(["a", "b"], thresholds, strict=True))}


def test_a_run_without_thresholds_or_files_is_shown_all_the_same(
    run_command: Any, add_run: Any
) -> None:
    add_run()

    assert run_command("show", "@last", "--json").json["thresholds"] == {}
    assert "given from" not in run_command("show", "@last").out


def test_a_run_as_json_has_the_promised_keys(run_command: Any, add_run: Any) -> None:
    add_run()

    document = run_command("show", "@last", "--json").json

    assert set(document) >= {
        "id", "name", "state", "why", "config", "source", "metrics", "evaluations", "checkpoints",
        "exports", "timings", "frozen_checksum", "warnings", "error",
    }  # fmt: skip
    assert document["frozen_checksum"] == {"start": "abc", "end": "abc"}
    assert document["evaluations"][0]["metrics"]["question"]["accuracy"] == 0.4
    assert document["checkpoints"][-1]["is_best"] is True
    assert document["warnings"] == ["3 texts are cut\x1b[31m"]
    assert document["error"] is None
    assert document["timings"]["seconds_in_steps"] == 10.0


def test_a_failed_run_shows_its_error(run_command: Any, add_run: Any) -> None:
    add_run(outcome="failed")

    assert "failed  The loss is NaN." in run_command("show", "@last").out
    error = run_command("show", "@last", "--json").json["error"]
    assert error == {
        "what": "The loss is NaN.",
        "where": "step 20",
        "next_step": "lower the rate",
        "traceback": "Tb",
    }


def test_what_is_not_there_is_exit_code_3(run_command: Any, add_run: Any) -> None:
    add_run(name="night")

    result = run_command("show", "nigth")

    assert (result.code, result.out) == (3, "")
    assert 'There is no run "nigth".' in result.err
    assert 'did you mean "night"?' in result.err


def test_checkpoints_are_listed(run_command: Any, add_run: Any) -> None:
    add_run()

    lines = run_command("checkpoints", "@last").out.splitlines()

    assert lines[0].split()[:4] == ["step", "mark", "selection", "question"]
    assert "best last" in lines[2]
    assert run_command("checkpoints", "@last", "--json").json[0]["step"] == 10


def test_runs_are_compared(run_command: Any, add_run: Any) -> None:
    add_run("arun2345", name="a", accuracy=0.9)
    add_run("brun2345", name="b", accuracy=0.8, config={"training": {"epochs": 5}})

    result = run_command("compare", "arun2345", "b")

    assert result.out.splitlines()[0].split() == ["metric", "a", "arun2345", "b", "brun2345"]
    assert "question accuracy 0.900 * 0.800" in " ".join(result.out.split())
    assert "training.epochs" in result.out
    assert "optimization" not in result.out


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--markdown", "| question accuracy | **0.900** | 0.800 |"),
        ("--csv", "metric,question.accuracy,0.9,0.8"),
        ("--csv", "setting,training.epochs,3,5"),
    ],
)
def test_a_comparison_is_written_for_other_programs(
    run_command: Any, add_run: Any, option: str, expected: str
) -> None:
    add_run("arun2345", name="a", accuracy=0.9)
    add_run("brun2345", name="b", accuracy=0.8, config={"training": {"epochs": 5}})

    assert expected in run_command("compare", "a", "b", option).out.splitlines()


def test_a_comparison_as_json(run_command: Any, add_run: Any) -> None:
    add_run("arun2345", accuracy=0.9)
    add_run("brun2345", accuracy=0.8, config={"training": {"epochs": 5}})

    document = run_command("compare", "arun2345", "brun2345", "--json").json

    assert document["settings"] == [{"key": "training.epochs", "values": ["3", "5"]}]
    row = next(row for row in document["metrics"] if row["metric"] == "accuracy")
    assert row == {"task": "question", "metric": "accuracy", "values": [0.9, 0.8], "best": 0}


def test_one_run_cannot_be_compared(run_command: Any) -> None:
    result = run_command("compare", "a")

    assert result.code == 2
    assert "give at least two runs" in result.err


def test_what_one_run_alone_has_stands_below_without_gaps(run_command: Any, add_run: Any) -> None:
    question = {"kind": "classification", "data": {"train": "/q.jsonl"}}
    add_run("arun2345", name="both", accuracy=0.9)
    reached = EvaluationFinished(10, "dev", {"question": {"accuracy": 0.8}}, 0.8, 0.1)
    add_run(
        "brun2345", name="one", steps=0, config={"tasks": {"question": question}}, extra=[reached]
    )

    shown = run_command("compare", "both", "one").out

    shared, metrics, settings = shown.split("only in both arun2345\n")
    assert "question accuracy" in shared
    assert "entity" not in shared
    assert "entity span_f1  " in metrics
    assert "/e.conll" in settings
    assert "–" not in shown
