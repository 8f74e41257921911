"""Everything is killed at random moments; what is left is whole, and goes on as if nothing was."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from builders import a_model, an_experiment
from scripted_runs import (
    SCRIPT,
    a_config,
    counted_losses,
    end_of,
    kill_worker,
    losses_of,
    scripted,
    state_of_checkpoint,
    wait_until,
    worker_of,
)

from workbench.errors import WorkbenchError
from workbench.operations import lifecycle, reading
from workbench.operations.workspace import Workspace
from workbench.training.checkpoint import save_checkpoint
from workbench.training.manifest import (
    check_checkpoint,
    check_training_state,
    checkpoint_name,
    checkpoint_steps,
    tidy,
)
from workbench.worker import launcher
from workbench.worker.liveness import RunState

Times = Callable[..., int]
Figure = Callable[[str], None]
WHOLE = counted_losses(scripted.COUNTED_STEPS)
ROOT = Path(__file__).resolve().parents[2]


def test_a_worker_that_is_killed_and_resumed_tells_what_it_would_have_told(
    ws: Workspace, times: Times, figure: Figure
) -> None:
    count, kills = times(50, short=2), 0
    for _ in range(count):
        record = lifecycle.start(ws, a_config(scripted.COUNTS))
        while True:
            time.sleep(random.uniform(0.0, 1.6))
            if reading.summarize(ws, record.id).state.is_over:
                break
            with suppress(ProcessLookupError):
                os.kill(worker_of(ws, record).pid, signal.SIGKILL)
            launcher.reap()
            wait_until(lambda: reading.summarize(ws, record.id).state.is_over)  # noqa: B023
            if reading.summarize(ws, record.id).state is RunState.FINISHED:
                break
            kills += 1
            if kills % 3 == 0:
                kill_while_it_starts(ws, record.id)
                if reading.summarize(ws, record.id).state is RunState.FINISHED:
                    break
            lifecycle.resume(ws, record.id)
        assert losses_of(ws, record) == WHOLE
        folder = ws.location.run_folder(record.id)
        state = state_of_checkpoint(folder / checkpoint_name(scripted.COUNTED_STEPS))
        assert state["value"] == round(WHOLE[scripted.COUNTED_STEPS] * 2**31)
        assert reading.summarize(ws, record.id).state is RunState.FINISHED
    figure(f"worker killed {kills} times in {count} runs: every loss and the last state the same")


def kill_while_it_starts(ws: Workspace, run_id: str) -> None:
    """Kill a worker between its start and its first step."""
    child = launcher.launch(run_id, ws.location, resume=True).child
    time.sleep(random.uniform(0.0, 1.0))
    child.kill()
    child.wait()


WATCHED_STEPS = 250
"""Of a run whose watcher is killed: 5 s, so that the interface is up before it is over."""


@pytest.mark.parametrize("what", ["interface", "terminal", "shell"])
def test_a_run_does_not_notice_the_end_of_the_interface(
    what: str, ws: Workspace, tmp_path: Path, times: Times, figure: Figure
) -> None:
    count, at_work = times(50), 0
    for _ in range(count):
        watched = WatchedRun(ws, tmp_path)
        wait_until(lambda: watched.shows_the_run, 90)  # noqa: B023
        time.sleep(random.uniform(0.0, 2.0))
        at_work += not reading.summarize(ws, watched.run_id).state.is_over

        if what == "interface":
            watched.interface.kill()
        elif what == "terminal":
            watched.hang_up()
        else:
            watched.shell.kill()

        # Who is killed by the kernel's word about the terminal goes while it is still there.
        _gone, alive = psutil.wait_procs([watched.shell, watched.interface], timeout=30)
        assert alive == []
        watched.hang_up()
        summary = end_of(ws, ws.store.run(watched.run_id))
        assert summary.state is RunState.FINISHED
        assert losses_of(ws, summary.record) == counted_losses(WATCHED_STEPS)
    figure(
        f"{what} killed {count} times, {at_work} of them while its run was at work: no update "
        "lost, no orphan, every run finished"
    )


class WatchedRun:
    """A run that was started from a shell in a terminal of its own, and the interface on it."""

    def __init__(self, ws: Workspace, folder: Path) -> None:
        started, starter = folder / "started", folder / "starter.py"
        started.unlink(missing_ok=True)
        starter.write_text(
            "import os, sys\n"
            "from workbench.tui.app import WorkbenchApp\n"
            "from workbench.config.experiment import ExperimentConfig\n"
            "from workbench.operations import lifecycle, workspace\n"
            "from workbench.worker import launcher\n"
            f"launcher.PROGRAM = (sys.executable, '-P', {str(SCRIPT)!r})\n"
            f"config = {a_config(scripted.COUNTS).model_dump_json()!r}\n"
            f"with workspace.open_workspace({str(ws.location.database_file)!r}) as ws:\n"
            "    config = ExperimentConfig.model_validate_json(config)\n"
            "    record = lifecycle.start(ws, config)\n"
            f"    with open({str(started)!r}, 'w') as file:\n"
            "        file.write(f'{record.id} {os.getpid()}')\n"
            "    WorkbenchApp(ws, run_id=record.id).run()\n"
        )
        self._shown = bytearray()
        pid, self._master = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            own = {"TERM": "xterm-256color", "SCRIPTED_STEPS": str(WATCHED_STEPS)}
            own |= {"PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(folder)}
            for name in ("COLUMNS", "LINES"):
                os.environ.pop(name, None)
            shell = ["bash", "-c", f"{sys.executable} {starter}; true"]
            os.execvpe("bash", shell, os.environ | own)
        self.shell = psutil.Process(pid)
        self._hangs_up = threading.Event()
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()
        wait_until(lambda: started.is_file() and " " in started.read_text(), 90)
        self.run_id, interface = started.read_text().split()
        self.interface = psutil.Process(int(interface))

    @property
    def shows_the_run(self) -> bool:
        """Whether the interface is up, with what it read of the run."""
        return b"\x1b[?1049h" in self._shown and self.run_id.encode() in self._shown

    def hang_up(self) -> None:
        """Take the terminal away, if it is there."""
        if not self._hangs_up.is_set():
            self._hangs_up.set()
            self._reader.join()  # a descriptor that is being read is not closed
            os.close(self._master)

    def _drain(self) -> None:
        """Read what the terminal shows, as somebody in front of it does."""
        with suppress(OSError):
            while not self._hangs_up.is_set():
                if select.select([self._master], [], [], 0.1)[0]:
                    self._shown += os.read(self._master, 65536)


_SAVER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from builders import a_model
from workbench.training.checkpoint import save_checkpoint
model = a_model(Path({backbone!r}))
print("ready", flush=True)
for step in range(2, 10_000):
    save_checkpoint(Path({folder!r}), step, model, {{"state": {{"step": step}}}})
"""


def test_a_half_written_checkpoint_is_never_offered(
    bert: Path, tmp_path: Path, times: Times, figure: Figure
) -> None:
    count = times(50, short=2)
    save_checkpoint(tmp_path, 1, a_model(bert), {"state": {"step": 1}})
    program = _SAVER.format(tests=str(ROOT / "tests"), backbone=str(bert), folder=str(tmp_path))
    done = 0
    while done < count:
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, env=os.environ.copy()
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(random.uniform(0.0, 0.3))
            child.kill()
        done += 1
        steps = checkpoint_steps(tmp_path)
        assert steps[0] == 1
        for step in steps:
            check_checkpoint(tmp_path / checkpoint_name(step))
            check_training_state(tmp_path / checkpoint_name(step))
        tidy(tmp_path)
        assert list((tmp_path / "checkpoints").glob(".*")) == []
        assert checkpoint_steps(tmp_path) == steps
    figure(f"killed {done} times while a checkpoint was written: all that are listed are whole")


def test_a_resumed_run_of_the_true_engine_learns_the_same(
    bert: Path, corpus: Path, tmp_path: Path, times: Times, figure: Figure
) -> None:
    if times(1, short=0) == 0:
        pytest.skip("its short form is tests/integration/test_killed_worker.py")
    count, kills = times(50), 0
    training = {"epochs": 6, "batch_size": 4, "checkpoint_minutes": 1e-9}
    config = an_experiment(backbone=bert, folder=corpus, training=training)
    url = f"sqlite:///{tmp_path / 'experiments.db'}"
    from workbench.paths import Location
    from workbench.store.run_store import RunStore

    with Workspace(Location(url, tmp_path / "runs"), RunStore.open(url)) as ws:
        whole = lifecycle.start(ws, config)
        end_of(ws, whole, 300)
        expected = losses_of(ws, whole)
        for _ in range(count):
            record = lifecycle.start(ws, config)
            wait_until(lambda: ws.store.latest_step(record.id) > 0, 120)  # noqa: B023
            time.sleep(random.uniform(0.0, 1.0))
            if not reading.summarize(ws, record.id).state.is_over:
                with suppress(WorkbenchError, AssertionError):
                    kill_worker(ws, record)
                    kills += 1
                if reading.summarize(ws, record.id).state is not RunState.FINISHED:
                    lifecycle.resume(ws, record.id)
            end_of(ws, record, 300)
            assert losses_of(ws, record) == expected
            last = max(expected)
            one, other = (
                (ws.location.run_folder(r.id) / checkpoint_name(last) / "training" / name)
                for r, name in ((whole, "tensors.safetensors"), (record, "tensors.safetensors"))
            )
            assert one.read_bytes() == other.read_bytes()
    figure(f"true engine killed {kills} times in {count} runs: losses and tensors bit for bit")
