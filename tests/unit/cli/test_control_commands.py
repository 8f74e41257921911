from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from workbench.config.loading import validate
from workbench.control import (
    Evaluate,
    Pause,
    Request,
    Resume,
    SaveCheckpoint,
    SetLogInterval,
    SetRateScale,
    SetWeight,
)
from workbench.events import PAUSED
from workbench.operations import lifecycle
from workbench.operations.workspace import Workspace
from workbench.store.records import Heartbeat
from workbench.worker.liveness import current_identity, here


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["pause", "@last"], [Pause()]),
        (["checkpoint", "@last"], [SaveCheckpoint()]),
        (["evaluate", "@last", "--now"], [Evaluate()]),
        (
            ["adjust", "@last", "--weight", "question=0.5", "--weight", "entity=2"],
            [SetWeight("question", 0.5), SetWeight("entity", 2.0)],
        ),
        (
            ["adjust", "@last", "--rate-scale", "0.3", "--log-every", "10"],
            [SetRateScale(0.3), SetLogInterval(10)],
        ),
    ],
)
def test_a_run_at_work_is_asked(
    words: list[str], asked: list[Request], run_command: Any, add_run: Any, space: Workspace
) -> None:
    record = add_run(outcome="", process=current_identity())

    result = run_command(*words)

    assert (result.code, result.out) == (0, "")
    assert f"Asked run {record.id}" in result.err
    assert space.store.take_commands(record.id) == asked


def test_a_paused_run_is_told_to_go_on(run_command: Any, add_run: Any, space: Workspace) -> None:
    record = add_run(outcome="", process=current_identity())
    space.store.beat(record.id, Heartbeat(datetime.now(UTC), PAUSED, 7, 60.0))
    assert run_command("runs", "--json").json[0]["state"] == "paused"

    result = run_command("resume", record.id)

    assert result.code == 0
    assert space.store.take_commands(record.id) == [Resume()]


@pytest.mark.parametrize("command", ["pause", "checkpoint"])
def test_a_run_that_is_over_cannot_be_asked(command: str, run_command: Any, add_run: Any) -> None:
    add_run()

    result = run_command(command, "@last")

    assert result.code == 1
    assert "is finished" in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--weight", "question"], '"question" gives no weight'),
        (["--weight", "questoin=1"], 'did you mean "question"'),
        (["--weight", "question=-1"], "cannot count -1"),
        (["--rate-scale", "0"], "cannot be scaled by 0"),
        (["--log-every", "0"], "Every 0 updates"),
        ([], "Nothing is to be changed"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    words: list[str], said: str, run_command: Any, add_run: Any, space: Workspace
) -> None:
    record = add_run(outcome="", process=current_identity())

    result = run_command("adjust", record.id, *words)

    assert result.code == 2
    assert said in result.err
    assert space.store.take_commands(record.id) == []


def test_a_fork_says_where_it_branches_off(
    run_command: Any, add_run: Any, space: Workspace
) -> None:
    from dataclasses import replace

    parent = add_run()
    space.store.add_run(
        replace(parent, id="branch22", name="branch", parent_id=parent.id, parent_step=10)
    )

    document = run_command("show", "branch22", "--json").json
    listed = run_command("runs").out
    shown = run_command("show", "branch22").out

    assert document["parent"] == {"id": parent.id, "step": 10}
    assert f"branch (from {parent.id} step 10)" in listed
    assert f"run {parent.id} at step 10" in shown


def test_a_run_of_another_version_is_listed_with_the_reason(
    run_command: Any, add_run: Any, space: Workspace
) -> None:
    add_run("odd22222", name="odd")
    add_run("fine2222", name="fine")
    with space.store.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE runs SET config = replace(config, '\"seed\"', '\"sead\"') WHERE id = 'odd22222'"
        )

    listed = {run["id"]: run for run in run_command("runs", "--json").json}
    shown = run_command("show", "odd22222")

    assert set(listed) == {"odd22222", "fine2222"}
    assert "sead" in listed["odd22222"]["unreadable"]
    assert list(listed["odd22222"]["config"]["tasks"]) == ["question", "entity"]
    assert listed["fine2222"]["unreadable"] == ""
    assert shown.code == 0
    assert "another version of the program wrote them" in shown.out


@pytest.mark.parametrize("config", ["{}", "[]", "not json", '{"tasks": 7}', '{"tasks": {"q": 1}}'])
def test_settings_of_which_nothing_can_be_read_do_not_hide_the_runs(
    config: str, run_command: Any, add_run: Any, space: Workspace
) -> None:
    from sqlalchemy import text

    add_run()
    with space.store.engine.begin() as connection:
        connection.execute(text("UPDATE runs SET config = :config"), {"config": config})

    result = run_command("runs", "--json")

    assert result.code == 0
    assert result.json[0]["unreadable"]
    assert run_command("show", "@last").code == 0


def test_a_run_taken_out_of_the_queue_says_that_it_never_began_and_what_to_do(
    run_command: Any, space: Workspace
) -> None:
    task = {"kind": "classification", "data": {"train": "/q.jsonl"}}
    record = lifecycle.add(space, validate({"name": "later", "tasks": {"question": task}}))
    space.store.enqueue(record.id, here().host)

    removed = run_command("queue", "remove", record.id)

    begin = f"mtl-workbench resume {record.id}"
    assert begin in removed.err
    shown = run_command("show", record.id)
    assert f"later  {record.id}  withdrawn" in shown.out
    assert "It was taken out of the queue before it began." in shown.out
    assert f"begin it: {begin}; or delete it: mtl-workbench delete {record.id}" in shown.out
    followed = run_command("watch", record.id)
    assert followed.code == 130
    assert "(later) never began." in followed.err
    assert begin in followed.err
    assert "export" not in followed.err
