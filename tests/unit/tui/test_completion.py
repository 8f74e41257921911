"""What a text field may be completed to."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.data.peeking import peek
from workbench.tui.completion import Surroundings, cached_models, candidates


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with some data, and a hub cache of one model."""
    for name in ("train.jsonl", "dev.csv", "notes.md", ".hidden.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "a.conll").touch()
    snapshot = tmp_path / "hub" / "models--Org--small-bert" / "snapshots" / "1a2b"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").touch()
    (tmp_path / "hub" / "datasets--x" / "snapshots" / "1").mkdir(parents=True)
    (tmp_path / "hub" / "models--half").mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_backbones_are_aliases_and_what_the_cache_holds(place: Path) -> None:
    assert cached_models() == ["Org/small-bert"]
    assert candidates("backbone", "", Surroundings()) == ("minilm", "Org/small-bert")
    assert candidates("backbone", "Org/", Surroundings()) == ("Org/small-bert",)


def test_a_backbone_that_begins_like_a_path_is_completed_to_folders(place: Path) -> None:
    assert candidates("backbone", "./c", Surroundings()) == ("./corpora/",)


def test_data_files_come_before_folders_and_others_not_at_all(place: Path) -> None:
    around = Surroundings(folders=(place,))

    assert candidates("file", "", around) == ("dev.csv", "train.jsonl", "corpora/", "hub/")
    assert candidates("file", "corpora/", around) == ("corpora/a.conll",)
    assert candidates("file", f"{place}/tr", around) == (f"{place}/train.jsonl",)


def test_columns_are_those_of_the_files_of_the_task(place: Path) -> None:
    (place / "train.jsonl").write_text('{"text": "a", "topic": "b"}\n')
    look = peek(place / "train.jsonl")
    assert look is not None

    around = Surroundings(peeks={"data.train": look})

    assert candidates("column", "t", around) == ("text", "topic")
    assert candidates("column", "text", around) == ()


@pytest.mark.parametrize("typed", ["~nobody/", "\0", "/root/none/x", "../../.."])
def test_a_path_that_leads_nowhere_has_no_completion(place: Path, typed: str) -> None:
    assert isinstance(candidates("file", typed, Surroundings()), tuple)
