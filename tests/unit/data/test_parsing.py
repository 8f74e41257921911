"""Rows of large files are kept on the disk as they were parsed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import COLUMNS, a_task, an_experiment, sentences, write_corpus, write_jsonl

from workbench.config.experiment import ExperimentConfig
from workbench.data import growing, parsing
from workbench.data.cache_folder import entries, segments
from workbench.data.examples import Corpus, read_corpus
from workbench.data.kinds import KINDS
from workbench.data.reading import read_split
from workbench.data.text_keys import find, number_alike, occurrences, text_keys
from workbench.errors import DataError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parsing, "LARGE", 1)
    monkeypatch.setenv("MTL_WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def all_kinds(folder: Path) -> ExperimentConfig:
    write_corpus(folder)
    pair = a_task(folder, data={"text_b": "other", "label": "follows"})
    tasks = {kind: a_task(folder, kind) for kind in COLUMNS} | {"pair": pair}
    return an_experiment(tasks=tasks)


def never(*given: Any) -> Any:
    raise AssertionError("the file is parsed again")


def assert_same(one: Corpus, other: Corpus) -> None:
    assert one.train == other.train
    assert one.dev == other.dev
    assert one.labels == other.labels
    assert (one.notes, one.unlabelled) == (other.notes, other.unlabelled)


def test_rows_of_every_kind_are_found_again_as_they_were(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = all_kinds(tmp_path)
    off = config.model_copy(update={"cache": config.cache.model_copy(update={"rows": False})})
    expected = read_corpus(off)
    assert not cache.exists()

    first = read_corpus(config)
    monkeypatch.setattr(parsing, "read_split", never)
    again = read_corpus(config)

    assert_same(first, expected)
    assert_same(again, expected)
    assert {entry.kind for entry in entries(cache)} == {"rows"}
    shutil.rmtree(cache)  # what is mapped stays readable
    assert_same(again, expected)


def test_a_file_that_has_changed_is_parsed_again(cache: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    config = an_experiment(tasks={"t": a_task(tmp_path)})
    read_corpus(config)
    write_jsonl(tmp_path / "train.jsonl", sentences(7, first=3))

    assert len(read_corpus(config).train.examples) == 7


def test_a_file_that_changes_while_it_is_parsed_is_not_kept(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path)

    def slowly(data: Any, split: str) -> Any:
        yield from read_split(data, split)
        with (tmp_path / f"{split}.jsonl").open("a") as file:
            file.write("\n")

    monkeypatch.setattr(parsing, "read_split", slowly)
    read_corpus(an_experiment(tasks={"t": a_task(tmp_path)}))

    assert not [part for entry in entries(cache) for part in segments(entry.folder)]


@pytest.mark.parametrize("name", ["utf8.npy", "text_keys.npy", "rows.json"])
@pytest.mark.parametrize("content", [b"", b"nothing"])
def test_damaged_rows_are_parsed_anew(
    name: str, content: bytes, cache: Path, tmp_path: Path
) -> None:
    write_corpus(tmp_path)
    config = an_experiment(tasks={"t": a_task(tmp_path)})
    expected = read_corpus(config)
    files = list(cache.rglob(name))
    for file in files:
        file.unlink()  # a new file: the old one is mapped
        file.write_bytes(content)

    assert len(files) == 2
    assert_same(read_corpus(config), expected)


def test_damaged_rows_make_room_for_those_that_take_their_place(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path)
    config = an_experiment(tasks={"t": a_task(tmp_path)})
    expected = read_corpus(config)
    for file in cache.rglob("rows.json"):
        file.write_text("")
    read_corpus(config)

    monkeypatch.setattr(parsing, "read_split", never)

    assert_same(read_corpus(config), expected)


def test_a_disk_that_is_full_changes_nothing_and_is_left_clean(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = all_kinds(tmp_path)

    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(growing._File, "add", full)
    found = read_corpus(config)

    monkeypatch.undo()
    assert_same(found, read_corpus(config))
    assert not list(cache.rglob("*.npy"))


def test_a_malformed_file_leaves_nothing_behind(cache: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write("no JSON\n")

    with pytest.raises(DataError, match="The line is not JSON"):
        read_corpus(an_experiment(tasks={"t": a_task(tmp_path)}))

    assert not list(cache.rglob("*.npy"))


def test_of_two_that_parse_at_once_one_copy_stays(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path)
    config = an_experiment(tasks={"t": a_task(tmp_path)})
    first = read_corpus(config)

    # The second has looked before the first was through.
    monkeypatch.setattr(parsing._Store, "read", lambda *given: None)
    second = read_corpus(config)

    assert_same(first, second)
    assert [len(segments(entry.folder)) for entry in entries(cache)] == [1, 1]


class _Recorder:
    """Settings that remember which of them were asked for."""

    def __init__(self, settings: Any, asked: set[str]) -> None:
        self._settings, self._asked = settings, asked

    def __getattr__(self, name: str) -> Any:
        self._asked.add(name)
        return getattr(self._settings, name)


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_parsing_looks_at_is_part_of_the_key(kind: str, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    task = an_experiment(tasks={"t": a_task(tmp_path, kind)}).tasks["t"]
    asked: set[str] = set()
    keyed: set[str] = set()

    KINDS[kind].parsing_settings(_Recorder(task, keyed))
    for row in read_split(task.data, "train"):
        KINDS[kind].parse("t", _Recorder(task, asked), row)

    assert asked <= keyed | {"data", "kind"}


def test_equal_keys_have_one_number_in_the_order_of_their_first() -> None:
    random = np.random.default_rng(3)
    contents = [bytes([value]) for value in random.integers(0, 40, 300)]
    keys = text_keys(contents)

    numbers, firsts = number_alike(keys)

    order = list(dict.fromkeys(contents))
    assert numbers.tolist() == [order.index(content) for content in contents]
    assert firsts.tolist() == [contents.index(content) for content in order]
    before = [contents[:at].count(content) for at, content in enumerate(contents)]
    assert occurrences(keys).tolist() == before
    assert find(text_keys([*order, b"new"]), keys).tolist() == [*firsts.tolist(), -1]


def test_keys_with_the_same_first_half_are_told_apart() -> None:
    halves = np.array([[1, 5], [1, 3], [2, 3], [1, 5]], np.uint64)
    keys = halves.view("V16")[:, 0]

    assert find(keys, keys[:3]).tolist() == [0, 1, 2, 0]
    assert number_alike(keys)[0].tolist() == [0, 1, 2, 0]
