from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from scripted_runs import (
    a_config,
    counted_losses,
    end_of,
    kill_worker,
    losses_of,
    scripted,
    wait_until,
)

from workbench.cli.app import main
from workbench.errors import StoreError
from workbench.events import CheckpointSaved, EvaluationFinished
from workbench.operations import keeping, lifecycle, reading
from workbench.operations import repair as repairing
from workbench.operations.diagnosis import diagnose
from workbench.operations.repair import repair
from workbench.operations.workspace import Workspace
from workbench.store.records import (
    ExitRecord,
    ExportRecord,
    Keeping,
    ProcessIdentity,
    RunRecord,
    SeriesKey,
)
from workbench.store.run_store import RunStore
from workbench.worker import additions
from workbench.worker.journal import JOURNAL_NAME
from workbench.worker.liveness import RunState, current_identity

WHOLE = counted_losses(scripted.COUNTED_STEPS)


def verdicts(ws: Workspace) -> dict[str, str]:
    return {finding.topic: finding.verdict for finding in diagnose(ws.location).findings}


def lose_database(ws: Workspace) -> None:
    ws.store.close()
    for file in ws.location.runs.parent.glob("experiments.db*"):
        file.unlink()


def reopened(ws: Workspace) -> Workspace:
    return Workspace(ws.location, RunStore.open(ws.location.url))


def damage(file: Path) -> None:
    """Overwrite the second half of the file: what a bad disk does."""
    # A worker that is still leaving keeps the write-ahead log, whose pages would hide the damage.
    wait_until(lambda: not file.with_name(f"{file.name}-wal").exists())
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(size // 2)
        opened.write(b"\xde\xad\xbe\xef" * (size // 8))


def test_a_lost_database_is_made_anew_from_the_folders(ws: Workspace) -> None:
    finished = lifecycle.start(ws, a_config(scripted.FINISHES), source="quickstart")
    failed = lifecycle.start(ws, a_config(scripted.FAILS))
    counted = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: len(ws.store.checkpoints(counted.id)) > 0)
    kill_worker(ws, counted)
    end_of(ws, finished), end_of(ws, failed)
    (ws.location.run_folder(finished.id) / "checkpoints/25").mkdir(parents=True)
    before = {run.record.id: run for run in reading.list_runs(ws)}
    losses = {run_id: losses_of(ws, run.record) for run_id, run in before.items()}
    lose_database(ws)
    assert verdicts(ws)["database"] == "trouble"

    repair(ws.location)

    with reopened(ws) as again:
        after = {run.record.id: run for run in reading.list_runs(again)}
        assert {run_id: losses_of(again, run.record) for run_id, run in after.items()} == losses
        assert [run.record for run in after.values()] == [run.record for run in before.values()]
        for run_id, run in after.items():
            same = ("state", "step", "total_steps", "best_step", "metrics", "exit")
            assert [getattr(run, n) for n in same] == [getattr(before[run_id], n) for n in same]
        assert after[counted.id].state is RunState.CRASHED
        assert again.store.checkpoints(counted.id)
        lifecycle.resume(again, counted.id)
        end_of(again, counted)
        assert losses_of(again, counted) == WHOLE
    assert "trouble" not in verdicts(ws).values()
    assert repair(ws.location) == []


def test_a_damaged_database_is_told_and_mended_with_what_can_be_read(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with_journal = lifecycle.start(ws, a_config(scripted.COUNTS))
    end_of(ws, with_journal)
    of_old = replace(with_journal, id="old22222", name="old")
    ws.store.add_run(of_old)
    ws.store.append("old22222", [scripted.a_step(step, 6000, 1.0) for step in range(1, 6000)])
    ws.store.record_exit("old22222", ExitRecord("finished", datetime.now(UTC)))
    ws.store.close()
    file = ws.location.database_file
    assert file is not None
    damage(file)

    capsys.readouterr()
    code = main(["--db", str(file), "doctor", "--json"])
    findings = {f["topic"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert code == 1
    assert "is damaged" in findings["database"]["what"]
    assert "repair" in findings["database"]["next_step"]
    assert main(["--db", str(file), "runs"]) == 1
    assert "mtl-workbench repair" in capsys.readouterr().err
    assert main(["--db", str(file), "repair"]) == 0

    assert len(list(file.parent.glob("experiments.db.damaged-*"))) >= 1
    with reopened(ws) as again:
        assert losses_of(again, with_journal) == WHOLE
        assert reading.summarize(again, with_journal.id).state is RunState.FINISHED
        assert "old22222" in {record.id for record in again.store.runs()}
    assert main(["--db", str(file), "doctor"]) == 0


def test_a_run_goes_on_while_its_database_is_gone_and_is_whole_after_the_repair(
    ws: Workspace,
) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: ws.store.latest_step(record.id) > 5)
    lose_database(ws)
    journal = ws.location.run_folder(record.id) / JOURNAL_NAME
    size = journal.stat().st_size
    wait_until(lambda: journal.stat().st_size > size)
    assert not (ws.location.runs.parent / "experiments.db").exists()

    repair(ws.location)

    with reopened(ws) as again:
        summary = end_of(again, record)
        assert summary.state is RunState.FINISHED
        assert losses_of(again, record) == WHOLE
        assert repair(ws.location) == []


def test_a_folder_that_the_database_does_not_know_is_taken_in(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    end_of(ws, record)
    ws.store.delete_run(record.id)
    assert verdicts(ws)["orphans"] == "trouble"

    [mended] = repair(ws.location)

    assert mended.what == f"Took in run {record.id} (try) from its folder."
    assert losses_of(ws, record) == WHOLE
    assert verdicts(ws)["orphans"] == "ok"


def test_a_folder_of_the_first_version_is_taken_in_by_its_settings(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    end_of(ws, record)
    folder = ws.location.run_folder(record.id)
    for name in ("run.json", JOURNAL_NAME, "worker.lock"):
        (folder / name).unlink()
    lose_database(ws)

    repair(ws.location)

    with reopened(ws) as again:
        summary = reading.summarize(again, record.id)
        assert (summary.state, summary.record.config) == (RunState.STOPPED, record.config)
        assert [one.step for one in again.store.checkpoints(record.id)] == [80]


def test_a_checkpoint_that_is_not_there_is_no_longer_listed(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    end_of(ws, record)
    folder = ws.location.run_folder(record.id) / "checkpoints"
    shutil.copytree(folder / "step-00000080", folder / "step-00000099")
    (folder / "step-00000098").mkdir()
    ws.store.append(record.id, [CheckpointSaved(7, "checkpoints/step-00000007", False, None, 1)])

    repair(ws.location)

    assert [one.step for one in ws.store.checkpoints(record.id)] == [80, 99]


def test_folders_that_are_nobodys_are_left_alone(ws: Workspace) -> None:
    for name in ("UPPER", "has space", "..x", "notarun1"):
        (ws.location.runs / name).mkdir(parents=True)
    (ws.location.runs / "notarun1" / "run.json").write_text("[1, 2]")

    assert repair(ws.location) == []
    assert verdicts(ws)["orphans"] == "ok"


def test_doctor_shows_the_facts_behind_each_state(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS))
    wait_until(lambda: ws.store.facts(record.id).heartbeat is not None)

    [run] = diagnose(ws.location).runs

    assert (run.id, run.state) == (record.id, "running")
    assert run.facts["sighting"] == "alive"
    assert run.facts["lock_held"]
    assert run.facts["heartbeat_seconds_ago"] < 30
    lifecycle.stop(ws, record.id, now=True)


def test_a_run_of_a_machine_that_is_gone_can_be_closed_by_hand(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    record = RunRecord("far22222", "far", datetime.now(UTC), a_config(0), "")
    ws.store.add_run(record)
    ws.store.claim("far22222", ProcessIdentity(7, 1.0, "boot", "elsewhere"))
    here = RunRecord("near2222", "near", datetime.now(UTC), a_config(0), "")
    ws.store.add_run(here)
    ws.store.claim("near2222", current_identity())
    db = str(ws.location.database_file)

    assert main(["--db", db, "repair", "near2222", "--close"]) == 1
    assert main(["--db", db, "repair", "far22222", "--close"]) == 0

    assert reading.summarize(ws, "far22222").state is RunState.FAILED
    assert not reading.summarize(ws, "near2222").state.is_over
    capsys.readouterr()


@pytest.mark.parametrize("place", ["x.db", "not/there/x.db"])
def test_doctor_makes_nothing_where_nothing_is(place: str, tmp_path: Path, capsys: Any) -> None:
    assert main(["--db", str(tmp_path / place), "doctor"]) == 0

    assert list(tmp_path.iterdir()) == []
    assert "is not there yet" in capsys.readouterr().out


def test_what_people_added_comes_back_with_the_database(ws: Workspace) -> None:
    run = lifecycle.start(ws, a_config(scripted.FINISHES))
    waiting, trashed = lifecycle.add(ws, a_config(0)), lifecycle.add(ws, a_config(0))
    end_of(ws, run)
    (ws.location.run_folder(run.id) / "checkpoints/25").mkdir(parents=True)
    keeping.star(ws, [run.id])
    keeping.tag(ws, [run.id], add=["paper"])
    keeping.note(ws, run.id, "better with more data")
    keeping.rename(ws, run.id, "the good one")
    exported = ExportRecord(datetime.now(UTC), "transformers", "/somewhere", 25, float("inf"))
    additions.add_export(ws.store, ws.location, run.id, exported)
    tested = EvaluationFinished(25, "test", {"q": {"accuracy": 0.5}}, None, 1.0)
    additions.add_evaluation(ws.store, ws.location, run.id, tested)
    ws.store.enqueue(waiting.id, "somewhere")
    lifecycle.stop(ws, waiting.id)
    ws.store.record_exit(trashed.id, ExitRecord("finished", datetime.now(UTC)))
    keeping.delete(ws, [trashed.id])
    assert "trouble" not in verdicts(ws).values()
    assert repair(ws.location) == []
    before = {one.record.id: one for one in reading.list_runs(ws, deleted=True)}
    lose_database(ws)

    repair(ws.location)

    with reopened(ws) as again:
        after = {one.record.id: one for one in reading.list_runs(again, deleted=True)}
        for run_id, one in after.items():
            assert (one.record.name, one.keeping) == (
                before[run_id].record.name,
                before[run_id].keeping,
            )
        assert after[run.id].record.name == "the good one"
        assert again.store.exports(run.id)[0].folder == "/somewhere"
        accuracy = again.store.curves(run.id)[SeriesKey("test", "q", "accuracy")]
        assert accuracy.values.tolist() == [0.5]
        assert after[waiting.id].why == "It was taken out of the queue before it began."
        assert after[trashed.id].keeping.deleted_at is not None


def test_an_end_that_others_noted_is_none_of_a_run_that_went_on(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    kill_worker(ws, record)
    noted = ExitRecord("stopped", datetime.now(UTC), "It was told to stop now.")
    additions.record_exit(ws.store, ws.location, record.id, noted)
    lifecycle.resume(ws, record.id)
    wait_until(lambda: ws.store.latest_step(record.id) > 0)
    kill_worker(ws, record)
    lose_database(ws)

    repair(ws.location)

    with reopened(ws) as again:
        assert reading.summarize(again, record.id).state is RunState.CRASHED


def test_additions_that_make_no_sense_are_passed_over(ws: Workspace) -> None:
    record = lifecycle.add(ws, a_config(0))
    folder = ws.location.run_folder(record.id)
    keeping.star(ws, [record.id])
    with (folder / additions.ADDED_NAME).open("ab") as file:
        file.write(b'{"at": 1, "kind": "exit", "body": 7}\n[]\n\xff\n{"at": 1, "ki')
    additions.keep(ws.store, ws.location, {}, {record.id: "called"})

    found = [one for _, one in additions.read_additions(folder)]

    assert found == [Keeping(starred=True), "called"]


@pytest.mark.parametrize("interrupts", [True, False])
def test_an_interrupted_repair_loses_nothing_that_people_added(
    interrupts: bool, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = lifecycle.add(ws, a_config(0))
    keeping.star(ws, [record.id])
    lose_database(ws)

    def breaks(*_: object) -> None:
        raise KeyboardInterrupt if interrupts else StoreError("The database said: locked.")

    with monkeypatch.context() as patch:
        patch.setattr(repairing, "send_left_rows", breaks)
        if interrupts:
            with pytest.raises(KeyboardInterrupt):
                repair(ws.location)
        else:
            [mended] = repair(ws.location)
            assert mended.is_trouble

    repair(ws.location)

    with reopened(ws) as again:
        assert again.store.keeping(record.id).starred


class Killed(BaseException):
    """Nothing after it is done, as after SIGKILL."""


@pytest.mark.parametrize("where", ["note_claim", "append", "record_exit", "record_launch"])
def test_a_repair_goes_on_where_another_was_killed(
    where: str, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: ws.store.latest_step(record.id) > 5)
    kill_worker(ws, record)
    kept, name = Keeping(starred=True, note="good", tags=("paper",)), {record.id: "called"}
    additions.keep(ws.store, ws.location, {record.id: kept}, name)
    exported = ExportRecord(datetime.now(UTC), "transformers", "/somewhere", 5, 0.0)
    additions.add_export(ws.store, ws.location, record.id, exported)
    tested = EvaluationFinished(5, "test", {"q": {"accuracy": 0.5}}, None, 1.0)
    additions.add_evaluation(ws.store, ws.location, record.id, tested)
    noted = ExitRecord("stopped", datetime.now(UTC), "It was told to stop now.")
    additions.record_exit(ws.store, ws.location, record.id, noted)
    before = reading.summarize(ws, record.id)
    lose_database(ws)

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, where, killed)
        patch.setattr(RunStore, "delete_run", killed)
        with pytest.raises(Killed):
            repair(ws.location)

    repair(ws.location)

    with reopened(ws) as again:
        after = reading.summarize(again, record.id)
        assert replace(after, seconds=before.seconds) == before  # it tells not when it was claimed
        assert before.keeping == kept
        assert again.store.exports(record.id) == [exported]
        accuracy = again.store.curves(record.id)[SeriesKey("test", "q", "accuracy")]
        assert accuracy.values.tolist() == [0.5]
    assert repair(ws.location) == []


def test_the_runs_are_listed_once_for_all_folders(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        lifecycle.add(ws, a_config(0))
    lists, runs = [], RunStore.runs

    def counted(store: RunStore, **options: Any) -> list[RunRecord]:
        lists.append(options)
        return runs(store, **options)

    monkeypatch.setattr(RunStore, "runs", counted)

    repair(ws.location)

    assert len(lists) == 1


def test_what_an_earlier_version_told_the_database_alone_is_salvaged(ws: Workspace) -> None:
    record = lifecycle.add(ws, a_config(0))
    folder = ws.location.run_folder(record.id)
    (folder / JOURNAL_NAME).touch()
    first, second = (
        ExportRecord(datetime.now(UTC), "transformers", f"/{name}", 25, float("inf"))
        for name in ("first", "second")
    )
    ws.store.keep({record.id: Keeping(note="old")}, {record.id: "the good one"})
    ws.store.add_export(record.id, first)
    additions.add_export(ws.store, ws.location, record.id, second)
    additions.keep(ws.store, ws.location, {record.id: Keeping(starred=True)})
    ws.store.close()
    file = ws.location.database_file
    assert file is not None
    shutil.copy(file, file.with_name("damaged.db"))

    with reopened(ws) as again:
        repairing._salvage(again, file.with_name("damaged.db"), [])
    repair(ws.location)

    with reopened(ws) as again:
        assert again.store.run(record.id).name == "the good one"
        assert {one.folder for one in again.store.exports(record.id)} == {"/first", "/second"}
        assert len(again.store.exports(record.id)) == 2
        assert again.store.keeping(record.id) == Keeping(starred=True)
