"""Checkpoints as files: what is believed, what is offered, what a killed process leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from workbench.errors import CheckpointError
from workbench.training import manifest
from workbench.training.manifest import (
    FOLDER,
    check_checkpoint,
    check_training_state,
    checkpoint_name,
    checkpoint_steps,
    has_training_state,
    publish,
    remove_checkpoint,
    remove_training_state,
    seal,
    tidy,
)


def a_checkpoint(run: Path, step: int, *, content: str = "weights", training: bool = True) -> Path:
    """A checkpoint of a few bytes, written as real ones are."""
    final = run / checkpoint_name(step)
    aside = final.with_name(f".{final.name}.writing")
    (aside / "model").mkdir(parents=True)
    (aside / "model" / "weights").write_text(content)
    seal(aside, {"step": step}, within="model")
    if training:
        (aside / "training").mkdir()
        (aside / "training" / "state").write_text(f"state {step}")
        seal(aside / "training", {"step": step})
    publish(aside, final)
    return final


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose hashes were computed."""
    names: list[str] = []
    plain = manifest.sha256_of

    def counting(file: Path) -> str:
        names.append(file.name)
        return plain(file)

    monkeypatch.setattr(manifest, "sha256_of", counting)
    return names


def test_a_file_is_hashed_once_as_long_as_it_stays_as_it_is(
    tmp_path: Path, hashed: list[str]
) -> None:
    folder = a_checkpoint(tmp_path, 1)
    hashed.clear()

    for _ in range(3):
        check_checkpoint(folder)
        check_training_state(folder)

    assert hashed == ["weights", "state"]


def test_a_file_that_was_touched_is_hashed_again(tmp_path: Path, hashed: list[str]) -> None:
    folder = a_checkpoint(tmp_path, 1)
    check_checkpoint(folder)
    hashed.clear()
    os.utime(folder / "model" / "weights")

    check_checkpoint(folder)

    assert hashed == ["weights"]


def test_damage_of_the_same_length_and_date_is_noticed(tmp_path: Path) -> None:
    folder = a_checkpoint(tmp_path, 1)
    check_checkpoint(folder)
    file = folder / "model" / "weights"
    before = file.stat()

    file.write_text("weighty")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(CheckpointError, match="model/weights is not as it was written"):
        check_checkpoint(folder)


def test_what_was_verified_elsewhere_is_not_believed(tmp_path: Path, hashed: list[str]) -> None:
    folder = a_checkpoint(tmp_path, 1)
    check_checkpoint(folder)
    (folder / "verified.json").write_text('["nonsense"]')
    hashed.clear()

    check_checkpoint(folder)

    assert hashed == ["weights"]


def test_the_training_state_goes_and_the_model_stays(tmp_path: Path) -> None:
    folder = a_checkpoint(tmp_path, 1)

    remove_training_state(tmp_path, 1)
    remove_training_state(tmp_path, 1)

    check_checkpoint(folder)
    assert (checkpoint_steps(tmp_path), has_training_state(folder)) == ([1], False)
    with pytest.raises(CheckpointError, match="has no training state"):
        check_training_state(folder)


def test_only_what_is_whole_by_its_name_is_offered(tmp_path: Path) -> None:
    for step in (3, 20):
        a_checkpoint(tmp_path, step)
    half = tmp_path / FOLDER / ".step-00000030.writing"
    half.mkdir()
    (tmp_path / checkpoint_name(40) / "model").mkdir(parents=True)  # no manifest
    (tmp_path / FOLDER / "step-by-hand").mkdir()
    (tmp_path / FOLDER / "step-by-hand" / "manifest.json").touch()

    assert checkpoint_steps(tmp_path) == [3, 20]
    assert checkpoint_steps(tmp_path / "gone") == []


def test_a_checkpoint_can_be_written_again_under_its_name(tmp_path: Path) -> None:
    a_checkpoint(tmp_path, 1)

    folder = a_checkpoint(tmp_path, 1, content="better")

    check_checkpoint(folder)
    assert (folder / "model" / "weights").read_text() == "better"
    assert [file.name for file in (tmp_path / FOLDER).iterdir()] == [folder.name]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_killed_at_any_moment_of_writing_anew_one_of_the_two_is_there(
    renames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    a_checkpoint(tmp_path, 1, content="old")
    plain, left = Path.rename, [renames]

    def rename(self: Path, target: Path) -> Path:
        if not self.is_dir():
            return plain(self, target)
        if not left[0]:
            raise Killed
        left[0] -= 1
        done = plain(self, target)
        if not left[0]:
            raise Killed
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        with pytest.raises(Killed):
            a_checkpoint(tmp_path, 1, content="new")

    tidy(tmp_path)

    assert checkpoint_steps(tmp_path) == [1]
    folder = tmp_path / checkpoint_name(1)
    check_checkpoint(folder)
    check_training_state(folder)
    assert (folder / "model" / "weights").read_text() == ("new" if renames == 2 else "old")
    assert [file.name for file in (tmp_path / FOLDER).iterdir()] == [folder.name]


def test_what_was_half_removed_is_cleared_away(tmp_path: Path) -> None:
    for step in (1, 2):
        a_checkpoint(tmp_path, step)
    (tmp_path / checkpoint_name(1)).rename(tmp_path / FOLDER / ".step-00000001.removing")
    training = tmp_path / checkpoint_name(2) / "training"
    training.rename(training.with_name(".training.removing"))

    tidy(tmp_path)

    assert checkpoint_steps(tmp_path) == [2]
    left = sorted(file.name for file in (tmp_path / FOLDER).rglob("*"))
    assert left == ["manifest.json", "model", "step-00000002", "weights"]
    remove_checkpoint(tmp_path, 2)
    assert checkpoint_steps(tmp_path) == []


def test_a_manifest_names_every_file_and_nothing_else(tmp_path: Path) -> None:
    folder = a_checkpoint(tmp_path, 7)

    found = {
        name: json.loads((folder / name / "manifest.json").read_text()) for name in ("", "training")
    }

    assert found[""]["step"] == found["training"]["step"] == 7
    assert list(found[""]["sha256"]) == ["model/weights"]
    assert list(found["training"]["sha256"]) == ["state"]
