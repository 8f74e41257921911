from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from workbench.cli.app import main
from workbench.data.cache_folder import ABOUT, entry_folder, new_segment, segments, shrink
from workbench.data.state_files import new_states, open_states
from workbench.data.text_keys import find, text_keys
from workbench.operations.caching import clear_cache, list_cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with three entries of 1 MB, used 30, 10 and 0 days ago."""
    monkeypatch.setenv("MTL_WORKBENCH_CACHE", str(tmp_path))
    for days in (0, 10, 30):
        folder = entry_folder(
            tmp_path, "features", f"used-{days}", f"what was used {days} days ago"
        )
        with new_segment(folder) as segment:
            (segment / "states.npy").write_bytes(bytes(1_000_000))
        at = time.time() - days * 86400
        os.utime(folder / ABOUT, (at, at))
    return tmp_path


def keys() -> list[str]:
    return [entry.key for entry in list_cache().entries]


def test_the_cache_is_listed_by_last_use(cache: Path) -> None:
    listing = list_cache()

    assert keys() == ["used-0", "used-10", "used-30"]
    assert 3_000_000 <= listing.bytes < 3_010_000


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({}, []),
        ({"unused_days": 20.0}, ["used-0", "used-10"]),
        ({"keep_megabytes": 1.5}, ["used-0"]),
        ({"keep_megabytes": 9.0}, ["used-0", "used-10", "used-30"]),
        ({"unused_days": 20.0, "keep_megabytes": 0.0}, ["used-0", "used-10"]),
    ],
)
def test_what_is_cleared_is_what_was_asked_for(
    asked: dict[str, float], left: list[str], cache: Path
) -> None:
    clear_cache(**asked)

    assert keys() == left


def test_the_command_lists_and_clears(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["key"] for entry in listed["entries"]] == keys()

    assert main(["cache", "--clear", "--unused-days", "5"]) == 0
    assert "Deleted 2 entries" in capsys.readouterr().out
    assert keys() == ["used-0"]
    assert main(["cache", "--unused-days", "5"]) == 2


def test_room_is_made_by_what_was_not_used_longest(cache: Path) -> None:
    newest = cache / "features" / "used-0"

    shrink(cache, 2_500_000, keep={newest: 1_000_000})

    assert keys() == ["used-0"]


def test_a_segment_that_fails_leaves_nothing_behind(cache: Path) -> None:
    folder = cache / "features" / "used-0"
    before = segments(folder)

    def write_half() -> None:
        with new_segment(folder) as segment:
            (segment / "states.npy").write_bytes(b"half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_half()

    assert segments(folder) == before
    assert {path.name for path in folder.iterdir()} == {ABOUT, *(path.name for path in before)}


def test_states_are_found_again_by_their_texts(tmp_path: Path) -> None:
    folder = entry_folder(tmp_path, "features", "one", "a test")
    some, all_of_them = text_keys([b"a", b"bb"]), text_keys([b"ccc", b"bb", b"a"])
    lengths = np.array([1, 2])
    with new_states(folder, some, lengths, width=4, dtype=np.dtype(np.float32)) as rows:
        rows[:] = np.arange(12).reshape(3, 4)

    found = open_states(folder, all_of_them, np.array([3, 2, 1]))

    assert found.missing.tolist() == [0]
    np.testing.assert_array_equal(found.take(np.array([2])), [[0, 1, 2, 3]])
    np.testing.assert_array_equal(
        found.take_padded(np.array([2, 1])),
        [[[0, 1, 2, 3], [0, 1, 2, 3]], [[4, 5, 6, 7], [8, 9, 10, 11]]],
    )


def test_keys_of_texts_tell_them_apart() -> None:
    there = text_keys([b"one", b"two", b"one"])

    assert there[0] == there[2] != there[1]
    assert find(text_keys([b"two", b"none"]), there).tolist() == [1, -1]
