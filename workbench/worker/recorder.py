"""Carries events from the loop to the store, and wishes of people from the store to the loop.

All of it happens in one thread, so that neither a slow disk nor a locked database holds up an
update. A database that fails never ends a run: what could not be written waits in a file in the
run's folder (in memory if even that fails) and goes in, in order, as soon as the database is back.
"""

from __future__ import annotations

import json
import os
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic, sleep

from workbench.errors import NotFoundError
from workbench.events import Event, PhaseStarted, StepFinished
from workbench.store import event_json
from workbench.store.records import ExitRecord, Heartbeat
from workbench.store.run_store import RunStore
from workbench.worker.log import say
from workbench.worker.stopping import StopRequest

BATCH_ROWS = 200
BATCH_SECONDS = 0.5
BEAT_SECONDS = 2.0
RETRY_SECONDS = 2.0
LAST_RETRIES_SECONDS = 60.0
STARTING_SECONDS = 120.0
"""How long the start may take before the first event: torch is imported then."""
UNSENT_NAME = "unsent.jsonl"


@dataclass(frozen=True)
class Batch:
    """Events that are written together."""

    at: datetime
    events: tuple[Event, ...]
    exit: ExitRecord | None = None

    def to_line(self) -> str:
        """One line of JSON."""
        exit = None
        if self.exit is not None:
            exit = {**asdict(self.exit), "at": self.exit.at.timestamp()}
        events = [[event_json.kind_of(event), event_json.to_json(event)] for event in self.events]
        return json.dumps({"at": self.at.timestamp(), "events": events, "exit": exit}) + "\n"

    @classmethod
    def from_line(cls, line: bytes) -> Batch:
        """The batch again."""
        values = json.loads(line)
        exit = values["exit"]
        if exit is not None:
            exit = ExitRecord(**{**exit, "at": datetime.fromtimestamp(exit["at"], UTC)})
        events = tuple(event_json.from_json(kind, body) for kind, body in values["events"])
        return cls(datetime.fromtimestamp(values["at"], UTC), events, exit)


class Recorder:
    """The thread between the loop and the store. Call `put` from the loop, `close` at the end."""

    def __init__(self, store: RunStore, run_id: str, folder: Path, stop: StopRequest) -> None:
        self._store = store
        self._run_id = run_id
        self._unsent = Unsent(folder / UNSENT_NAME)
        self._stop = stop
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        self._exit: ExitRecord | None = None
        self._closing = Lock()
        self._phase, self._step, self._expected = "starting", 0, STARTING_SECONDS
        self._last_event = monotonic()
        self._next_beat = 0.0
        self._next_retry = 0.0
        self._thread = Thread(target=self._work, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to write, to beat and to listen."""
        self._thread.start()

    def put(self, event: Event) -> None:
        """Hand over an event; returns at once."""
        self._queue.put(event)

    def close(self, exit: ExitRecord, *, timeout_seconds: float | None = None) -> bool:
        """Write what is left, together with how the run ended; the first call counts.

        Returns:
            Whether it was all written, to the database or to the side file, in time.
        """
        with self._closing:
            if self._exit is None:
                self._exit = exit
                self._queue.put(None)
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            events, is_last = self._collect()
            if events or is_last:
                exit = self._exit if is_last else None
                self._write(Batch(datetime.now(UTC), tuple(events), exit))
            if is_last:
                self._send_the_rest()
                return
            self._beat()
            self._listen()

    def _collect(self) -> tuple[list[Event], bool]:
        """The events of the next half second, 200 at most; and whether they are the last."""
        events: list[Event] = []
        until = monotonic() + BATCH_SECONDS
        while len(events) < BATCH_ROWS:
            try:
                event = self._queue.get(timeout=max(0.0, until - monotonic()))
            except Empty:
                return events, False
            if event is None:
                return events, True
            self._notice(event)
            events.append(event)
        return events, False

    def _notice(self, event: Event) -> None:
        self._last_event = monotonic()
        if isinstance(event, PhaseStarted):
            self._phase, self._expected = event.phase, event.expected_seconds
        elif isinstance(event, StepFinished):
            self._step = event.step

    def _write(self, batch: Batch) -> None:
        if self._unsent and (monotonic() < self._next_retry and batch.exit is None):
            self._unsent.add(batch)
            return
        try:
            self._unsent.send(self._store, self._run_id)
            self._store.append(
                self._run_id, batch.events, exit=batch.exit, at=batch.at, heartbeat=self._due_beat()
            )
        except NotFoundError:
            say("the run was deleted: leaving")
            self._unsent.forget()
            self._stop.ask("stop now")
        except Exception as error:  # whatever it is, the run is worth more than its record
            say(f"the database cannot be written, rows wait in {self._unsent.file}: {error}")
            self._next_retry = monotonic() + RETRY_SECONDS
            self._unsent.add(batch)

    def _send_the_rest(self) -> None:
        """Wait a while for a database that is away: without the last rows the end is unknown."""
        until = monotonic() + LAST_RETRIES_SECONDS
        while self._unsent and monotonic() < until:
            sleep(RETRY_SECONDS)
            try:
                self._unsent.send(self._store, self._run_id)
            except Exception as error:
                say(f"the database cannot be written: {error}")

    def _beat(self) -> None:
        heartbeat = self._due_beat()
        try:
            if self._unsent and monotonic() >= self._next_retry:
                self._next_retry = monotonic() + RETRY_SECONDS
                self._unsent.send(self._store, self._run_id)
            if heartbeat is not None:
                self._store.beat(self._run_id, heartbeat)
        except Exception as error:
            say(f"no heartbeat could be written: {error}")

    def _due_beat(self) -> Heartbeat | None:
        # This thread would beat for ever beside a loop that hangs. It vouches for the loop only
        # as long as the loop keeps to what it promised.
        has_overstayed = monotonic() - self._last_event > self._expected
        if monotonic() < self._next_beat or has_overstayed:
            return None
        self._next_beat = monotonic() + BEAT_SECONDS
        return Heartbeat(datetime.now(UTC), self._phase, self._step, self._expected)

    def _listen(self) -> None:
        try:
            for command in self._store.take_commands(self._run_id):
                self._stop.ask(command)
        except Exception as error:
            say(f"no commands could be read: {error}")


class Unsent:
    """Batches that the database did not take, in order: in a file, or in memory if need be."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._memory: deque[Batch] = deque()
        self._sent_bytes = 0  # of the file; a second attempt goes on where the first broke off

    def __bool__(self) -> bool:
        return bool(self._memory) or self.file.exists()

    def add(self, batch: Batch) -> None:
        """Keep a batch for later."""
        self._memory.append(batch)
        try:
            descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
                end = file.seek(0, os.SEEK_END)
                try:
                    file.writelines(kept.to_line() for kept in self._memory)
                    file.flush()
                except OSError:
                    file.truncate(end)  # a full disk takes half a line; it must not stay
                    raise
        except OSError as error:
            say(f"{self.file} cannot be written, rows wait in memory: {error}")
        else:
            self._memory.clear()

    def send(self, store: RunStore, run_id: str) -> None:
        """Write everything that waits to the store, oldest first.

        Raises:
            WorkbenchError: The store does not take it (yet); what is left stays.
        """
        if self.file.exists():
            with self.file.open("rb") as file:
                file.seek(self._sent_bytes)
                while (line := file.readline()).endswith(
                    b"\n"
                ):  # a killed worker leaves half a line
                    _send(line, store, run_id)
                    self._sent_bytes = file.tell()
            self.forget(memory_too=False)
        while self._memory:
            _send(self._memory[0].to_line().encode(), store, run_id)
            self._memory.popleft()

    def forget(self, *, memory_too: bool = True) -> None:
        """Drop what waits in the file, and by default in memory."""
        self.file.unlink(missing_ok=True)
        self._sent_bytes = 0
        if memory_too:
            self._memory.clear()


def _send(line: bytes, store: RunStore, run_id: str) -> None:
    try:
        batch = Batch.from_line(line)
    except (ValueError, KeyError, TypeError) as error:
        say(f"rows that cannot be read are left out ({error}): {line[:200]!r}")
        return
    store.append(run_id, batch.events, exit=batch.exit, at=batch.at)
