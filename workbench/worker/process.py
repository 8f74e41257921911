"""The child's side of a run: claim it, run the engine, see to it that the end is known.

This is the one place where engine and store meet. The run is claimed before torch is imported, so
that whoever started it knows within a moment that it lives.
"""

from __future__ import annotations

import faulthandler
import fcntl
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Protocol

from workbench.config.experiment import ExperimentConfig
from workbench.control import Control, Stop, StopNow
from workbench.errors import StoreError, WorkbenchError
from workbench.events import (
    SAVING,
    CheckpointSaved,
    EvaluationFinished,
    Event,
    FeaturesReady,
    PhaseStarted,
    RequestObeyed,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
    TaskGraduated,
    UpdateSkipped,
    Warned,
)
from workbench.paths import find_database
from workbench.secrecy import hide_in_outputs
from workbench.store.records import ExitRecord, ProcessIdentity, RunFacts, RunRecord
from workbench.store.run_store import RunStore
from workbench.training.manifest import check_training_state
from workbench.worker.liveness import LOCK_NAME, Sighting, current_identity, see
from workbench.worker.log import LOG_NAME, say
from workbench.worker.quick_start import import_engine
from workbench.worker.recorder import PATIENCE_SECONDS, Recorder
from workbench.worker.resumption import (
    end_in_words,
    requests_to_repeat,
    resume_point,
    settings_made_by_hand,
    starting_point,
)
from workbench.worker.wishes import Wishes

STOP_NOW_SECONDS = 5.0
"""After "stop now" the engine has this long to leave by itself."""
LEAVING_SECONDS = 20.0
"""A process that has written its last word may take so long to give its memory back."""
LAST_WRITE_SECONDS = 10.0
"""When it leaves at once, the last rows have this long to reach the store."""
SAVED_WAIT_SECONDS = 60.0
"""After a checkpoint the loop waits so long at most for its history to be on the disk."""
LONG_RUN_STEPS = 5_000
"""From so many on the curves are packed at the end, so that they open at once."""
REPORT_IT = "this is a fault of the program: report it with the end of the log"
LESS_MEMORY = (
    "memory ran out: lower training.batch_size or backbone.max_length, take a smaller backbone, "
    "or see what else uses the memory; the checkpoints written before are intact"
)


class Engine(Protocol):
    """Config in, events out: `workbench.training.loop.train`, or a script in a test."""

    def __call__(
        self,
        config: ExperimentConfig,
        *,
        folder: Path,
        control: Control,
        resume_from: Path | None,
        start_from: Path | None,
        keep_optimizer: bool,
    ) -> Iterator[Event]: ...


def run(run_id: str, url: str, *, resume: bool = False, engine: Engine | None = None) -> int:
    """Claim a stored run and run it to its end.

    Args:
        run_id: The run.
        url: SQLAlchemy URL of the store.
        resume: Whether it is to go on although it is over.
        engine: What makes the events; the training loop by default.

    Returns:
        Exit code: 0 if it finished or was stopped, 1 if it failed or could not be begun.
    """
    faulthandler.enable()  # it writes to the descriptor itself, whatever becomes of the stream
    hide_in_outputs()
    os.umask(0o077)  # what a run writes may hold tokens
    wishes = Wishes()
    signals = _Signals(wishes)
    folder = find_database(url).run_folder(run_id)
    try:
        store = RunStore.open(url)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        record = store.run(run_id)
        if record.unreadable:
            raise StoreError(
                f"Run {run_id} cannot be run: {record.unreadable}.",
                next_step="use the version of the program that it was made with",
            )
        before = store.facts(run_id)
        if resume:
            _let_go_before(before)
        if not _take_lock(folder / LOCK_NAME) or not store.claim(
            run_id, current_identity(), is_live=_may_be_at_work, again=resume
        ):
            say(f"run {run_id} is over, or another process is at work on it")
            return 1
        recorder = Recorder(store.impatient(PATIENCE_SECONDS), run_id, folder, wishes)
        recorder.start(store)
    except (WorkbenchError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    Thread(target=_leave_when_told, args=(wishes, recorder, signals), daemon=True).start()
    previous = end_in_words(before) if resume else None
    exit = _run_engine(engine, _Begun(record, folder, store, previous), wishes, recorder)
    recorder.close(exit)
    _pack_long_curves(store.impatient(PATIENCE_SECONDS), run_id)
    store.close()
    say(exit.outcome)
    return 1 if exit.outcome == "failed" else 0


def _pack_long_curves(store: RunStore, run_id: str) -> None:
    """Where that cannot be done now, whoever reads the curves first does it."""
    with suppress(WorkbenchError):
        if store.latest_step(run_id) >= LONG_RUN_STEPS:
            store.pack(run_id)
    store.close()


@dataclass(frozen=True)
class _Begun:
    """A run that this process has claimed."""

    record: RunRecord
    folder: Path
    store: RunStore
    previous: str | None
    """How the process before ended; None if the run is new."""


def _events(engine: Engine | None, begun: _Begun, wishes: Wishes, out: Recorder) -> Iterator[Event]:
    """What the run says, after it has been found out where it begins."""
    if engine is None:
        is_transformer = begun.record.config.backbone.kind == "transformer"
        import_engine(with_transformer=is_transformer)  # the claim must not wait for it
        from workbench.training.loop import train

        engine = train
    point = starting_point(begun.record, begun.folder)
    asked = requests_to_repeat(begun.folder)
    if begun.previous is not None:
        point = resume_point(begun.store, begun.record, begun.folder, check_training_state)
        asked += settings_made_by_hand(begun.store, begun.record.id)
        yield RunResumed(point.step, begun.previous)
        if point.set_aside:
            folders = ", ".join(str(path) for path in point.set_aside)
            yield Warned(
                f"The run cannot go on from its later checkpoints; their models are in {folders}."
            )
    wishes.repeat(point.step, dict.fromkeys(asked))  # each once
    for event in engine(
        begun.record.config,
        folder=begun.folder,
        control=wishes,
        resume_from=point.checkpoint,
        start_from=point.origin,
        keep_optimizer=point.keeps_optimizer,
    ):
        yield event
        # Before a checkpoint appears: a run that goes on from it says nothing of earlier steps
        # again. After it: the engine may remove the one before when it goes on, and that one would
        # be missed after a crash.
        if isinstance(event, CheckpointSaved) or (
            isinstance(event, PhaseStarted) and event.phase == SAVING
        ):
            out.flush(SAVED_WAIT_SECONDS)


def _run_engine(engine: Engine | None, begun: _Begun, wishes: Wishes, out: Recorder) -> ExitRecord:
    folder = begun.folder
    last: Event | None = None
    try:
        for event in _events(engine, begun, wishes, out):
            _log(event)
            out.put(event)
            last = event
        failure = last if isinstance(last, RunFailed) else None
    except WorkbenchError as error:
        failure = RunFailed(error.what, error.where, error.next_step, traceback.format_exc())
        if len(error.problems) > 1:
            failure = RunFailed(str(error), "", "", failure.traceback)
    except BaseException as error:
        failure = RunFailed(
            what=f"{type(error).__name__}: {error}".removesuffix(": "),
            where=str(folder / LOG_NAME),
            next_step=LESS_MEMORY if _is_out_of_memory(error) else REPORT_IT,
            traceback=traceback.format_exc(),
        )
    if failure is None and not isinstance(last, RunFinished) and not wishes.is_stopping:
        failure = RunFailed(
            what="The training ended without a word of how.",
            where=str(folder / LOG_NAME),
            next_step=REPORT_IT,
            traceback="",
        )
    if failure is not None:
        if failure is not last:
            _log(failure)
            out.put(failure)
        return ExitRecord(
            "failed",
            datetime.now(UTC),
            failure.what,
            failure.where,
            failure.next_step,
            failure.traceback,
        )
    is_whole = isinstance(last, RunFinished) and not last.stopped
    return ExitRecord("finished" if is_whole else "stopped", datetime.now(UTC))


def _is_out_of_memory(error: BaseException) -> bool:
    # By name, since torch may not be imported here: on a GPU it has a class for this, on a CPU
    # only a message.
    is_torchs = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or is_torchs


def _let_go_before(facts: RunFacts) -> None:
    """Wait for a process that has told how the run ended, and is about to leave."""
    until = time.monotonic() + LEAVING_SECONDS
    if facts.exit is None or facts.process is None:
        return
    while see(facts.process) is Sighting.ALIVE and time.monotonic() < until:
        time.sleep(0.05)


def _may_be_at_work(process: ProcessIdentity) -> bool:
    # Our lock already keeps out other workers on this machine; one elsewhere it may not.
    return see(process) in (Sighting.ALIVE, Sighting.ELSEWHERE)


def _take_lock(file: Path) -> bool:
    """Lock the file for the life of this process; whether it was free."""
    descriptors = [os.open(file, os.O_RDWR | os.O_CREAT, 0o600)]

    def let_go() -> None:
        if descriptors:
            os.close(descriptors.pop())

    # A forked helper that outlives this process would go on holding the lock.
    os.register_at_fork(after_in_child=let_go)
    for _attempt in range(20):
        try:
            fcntl.flock(descriptors[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)  # somebody may just be looking whether it is held
        else:
            # For whoever makes a lost database anew: which process this is.
            os.ftruncate(descriptors[0], 0)
            os.write(descriptors[0], json.dumps(current_identity()._asdict()).encode())
            return True
    return False


class _Signals:
    """SIGTERM asks to stop, a second one to leave at once; SIGHUP is not for us.

    Python runs a handler only between two bytecodes of the main thread, which may be inside one
    long matrix product: the signal is read from a pipe by a thread of its own instead.
    """

    def __init__(self, wishes: Wishes) -> None:
        self.count = 0
        self._wishes = wishes
        self._read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: None)
        Thread(target=self._listen, name="signals", daemon=True).start()

    def _listen(self) -> None:
        while True:
            for number in os.read(self._read_end, 16):
                if number in (signal.SIGTERM, signal.SIGINT):
                    self.count += 1
                    self._wishes.ask(Stop() if self.count == 1 else StopNow())


def _leave_when_told(wishes: Wishes, recorder: Recorder, signals: _Signals) -> None:
    """See to it that `StopNow` ends the process, even if the engine does not listen."""
    wishes.wait_for_now()
    until = time.monotonic() + STOP_NOW_SECONDS
    while time.monotonic() < until and signals.count < 2:
        time.sleep(0.05)
    say("leaving at once")
    exit = ExitRecord("stopped", datetime.now(UTC), "It was told to stop now, and did.")
    recorder.close(exit, timeout_seconds=LAST_WRITE_SECONDS)
    os._exit(0)


def _log(event: Event) -> None:
    """The rare events, as lines of the log: it should tell by itself what happened."""
    match event:
        case PhaseStarted():
            say(event.phase)
        case RunResumed():
            say(f"going on after step {event.step} ({event.previous})")
        case RunStarted():
            say(
                f"{event.total_steps} steps on {event.device} in {event.precision}, "
                f"{event.trainable_parameters:,} of {event.total_parameters:,} parameters move"
            )
        case EvaluationFinished():
            for task, metrics in event.metrics.items():
                values = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
                say(f"step {event.step}  {event.split}  {task}: {values}")
        case RequestObeyed():
            say(f"step {event.step}  obeyed: {event.kind} {event.body}")
        case UpdateSkipped():
            say(f"step {event.step}  left out: {event.what}")
        case CheckpointSaved():
            say(f"step {event.step}  saved {event.folder}{' (best)' if event.is_best else ''}")
        case FeaturesReady():
            say(
                f"features of {event.part}: {event.found} of {event.texts} texts found in the "
                f"cache, {event.bytes / 1e6:.0f} MB in {event.place}, {event.seconds:.1f} s"
            )
        case TaskGraduated():
            say(
                f"step {event.step}  {event.task} is through, its best {event.metric} was "
                f"{event.best:.4f} at step {event.best_step}"
            )
        case Warned():
            say(f"warning: {event.message}")
        case RunFailed():
            say(f"failed: {event.what}")
            say(event.traceback)
        case _:
            pass
