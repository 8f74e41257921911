"""Carries events from the loop to the store, and wishes of people from the store to the loop.

All of it happens in one thread, so that neither a slow disk nor a locked database holds up an
update. What the run says goes into its journal first (see `journal`), then into the store. A
database that fails never ends a run: what it did not take is in the journal, and goes in, in
order, as soon as it is back.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic, sleep

from workbench.control import StopNow
from workbench.errors import NotFoundError
from workbench.events import PAUSED, Event, MachineSampled, PhaseStarted, StepFinished
from workbench.store.records import ExitRecord, Heartbeat
from workbench.store.run_store import RunStore
from workbench.worker.devices import VISIBLE
from workbench.worker.journal import JOURNAL_NAME, Batch, Journal
from workbench.worker.liveness import current_identity
from workbench.worker.log import say
from workbench.worker.machine import MachineWatch, as_shares
from workbench.worker.wishes import Wishes

BATCH_ROWS = 200
BATCH_SECONDS = 0.5
BEAT_SECONDS = 2.0
SAMPLE_SECONDS = 10.0
"""How often the figures of the machine are kept with the run."""
RETRY_SECONDS = 2.0
LAST_RETRIES_SECONDS = 60.0
PATIENCE_SECONDS = 0.5
"""A write waits no longer for those of others. What came meanwhile is in memory only: it has to
get into the journal before it is much."""
PAUSED_BEAT_SECONDS = 60.0
"""A run that waits says at least so often that it is there."""
STARTING_SECONDS = 120.0
"""How long the start may take before the first event: torch is imported then."""
_QUIET_SECONDS = 10.0
"""A database that is busy for less is not worth a line of the log."""


class _Mark:
    """A place in the queue; set when all before it is in the journal."""

    def __init__(self) -> None:
        self.is_reached = Flag()


class Recorder:
    """The thread between the loop and the store. Call `put` from the loop, `close` at the end."""

    def __init__(
        self, store: RunStore, run_id: str, folder: Path, wishes: Wishes, *, step: int = 0
    ) -> None:
        """Prepare it.

        Args:
            store: Where to; one that does not wait long for others (`PATIENCE_SECONDS`).
            run_id: The run.
            folder: Its folder, for the journal.
            wishes: Where what is asked of the run goes.
            step: Where the run stands.
        """
        self._store = store
        self._run_id = run_id
        self._journal = Journal(folder / JOURNAL_NAME, run_id)
        self._wishes = wishes
        self._queue: SimpleQueue[Event | _Mark | None] = SimpleQueue()
        self._exit: ExitRecord | None = None
        self._closing = Lock()
        self._phase, self._step, self._expected = "starting", step, STARTING_SECONDS
        self._last_event = monotonic()
        self._next_beat = 0.0
        self._next_sample, self._sampled_step = 0.0, 0
        self._machine = MachineWatch()
        self._next_retry = 0.0
        self._away_since: float | None = None
        self._has_said_so = False
        self._is_deleted = False
        self._thread = Thread(target=self._work, name="recorder", daemon=True)

    def start(self, patient: RunStore | None = None) -> None:
        """Send what an earlier process left; begin to write, to beat and to listen.

        Args:
            patient: The same store, but one that waits for others: nothing is in memory yet, and
                a run that cannot be begun is worse than one that begins late.

        Raises:
            WorkbenchError: The store does not take what was left.
            OSError: The journal cannot be read.
        """
        self._journal.open(patient or self._store)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Hand over an event; returns at once."""
        self._queue.put(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was put is on the disk, in the journal; whether it is."""
        mark = _Mark()
        self._queue.put(mark)
        return mark.is_reached.wait(timeout_seconds)

    def close(self, exit: ExitRecord, *, timeout_seconds: float | None = None) -> bool:
        """Write what is left, together with how the run ended; the first call counts.

        Returns:
            Whether it was all written, to the database or to the journal, in time.
        """
        with self._closing:
            if self._exit is None:
                self._exit = exit
                self._queue.put(None)
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            events, mark, is_last = self._collect()
            events += self._due_sample()
            if events or is_last:
                exit = self._exit if is_last else None
                self._journal.add(Batch(datetime.now(UTC), tuple(events), exit))
            if mark is not None:
                self._sync()
                mark.is_reached.set()
            if events or is_last:
                self._send(is_last=is_last)
            if is_last:
                self._send_the_rest()
                return
            self._beat()
            self._listen()

    def _collect(self) -> tuple[list[Event], _Mark | None, bool]:
        """The events of the next half second, 200 at most; a mark; whether they are the last."""
        events: list[Event] = []
        until = monotonic() + BATCH_SECONDS
        while len(events) < BATCH_ROWS:
            try:
                event = self._queue.get(timeout=max(0.0, until - monotonic()))
            except Empty:
                return events, None, False
            if event is None or isinstance(event, _Mark):
                return events, event, event is None
            self._notice(event)
            events.append(event)
        return events, None, False

    def _notice(self, event: Event) -> None:
        self._last_event = monotonic()
        if isinstance(event, PhaseStarted):
            if PAUSED in (event.phase, self._phase):
                self._next_beat = 0.0  # who asked for it looks whether it was done
            self._phase, self._expected = event.phase, event.expected_seconds
        elif isinstance(event, StepFinished):
            self._step = event.step

    def _due_sample(self) -> list[Event]:
        """What the machine is doing, if it is time and a step was made since the last sample."""
        if self._step < 1 or monotonic() < self._next_sample:
            return []
        is_first = self._next_sample == 0.0  # processors are busy between two looks
        self._next_sample = monotonic() + SAMPLE_SECONDS
        # Looked at while nothing moves, too: a figure is of the time since the look before.
        figures = self._machine.look(current_identity())
        if figures is None or is_first or self._step == self._sampled_step:
            return []
        self._sampled_step = self._step
        return [MachineSampled(self._step, as_shares(figures, os.environ.get(VISIBLE)))]

    def _sync(self) -> None:
        try:
            self._journal.sync()
        except OSError as error:
            say(f"the journal cannot be forced to the disk: {error}")

    def _send(self, *, is_last: bool = False) -> None:
        """Bring the store up to date, if it has not just been in trouble."""
        if not is_last and monotonic() < self._next_retry:
            return
        try:
            self._journal.send(self._store, self._due_beat())
        except NotFoundError:
            self._run_is_gone()
        except Exception as error:  # whatever it is, the run is worth more than its record
            self._is_away(error)
        else:
            self._is_back()

    def _run_is_gone(self) -> None:
        if self._store.was_replaced:
            # Not the run was deleted: another database is there in place of the one it was in.
            self._is_away("it is another one than before, without this run")
            return
        say("the run was deleted: leaving")
        self._is_deleted = True
        self._wishes.ask(StopNow())

    def _is_away(self, error: object) -> None:
        now = monotonic()
        self._next_retry = now + RETRY_SECONDS
        self._away_since = self._away_since if self._away_since is not None else now
        is_busy = "locked" in str(error)
        if not self._has_said_so and (not is_busy or now - self._away_since > _QUIET_SECONDS):
            self._has_said_so = True
            say(f"the database cannot be written, rows wait in {self._journal.file}: {error}")

    def _is_back(self) -> None:
        if self._has_said_so:
            say("the database can be written again, and has all rows")
        self._away_since, self._has_said_so = None, False

    def _send_the_rest(self) -> None:
        """Wait a while for a database that is away: without the last rows the end is unknown."""
        until = monotonic() + LAST_RETRIES_SECONDS
        while self._journal.has_unsent and monotonic() < until and not self._is_deleted:
            sleep(RETRY_SECONDS)
            self._send(is_last=True)

    def _beat(self) -> None:
        if self._journal.has_unsent:
            self._send()
        if monotonic() < self._next_retry or self._is_deleted:
            return
        heartbeat = self._due_beat()
        if heartbeat is None:
            return
        try:
            self._store.beat(self._run_id, heartbeat)
        except Exception as error:
            self._is_away(error)

    def _due_beat(self) -> Heartbeat | None:
        # This thread would beat for ever beside a loop that hangs. It vouches for the loop only
        # as long as the loop keeps to what it promised; of one that waits nothing is expected.
        is_paused = self._phase == PAUSED
        has_overstayed = not is_paused and monotonic() - self._last_event > self._expected
        if monotonic() < self._next_beat or has_overstayed:
            return None
        self._next_beat = monotonic() + BEAT_SECONDS
        expected = PAUSED_BEAT_SECONDS if is_paused else self._expected
        return Heartbeat(datetime.now(UTC), self._phase, self._step, expected, monotonic())

    def _listen(self) -> None:
        if monotonic() < self._next_retry:
            return
        try:
            for request in self._store.take_commands(self._run_id):
                self._wishes.ask(request)
        except Exception as error:
            self._is_away(error)
