"""The cheap rows of `make bench-tui`, each held to three times its bound."""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "tui"), str(ROOT / "benchmarks")]

import terminal_speed as bench  # noqa: E402  # beside the tests, not among them
from summaries import a_run  # noqa: E402
from synthetic_runs import a_long_run, fill  # noqa: E402

from workbench.errors import ConfigError  # noqa: E402
from workbench.operations.filtering import complete, parse_filter, sort_runs  # noqa: E402
from workbench.operations.workspace import open_workspace  # noqa: E402

SLACK = 3.0


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 500 runs."""
    file = tmp_path_factory.mktemp("many") / "500.db"
    return bench.make(file, lambda ws: fill(ws, 500, steps_each=4))


# Times are taken in seconds of computing: the wall clock of a busy machine measures the others.


def test_the_first_useful_screen_comes_soon(many: Path) -> None:
    with bench.opened("--db", str(many)) as terminal:
        terminal.until(b"500 runs")
        spent = terminal.cpu_seconds()

    assert spent <= SLACK * 0.9


def test_five_hundred_runs_are_soon_written_as_json(many: Path) -> None:
    before = os.times()
    row = bench.runs_as_json(many, 500)  # three times
    after = os.times()
    spent = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )

    assert spent / 3 <= SLACK * row.bound


def test_a_keystroke_in_a_filter_costs_little_among_thousands_of_runs() -> None:
    runs = [a_run(f"r{at:07d}", name=f"search {at}", accuracy=at % 100 / 100) for at in range(5000)]
    typed = "state=finished and question.accuracy>0.8"
    spent = []
    for end in range(1, len(typed) + 1):
        begin = time.process_time()
        complete(typed[:end], end, runs)
        with contextlib.suppress(ConfigError):
            sort_runs(parse_filter(typed[:end]).shown(runs), "-selection")
        spent.append(time.process_time() - begin)

    assert statistics.median(spent) <= SLACK * 0.06


def test_a_live_page_sends_little(tmp_path: Path) -> None:
    row = bench.traffic(tmp_path, (120, 40), 6.0, seconds=6.0)

    assert row.value <= SLACK * row.bound, row.line()


def test_nothing_is_sent_while_nothing_changes_and_many_runs_fit_into_memory(
    tmp_path: Path,
) -> None:
    with open_workspace(str(tmp_path / "50.db")) as ws:
        for number in range(50):
            name = f"run{number:03d}".translate(str.maketrans("01", "xy"))
            a_long_run(ws, name, tasks=["one", "two"], steps=60)

    rows = {row.what.split()[0]: row for row in bench.compare_many(tmp_path / "50.db")}

    assert rows["bytes"].value == 0
    assert rows["memory"].value <= 1.2 * rows["memory"].bound, rows["memory"].line()
