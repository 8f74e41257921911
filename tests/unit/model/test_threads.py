from __future__ import annotations

from pathlib import Path

import pytest
import torch

from workbench.model import threads
from workbench.model.threads import allowed_processors, use_allowed_threads


@pytest.fixture(autouse=True)
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(16)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("max 100000", 16), ("", 16)],
)
def test_the_quota_of_a_container_counts(content: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(content)

    assert allowed_processors(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 16)])
def test_the_older_files_count_too(quota: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")

    assert allowed_processors(tmp_path) == expected


def test_affinity_counts_where_there_is_no_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 5, 7})

    assert allowed_processors(tmp_path) == 3


def test_what_the_person_set_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "allowed_processors", lambda: 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)

    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    use_allowed_threads()
    assert asked == []
    monkeypatch.delenv("OMP_NUM_THREADS")
    use_allowed_threads()
    assert asked == [1]
