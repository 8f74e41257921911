from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer
from scripted_runs import (
    SCRIPT,
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
from workbench.operations import lifecycle, queue, reading, requests
from workbench.operations.diagnosis import diagnose
from workbench.operations.repair import repair
from workbench.operations.workspace import Workspace, open_workspace
from workbench.worker import launcher
from workbench.worker.liveness import RunState

WHOLE = counted_losses(scripted.COUNTED_STEPS)


@pytest.fixture
def ws(
    postgresql_server: PostgresqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A workspace on a server; its run folders are beneath the current folder."""
    monkeypatch.setattr(launcher, "PROGRAM", (sys.executable, "-P", str(SCRIPT)))
    monkeypatch.chdir(tmp_path)
    postgresql_server.empty()
    with open_workspace(postgresql_server.url) as workspace:
        yield workspace
        for child in list(launcher._children):
            child.kill()
            child.wait()
        launcher.reap()


def test_a_run_is_kept_resumed_and_forked_on_a_server(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: len(ws.store.checkpoints(record.id)) > 0)
    kill_worker(ws, record)
    lifecycle.resume(ws, record.id)
    requests.pause(ws, record.id)
    wait_until(lambda: reading.summarize(ws, record.id).state is RunState.PAUSED)
    lifecycle.resume(ws, record.id)

    assert end_of(ws, record).state is RunState.FINISHED
    assert losses_of(ws, record) == WHOLE
    assert main(["--db", ws.location.url, "show", record.id]) == 0
    assert record.id in capsys.readouterr().out
    assert repair(ws.location) == []
    assert diagnose(ws.location).is_well


def test_a_server_that_is_restarted_in_the_middle_costs_no_row(
    ws: Workspace, postgresql_server: PostgresqlServer
) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: ws.store.latest_step(record.id) > 5)

    postgresql_server.stop()
    with pytest.raises(StoreError, match="refused"):
        ws.store.runs()
    postgresql_server.start()

    assert end_of(ws, record).state is RunState.FINISHED
    assert losses_of(ws, record) == WHOLE


def test_a_queue_is_worked_off_from_a_server(ws: Workspace) -> None:
    ids = [queue.add(ws, a_config(scripted.FINISHES)).id for _ in range(2)]

    wait_until(lambda: all(run.state.is_over for run in reading.list_runs(ws)), 40)

    assert {run.record.id: run.state for run in reading.list_runs(ws)} == dict.fromkeys(
        ids, RunState.FINISHED
    )
    wait_until(lambda: ws.store.queue() == [])


def test_a_password_is_neither_on_a_command_line_nor_in_a_message(
    ws: Workspace, postgresql_server: PostgresqlServer
) -> None:
    url = postgresql_server.url.replace("workbench@", "workbench:opensesame@")
    with open_workspace(url) as with_password:
        record = lifecycle.start(with_password, a_config(scripted.LOOPS))
        process = with_password.store.facts(record.id).process
        assert process is not None
        assert b"opensesame" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        lifecycle.stop(with_password, record.id, now=True)
        folder = with_password.location.run_folder(record.id)
        told = b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())
        assert b"opensesame" not in told
    with pytest.raises(StoreError) as caught:
        open_workspace(url.replace(str(postgresql_server.port), "1"))
    assert "opensesame" not in str(caught.value)
    assert not any("opensesame" in f.what for f in diagnose(with_password.location).findings)
    assert os.environ.get("MTL_WORKBENCH_DB") is None
