from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil
import pytest
from scripted_runs import a_config, scripted, wait_until

from workbench.errors import NotFoundError
from workbench.operations import lifecycle, queue, reading
from workbench.operations.workspace import Workspace
from workbench.worker import launcher, liveness
from workbench.worker.liveness import RunState
from workbench.worker.supervisor import is_at_work


@pytest.fixture(autouse=True)
def nothing_stays(ws: Workspace) -> Iterator[None]:
    yield
    for entry in ws.store.queue():
        ws.store.leave_queue(entry.run_id, waiting_only=True)
    for run in reading.list_runs(ws):
        if not run.state.is_over:
            lifecycle.stop(ws, run.record.id, now=True)
    for child in list(launcher._children):
        child.terminate()
        child.wait()
    wait_until(lambda: not is_at_work(ws.location))


def states_of(ws: Workspace) -> dict[str, RunState]:
    return {run.record.name: run.state for run in reading.list_runs(ws)}


def add(ws: Workspace, name: str, script: int = scripted.COUNTS, *, priority: int = 0) -> str:
    config = a_config(script).model_copy(update={"name": name})
    return queue.add(ws, config, priority=priority).id


def supervisors(ws: Workspace) -> list[int]:
    """The processes that work off this queue."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "supervise" in (process.info["cmdline"] or [])
        and ws.location.url in process.info["cmdline"]
    ]


def test_runs_go_one_after_the_other_in_order_of_priority(ws: Workspace) -> None:
    queue.pause(ws)
    ids = [add(ws, "a"), add(ws, "b"), add(ws, "urgent", priority=5)]
    places = {row.run.record.name: row.place for row in queue.look(ws).rows}
    assert places == {"urgent": 1, "a": 2, "b": 3}
    assert set(states_of(ws).values()) == {RunState.QUEUED}
    assert not is_at_work(ws.location)

    queue.go_on(ws)
    most = 0

    def are_done() -> bool:
        nonlocal most
        found = states_of(ws)
        most = max(most, sum(s in ("starting", "running") for s in found.values()))
        return all(state is RunState.FINISHED for state in found.values())

    wait_until(are_done, 60)
    begun = sorted(ids, key=lambda run_id: ws.store.facts(run_id).claimed_at or 0)  # type: ignore[arg-type,return-value]
    assert [ws.store.run(run_id).name for run_id in begun] == ["urgent", "a", "b"]
    assert most == 1
    wait_until(lambda: ws.store.queue() == [])
    wait_until(lambda: not is_at_work(ws.location))


def test_a_waiting_run_can_be_moved_and_taken_out(ws: Workspace) -> None:
    queue.pause(ws)
    for name in "abcd":
        add(ws, name, priority=1 if name == "a" else 0)

    def order() -> list[str]:
        return [row.run.record.name for row in queue.look(ws).rows]

    queue.move(ws, "d", 1)
    assert order() == ["d", "a", "b", "c"]
    queue.move(ws, "a", 4)
    assert order() == ["d", "b", "c", "a"]
    queue.move(ws, "c", 2)
    assert order() == ["d", "c", "b", "a"]
    queue.remove(ws, "c")
    assert order() == ["d", "b", "a"]
    assert reading.summarize(ws, "b").queue_place == 2
    assert reading.summarize(ws, "c").state is RunState.WITHDRAWN
    with pytest.raises(NotFoundError, match="does not wait"):
        queue.move(ws, "c", 1)
    lifecycle.stop(ws, "b")
    assert order() == ["d", "a"]


def test_a_run_that_failed_pauses_the_queue_and_says_why(ws: Workspace) -> None:
    queue.pause(ws)
    bad = add(ws, "bad", scripted.FAILS)
    add(ws, "good", scripted.FINISHES)
    queue.go_on(ws)

    wait_until(lambda: queue.look(ws).settings.paused, 30)

    assert queue.look(ws).settings.paused_because == f"Run {bad} failed."
    assert states_of(ws) == {"bad": RunState.FAILED, "good": RunState.QUEUED}

    queue.change(ws, continue_on_error=True)
    add(ws, "bad too", scripted.FAILS, priority=1)
    queue.go_on(ws)
    wait_until(lambda: states_of(ws)["good"] is RunState.FINISHED, 30)


def test_as_many_are_at_work_as_may_be(ws: Workspace) -> None:
    queue.change(ws, at_once=2)
    for name in "abc":
        add(ws, name, scripted.LOOPS)

    wait_until(lambda: sorted(states_of(ws).values()) == ["queued", "running", "running"], 30)

    lifecycle.stop(ws, "a")
    wait_until(lambda: states_of(ws)["c"] is RunState.RUNNING, 30)


def test_a_killed_supervisor_takes_no_run_with_it_and_is_replaced_by_a_look(
    ws: Workspace,
) -> None:
    add(ws, "a")
    add(ws, "b")
    wait_until(lambda: states_of(ws)["a"] is RunState.RUNNING, 30)
    [first] = supervisors(ws)
    process = ws.store.facts(reading.find_run(ws, "a").id).process

    os.kill(first, signal.SIGKILL)
    launcher.reap()
    assert process is not None
    assert liveness.is_alive(process)
    wait_until(lambda: set(states_of(ws).values()) == {RunState.FINISHED}, 60)

    assert ws.store.facts(reading.find_run(ws, "a").id).process == process
    assert first != 0


def test_of_many_supervisors_one_is_at_work(ws: Workspace) -> None:
    add(ws, "a", scripted.LOOPS)
    for _ in range(3):
        launcher.launch_supervisor(ws.location)
        reading.list_runs(ws)
    wait_until(lambda: states_of(ws)["a"] is RunState.RUNNING, 30)

    assert len(supervisors(ws)) == 1


def test_a_run_taken_by_a_supervisor_that_died_at_once_waits_again(ws: Workspace) -> None:
    queue.pause(ws)
    run_id = add(ws, "a", scripted.FINISHES)
    ws.store.take_from_queue(run_id, None)

    queue.go_on(ws)

    wait_until(lambda: states_of(ws)["a"] is RunState.FINISHED, 30)
