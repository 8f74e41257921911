"""Whether a run is alive, from facts: a state is computed each time, and nowhere stored.

Three proofs, each for what the others cannot tell: the process (pid and start time on this boot
of this machine), the lock file that the kernel frees when the worker dies however it dies, and
the heartbeat, which also tells of a worker that hangs.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

from workbench.events import PAUSED
from workbench.store.records import ExitRecord, ProcessIdentity, RunFacts

LOCK_NAME = "worker.lock"
START_TOLERANCE_SECONDS = 2.0
"""For what was counted from the wall clock, which wobbles when the clock is set."""
_LONGEST_UPTIME_SECONDS = 1e9
"""A start beyond this, 31 years, is one since the epoch: schema 0001 kept those."""
LAUNCH_GRACE_SECONDS = 60.0
HEARTBEAT_GRACE_SECONDS = 10.0


class RunState(StrEnum):
    """What a run is doing, as far as facts tell."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    SILENT = "silent"
    CRASHED = "crashed"
    LOST = "lost"
    STOPPED = "stopped"
    WITHDRAWN = "withdrawn"
    """Taken out of the queue before it began."""
    PAUSED = "paused"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether no process is or will be at work on it."""
        return self in _OVER


_OVER = {
    RunState.CRASHED,
    RunState.LOST,
    RunState.STOPPED,
    RunState.WITHDRAWN,
    RunState.FINISHED,
    RunState.FAILED,
}


class Sighting(StrEnum):
    """What a look at a process found."""

    ALIVE = "alive"
    GONE = "gone"
    OTHER_BOOT = "other boot"
    """The machine was started anew since: the process cannot be there."""
    ELSEWHERE = "elsewhere"
    """It is on another machine, which cannot be looked at from here."""


@dataclass(frozen=True)
class Here:
    """This machine on this boot."""

    host: str
    boot_id: str


@cache
def here() -> Here:
    """Which machine this is, and which start of it."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        import psutil  # 30 ms that Linux does without

        boot_id = f"boot-{psutil.boot_time():.0f}"
    return Here(socket.gethostname(), boot_id)


def current_identity() -> ProcessIdentity:
    """The identity of this very process."""
    return identity_of(os.getpid())


def identity_of(pid: int) -> ProcessIdentity:
    """The identity of a process on this machine.

    Raises:
        ProcessLookupError: There is none of that number.
    """
    found = _look_up(pid)
    if found is None:
        raise ProcessLookupError(pid)
    return ProcessIdentity(pid, found[0], here().boot_id, here().host)


def _look_up(pid: int) -> tuple[float, bool] | None:
    """When a process started, and whether it is only a zombie; None if there is none."""
    try:
        # Ticks since the machine's start, which no setting of the clock moves. The name before
        # may have spaces and brackets in it.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK"), fields[0] in (b"Z", b"X")
    except (OSError, IndexError, ValueError):
        return None if Path("/proc/self/stat").exists() else _look_up_elsewhere(pid)


def _look_up_elsewhere(pid: int) -> tuple[float, bool] | None:
    """The same without Linux's /proc."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.create_time(), process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None


def is_alive(identity: ProcessIdentity) -> bool | None:
    """Whether that process, and not another of its number, is at work; None: cannot be seen."""
    sighting = see(identity)
    return None if sighting is Sighting.ELSEWHERE else sighting is Sighting.ALIVE


def see(identity: ProcessIdentity, *, lock: Path | None = None) -> Sighting:
    """Look for a process.

    Args:
        identity: The process.
        lock: The lock file that it holds while it lives. Held beats all doubt about the start
            time, which a jump of the clock moves.
    """
    if identity.host != here().host:
        return Sighting.ELSEWHERE
    if identity.boot_id != here().boot_id:
        return Sighting.OTHER_BOOT
    if _matches(identity) or (lock is not None and is_held(lock)):
        return Sighting.ALIVE
    return Sighting.GONE


def _matches(identity: ProcessIdentity) -> bool:
    found = _look_up(identity.pid)
    if found is None or found[1]:
        return False  # a zombie has ended; only its parent has not asked yet
    if (identity.started_at > _LONGEST_UPTIME_SECONDS) == (found[0] > _LONGEST_UPTIME_SECONDS):
        return found[0] == identity.started_at
    import psutil

    try:
        since_epoch: float = psutil.Process(identity.pid).create_time()
    except psutil.Error:
        return False
    return abs(since_epoch - identity.started_at) <= START_TOLERANCE_SECONDS


@contextmanager
def without_workers(lock: Path) -> Iterator[bool]:
    """Let no worker begin while the block runs; whether that can be: not beside one at work."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:  # no worker ever was
        yield True
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def is_held(lock: Path) -> bool:
    """Whether a living process holds the lock file."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def send_signal(identity: ProcessIdentity, signal_number: signal.Signals) -> bool:
    """Signal a process after making sure, right before, that it is still the same.

    Returns:
        Whether it was sent. Never to another machine, nor to another process of that number.
    """
    if not is_alive(identity):
        return False
    try:
        # Through a descriptor of the process where the kernel has them: it cannot change hands.
        descriptor = os.pidfd_open(identity.pid)
    except (AttributeError, OSError):
        return _kill(identity.pid, signal_number)
    try:
        if not _matches(identity):
            return False
        signal.pidfd_send_signal(descriptor, signal_number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _kill(pid: int, signal_number: signal.Signals) -> bool:
    try:
        os.kill(pid, signal_number)
    except OSError:
        return False
    return True


def process_to_see(facts: RunFacts) -> ProcessIdentity | None:
    """The process whose sighting `compute_state` needs; None if it needs none."""
    if facts.exit is not None:
        return None
    return facts.launched if _is_relaunched(facts) else facts.process or facts.launched


def _is_relaunched(facts: RunFacts) -> bool:
    """Whether a process was started to let the run go on, and has not claimed it yet."""
    if facts.process is None or facts.claimed_at is None:
        return False
    if facts.launched is None or facts.launched_at is None:
        return False
    return facts.launched != facts.process and facts.launched_at > facts.claimed_at


def compute_state(
    facts: RunFacts,
    *,
    created_at: datetime,
    now: datetime,
    sighting: Sighting | None,
    monotonic: float | None = None,
) -> tuple[RunState, str]:
    """The state that the facts amount to, and why, as a sentence.

    Args:
        facts: What is stored.
        created_at: When the run was asked for.
        now: The moment to judge at.
        sighting: What a look at `process_to_see(facts)` found, made after the facts were read.
        monotonic: The same moment on this machine's clock that nobody sets (`time.monotonic`).
            A heartbeat that was given on this machine is judged by it: setting the clock makes
            no live run silent, and no silent one alive.
    """
    if facts.exit is not None:
        return _ended(facts, facts.exit, created_at)
    if facts.queued is not None and facts.queued.taken_at is None:
        return RunState.QUEUED, f"It waits in the queue of {facts.queued.host}."
    # A claim that a later launch is to take over from tells of the process before.
    is_relaunched = _is_relaunched(facts)
    process = facts.launched if is_relaunched else facts.process or facts.launched
    if process is None:
        taken_at = facts.queued.taken_at if facts.queued else None
        return _never_launched(now - (taken_at or created_at))
    if sighting is Sighting.OTHER_BOOT:
        return RunState.LOST, (
            f"The machine {process.host} was restarted while process {process.pid} was at work."
        )
    if facts.process is None or is_relaunched:
        return _launched(process, now - (facts.launched_at or created_at), sighting)
    if sighting is Sighting.GONE:
        return RunState.CRASHED, (
            f"Process {process.pid} is gone and left no word of how it ended; see its log."
        )
    if sighting is Sighting.ELSEWHERE:
        monotonic = None  # it has a clock of its own
    return _at_work(facts, process, now, monotonic, sighting)


def _ended(facts: RunFacts, exit: ExitRecord, created_at: datetime) -> tuple[RunState, str]:
    if exit.outcome == "failed":
        return RunState.FAILED, exit.what or "It said that it failed."
    if exit.outcome == "stopped":
        # Who takes a run in of which nothing is left but its folder knows of no process either,
        # and says that it ended when it was asked for.
        had_none = facts.process is None and facts.launched is None
        if had_none and exit.at > created_at:
            return RunState.WITHDRAWN, exit.what or "It was taken out of the queue."
        return RunState.STOPPED, exit.what or "It was asked to stop, and did."
    return RunState.FINISHED, "It made all its steps."


def _never_launched(age: timedelta) -> tuple[RunState, str]:
    if age.total_seconds() > LAUNCH_GRACE_SECONDS:
        return RunState.CRASHED, "No process was ever started for it."
    return RunState.QUEUED, "No process was started for it yet."


def _launched(
    process: ProcessIdentity, age: timedelta, sighting: Sighting | None
) -> tuple[RunState, str]:
    if sighting is Sighting.GONE:
        return RunState.CRASHED, (
            f"Process {process.pid} was started for it and ended before it began; see its log."
        )
    if sighting is Sighting.ELSEWHERE and age.total_seconds() > LAUNCH_GRACE_SECONDS:
        return RunState.SILENT, (
            f"Process {process.pid} was started on {process.host} "
            f"{_duration(age)} ago and has not begun."
        )
    return RunState.STARTING, f"Process {process.pid} was started and has not begun yet."


def _at_work(
    facts: RunFacts,
    process: ProcessIdentity,
    now: datetime,
    monotonic: float | None,
    sighting: Sighting | None,
) -> tuple[RunState, str]:
    beat = facts.heartbeat
    at = beat.at if beat else facts.claimed_at or now
    expected = beat.expected_within_seconds if beat else LAUNCH_GRACE_SECONDS
    age = now - at
    if beat is not None and beat.monotonic is not None and monotonic is not None:
        # The same boot of the same machine: its clock may have been set in between.
        age = timedelta(seconds=monotonic - beat.monotonic)
    whose = f"Process {process.pid}"
    if sighting is Sighting.ELSEWHERE:
        whose += f" on {process.host}"
    if age > timedelta(seconds=expected + HEARTBEAT_GRACE_SECONDS):
        seen = "cannot be seen from here" if sighting is Sighting.ELSEWHERE else "is alive"
        doing = f" while {beat.phase}" if beat else ""
        return RunState.SILENT, (f"{whose} {seen}, but gave no sign for {_duration(age)}{doing}.")
    if beat is not None and beat.phase == PAUSED:
        return RunState.PAUSED, f"{whose} waits after step {beat.step} until it is told to go on."
    return RunState.RUNNING, f"{whose} gave a sign of life {_duration(age)} ago."


def _duration(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 2 * 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 48 * 3600 else f"{seconds // 86400} days"
