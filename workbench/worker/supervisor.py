"""Works off the queue of a database on this machine, one process per database: who holds the lock.

It is started by whoever looks at a queue that nobody works off, outlives them, and leaves when
nothing waits. Killed, it takes no run with it: the next one finds all it needs in the store.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from workbench.errors import WorkbenchError
from workbench.paths import Location, find_database
from workbench.store.records import QueueEntry
from workbench.store.run_store import RunStore
from workbench.worker.devices import find_gpus
from workbench.worker.launcher import launch_supervisor, reap, supervisor_file
from workbench.worker.liveness import here, is_held
from workbench.worker.log import say
from workbench.worker.queueing import Decision, QueueSettings, decide
from workbench.worker.starting import start_worker
from workbench.worker.states import states

LOOK_SECONDS = 1.0
TROUBLE_SECONDS = 5.0
LINGER_SECONDS = 2.0
"""It stays so long after the last run, as somebody may be about to add one."""


def is_at_work(location: Location) -> bool:
    """Whether a supervisor of this database is at work on this machine."""
    return is_held(supervisor_file(location, "lock"))


def ensure_supervisor(store: RunStore, location: Location) -> None:
    """Start one if something waits on this machine and none is at work.

    Raises:
        WorkbenchError: It cannot be started, or the store not be read.
    """
    if _is_wanted(store, location) and not is_at_work(location):
        launch_supervisor(location)


def supervise(url: str, lock: int | None = None) -> int:
    """Work off the queue until nothing is left; returns at once if another process does.

    Args:
        url: SQLAlchemy URL of the store.
        lock: Descriptor of the lock file, locked, from whoever started this process.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    leave = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: leave.set())
    os.umask(0o077)
    location = find_database(url)
    store = RunStore.open(url)
    while not leave.is_set():
        with _lock(supervisor_file(location, "lock"), lock) as is_mine:
            lock = None  # it is let go with this block
            if not is_mine:
                break
            say("working off the queue")
            _work(store, location, leave)
        # Who added a run just now may have seen the lock held: look once more without it.
        if not _may_be_wanted(store, location):
            break
    store.close()
    say("nothing is left to do")
    return 0


def _work(store: RunStore, location: Location, leave: Event) -> None:
    """Look again and again, until nothing waits or is at work."""
    idle_since: float | None = None
    told = ""
    while not leave.is_set():
        try:
            decision = look(store, location)
            is_wanted = _is_wanted(store, location)
        except (WorkbenchError, OSError) as error:
            say(f"no look at the queue: {error}")
            leave.wait(TROUBLE_SECONDS)
            continue
        if decision.why_not != told:
            told = decision.why_not
            say(told or "going on")
        if is_wanted:
            idle_since = None
        elif idle_since is None:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > LINGER_SECONDS:
            return
        if decision.begin is None:
            leave.wait(LOOK_SECONDS)


def look(store: RunStore, location: Location) -> Decision:
    """Decide once, and do it.

    Raises:
        WorkbenchError: The store cannot be read or written.
    """
    reap()
    host = here().host
    entries, others = split_queue(store.queue(host), location)
    if not entries:
        return Decision()
    # Runs come and go in between. One that came last is in the facts then, too.
    records = store.runs()
    facts = store.all_facts()
    processes = {run_id: one.process or one.launched for run_id, one in facts.items()}
    # Runs of other machines on the same server are none of this one's business.
    own = [
        record
        for record in records
        if record.id in facts
        and ((process := processes[record.id]) is None or process.host == host)
    ]
    known = states(store, location, own, facts)
    settings = QueueSettings.of(store.queue_settings(host))
    begun = {entry.run_id: processes.get(entry.run_id) is not None for entry in entries}
    now = {run_id: state for run_id, (_, state, _) in known.items()}
    decision = decide(entries, now, begun, settings, find_gpus(), others)
    taken = {entry.run_id for entry in entries + others if entry.taken_at is not None}
    _obey(store, location, host, decision, settings, taken)
    return decision


def _obey(
    store: RunStore,
    location: Location,
    host: str,
    decision: Decision,
    settings: QueueSettings,
    taken: set[str],
) -> None:
    for run_id in decision.done:
        store.leave_queue(run_id)
    for run_id in decision.give_back:
        store.give_back_to_queue(run_id)
    if decision.pause_because:
        _pause(store, host, decision.pause_because)
    if decision.begin is None:
        return
    if not store.take_from_queue(decision.begin, decision.device, beside=taken):
        return  # another supervisor was quicker: the next look decides anew
    record = store.run(decision.begin)
    say(f"beginning run {record.id} ({record.name}) on {decision.device or 'what is there'}")
    try:
        start_worker(store, location, record, devices=decision.device)
    except WorkbenchError as error:
        say(str(error))
        store.leave_queue(record.id)
        if not settings.continue_on_error:
            _pause(store, host, f"Run {record.id} could not be started: {error.what}")


def _pause(store: RunStore, host: str, why: str) -> None:
    say(f"the queue is paused: {why}")
    store.change_queue_settings(host, {"paused": True, "paused_because": why})


def split_queue(
    entries: Sequence[QueueEntry], location: Location
) -> tuple[list[QueueEntry], list[QueueEntry]]:
    """Of this machine's queue, what is run from here, and what others see to.

    A server's runs are beneath the folder that a person was in. Who works in another one has a
    supervisor of their own, as a run cannot be begun without its folder.
    """
    host = here().host
    has_all = location.database_file is not None
    own: list[QueueEntry] = []
    others: list[QueueEntry] = []
    for entry in entries:
        if entry.host == host:
            is_own = has_all or location.run_folder(entry.run_id).is_dir()
            (own if is_own else others).append(entry)
    return own, others


def _is_wanted(store: RunStore, location: Location) -> bool:
    """Whether anything is left to do, as far as the store can tell."""
    entries, _others = split_queue(store.queue(here().host), location)
    if any(entry.taken_at is not None for entry in entries):
        return True
    return bool(entries) and not QueueSettings.of(store.queue_settings(here().host)).paused


def _may_be_wanted(store: RunStore, location: Location) -> bool:
    """The same; yes if the store cannot tell now."""
    try:
        return _is_wanted(store, location)
    except WorkbenchError as error:
        say(f"no look at the queue: {error}")
        return True


@contextmanager
def _lock(file: Path, given: int | None) -> Iterator[bool]:
    """Hold the lock, if it is free or given; yields whether it is held."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600) if given is None else given
    os.set_inheritable(descriptor, False)  # the runs that are begun here outlive this process
    try:
        for _attempt in range(10):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)  # somebody may just be looking whether it is held
            else:
                yield True
                return
        yield False
    finally:
        os.close(descriptor)
