from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.store.records import QueueEntry
from workbench.worker.devices import Gpu, choose_gpu, find_gpus
from workbench.worker.liveness import RunState
from workbench.worker.queueing import Decision, QueueSettings, decide

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FREE = Gpu(0, "GPU-a", "A", 20_000, 24_000)
FULL = Gpu(1, "GPU-b", "B", 100, 24_000)
BIG = Gpu(2, "GPU-c", "C", 40_000, 48_000)


def waiting(run_id: str) -> QueueEntry:
    return QueueEntry(run_id, "box", 0, 1.0, NOW, None, None)


def taken(run_id: str, device: str | None = None) -> QueueEntry:
    return replace(waiting(run_id), taken_at=NOW, device=device)


def test_the_first_that_waits_is_begun() -> None:
    decision = decide([waiting("a"), waiting("b")], {}, {}, QueueSettings(), [])

    assert (decision.begin, decision.device) == ("a", None)


@pytest.mark.parametrize("state", [RunState.STARTING, RunState.RUNNING, RunState.SILENT])
def test_no_more_are_begun_than_may_be_at_work(state: RunState) -> None:
    states = {"other": state}

    one = decide([waiting("a")], states, {}, QueueSettings(at_once=1), [])
    two = decide([waiting("a")], states, {}, QueueSettings(at_once=2), [])

    assert (one.begin, two.begin) == (None, "a")
    assert "1 run is at work" in one.why_not


def test_a_paused_run_leaves_its_turn_to_others() -> None:
    states = {"p": RunState.PAUSED}
    decision = decide([taken("p"), waiting("a")], states, {"p": True}, QueueSettings(), [])

    assert (decision.begin, decision.done) == ("a", ())


def test_a_paused_queue_begins_nothing() -> None:
    assert decide([waiting("a")], {}, {}, QueueSettings(paused=True), []).begin is None


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CRASHED, RunState.LOST])
def test_a_run_that_went_wrong_pauses_the_queue_unless_it_is_to_go_on(state: RunState) -> None:
    entries, states, begun = [taken("x"), waiting("a")], {"x": state}, {"x": True}

    careful = decide(entries, states, begun, QueueSettings(), [])
    bold = decide(entries, states, begun, QueueSettings(continue_on_error=True), [])

    assert (careful.begin, careful.done) == (None, ("x",))
    assert careful.pause_because == f"Run x {state.value}."
    assert (bold.begin, bold.done, bold.pause_because) == ("a", ("x",), "")


@pytest.mark.parametrize("state", [RunState.FINISHED, RunState.STOPPED])
def test_a_run_that_ended_well_makes_room(state: RunState) -> None:
    decision = decide([taken("x"), waiting("a")], {"x": state}, {"x": True}, QueueSettings(), [])

    assert (decision.begin, decision.done) == ("a", ("x",))


def test_a_run_that_a_dead_supervisor_took_waits_again() -> None:
    decision = decide([taken("x"), waiting("a")], {}, {"x": False}, QueueSettings(), [])

    assert decision.give_back == ("x",)
    assert decision.begin is None


def test_a_run_gets_the_emptiest_gpu_that_no_other_has() -> None:
    states = {"x": RunState.RUNNING}
    settings = QueueSettings(at_once=3)

    alone = decide([waiting("a")], {}, {}, settings, [FREE, FULL, BIG])
    beside = decide([taken("x", "GPU-c"), waiting("a")], states, {"x": True}, settings, [FREE, BIG])
    nowhere = decide([waiting("a")], {}, {}, settings, [FULL])
    all_seen = decide([waiting("a")], {}, {}, replace(settings, choose_devices=False), [FULL])

    assert (alone.device, beside.device) == ("GPU-c", "GPU-a")
    assert nowhere.begin is None
    assert "No GPU is free with 4096 MiB" in nowhere.why_not
    assert (all_seen.begin, all_seen.device) == ("a", None)


def test_what_another_supervisor_has_taken_is_taken_until_its_run_is_over() -> None:
    others = [taken("x", "GPU-c"), waiting("y")]
    settings = QueueSettings(at_once=2)
    gpus = [FREE, BIG]

    def beside(state: RunState, at_once: int = 2) -> Decision:
        settings = QueueSettings(at_once=at_once)
        return decide([waiting("a")], {"x": state}, {}, settings, gpus, others)

    assert beside(RunState.RUNNING).device == "GPU-a"
    assert beside(RunState.QUEUED).device == "GPU-a"
    assert beside(RunState.FINISHED).device == "GPU-c"
    assert beside(RunState.QUEUED, at_once=1).begin is None
    assert beside(RunState.FINISHED, at_once=1).begin == "a"
    theirs = decide([waiting("a")], {"x": RunState.QUEUED}, {"x": False}, settings, gpus, others)
    assert (theirs.give_back, theirs.done) == ((), ())


@given(
    st.lists(st.tuples(st.sampled_from(list(RunState)), st.booleans()), max_size=6),
    st.integers(1, 4),
    st.booleans(),
)
def test_whatever_is_known_no_limit_is_passed(
    known: list[tuple[RunState, bool]], at_once: int, goes_on: bool
) -> None:
    entries = [
        taken(str(number)) if is_taken else waiting(str(number))
        for number, (_, is_taken) in enumerate(known)
    ]
    states = {str(number): state for number, (state, is_taken) in enumerate(known) if is_taken}
    begun = dict.fromkeys(states, True)
    settings = QueueSettings(at_once=at_once, continue_on_error=goes_on)

    decision = decide(entries, states, begun, settings, [])

    busy = [s for s in states.values() if s in ("starting", "running", "silent")]
    if decision.begin is not None:
        assert len(busy) < at_once
        assert decision.begin not in states
        assert decision.pause_because == ""
    assert all(states[run_id].is_over for run_id in decision.done)


# GPUs


@dataclass
class FakeNvml:
    """nvidia-ml-py with two GPUs of 24 GB."""

    free: tuple[int, ...] = (23_000, 500)
    is_there: bool = True
    is_open: bool = False

    def nvmlInit(self) -> None:
        if not self.is_there:
            raise RuntimeError("NVML Shared Library Not Found")
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        return len(self.free)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return type("Memory", (), {"free": self.free[handle] << 20, "total": 24_000 << 20})

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}{handle}"

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return b"Fast One"


def test_gpus_are_found_with_their_free_memory() -> None:
    nvml = FakeNvml()

    found = find_gpus(nvml, visible=None)

    assert found[0] == Gpu(0, "GPU-00", "Fast One", 23_000, 24_000)
    assert choose_gpu(found, taken=(), free_mebibytes=4096) == found[0]
    assert choose_gpu(found, taken=("GPU-00",), free_mebibytes=4096) is None
    assert not nvml.is_open


@pytest.mark.parametrize(
    ("visible", "seen"),
    [("0", [0]), ("1", [1]), ("GPU-11", [1]), ("", []), ("-1", []), ("1,0", [0, 1])],
)
def test_only_gpus_that_the_person_allowed_are_used(visible: str, seen: list[int]) -> None:
    assert [gpu.index for gpu in find_gpus(FakeNvml(), visible=visible)] == seen


def test_without_a_driver_there_are_no_gpus() -> None:
    assert find_gpus(FakeNvml(is_there=False)) == []
