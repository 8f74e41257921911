from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from scripted_runs import (
    a_config,
    counted_losses,
    end_of,
    kill_worker,
    losses_of,
    scripted,
    state_of_checkpoint,
    wait_until,
    worker_of,
)

from workbench.cli.app import main
from workbench.control import SetWeight
from workbench.errors import ConfigError, NotFoundError, WorkbenchError
from workbench.events import CheckpointRemoved
from workbench.operations import keeping, lifecycle, reading, requests
from workbench.operations.workspace import Workspace
from workbench.store.records import SeriesKey
from workbench.training.manifest import is_whole
from workbench.worker.liveness import RunState

STEPS = scripted.COUNTED_STEPS
WHOLE = counted_losses(STEPS)


def test_a_run_whose_worker_was_killed_goes_on_as_if_nothing_had_been(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: len(ws.store.checkpoints(record.id)) > 0)
    kill_worker(ws, record)
    [checkpoint] = ws.store.checkpoints(record.id)[-1:]
    first = worker_of(ws, record)

    lifecycle.resume(ws, record.id)
    summary = end_of(ws, record)

    assert summary.state is RunState.FINISHED
    assert losses_of(ws, record) == WHOLE
    assert worker_of(ws, record) != first
    told = [m for m in ws.store.messages(record.id) if m.kind == "RunResumed"]
    assert [m.body for m in told] == [
        {"step": checkpoint.step, "previous": "its process ended without a word"}
    ]
    folder = ws.location.run_folder(record.id)
    assert state_of_checkpoint(folder / f"checkpoints/step-{STEPS:08d}")["step"] == STEPS


def test_a_run_that_died_as_its_first_checkpoint_appeared_has_the_curves_before_it(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_DIES_UNTOLD", str(scripted.SAVES_EVERY))
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    assert end_of(ws, record).state is RunState.CRASHED
    assert ws.store.checkpoints(record.id) == []

    lifecycle.resume(ws, record.id)

    assert end_of(ws, record).state is RunState.FINISHED
    assert losses_of(ws, record) == WHOLE
    told = {m.kind: m.body for m in ws.store.messages(record.id)}
    assert told["RunResumed"]["step"] == scripted.SAVES_EVERY


def test_what_a_killed_worker_told_of_later_steps_counts_no_more(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: ws.store.latest_step(record.id) > scripted.SAVES_EVERY + 2)
    kill_worker(ws, record)
    ws.store.append(record.id, [scripted.a_step(10_000, STEPS, 7.0)])

    lifecycle.resume(ws, record.id)
    end_of(ws, record)

    assert losses_of(ws, record) == WHOLE
    assert ws.store.steps(record.id).steps.tolist() == list(WHOLE)


def test_a_run_that_was_stopped_goes_on_where_it_stopped(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: ws.store.latest_step(record.id) > 5)
    lifecycle.stop(ws, record.id)
    stopped = end_of(ws, record)
    assert stopped.state is RunState.STOPPED

    lifecycle.resume(ws, record.id)
    summary = end_of(ws, record)

    assert summary.state is RunState.FINISHED
    assert losses_of(ws, record) == WHOLE
    assert summary.seconds > stopped.seconds
    with pytest.raises(WorkbenchError, match="finished: there is nothing left to do"):
        lifecycle.resume(ws, record.id)


def test_a_damaged_checkpoint_is_passed_over_and_its_model_kept(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: len(ws.store.checkpoints(record.id)) > 0)
    kill_worker(ws, record)
    folder = ws.location.run_folder(record.id)
    damaged = damage_training_states(folder)
    early = 4
    value = round(WHOLE[early] * 2**31)
    ws.store.append(record.id, list(scripted.save(folder, early, value, 1.0, [])))

    lifecycle.resume(ws, record.id)
    end_of(ws, record)

    assert losses_of(ws, record) == WHOLE
    told = {m.kind: m.body for m in ws.store.messages(record.id)}
    assert told["RunResumed"]["step"] == early
    assert any("is not as it was written" in line for line in reading.log_tail(ws, record.id))
    for name in damaged:
        assert is_whole(folder / "checkpoints" / f"set-aside-{name}")
        assert f"set-aside-{name}" in str(told["Warned"]["message"])


def test_a_run_that_no_checkpoint_lets_go_on_keeps_its_history_and_models(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: len(ws.store.checkpoints(record.id)) > 0)
    kill_worker(ws, record)
    before = losses_of(ws, record), ws.store.checkpoints(record.id)
    folder = ws.location.run_folder(record.id)
    damaged = damage_training_states(folder)

    lifecycle.resume(ws, record.id)
    exit = end_of(ws, record).exit

    assert exit is not None
    assert (exit.outcome, exit.what) == (
        "failed",
        f"No checkpoint of run {record.id} has what it needs to go on.",
    )
    assert f"mtl-workbench fork {record.id}" in exit.next_step
    assert (losses_of(ws, record), ws.store.checkpoints(record.id)) == before
    assert all(is_whole(folder / "checkpoints" / name) for name in damaged)


def damage_training_states(folder: Path) -> list[str]:
    """Change what is needed to go on from each checkpoint; their names."""
    found = sorted((folder / "checkpoints").glob("step-*"))
    for one in found:
        (one / "training" / "state.json").write_text('{"step": 8, "value": 0, "weight": 1.0}')
    return [one.name for one in found]


def test_a_run_without_a_checkpoint_begins_again(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as slow:
        slow.setenv("SCRIPTED_STEP_SECONDS", "2")
        record = lifecycle.start(ws, a_config(scripted.COUNTS))
        kill_worker(ws, record)

    lifecycle.resume(ws, record.id)
    end_of(ws, record)

    assert losses_of(ws, record) == WHOLE


def test_a_run_that_is_at_work_is_not_started_twice(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS))

    with pytest.raises(WorkbenchError, match="is running"):
        lifecycle.resume(ws, record.id)

    lifecycle.stop(ws, record.id, now=True)


def test_a_wish_to_stop_that_nobody_heard_does_not_end_the_next_process(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    process = worker_of(ws, record)
    os.kill(process.pid, signal.SIGSTOP)
    lifecycle.stop(ws, record.id)
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: reading.summarize(ws, record.id).state.is_over)

    lifecycle.resume(ws, record.id)

    assert end_of(ws, record).state is RunState.FINISHED


def test_a_paused_run_waits_with_a_checkpoint_until_it_is_told_to_go_on(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    process = worker_of(ws, record)

    requests.pause(ws, record.id)
    wait_until(lambda: reading.summarize(ws, record.id).state is RunState.PAUSED)
    step = ws.store.latest_step(record.id)
    assert step in [one.step for one in ws.store.checkpoints(record.id)]
    time.sleep(0.5)
    assert ws.store.latest_step(record.id) == step
    with pytest.raises(WorkbenchError, match="is paused"):
        requests.pause(ws, record.id)

    lifecycle.resume(ws, record.id)

    assert end_of(ws, record).state is RunState.FINISHED
    assert losses_of(ws, record) == WHOLE
    assert worker_of(ws, record) == process


def test_a_paused_run_can_be_stopped_and_a_killed_one_resumed(ws: Workspace) -> None:
    records = [lifecycle.start(ws, a_config(scripted.COUNTS)) for _ in range(2)]
    for record in records:
        requests.pause(ws, record.id)
    for record in records:
        wait_until(lambda: reading.summarize(ws, record.id).state is RunState.PAUSED)  # noqa: B023

    lifecycle.stop(ws, records[0].id)
    kill_worker(ws, records[1])
    assert reading.summarize(ws, records[1].id).state is RunState.CRASHED
    lifecycle.resume(ws, records[1].id)

    assert end_of(ws, records[1]).state is RunState.FINISHED
    assert losses_of(ws, records[1]) == WHOLE


def test_a_live_run_saves_evaluates_and_changes_on_request(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))

    requests.save_checkpoint(ws, record.id)
    requests.evaluate_now(ws, record.id)
    requests.adjust(ws, record.id, weights={"q": 0.5}, rate_scale=0.1, log_every=2)
    end_of(ws, record)

    losses = losses_of(ws, record)
    changed = [step for step, loss in losses.items() if loss != WHOLE[step]]
    assert changed == list(range(changed[0], STEPS + 1))
    assert all(losses[step] == 0.5 * WHOLE[step] for step in changed)
    assert SeriesKey("dev", "q", "loss") in ws.store.series(record.id)


def test_what_was_changed_by_hand_after_the_checkpoint_is_changed_again_at_its_step(
    ws: Workspace,
) -> None:
    record = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: ws.store.latest_step(record.id) > 2)
    requests.adjust(ws, record.id, weights={"q": 0.5})
    wait_until(lambda: any(m.kind == "RequestObeyed" for m in ws.store.messages(record.id)))
    kill_worker(ws, record)
    told = [m.body for m in ws.store.messages(record.id) if m.kind == "RequestObeyed"]
    step = int(str(told[0]["step"]))
    # As if it had died before the checkpoint that holds the change was written.
    shutil.rmtree(ws.location.run_folder(record.id) / "checkpoints", ignore_errors=True)
    for one in ws.store.checkpoints(record.id):
        ws.store.append(record.id, [CheckpointRemoved(one.step)])

    for _attempt in range(2):  # the second time it was told twice, and is done once
        lifecycle.resume(ws, record.id)
        wait_until(lambda: ws.store.latest_step(record.id) > step + 2)
        kill_worker(ws, record)
    lifecycle.resume(ws, record.id)
    end_of(ws, record)

    assert losses_of(ws, record) == {
        s: loss if s <= step else 0.5 * loss for s, loss in WHOLE.items()
    }


def test_an_impossible_change_is_refused_with_all_that_is_wrong(ws: Workspace) -> None:
    record = lifecycle.start(ws, a_config(scripted.LOOPS))

    with pytest.raises(ConfigError, match='no task "moood"') as caught:
        requests.adjust(ws, record.id, weights={"moood": 1.0, "q": -1.0}, rate_scale=0.0)

    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigError, match="Nothing is to be changed"):
        requests.adjust(ws, record.id)
    lifecycle.stop(ws, record.id, now=True)
    with pytest.raises(WorkbenchError, match="is stopped"):
        requests.adjust(ws, record.id, rate_scale=0.5)


def test_a_fork_begins_at_the_checkpoint_and_names_its_parent(ws: Workspace) -> None:
    parent = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: len(ws.store.checkpoints(parent.id)) > 0)
    lifecycle.stop(ws, parent.id)
    step = end_of(ws, parent).step

    fork = lifecycle.fork(ws, parent.id, checkpoint="last", overrides=["name=branch"])
    end_of(ws, fork)

    assert (fork.parent_id, fork.parent_step, fork.name) == (parent.id, step, "branch")
    assert ws.store.run(fork.id) == fork
    later = counted_losses(step + STEPS)
    assert losses_of(ws, fork) == {s - step: loss for s, loss in later.items() if s > step}
    assert reading.summarize(ws, parent.id).state is RunState.STOPPED


def test_a_fork_that_dies_before_its_first_checkpoint_begins_at_its_origin_again(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: len(ws.store.checkpoints(parent.id)) > 0)
    lifecycle.stop(ws, parent.id)
    step = end_of(ws, parent).step
    with monkeypatch.context() as slow:
        slow.setenv("SCRIPTED_STEP_SECONDS", "2")
        fork = lifecycle.fork(ws, parent.id, checkpoint="last")
        kill_worker(ws, fork)
    keeping.delete(ws, [parent.id])
    keeping.empty_trash(ws)

    lifecycle.resume(ws, fork.id)
    end_of(ws, fork)

    later = counted_losses(step + STEPS)
    assert losses_of(ws, fork) == {s - step: loss for s, loss in later.items() if s > step}
    assert ws.store.run(fork.id).parent_id == parent.id


def test_a_fork_needs_a_checkpoint_that_is_there_and_settings_that_are_right(
    ws: Workspace,
) -> None:
    parent = lifecycle.start(ws, a_config(scripted.FINISHES))
    end_of(ws, parent)

    with pytest.raises(WorkbenchError, match="not on this machine"):
        lifecycle.fork(ws, parent.id)
    with pytest.raises(NotFoundError, match='no checkpoint "7"'):
        lifecycle.fork(ws, parent.id, checkpoint="7")
    (ws.location.run_folder(parent.id) / "checkpoints/25").mkdir(parents=True)
    with pytest.raises(ConfigError, match="sead"):
        lifecycle.fork(ws, parent.id, overrides=["sead=1"])
    assert len(ws.store.runs()) == 1


def test_what_a_run_was_asked_is_shown_and_done_again_by_a_run_that_repeats_it(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    first = lifecycle.start(ws, a_config(scripted.COUNTS))
    wait_until(lambda: ws.store.latest_step(first.id) > 2)
    requests.adjust(ws, first.id, weights={"q": 0.5})
    end_of(ws, first)
    [(step, asked)] = reading.requests_obeyed(ws, first.id)

    db = str(ws.location.database_file)
    assert main(["--db", db, "repeat", first.id, "--name", "again", "--plain"]) == 0
    again = reading.find_run(ws, "again")
    # A run that repeats one that repeated another is asked the same, too, although killed.
    third = lifecycle.repeat(ws, again.id)
    kill_worker(ws, third)
    lifecycle.resume(ws, third.id)
    end_of(ws, third)

    assert asked == SetWeight("q", 0.5)
    expected = {s: loss if s <= step else 0.5 * loss for s, loss in WHOLE.items()}
    for record in (first, again, third):
        assert losses_of(ws, record) == expected
        assert reading.requests_obeyed(ws, record.id) == [(step, asked)]
    capsys.readouterr()
    assert main(["--db", db, "show", first.id]) == 0
    shown = capsys.readouterr().out
    assert f"after step {step}: weight of q 0.5" in shown
    assert f"mtl-workbench repeat {first.id}" in shown
    assert main(["--db", db, "show", first.id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["requests"]
    values = {"task": "q", "weight": 0.5}
    assert told == [
        {"step": step, "kind": "set weight", "words": "weight of q 0.5", "values": values}
    ]
