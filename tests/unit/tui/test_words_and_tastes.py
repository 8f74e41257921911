"""Answers in lines, ASCII for poor terminals, preferences, endings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from summaries import a_run

from workbench.operations.playground import Tried, cosines
from workbench.tui.answers import answer_lines, highlighted
from workbench.tui.ascii_only import in_ascii
from workbench.tui.endings import EndWatch, notification
from workbench.tui.preferences import Preferences, load_preferences, save_preferences
from workbench.tui.screens.log_screen import is_error
from workbench.tui.screens.playground import cosine_table
from workbench.tui.screens.review import confusion_table
from workbench.worker.liveness import RunState


def plain(task: str, answer: dict[str, object], text: str = "") -> str:
    return "\n".join(line.plain for line in answer_lines(task, answer, text))


def test_classes_come_with_a_bar_each_the_likeliest_first() -> None:
    text = plain("topic", {"label": "b", "probabilities": {"a": 0.2, "b": 0.75, "c": 0.05}})

    lines = text.splitlines()
    assert lines[0] == "topic"
    assert [line.split()[0 if not line.strip().startswith("▸") else 1] for line in lines[1:]] == [
        "b", "a", "c",
    ]  # fmt: skip
    assert lines[1].count("█") == 15
    assert "0.750" in lines[1]


def test_entities_stand_in_the_text_with_their_types() -> None:
    text = "Anna went to Oslo."
    entities = [{"start": 0, "end": 4, "label": "PER"}, {"start": 13, "end": 17, "label": "LOC"}]

    assert highlighted(text, entities).plain.strip() == "[Anna]PER went to [Oslo]LOC."


def test_numbers_and_unknown_answers_are_shown_too() -> None:
    assert "0.420" in plain("score", {"value": 0.42})
    assert '"odd"' in plain("other", {"odd": [1]})


def test_a_sentence_is_as_like_itself_as_can_be() -> None:
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 0.0]], dtype=np.float32)

    values = cosines(vectors)

    assert values == pytest.approx(np.array([[1, 0.6, 0], [0.6, 1, 0], [0, 0, 0]]), abs=1e-6)
    table = cosine_table(Tried(("one", "two", "none"), ({}, {}, {}), vectors)).plain
    assert "0.600" in table
    assert "two" in table


def test_a_table_of_confusions_counts_who_was_taken_for_whom() -> None:
    lines = confusion_table(["yes", "no"], [[5, 2], [0, 7]]).plain.splitlines()

    assert lines[1].split() == ["1", "yes", "5", "2"]
    assert lines[2].split() == ["2", "no", "·", "7"]


@given(st.text(max_size=40))
def test_ascii_is_as_wide_as_what_it_stands_for(text: str) -> None:
    shown = in_ascii(text)

    assert shown.isascii()
    if text.isprintable():
        assert cell_len(shown) == cell_len(text)


def test_preferences_come_back_and_nonsense_in_them_is_left_aside(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "interface.json"
    wanted = Preferences(
        columns=("name", "topic.accuracy"), sort="name", rings=True, keys={"home.new": "z"}
    )

    save_preferences(wanted, file)
    assert load_preferences(file) == wanted

    file.write_text(json.dumps({"sort": 3, "columns": "x", "rings": True, "odd": 1}))
    assert load_preferences(file) == Preferences(rings=True)
    file.write_text("{")
    assert load_preferences(file) == Preferences()
    assert load_preferences(tmp_path / "none.json") == Preferences()


def test_only_a_run_that_was_seen_at_work_rings_when_it_ends() -> None:
    watch = EndWatch()
    at_work = a_run("aaa22222", state=RunState.RUNNING)
    over = a_run("bbb22222", state=RunState.FINISHED)

    assert watch.look([at_work, over]) == []
    assert watch.has_open_runs
    (ending,) = watch.look([replace(at_work, state=RunState.CRASHED), over])

    assert "crashed" in ending.words
    assert ending.is_bad
    assert watch.look([replace(at_work, state=RunState.CRASHED)]) == []
    assert not watch.has_open_runs


def test_a_notification_reaches_the_terminal_outside_of_tmux(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    assert notification("done") == "\x1b]9;done\x07"

    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    wrapped = notification("do\x07ne")
    assert wrapped.startswith("\x1bPtmux;\x1b\x1b]9;")
    assert wrapped.count("\x07") == 1  # what a run is called cannot end the sequence


@pytest.mark.parametrize(
    ("line", "is_bad"),
    [
        ("Traceback (most recent call last):", True),
        ("ValueError: x", True),
        ("torch.OutOfMemoryError: CUDA out of memory", True),
        ("failed: the loss is nan", True),
        ("step 12  dev  topic: loss 0.31", False),
        ("terror is no error of ours"[:6], False),
    ],
)
def test_lines_that_tell_of_trouble_are_known(line: str, is_bad: bool) -> None:
    assert is_error(line) is is_bad
