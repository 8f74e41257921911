"""What is to be done with a queue next: a pure function of what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from workbench.store.records import QueueEntry
from workbench.worker.devices import Gpu, choose_gpu
from workbench.worker.liveness import RunState

_AT_WORK = {RunState.STARTING, RunState.RUNNING, RunState.SILENT}
_WENT_WRONG = {RunState.FAILED, RunState.CRASHED, RunState.LOST}


@dataclass(frozen=True)
class QueueSettings:
    """How the queue of a machine is worked off."""

    paused: bool = False
    """No further run is begun; those at work go on."""
    paused_because: str = ""
    """Why, if it was not a person who paused it."""
    at_once: int = 1
    """How many runs may be at work on the machine, those not from the queue included."""
    continue_on_error: bool = False
    """Whether the next run is begun after one that failed, crashed or was lost."""
    choose_devices: bool = True
    """Whether each run is given one GPU of its own."""
    free_mebibytes: int = 4096
    """A GPU with less free memory is in use by somebody."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> QueueSettings:
        """Stored settings; what a newer program added is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})

    def as_values(self) -> dict[str, Any]:
        """What is stored."""
        return asdict(self)


@dataclass(frozen=True)
class Decision:
    """What to do now."""

    done: tuple[str, ...] = ()
    """Runs that are over and leave the queue."""
    give_back: tuple[str, ...] = ()
    """Runs that were taken by a supervisor that died before it began them."""
    pause_because: str = ""
    """Not empty: stop beginning runs."""
    begin: str | None = None
    """The run to begin."""
    device: str | None = None
    """The UUID of its GPU; None if it sees them all."""
    why_not: str = ""
    """Why none is begun although some wait."""


def decide(
    entries: Sequence[QueueEntry],
    states: Mapping[str, RunState],
    begun: Mapping[str, bool],
    settings: QueueSettings,
    gpus: Sequence[Gpu],
    others: Sequence[QueueEntry] = (),
) -> Decision:
    """What to do with the queue of a machine.

    Args:
        entries: Those that this supervisor sees to, in the order in which they are taken.
        states: Of all runs that are on this machine.
        begun: By run in the queue, whether a process was started for it.
        settings: How it is worked off.
        gpus: Those that may be used.
        others: What other supervisors of this machine see to: nothing is done with these, but
            what they have taken is taken.
    """
    taken = [entry for entry in entries if entry.taken_at is not None]
    waiting = [entry for entry in entries if entry.taken_at is None]
    give_back = tuple(entry.run_id for entry in taken if not begun.get(entry.run_id, False))
    at_work = [entry for entry in taken if entry.run_id not in give_back]
    done = tuple(
        entry.run_id for entry in at_work if states.get(entry.run_id, RunState.FINISHED).is_over
    )
    failed = [run_id for run_id in done if states.get(run_id) in _WENT_WRONG]
    pause_because = ""
    if failed and not settings.continue_on_error:
        pause_because = f"Run {failed[0]} {states[failed[0]].value}."
    decision = Decision(done, give_back, pause_because)
    if give_back or pause_because or not waiting:
        return decision
    if settings.paused:
        return _not_now(decision, "The queue is paused.")
    taken_by_others = [
        entry
        for entry in others
        if entry.taken_at is not None and not states.get(entry.run_id, RunState.FINISHED).is_over
    ]
    busy = sum(state in _AT_WORK for state in states.values())
    # Between being taken and having a process a run still counts as queued.
    busy += sum(states[entry.run_id] is RunState.QUEUED for entry in taken_by_others)
    if busy >= settings.at_once:
        are = "run is" if busy == 1 else "runs are"
        return _not_now(decision, f"{busy} {are} at work, and {settings.at_once} may be.")
    first = waiting[0].run_id
    if not settings.choose_devices or not gpus:
        return Decision(done, begin=first)
    still_at_work = [entry for entry in at_work if entry.run_id not in done]
    in_use = {entry.device for entry in still_at_work + taken_by_others if entry.device}
    gpu = choose_gpu(gpus, taken=in_use, free_mebibytes=settings.free_mebibytes)
    if gpu is None:
        return _not_now(
            decision, f"No GPU is free with {settings.free_mebibytes} MiB or more of free memory."
        )
    return Decision(done, begin=first, device=gpu.uuid)


def _not_now(decision: Decision, why: str) -> Decision:
    return Decision(decision.done, decision.give_back, decision.pause_because, why_not=why)
