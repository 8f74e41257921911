"""The real program in terminals that can less than others, and without one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import Terminal

sys.path.insert(0, str(Path(__file__).parents[1] / "tui"))

from recorded_runs import a_run, a_workspace, finish, train

PROGRAM = [sys.executable, "-m", "workbench"]
COLOURS = re.compile(rb"\x1b\[[\d;]*\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])\b[\d;]*m")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a database of one finished run."""
    with a_workspace(tmp_path) as ws:
        run = a_run(ws, "n2rt5c8w")
        train(ws, run, upto=240)
        finish(ws, run)
    return tmp_path


def start(folder: Path, **environment: str) -> Terminal:
    wanted = {"XDG_CONFIG_HOME": str(folder / "config"), "COLORTERM": "", **environment}
    return Terminal(PROGRAM, cwd=folder, columns=80, rows=24, environment=wanted)


def test_sixteen_colours_and_ascii_are_enough(folder: Path) -> None:
    terminal = start(folder, TERM="xterm", MTL_WORKBENCH_ASCII="1")
    terminal.wait("quickstart")
    terminal.press("enter")
    terminal.wait("A 0.1988")
    terminal.press("ctrl+q")
    terminal.exit_status()

    assert bytes(terminal.raw).isascii()
    assert b"38;2;" not in terminal.raw
    assert b"38;5;" not in terminal.raw
    assert COLOURS.search(terminal.raw)


def test_who_wants_no_colour_gets_none_and_still_tells_the_curves_apart(folder: Path) -> None:
    terminal = start(folder, TERM="xterm-256color", NO_COLOR="1")
    terminal.wait("quickstart")
    terminal.press("enter")
    text = terminal.wait("A 0.1988")
    terminal.press("ctrl+q")
    terminal.exit_status()

    coloured = {
        match.group() for match in re.finditer(rb"\x1b\[[\d;]*38;2;(\d+);(\d+);(\d+)", terminal.raw)
    }
    greys = {
        match.group() for match in re.finditer(rb"\x1b\[[\d;]*38;2;(\d+);\1;\1(?!\d)", terminal.raw)
    }
    assert coloured == greys
    assert "B■ 0.4724" in text


def test_a_dumb_terminal_is_refused_with_what_to_use_instead(folder: Path) -> None:
    terminal = start(folder, TERM="dumb")
    text = terminal.wait("--plain")

    assert "needs a terminal" in text
    assert terminal.exit_status() >> 8 == 2


def test_without_a_terminal_the_first_screen_is_told_in_lines(folder: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "--plain"], cwd=folder, capture_output=True, text=True, check=True
    )

    assert "quickstart, n2rt5c8w: finished, 100% done, best 0.787" in done.stdout
    assert "show RUN --charts" in done.stdout
