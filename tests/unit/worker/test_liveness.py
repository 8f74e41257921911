from __future__ import annotations

import dataclasses
import fcntl
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from workbench.store.records import (
    ExitRecord,
    Heartbeat,
    Outcome,
    ProcessIdentity,
    QueueEntry,
    RunFacts,
)
from workbench.worker import liveness
from workbench.worker.liveness import RunState, Sighting, compute_state

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WORKER = ProcessIdentity(4711, 1000.0, "boot-1", "box")


def facts(
    *,
    claimed: float | None = None,
    launched: float | None = None,
    beat: tuple[float, float] | None = None,
    exit: Outcome | None = None,
) -> RunFacts:
    """Facts as of so many seconds ago; `beat` is (seconds ago, next expected within)."""

    def ago(seconds: float) -> datetime:
        return NOW - timedelta(seconds=seconds)

    return RunFacts(
        process=WORKER if claimed is not None else None,
        claimed_at=ago(claimed) if claimed is not None else None,
        heartbeat=Heartbeat(ago(beat[0]), "evaluating", 7, beat[1]) if beat else None,
        exit=ExitRecord(exit, NOW, "loss is NaN" if exit == "failed" else "") if exit else None,
        launched=WORKER if launched is not None else None,
        launched_at=ago(launched) if launched is not None else None,
    )


ALIVE, GONE = Sighting.ALIVE, Sighting.GONE


@pytest.mark.parametrize(
    ("known", "sighting", "state", "why"),
    [
        (facts(), None, RunState.QUEUED, "no process was started"),
        (facts(launched=5), ALIVE, RunState.STARTING, "4711 was started"),
        (facts(launched=500), ALIVE, RunState.STARTING, "has not begun"),
        (facts(launched=5), GONE, RunState.CRASHED, "ended before it began"),
        (facts(launched=5), Sighting.OTHER_BOOT, RunState.LOST, "restarted"),
        (facts(launched=5), Sighting.ELSEWHERE, RunState.STARTING, "has not begun"),
        (facts(launched=500), Sighting.ELSEWHERE, RunState.SILENT, "on box"),
        (facts(claimed=1), ALIVE, RunState.RUNNING, "sign of life"),
        (facts(claimed=71), ALIVE, RunState.SILENT, "no sign for 71 s"),
        (facts(claimed=99, beat=(2, 5)), ALIVE, RunState.RUNNING, "2 s ago"),
        (facts(claimed=99, beat=(15, 5)), ALIVE, RunState.RUNNING, "15 s ago"),
        (facts(claimed=99, beat=(16, 5)), ALIVE, RunState.SILENT, "while evaluating"),
        (facts(claimed=9999, beat=(500, 600)), ALIVE, RunState.RUNNING, "8 min"),
        (facts(claimed=99, beat=(2, 5)), GONE, RunState.CRASHED, "4711 is gone"),
        (facts(claimed=99, beat=(2, 5)), Sighting.OTHER_BOOT, RunState.LOST, "restarted"),
        (facts(claimed=99, beat=(2, 5)), Sighting.ELSEWHERE, RunState.RUNNING, "on box"),
        (facts(claimed=99, beat=(99, 5)), Sighting.ELSEWHERE, RunState.SILENT, "cannot be seen"),
        (facts(claimed=99, exit="finished"), None, RunState.FINISHED, "all its steps"),
        (facts(claimed=99, exit="stopped"), None, RunState.STOPPED, "asked to stop"),
        (facts(launched=99, exit="stopped"), None, RunState.STOPPED, "asked to stop"),
        (facts(claimed=99, exit="failed"), None, RunState.FAILED, "loss is nan"),
        (facts(claimed=99, beat=(999, 5), exit="finished"), GONE, RunState.FINISHED, "steps"),
    ],
)
def test_the_state_follows_from_the_facts(
    known: RunFacts, sighting: Sighting | None, state: RunState, why: str
) -> None:
    found, reason = compute_state(known, created_at=NOW, now=NOW, sighting=sighting)

    assert found is state
    assert why in reason.lower()
    assert reason.endswith(".") or state is RunState.FAILED


def test_a_run_for_which_nothing_is_ever_started_counts_as_crashed() -> None:
    created_at = NOW - timedelta(seconds=61)

    assert compute_state(facts(), created_at=created_at, now=NOW, sighting=None)[0] == "crashed"


def test_a_run_is_over_when_nobody_will_work_on_it() -> None:
    over = {state for state in RunState if state.is_over}

    assert over == {"crashed", "lost", "stopped", "withdrawn", "finished", "failed"}


def test_a_run_that_never_had_a_process_was_withdrawn_and_not_stopped() -> None:
    what = "It was taken out of the queue before it began."
    ended = RunFacts(None, None, None, ExitRecord("stopped", NOW, what))
    asked_at = NOW - timedelta(hours=1)

    judged = compute_state(ended, created_at=asked_at, now=NOW, sighting=None)

    assert judged == (RunState.WITHDRAWN, what)


def test_this_process_is_alive() -> None:
    assert liveness.is_alive(liveness.current_identity())


def test_a_process_that_ended_is_not_alive_even_as_a_zombie() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = liveness.identity_of(child.pid)
    assert liveness.is_alive(identity)

    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not asked after: a zombie

    assert liveness.is_alive(identity) is False
    child.communicate()
    assert liveness.is_alive(identity) is False


def test_another_process_of_the_same_number_is_neither_alive_nor_signalled() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = liveness.identity_of(child.pid)
        earlier = identity._replace(started_at=identity.started_at - 60)

        assert liveness.is_alive(earlier) is False
        assert not liveness.send_signal(earlier, signal.SIGKILL)
        assert child.poll() is None
        assert liveness.send_signal(identity, signal.SIGKILL)
        assert child.wait(10) == -signal.SIGKILL


def test_a_process_of_another_boot_is_gone_and_of_another_machine_unknown() -> None:
    me = liveness.current_identity()

    assert liveness.is_alive(me._replace(boot_id="another")) is False
    assert liveness.see(me._replace(boot_id="another")) is Sighting.OTHER_BOOT
    assert liveness.is_alive(me._replace(host="elsewhere")) is None
    assert not liveness.send_signal(me._replace(host="elsewhere"), signal.SIGKILL)


def test_a_held_lock_proves_life_when_the_clock_was_set(tmp_path: Path) -> None:
    lock = tmp_path / "worker.lock"
    moved = liveness.current_identity()._replace(started_at=0.0)
    assert liveness.see(moved, lock=lock) is Sighting.GONE

    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert liveness.see(moved, lock=lock) is Sighting.ALIVE

    assert liveness.see(moved, lock=lock) is Sighting.GONE


# Clocks


@pytest.mark.parametrize("jump", [-86400.0, -3600.0, 3600.0, 86400.0])
def test_setting_the_clock_makes_no_live_run_silent_and_no_silent_one_alive(jump: float) -> None:
    # The heartbeat was written before the clock was set.
    for seconds_ago, state in ((2.0, RunState.RUNNING), (500.0, RunState.SILENT)):
        beat = Heartbeat(NOW - timedelta(seconds=jump + seconds_ago), "training", 7, 30.0, 1000.0)
        known = dataclasses.replace(facts(claimed=999), heartbeat=beat)

        found, _why = compute_state(
            known, created_at=NOW, now=NOW, sighting=ALIVE, monotonic=1000.0 + seconds_ago
        )

        assert found is state


def test_the_clock_of_another_machine_is_not_compared_with_ours() -> None:
    beat = Heartbeat(NOW - timedelta(seconds=5), "training", 7, 30.0, 1e6)
    known = dataclasses.replace(facts(claimed=999), heartbeat=beat)

    found, _why = compute_state(
        known, created_at=NOW, now=NOW, sighting=Sighting.ELSEWHERE, monotonic=10.0
    )

    assert found is RunState.RUNNING


def test_a_process_is_known_by_its_start_whatever_the_clock_says() -> None:
    me = liveness.current_identity()
    earlier_schema = me._replace(started_at=psutil.Process().create_time())

    assert me.started_at < 1e9  # since the machine's start: no setting of the clock moves it
    assert me == liveness.identity_of(os.getpid())
    assert liveness.is_alive(earlier_schema)
    assert not liveness.is_alive(earlier_schema._replace(started_at=me.started_at + 1e9))
    assert not liveness.is_alive(me._replace(started_at=me.started_at + 0.01))


def test_a_run_that_waits_in_the_queue_is_queued_however_long() -> None:
    entry = QueueEntry("a", "box", 0, 1.0, NOW, None, None)
    known = dataclasses.replace(facts(), queued=entry)

    found, why = compute_state(known, created_at=NOW - timedelta(days=3), now=NOW, sighting=None)

    assert (found, why) == (RunState.QUEUED, "It waits in the queue of box.")


def test_a_run_that_is_started_again_is_starting_until_the_new_process_claims_it() -> None:
    again = WORKER._replace(pid=4712)
    known = dataclasses.replace(facts(claimed=500), launched=again, launched_at=NOW)

    assert liveness.process_to_see(known) == again
    assert compute_state(known, created_at=NOW, now=NOW, sighting=ALIVE)[0] is RunState.STARTING
    assert compute_state(known, created_at=NOW, now=NOW, sighting=GONE)[0] is RunState.CRASHED
