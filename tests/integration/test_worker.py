from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from scripted_runs import SCRIPT, TOTAL, a_config, end_of, scripted, wait_until

from workbench.errors import NotFoundError, WorkbenchError, WorkerError
from workbench.operations import keeping, lifecycle, reading
from workbench.operations.workspace import Workspace
from workbench.store.records import ExitRecord, RunRecord
from workbench.worker import launcher
from workbench.worker.liveness import LOCK_NAME, RunState, is_held


def test_a_run_that_is_started_finishes_and_all_is_kept(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.FINISHES), source="quickstart")

    summary = end_of(ws, record)

    assert summary.state is RunState.FINISHED
    assert (summary.step, summary.total_steps) == (scripted.QUICK_STEPS, scripted.QUICK_STEPS)
    assert (summary.best_step, summary.metrics["q"]["accuracy"]) == (25, 0.75)
    assert ws.store.curves(record.id)[TOTAL].steps.tolist() == list(range(1, 26))
    assert ws.store.finished(record.id) is not None
    journal = ws.location.run_folder(record.id) / "journal.jsonl"
    assert ws.store.facts(record.id).journal_bytes == journal.stat().st_size > 0


def test_the_worker_sits_in_a_session_of_its_own_with_closed_input(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS))
    process = ws.store.facts(record.id).process
    assert process is not None

    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    assert os.readlink(f"/proc/{process.pid}/fd/0") == "/dev/null"
    assert is_held(ws.location.run_folder(record.id) / LOCK_NAME)
    lifecycle.stop(ws, record.id, now=True)


def test_only_the_owner_can_read_what_a_run_writes(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.FINISHES))
    end_of(ws, record)
    folder = ws.location.run_folder(record.id)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == dict.fromkeys(
        ["experiment.toml", "journal.jsonl", "run.json", "worker.log", "worker.lock"], 0o600
    )


def test_a_run_stops_when_it_is_asked_to_and_saves_before(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS))
    wait_until(lambda: ws.store.latest_step(record.id) > 0)
    assert reading.summarize(ws, record.id).state is RunState.RUNNING

    lifecycle.stop(ws, "try")
    summary = end_of(ws, record)

    assert summary.state is RunState.STOPPED
    assert [one.step for one in ws.store.checkpoints(record.id)] == [summary.step]
    with pytest.raises(WorkbenchError, match="is over: stopped"):
        lifecycle.stop(ws, record.id)


def test_a_run_that_is_told_to_stop_now_leaves_without_a_checkpoint(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS))
    wait_until(lambda: ws.store.latest_step(record.id) > 0)

    state = lifecycle.stop(ws, record.id, now=True)

    assert state is RunState.STOPPED


def test_sigterm_is_a_wish_to_stop_with_a_checkpoint(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS))
    wait_until(lambda: ws.store.latest_step(record.id) > 0)
    process = ws.store.facts(record.id).process
    assert process is not None

    os.kill(process.pid, signal.SIGHUP)
    os.kill(process.pid, signal.SIGTERM)

    assert end_of(ws, record).state is RunState.STOPPED
    assert len(ws.store.checkpoints(record.id)) == 1


def test_a_second_sigterm_ends_an_engine_that_does_not_listen(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.HANGS))
    wait_until(lambda: ws.store.latest_step(record.id) == 20)
    process = ws.store.facts(record.id).process
    assert process is not None

    os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGTERM)

    summary = end_of(ws, record)
    assert summary.state is RunState.STOPPED
    assert summary.step == 20


def test_a_stopped_process_is_killed_when_it_must_leave(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_LEAVE_SECONDS", 0.5)
    record = lifecycle.start(ws, a_config(scripted.LOOPS))
    process = ws.store.facts(record.id).process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)

    assert lifecycle.stop(ws, record.id, now=True) is RunState.STOPPED


def test_an_error_of_ours_ends_the_run_as_failed_with_its_advice(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.FAILS))

    exit = end_of(ws, record).exit

    assert exit is not None
    assert (exit.outcome, exit.what, exit.where) == ("failed", "A row is odd.", "train.csv, line 7")
    assert exit.next_step == "mend it"
    assert ws.store.latest_step(record.id) == 20
    assert ws.store.messages(record.id)[-1].kind == "RunFailed"


def test_any_other_error_ends_the_run_as_failed_with_its_traceback(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.BREAKS))

    exit = end_of(ws, record).exit

    assert exit is not None
    assert exit.what == "ZeroDivisionError: nothing to divide by"
    assert exit.where == str(reading.run_log_file(ws, record.id))
    assert "scripted_worker.py" in exit.traceback
    assert any("ZeroDivisionError" in line for line in reading.log_tail(ws, record.id))


def test_a_run_without_enough_memory_is_told_what_to_lower(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.SWELLS))

    exit = end_of(ws, record).exit

    assert exit is not None
    assert (exit.outcome, exit.what) == ("failed", "MemoryError")
    assert "lower training.batch_size" in exit.next_step


def test_an_engine_that_ends_mute_has_failed(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.ENDS_MUTE))

    assert end_of(ws, record).state is RunState.FAILED


def test_the_exit_code_tells_whether_the_run_failed(ws: Workspace) -> None:
    codes = []
    for script in (scripted.FINISHES, scripted.FAILS):
        record = lifecycle.start(ws, a_config(script))
        child = launcher._children[-1]
        codes.append(child.wait(20))
        assert end_of(ws, record).state.is_over

    assert codes == [0, 1]


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_a_worker_that_dies_is_seen_as_crashed_with_its_history(ws: Workspace, how: str) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS if how == "kill" else scripted.DIES))
    wait_until(lambda: ws.store.latest_step(record.id) >= 20)
    process = ws.store.facts(record.id).process
    assert process is not None
    if how == "kill":
        os.kill(process.pid, signal.SIGKILL)

    summary = end_of(ws, record)

    assert summary.state is RunState.CRASHED
    assert f"Process {process.pid} is gone" in summary.why
    assert not is_held(ws.location.run_folder(record.id) / LOCK_NAME)
    steps = ws.store.curves(record.id)[TOTAL].steps
    assert steps.tolist() == list(range(1, steps.size + 1))
    with pytest.raises(WorkbenchError, match="is over: crashed"):
        lifecycle.stop(ws, record.id)


def test_the_run_lives_on_when_its_starter_is_killed(ws: Workspace, tmp_path: Path) -> None:
    config = a_config(scripted.LOOPS).model_dump_json()
    starter = tmp_path / "starter.py"
    starter.write_text(
        "import sys, time\n"
        "from workbench.operations import lifecycle, workspace\n"
        "from workbench.config.experiment import ExperimentConfig\n"
        "from workbench.worker import launcher\n"
        f"launcher.PROGRAM = (sys.executable, '-P', {str(SCRIPT)!r})\n"
        f"ws = workspace.open_workspace({str(tmp_path / 'experiments.db')!r})\n"
        f"config = ExperimentConfig.model_validate_json({config!r})\n"
        "print(lifecycle.start(ws, config).id, flush=True)\n"
        "time.sleep(600)\n"
    )
    program = [sys.executable, str(starter)]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stdout is not None
        run_id = child.stdout.readline().strip()
        os.killpg(child.pid, signal.SIGKILL)
    step = ws.store.latest_step(run_id)

    wait_until(lambda: ws.store.latest_step(run_id) > step + 10)

    assert reading.summarize(ws, run_id).state is RunState.RUNNING
    assert lifecycle.stop(ws, run_id, now=True) is RunState.STOPPED


def test_a_worker_that_ends_before_it_begins_is_reported_with_its_log(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "broken.py"
    script.write_text("raise SystemExit('no such module')")
    monkeypatch.setattr(launcher, "PROGRAM", (sys.executable, str(script)))

    with pytest.raises(WorkerError, match="exit code 1") as caught:
        lifecycle.start(ws, a_config(0))

    assert "no such module" in str(caught.value)
    assert reading.summarize(ws, "@last").state is RunState.FAILED


def test_a_second_worker_for_the_same_run_leaves_the_first_alone(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS))
    owner = ws.store.facts(record.id).process

    second = launcher.launch(record.id, ws.location)

    assert second.child.wait(20) == 1
    assert ws.store.facts(record.id).process == owner
    lifecycle.stop(ws, record.id, now=True)


def test_no_child_stays_a_zombie(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.FINISHES))
    end_of(ws, record)
    process = ws.store.facts(record.id).process
    assert process is not None

    wait_until(lambda: (launcher.reap(), not psutil.pid_exists(process.pid))[1])


def test_a_locked_database_neither_ends_a_run_nor_loses_a_row(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS))
    wait_until(lambda: ws.store.latest_step(record.id) > 0)
    blocker = sqlite3.connect(ws.location.database_file or "", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    time.sleep(2.0)
    seen = ws.store.latest_step(record.id)
    blocker.execute("COMMIT")
    blocker.close()

    wait_until(lambda: ws.store.latest_step(record.id) > seen + 100)

    steps = ws.store.curves(record.id)[TOTAL].steps
    assert steps.tolist() == list(range(1, steps.size + 1))
    lifecycle.stop(ws, record.id, now=True)


def test_a_run_that_is_at_work_cannot_be_deleted(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS))

    with pytest.raises(WorkbenchError, match="stop it first"):
        keeping.delete(ws, [record.id])

    lifecycle.stop(ws, record.id, now=True)
    keeping.delete(ws, [record.id])
    keeping.empty_trash(ws)
    assert not ws.location.run_folder(record.id).exists()
    with pytest.raises(NotFoundError):
        reading.find_run(ws, record.id)


def test_the_module_runs_a_stored_run_by_id_and_says_when_it_cannot(ws: Workspace) -> None:
    record = RunRecord("abc", "try", datetime.now(UTC), a_config(0), "")
    ws.store.add_run(record)
    ws.store.record_exit("abc", ExitRecord("finished", datetime.now(UTC)))
    program = [sys.executable, "-m", "workbench.worker", "run", "abc", "--db", ws.location.url]

    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "run abc is over" in done.stderr
