"""What is done with a trained run, by a true child process over a true database."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from builders import HIDDEN, TrainedRun

from workbench.errors import CheckpointError, DataError, NotFoundError, WorkerError
from workbench.events import CheckpointSaved, EvaluationFinished
from workbench.inference.predictor import Predictor, as_json
from workbench.operations import artefacts
from workbench.operations.result_files import vector_file
from workbench.operations.workspace import Workspace
from workbench.paths import Location
from workbench.store.records import RunRecord
from workbench.store.run_store import RunStore
from workbench.worker.errands import ErrandProcess, run_errand

TEXTS = ["Ada loves the rain in Paris.", "", "🙂 Kurt left"]


@pytest.fixture(scope="module")
def child() -> Iterator[ErrandProcess]:
    with ErrandProcess() as process:
        yield process


@pytest.fixture
def ws(
    trained: TrainedRun, child: ErrandProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A database with the trained run in it, its files beside it.

    All errands go to one child: each would take 5 seconds to import torch and transformers.
    """
    monkeypatch.setattr(artefacts, "run_errand", child.ask)
    monkeypatch.setattr(artefacts, "ErrandProcess", lambda: nullcontext(child))
    url = f"sqlite:///{tmp_path / 'experiments.db'}"
    with Workspace(Location(url, tmp_path / "runs"), RunStore.open(url)) as workspace:
        (tmp_path / "runs").mkdir()
        (tmp_path / "runs" / "abc").symlink_to(trained.folder)
        record = RunRecord("abc", "try", datetime.now(UTC), trained.config, "")
        workspace.store.add_run(record)
        workspace.store.append("abc", trained.events)
        yield workspace


def saved(trained: TrainedRun) -> list[CheckpointSaved]:
    return [event for event in trained.events if isinstance(event, CheckpointSaved)]


def best_model(trained: TrainedRun) -> Path:
    return trained.folder / [one for one in saved(trained) if one.is_best][-1].folder / "model"


# --- The child ----------------------------------------------------------------------------------


def test_the_child_predicts_as_this_process_does(child: ErrandProcess, trained: TrainedRun) -> None:
    predictor = Predictor.open(best_model(trained))

    answer = child.ask("predict", {"model": str(best_model(trained)), "texts": TEXTS})

    for found, right in zip(answer["predictions"], predictor.predict(TEXTS), strict=True):
        expected = as_json(right)
        assert found["text"] == expected["text"]
        assert found["tasks"]["entity"] == expected["tasks"]["entity"]
        assert found["tasks"]["mood"]["logits"] == pytest.approx(
            expected["tasks"]["mood"]["logits"], abs=1e-5
        )


def test_the_child_encodes_into_a_file(
    child: ErrandProcess, trained: TrainedRun, tmp_path: Path
) -> None:
    file = tmp_path / "vectors.npy"

    request = {"model": str(best_model(trained)), "texts": TEXTS, "to": str(file)}
    answer = child.ask("encode", request)

    assert answer == {"texts": 3, "dimensions": HIDDEN}
    expected = Predictor.open(best_model(trained)).encode(TEXTS)
    assert np.abs(np.load(file, allow_pickle=False) - expected).max() < 1e-5


def test_the_child_evaluates_and_says_what_it_does(
    child: ErrandProcess, trained: TrainedRun
) -> None:
    said: list[str] = []
    request = {
        "model": str(best_model(trained)),
        "config": trained.config.model_dump(mode="json"),
        "split": "dev",
    }

    answer = child.ask("evaluate", request, said.append)

    step = [one for one in saved(trained) if one.is_best][-1].step
    in_training = next(
        event
        for event in trained.events
        if isinstance(event, EvaluationFinished) and event.step == step
    )
    for task, metrics in in_training.metrics.items():
        assert answer["metrics"][task] == pytest.approx(metrics, abs=1e-5)
    assert said == ["reading dev", "evaluating 12 texts"]


@pytest.mark.parametrize("form", ["sentence-transformers", "transformers"])
def test_the_child_exports(
    form: str, child: ErrandProcess, trained: TrainedRun, tmp_path: Path
) -> None:
    said: list[str] = []
    request = {"model": str(best_model(trained)), "format": form, "to": str(tmp_path / "out")}

    answer = child.ask("export", request, said.append)

    assert answer["folder"] == str(tmp_path / "out")
    assert answer["largest_difference"] < 1e-4
    assert said[0] == "loading the checkpoint"
    assert said[-1] == "opening it anew and comparing"


def test_an_error_of_the_child_arrives_as_it_was_raised_and_the_child_lives(
    child: ErrandProcess, trained: TrainedRun, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"model\.json is absent") as caught:
        child.ask("predict", {"model": str(tmp_path), "texts": ["Ada"]})

    assert caught.value.where == str(tmp_path)
    assert "mtl-workbench export" in caught.value.next_step
    answer = child.ask("predict", {"model": str(best_model(trained)), "texts": ["Ada"]})
    assert len(answer["predictions"]) == 1


def test_a_surprise_in_the_child_names_the_errand(child: ErrandProcess) -> None:
    with pytest.raises(WorkerError, match="TypeError") as caught:
        child.ask("predict", {"nonsense": 1})

    assert caught.value.where == "errand predict"


def test_neither_files_of_the_current_folder_nor_prints_of_libraries_disturb_the_child(
    trained: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "json.py").write_text("raise SystemExit('run by accident')\n")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text("print('a library has news for you')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    monkeypatch.chdir(tmp_path / "here")

    answer = run_errand("predict", {"model": str(best_model(trained)), "texts": ["Ada"]})

    assert answer["predictions"][0]["text"] == "Ada"


def test_a_child_that_is_killed_is_an_error_not_a_wait(trained: TrainedRun) -> None:
    with ErrandProcess() as process:
        os.kill(process._process.pid, signal.SIGKILL)

        with pytest.raises(WorkerError, match=r"ended in the middle of predict \(exit code -9\)"):
            process.ask("predict", {"model": str(best_model(trained)), "texts": ["Ada"]})


# --- Operations on a run ------------------------------------------------------------------------


def test_a_run_is_exported_and_the_export_is_kept_with_it(
    ws: Workspace, trained: TrainedRun, tmp_path: Path
) -> None:
    target = tmp_path / "mine"

    record = artefacts.export(ws, "try", format="sentence-transformers", to=target)

    assert Path(record.folder) == target
    assert record.step == [one for one in saved(trained) if one.is_best][-1].step
    assert record.largest_difference < 1e-5
    assert ws.store.exports("abc") == [record]
    ours = artefacts.predict(ws, "abc", TEXTS)
    theirs = artefacts.predict(ws, str(target), TEXTS)
    assert [one["tasks"]["entity"] for one in ours] == [one["tasks"]["entity"] for one in theirs]


def test_vectors_of_a_run_are_those_of_its_checkpoint(ws: Workspace, trained: TrainedRun) -> None:
    ((texts, vectors),) = artefacts.encode(ws, "@last", TEXTS, checkpoint="last")

    assert texts == TEXTS
    last = Predictor.open(trained.folder / saved(trained)[-1].folder / "model")
    assert np.abs(vectors - last.encode(TEXTS)).max() < 1e-5
    assert vectors.dtype == np.float32


def test_many_texts_are_asked_about_in_windows_and_answered_in_order(
    ws: Workspace, trained: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artefacts, "ENCODED_AT_A_TIME", 4)
    monkeypatch.setattr(artefacts, "PREDICTED_AT_A_TIME", 4)
    texts = [f"Ada {'loves the rain ' * (number % 3)}{number}." for number in range(10)]
    moved: list[tuple[float, int]] = []
    file = tmp_path / "vectors.npy"

    with vector_file(file) as opened:
        for _, vectors in artefacts.encode(ws, "abc", texts, advance=lambda *at: moved.append(at)):
            opened.add(vectors)
            assert not file.exists()
    found = list(artefacts.predict(ws, "abc", iter(texts)))

    expected = Predictor.open(best_model(trained)).encode(texts)
    assert np.abs(np.load(file, mmap_mode="r") - expected).max() < 1e-5
    assert [one["text"] for one in found] == texts
    assert [at for at in moved if at[0] == at[1]] == [(4, 4), (8, 8), (10, 10)]
    assert moved == sorted(moved)


def test_bfloat16_is_near_and_what_it_measures_is_not_kept(
    ws: Workspace, trained: TrainedRun
) -> None:
    ((_, exact),) = artefacts.encode(ws, "abc", TEXTS)
    ((_, near),) = artefacts.encode(ws, "abc", TEXTS, precision="bf16")
    before = ws.store.curves("abc")

    metrics = artefacts.evaluate(ws, "abc", precision="bf16")

    cosines = (exact * near).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)
    assert cosines.min() >= 0.999
    assert np.abs(exact - near).max() > 1e-5
    assert metrics.keys() == {"mood", "entity"}
    assert ws.store.curves("abc").keys() == before.keys()


def test_test_metrics_are_computed_on_request_and_kept(ws: Workspace) -> None:
    before = ws.store.overview("abc")

    metrics = artefacts.evaluate(ws, "abc", split="test")

    assert metrics.keys() == {"mood", "entity"}
    curves = ws.store.curves("abc")
    kept = next(curve for key, curve in curves.items() if key[:3] == ("test", "mood", "accuracy"))
    assert kept.values.tolist() == [metrics["mood"]["accuracy"]]
    assert ws.store.overview("abc") == before


def test_evaluating_dev_again_does_not_change_which_checkpoint_was_selected(ws: Workspace) -> None:
    before = ws.store.overview("abc")

    artefacts.evaluate(ws, "abc", split="dev")

    after = ws.store.overview("abc")
    assert (after.best_step, after.selection) == (before.best_step, before.selection)


def test_evaluating_train_leaves_the_curves_of_training_alone(ws: Workspace) -> None:
    before = ws.store.curves("abc")

    metrics = artefacts.evaluate(ws, "abc", split="train")

    after = ws.store.curves("abc")
    assert metrics["mood"]["accuracy"] > 0
    assert after.keys() == before.keys()
    assert all((after[key].values == before[key].values).all() for key in before)


def test_a_split_that_cannot_be_read_is_the_childs_data_error(
    ws: Workspace, trained: TrainedRun
) -> None:
    values = trained.config.model_dump(mode="json")
    values["tasks"]["mood"]["data"]["test"] = "/gone/test.jsonl"
    config = type(trained.config).model_validate(values)
    ws.store.add_run(RunRecord("bcd", "other", datetime.now(UTC), config, ""))
    ws.store.append("bcd", trained.events)
    (ws.location.runs / "bcd").symlink_to(trained.folder)

    with pytest.raises(DataError, match=r"test\.jsonl is not there") as caught:
        artefacts.evaluate(ws, "bcd")

    assert caught.value.where == "/gone/test.jsonl"


def test_a_changed_checkpoint_is_not_used(
    ws: Workspace, trained: TrainedRun, tmp_path: Path
) -> None:
    (ws.location.runs / "abc").unlink()
    shutil.copytree(trained.folder, ws.location.runs / "abc")
    for weights in (ws.location.runs / "abc").rglob("heads.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")

    with pytest.raises(CheckpointError, match=r"heads\.safetensors is not as it was written"):
        list(artefacts.encode(ws, "abc", ["Ada"]))


def test_a_damaged_checkpoint_names_the_next_best_that_is_whole(
    ws: Workspace, trained: TrainedRun, tmp_path: Path
) -> None:
    (ws.location.runs / "abc").unlink()
    shutil.copytree(trained.folder, ws.location.runs / "abc")
    there = sorted(ws.store.checkpoints("abc"), key=lambda one: -(one.selection or 0.0))
    best = next(one for one in there if one.is_best)
    others = [one for one in there if one is not best]
    shutil.rmtree(ws.location.runs / "abc" / best.folder / "model" / "backbone")

    with pytest.raises(CheckpointError, match="is not complete") as caught:
        list(artefacts.encode(ws, "abc", ["Ada"]))

    assert f"--checkpoint {others[0].step} (" in caught.value.next_step
    ((_, vectors),) = artefacts.encode(ws, "abc", ["Ada"], str(others[0].step))
    assert vectors.shape == (1, HIDDEN)


def test_each_task_has_a_best_checkpoint_of_its_own(ws: Workspace, trained: TrainedRun) -> None:
    record = ws.store.run("abc")
    evaluations = [one for one in trained.events if isinstance(one, EvaluationFinished)]

    for task, metric in (("mood", "accuracy"), ("entity", "span_f1")):
        highest = max(one.metrics[task][metric] for one in evaluations)
        first = next(one.step for one in evaluations if one.metrics[task][metric] == highest)
        assert artefacts.find_checkpoint(ws, record, f"best:{task}").step == first
    with pytest.raises(NotFoundError, match='no task "moood"') as caught:
        artefacts.find_checkpoint(ws, record, "best:moood")
    assert 'did you mean "mood"?' in caught.value.next_step


@pytest.mark.parametrize(
    ("wanted", "what"), [("7", 'no checkpoint "7"'), ("bset", 'no checkpoint "bset"')]
)
def test_a_checkpoint_that_is_not_there_is_an_error_with_those_that_are(
    wanted: str, what: str, ws: Workspace
) -> None:
    with pytest.raises(NotFoundError, match=what) as caught:
        artefacts.predict(ws, "abc", ["Ada"], checkpoint=wanted)

    assert "18" in caught.value.next_step


def test_a_source_that_is_no_run_and_no_folder_is_an_error(ws: Workspace) -> None:
    with pytest.raises(NotFoundError):
        artefacts.predict(ws, "nobody", ["Ada"])
    with pytest.raises(NotFoundError, match='There is no folder "gone/export"'):
        artefacts.predict(ws, "gone/export", ["Ada"])


def test_files_that_are_on_another_machine_are_an_error(ws: Workspace) -> None:
    (ws.location.runs / "abc").unlink()

    with pytest.raises(CheckpointError, match="are not on this machine"):
        artefacts.predict(ws, "abc", ["Ada"])
