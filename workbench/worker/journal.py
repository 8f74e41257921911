"""The run's own record of all that it said: a file in its folder that is written first.

Each line is a batch of events, with the moment and perhaps the run's end. The store is told
afterwards, and notes how many bytes of the file it has: so whatever happens to the process, the
connection or the database, what is in the file and not in the store can be sent by anybody, any
number of times, and is in the store once. A database that is lost is made anew from these files.
"""

from __future__ import annotations

import json
import os
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from workbench.events import Event
from workbench.secrecy import scrub
from workbench.store import event_json
from workbench.store.records import ExitRecord, Heartbeat
from workbench.store.run_store import RunStore
from workbench.worker.log import say

JOURNAL_NAME = "journal.jsonl"
UNSENT_NAME = "unsent.jsonl"
"""What the first version of the program kept beside the store, only while it was away."""
_END_BLOCK_BYTES = 64 * 1024


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
            exit = {k: scrub(v) if isinstance(v, str) else v for k, v in exit.items()}
        events = [[event_json.kind_of(event), event_json.to_json(event)] for event in self.events]
        return json.dumps({"at": self.at.timestamp(), "events": events, "exit": exit}) + "\n"

    @classmethod
    def from_line(cls, line: bytes) -> Batch:
        """The batch again.

        Raises:
            ValueError: The line is none.
            KeyError: The same.
            TypeError: The same.
        """
        values = json.loads(line)
        exit = values["exit"]
        if exit is not None:
            exit = ExitRecord(**{**exit, "at": datetime.fromtimestamp(exit["at"], UTC)})
        events = tuple(event_json.from_json(kind, body) for kind, body in values["events"])
        return cls(datetime.fromtimestamp(values["at"], UTC), events, exit)


class Journal:
    """The writer's side. Only the process that holds the run's lock may have one."""

    def __init__(self, file: Path, run_id: str) -> None:
        self.file = file
        self._run_id = run_id
        self._size = 0
        """Of the file, as far as its lines are whole."""
        self._sent: int | None = None
        """How much of it the store has; None if the store has to be asked."""
        self._pending: deque[tuple[Batch, int, int]] = deque()
        """What is in the file and not in the store, with its place, as long as it is in order."""
        self._homeless: deque[Batch] = deque()
        """What the file did not take."""

    def open(self, store: RunStore) -> None:
        """Cut off a line that an earlier process was killed in, and send what it left.

        Raises:
            WorkbenchError: The store does not take it (yet).
            OSError: The file cannot be read or cut.
        """
        take_in_unsent(self.file)
        self._size = _whole_lines(self.file)
        if self.file.exists() and self.file.stat().st_size > self._size:
            os.truncate(self.file, self._size)
        if store.journal_bytes(self._run_id) > self._size:
            # The file is another one than the store was told of: what comes is new all the same.
            store.set_journal_bytes(self._run_id, self._size)
        self._sent = send_journal(self.file, store, self._run_id)

    @property
    def has_unsent(self) -> bool:
        """Whether the store lacks something."""
        return bool(self._homeless) or self._sent is None or self._sent < self._size

    def add(self, batch: Batch) -> None:
        """Keep a batch: in the file, or in memory while the file cannot be written."""
        self._homeless.append(batch)
        try:
            self._write_homeless()
        except OSError as error:
            say(f"{self.file} cannot be written, rows wait in memory: {error}")

    def _write_homeless(self) -> None:
        lines = [kept.to_line().encode() for kept in self._homeless]
        # Without a buffer: one would try again to write what the disk has just refused.
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            left = memoryview(b"".join(lines))
            while left:
                left = left[os.write(descriptor, left) :]
        except OSError:
            os.ftruncate(descriptor, self._size)  # a full disk takes half a line; it must not stay
            raise
        finally:
            os.close(descriptor)
        for line in lines:
            end = self._size + len(line)
            self._pending.append((self._homeless.popleft(), self._size, end))
            self._size = end

    def send(self, store: RunStore, heartbeat: Heartbeat | None = None) -> None:
        """Tell the store all that it lacks, in order.

        Args:
            store: The store.
            heartbeat: Goes with it.

        Raises:
            WorkbenchError: The store does not take it (yet); what is left stays.
        """
        if self._homeless:
            with suppress(OSError):  # there may be room again
                self._write_homeless()
        try:
            if self._sent is None or not self._pending or self._pending[0][1] != self._sent:
                self._pending.clear()
                self._sent = send_journal(self.file, store, self._run_id)
            while self._pending:
                batch, start, end = self._pending[0]
                store.append(
                    self._run_id,
                    batch.events,
                    exit=batch.exit,
                    at=batch.at,
                    heartbeat=heartbeat,
                    journal=(start, end),
                )
                heartbeat = None
                self._sent = end
                self._pending.popleft()
            while self._homeless:  # the disk is full, and the database is not on it
                batch = self._homeless[0]
                store.append(
                    self._run_id, batch.events, exit=batch.exit, at=batch.at, heartbeat=heartbeat
                )
                heartbeat = None
                self._homeless.popleft()
        except Exception:
            # Whether the store took it is not known where the connection broke off.
            self._sent = None
            raise

    def sync(self) -> None:
        """Force the file to the disk.

        Raises:
            OSError: It cannot be.
        """
        if self.file.exists():
            descriptor = os.open(self.file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def send_journal(file: Path, store: RunStore, run_id: str) -> int:
    """Tell a store what of a journal it lacks; anybody may, at any time.

    Returns:
        How much of the file the store has now, in bytes.

    Raises:
        WorkbenchError: The store does not take it (yet).
        OSError: The file cannot be read.
    """
    position = store.journal_bytes(run_id)
    if not file.exists():
        return position
    with file.open("rb") as opened:
        opened.seek(position)
        while (line := opened.readline()).endswith(b"\n"):  # a killed worker leaves half a line
            end = position + len(line)
            _send_line(line, store, run_id, position, end)
            position = end
    return position


def _send_line(line: bytes, store: RunStore, run_id: str, start: int, end: int) -> None:
    try:
        batch = Batch.from_line(line)
    except (ValueError, KeyError, TypeError) as error:
        say(f"rows that cannot be read are left out ({error}): {line[:200]!r}")
        store.append(run_id, (), journal=(start, end))
        return
    store.append(run_id, batch.events, exit=batch.exit, at=batch.at, journal=(start, end))


def end_last_line(file: Path) -> None:
    """End a line that a worker was killed in, so that it is passed over once, like all that cannot
    be read, and not looked at again. Not for a journal whose worker may be about to go on with it.

    Raises:
        OSError: The file is not there, or cannot be written.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")
    finally:
        os.close(descriptor)


def take_in_unsent(journal: Path) -> None:
    """Add to a journal what the first version of the program left in a file of its own.

    Raises:
        OSError: One of the two cannot be read or written.
    """
    unsent = journal.with_name(UNSENT_NAME)
    claimed = unsent.with_name(f".{UNSENT_NAME}.{os.getpid()}")
    try:
        unsent.rename(claimed)  # of two that come at the same time one gets it
    except FileNotFoundError:
        return
    lines = [line for line in claimed.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"]
    with _append(journal) as file:
        file.write(b"".join(lines))
    claimed.unlink()


def _append(file: Path) -> IO[bytes]:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _whole_lines(file: Path) -> int:
    """How many bytes of a file are whole lines; 0 if it is not there."""
    try:
        with file.open("rb") as opened:
            position = opened.seek(0, os.SEEK_END)
            while position > 0:
                start = max(0, position - _END_BLOCK_BYTES)
                opened.seek(start)
                found = opened.read(position - start).rfind(b"\n")
                if found >= 0:
                    return start + found + 1
                position = start
    except FileNotFoundError:
        pass
    return 0
