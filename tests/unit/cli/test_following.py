"""Following a run: what is said, in which order, and what it ends with."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from workbench import events
from workbench.cli import training
from workbench.cli.following import Follower
from workbench.control import Stop
from workbench.operations import lifecycle
from workbench.store.records import ExitRecord


def test_a_finished_run_is_told_in_the_order_of_its_steps(run_command: Any, add_run: Any) -> None:
    add_run()

    result = run_command("watch", "@last", "--plain")

    lines = result.out.splitlines()
    steps = [line for line in lines if line.startswith("step ")]
    assert result.code == 0
    assert steps[0].startswith("step 4/20  epoch 0.40  loss question ")
    assert "lr 2e-5/1e-4  64 texts/s  ETA 8s" in steps[0]
    assert steps[-1].startswith("step 20/20")
    first_evaluation = lines.index("evaluation  dev at step 10  selection 0.250")
    assert lines[first_evaluation - 1].startswith("step 10/20")
    assert lines[first_evaluation + 1] == "  question  accuracy 0.400  loss 0.300"
    assert lines[first_evaluation + 3] == "checkpoint  step 10, the best so far, 90 MB"
    assert "dev metrics of the best checkpoint at step 20" in lines


def test_remarks_and_next_commands_go_beside_the_data(run_command: Any, add_run: Any) -> None:
    add_run()

    result = run_command("watch", "@last")

    assert "training 10 of 1,000 parameters on cpu in fp32, 20 steps" in result.err
    assert "warning  3 texts are cut␛[31m" in result.err
    assert "mtl-workbench export arun2345" in result.err
    assert "warning" not in result.out


def test_each_thing_is_told_once(space: Any, add_run: Any) -> None:
    add_run(outcome="")
    follower = Follower(space, "arun2345")

    first = follower.news()
    second = follower.news()

    assert first
    assert second == []


def test_weights_and_shares_are_not_taken_for_losses_and_a_task_that_is_through_is_told(
    space: Any, add_run: Any
) -> None:
    add_run(outcome="")
    follower = Follower(space, "arun2345")
    follower.news()

    space.store.append(
        "arun2345",
        [
            events.TaskGraduated(21, "entity", "span_f1", 0.75, 10),
            events.StepFinished(
                21,
                2.1,
                {"question": 0.5},
                1.0,
                {},
                1.0,
                32,
                320,
                2.5,
                weights={"question": 77.0},
                shares={"question": 88.0},
                task_norms={"question": 99.0},
            ),
        ],
    )
    lines = follower.news()

    assert lines[0].text == (
        "entity is through: span_f1 0.750 at step 10 was not surpassed; it is trained no longer"
    )
    assert "77" not in lines[1].text
    assert "question 0." in lines[1].text


def test_news_that_come_between_two_looks_are_told(space: Any, add_run: Any) -> None:
    add_run(outcome="")
    follower = Follower(space, "arun2345")
    follower.news()

    space.store.append(
        "arun2345",
        [
            events.Warned("careful"),
            events.StepFinished(21, 2.1, {"question": float("nan")}, 1.0, {}, 1.0, 32, 320, 2.5),
        ],
    )
    lines = follower.news()

    assert [line.kind for line in lines] == ["warning", "step"]
    assert "question nan" in lines[1].text


def test_steps_that_were_not_told_yet_are_told_at_the_end(space: Any, add_run: Any) -> None:
    add_run(outcome="", steps=2)
    follower = Follower(space, "arun2345")
    follower.news()
    step = events.StepFinished(3, 1.0, {"question": 1.0}, 1.0, {}, 1.0, 32, 320, 0.1)
    space.store.append("arun2345", [step])

    before, after = follower.news(), follower.news(is_over=True)

    assert before == []
    assert [line.text.split("  ")[0] for line in after] == ["step 3/2"]


def test_after_a_long_past_news_come_in_short_blocks(space: Any, add_run: Any) -> None:
    add_run(steps=3000, outcome="")
    follower = Follower(space, "arun2345")
    follower.news()
    steps = [
        events.StepFinished(step, 1.0, {"question": 1.0}, 1.0, {}, 1.0, 32, 320, 0.5)
        for step in range(3001, 3009)
    ]
    space.store.append("arun2345", steps)

    assert len(follower.news()) == 2


def test_a_long_past_is_told_in_few_lines(space: Any, add_run: Any) -> None:
    add_run(steps=3000)

    lines = Follower(space, "arun2345").news(is_over=True)

    steps = [line for line in lines if line.kind == "step"]
    assert 90 <= len(steps) <= 110


def test_a_failed_run_ends_with_its_error_and_exit_code_1(run_command: Any, add_run: Any) -> None:
    add_run(outcome="failed")

    result = run_command("watch", "@last")

    assert result.code == 1
    assert result.err.endswith("The loss is NaN.\n  where  step 20\n  next   lower the rate\n")


def test_a_stopped_run_ends_with_exit_code_130(run_command: Any, add_run: Any) -> None:
    add_run(outcome="stopped")

    assert run_command("watch", "@last").code == 130


def test_the_showcase_is_printed_as_the_notebook_does(run_command: Any, add_run: Any) -> None:
    vector = tuple(index / 10 for index in range(12))
    add_run(
        extra=[
            events.ShowcaseComputed(
                ("Fine.",),
                (vector,),
                {"question": ("a", "b")},
                {"question": ((0.5, 1.5),)},
                {"entity": ((("Rome", "LOC"),),)},
            )
        ]
    )

    out = run_command("watch", "@last").out

    assert "vector  [+0.0000, +0.1000, +0.2000, ..., +0.9000, +1.0000, +1.1000] (12 values)" in out
    assert "question  b  [a +0.500  b +1.500]" in out
    assert "entity  Rome (LOC)" in out


def test_a_run_is_followed_until_it_ends(
    run_command: Any, add_run: Any, space: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_LOOK_EVERY_SECONDS", 0.02)
    add_run(outcome="")
    finish = [events.RunFinished(20, False, "abc", 4.0)]
    end = ExitRecord("finished", datetime.now(UTC))
    timer = threading.Timer(0.3, lambda: space.store.append("arun2345", finish, exit=end))
    timer.start()

    result = run_command("watch", "@last")

    timer.join()
    assert result.code == 0


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_without_a_terminal_ctrl_c_detaches(
    run_command: Any, add_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(outcome="")
    monkeypatch.setattr(training.time, "sleep", interrupt)

    result = run_command("watch", "@last")

    assert result.code == 130
    assert "Detached; the run goes on. Watch it again: mtl-workbench watch arun2345" in result.err


def test_on_a_terminal_ctrl_c_asks_and_s_stops(
    run_command: Any, add_run: Any, space: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(outcome="")
    answers = iter(["c", "s", "d"])
    monkeypatch.setattr(training.time, "sleep", interrupt)
    monkeypatch.setattr(training.output, "can_ask", lambda: True)
    monkeypatch.setattr(training.output, "ask", lambda question: next(answers))

    result = run_command("watch", "@last")

    assert result.code == 130
    assert space.store.take_commands("arun2345") == [Stop()]


@pytest.fixture
def a_preset(tmp_path: Any) -> Any:
    (tmp_path / "e.conll").touch()
    file = tmp_path / "mine.toml"
    file.write_text('[tasks.entity]\nkind = "tagging"\ndata = {train = "e.conll"}\n')
    return file


def test_train_hands_the_config_on_and_detaches(
    run_command: Any, add_run: Any, a_preset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def start(space: Any, config: Any, *, source: str) -> Any:
        asked.update(config=config, source=source)
        return add_run("brun2345", outcome="")

    monkeypatch.setattr(lifecycle, "start", start)

    result = run_command(
        "train", str(a_preset), "--set", "training.epochs=1", "--name", "mine", "--detach"
    )

    assert (result.code, result.out) == (0, "brun2345\n")
    assert asked["config"].training.epochs == 1
    assert asked["config"].name == "mine"
    assert asked["source"] == str(a_preset)


@pytest.mark.parametrize("option", ["--plain", "--open"])
def test_train_follows_the_run_it_started(
    option: str, run_command: Any, add_run: Any, a_preset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "start", lambda *_, **__: add_run("brun2345"))

    result = run_command("train", str(a_preset), option)

    assert result.code == 0
    assert "Started run brun2345" in result.err
    assert "step 20/20" in result.out
