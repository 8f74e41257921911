"""Start the worker of a stored run and wait until it has claimed the run, or say why not."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from workbench.errors import WorkerError
from workbench.paths import Location
from workbench.store.records import ExitRecord, RunRecord
from workbench.store.run_store import RunStore
from workbench.worker.additions import record_exit
from workbench.worker.launcher import Launch, launch
from workbench.worker.log import LOG_NAME, tail

WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.05


def start_worker(
    store: RunStore,
    location: Location,
    record: RunRecord,
    *,
    resume: bool = False,
    devices: str | None = None,
    wait_seconds: float = WAIT_SECONDS,
) -> Launch:
    """Start it, and wait for the claim.

    Args:
        store: Where the run is stored.
        location: Where that is, and the run's folder, which exists.
        record: The run.
        resume: Whether it is to go on although it is over.
        devices: What its worker is to see as CUDA_VISIBLE_DEVICES; by default what this process
            sees.
        wait_seconds: A machine under load may need longer to start a process; then the run's
            state says that it is starting.

    Raises:
        WorkerError: The worker could not be started, or ended before it claimed the run; with
            the end of its log.
    """
    try:
        launched = launch(record.id, location, resume=resume, devices=devices)
    except OSError as error:
        raise _did_not_start(
            store, location, record, f"The worker cannot be started: {error}.", resume=resume
        ) from error
    store.record_launch(record.id, launched.process)
    until = time.monotonic() + wait_seconds
    while time.monotonic() < until:
        exit_code = launched.exit_code()  # before the facts: what it wrote in between is then seen
        owner = store.facts(record.id).process
        if owner is not None and owner.pid == launched.process.pid:
            break
        if exit_code is not None:
            raise _did_not_start(
                store,
                location,
                record,
                f"The worker ended before it began, with exit code {exit_code}.",
                resume=resume,
            )
        time.sleep(_POLL_SECONDS)
    return launched


def _did_not_start(
    store: RunStore, location: Location, record: RunRecord, what: str, *, resume: bool
) -> WorkerError:
    log = location.run_folder(record.id) / LOG_NAME
    words = "\n".join(tail(log, lines=20))
    next_step = "read the log; then start the run again"
    # A resumed run is over as it was; and where another worker was quicker it is at work.
    if not resume and store.facts(record.id).process is None:
        exit = ExitRecord("failed", datetime.now(UTC), what, str(log), next_step, words)
        record_exit(store, location, record.id, exit)
    return WorkerError(f"{what}\n{words}" if words else what, where=str(log), next_step=next_step)
