"""Start a worker that outlives whoever starts it.

A session of its own, standard input closed, both outputs in the run's log file, no pipe: nothing
ties it to the terminal. Where logind ends all processes of a user who logs out, it is also put
outside of the login (see `logind`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from workbench.errors import WorkerError
from workbench.paths import DATABASE_VARIABLE, Location
from workbench.store.records import ProcessIdentity
from workbench.worker.liveness import identity_of
from workbench.worker.log import LOG_NAME
from workbench.worker.logind import look_at_logind, way_to_start

PROGRAM: tuple[str, ...] = (sys.executable, "-P", "-m", "workbench.worker")
"""-P: the current folder is not searched for modules, so that no file there is run by accident."""

_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Launch:
    """A worker that was started just now."""

    process: ProcessIdentity
    child: subprocess.Popen[bytes]

    def exit_code(self) -> int | None:
        """What it ended with; None while it lives."""
        return self.child.poll()


def launch(
    run_id: str, location: Location, *, resume: bool = False, devices: str | None = None
) -> Launch:
    """Start the worker of a run, whose folder exists.

    Args:
        run_id: The run.
        location: Where it is stored.
        resume: Whether it is to go on although it is over.
        devices: What it is to see as CUDA_VISIBLE_DEVICES; by default what this process sees.

    Raises:
        OSError: The process or its log file cannot be made.
    """
    arguments = ["run", run_id]
    if resume:
        arguments.append("--resume")
    log = location.run_folder(run_id) / LOG_NAME
    child = _start(arguments, location, log, devices)
    return Launch(identity_of(child.pid), child)


def launch_supervisor(location: Location) -> None:
    """Start what works off the queue of a database, unless another one does.

    It is born with the lock: whoever looks while it imports its modules sees that it is there, and
    starts no second one.

    Raises:
        WorkerError: The process or its log file cannot be made.
    """
    try:
        location.runs.mkdir(parents=True, exist_ok=True)
        lock = os.open(supervisor_file(location, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            arguments = ["supervise", "--lock", str(lock)]
            _start(arguments, location, supervisor_file(location, "log"), None, inherited=(lock,))
        except BlockingIOError:
            return  # somebody else holds it, or is just looking whether anybody does
        finally:
            os.close(lock)
    except OSError as error:
        raise WorkerError(
            f"What works off the queue cannot be started: {error.strerror}.",
            where=str(location.runs),
            next_step="check permissions and free space",
        ) from error


def supervisor_file(location: Location, ending: str) -> Path:
    """The lock or the log of the supervisor of a database: `supervisor-1a2b3c4d.lock`."""
    name = hashlib.sha256(location.url.encode()).hexdigest()[:8]
    return location.runs / f"supervisor-{name}.{ending}"


def _start(
    arguments: list[str],
    location: Location,
    log: Path,
    devices: str | None,
    *,
    inherited: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    reap()
    variables = environment()
    if make_url(location.url).password:
        variables[DATABASE_VARIABLE] = location.url  # everybody can read a command line
    else:
        arguments = [*arguments, "--db", location.url]
    if devices is not None:
        variables["CUDA_VISIBLE_DEVICES"] = devices
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(
            [*way_to_start(look_at_logind()).before, *PROGRAM, *arguments],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            close_fds=True,
            pass_fds=inherited,
            env=variables,
        )
    finally:
        os.close(descriptor)
    _children.append(child)
    return child


def reap() -> None:
    """Ask after children that may have ended, so that no zombie stays."""
    _children[:] = [child for child in _children if child.poll() is None]


def environment() -> dict[str, str]:
    """The variables of every child: those of this process, and what makes it find the package."""
    variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
    variables.pop("TOKENIZERS_PARALLELISM", None)
    # Waiting threads yield early instead of spinning: on a CPU that others use too, training was
    # 1.6 times as fast (37 against 22 texts/s beside one busy process); alone it is the same.
    variables.setdefault("GOMP_SPINCOUNT", "1000")
    package_root = Path(__file__).resolve().parents[2]
    if package_root != Path(sysconfig.get_path("purelib")).resolve():
        # A checkout that may have been found through the current folder, which -P leaves out.
        before = variables.get("PYTHONPATH")
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(package_root), before]))
    return variables
