from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from builders import a_model, some_encoded_examples
from safetensors.torch import load_file, save_file

from workbench.data.batching import collate
from workbench.errors import CheckpointError
from workbench.model.folder import load_model_folder, save_model_folder
from workbench.model.pooling import PoolingSettings
from workbench.training import checkpoint
from workbench.training.checkpoint import save_checkpoint
from workbench.training.manifest import check_checkpoint, checkpoint_name, remove_checkpoint

FAMILIES = ["bert", "roberta", "electra", "distilbert"]


@pytest.mark.parametrize(
    "pooling",
    [
        PoolingSettings(("mean",)),
        PoolingSettings(("last", "min"), normalize=True),
        PoolingSettings(("attention",), projection=6, activation="linear"),
    ],
    ids=lambda pooling: pooling.words,
)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_is_read_back_says_exactly_the_same(
    family: str, pooling: PoolingSettings, backbones: Callable[[str], Path], tmp_path: Path
) -> None:
    loaded = a_model(backbones(family), tasks=("mood", "length", "entity"), pooling=pooling)
    batch = collate(some_encoded_examples(), range(6), pad_id=loaded.tokenizer.pad_id)
    with torch.no_grad():
        expected = loaded.model(batch)

    save_checkpoint(tmp_path, 3, loaded)
    back = load_model_folder(tmp_path / checkpoint_name(3) / "model")

    with torch.no_grad():
        found = back.model(batch)
    assert back.description == loaded.description
    assert not back.model.training
    assert all(torch.equal(found[task], expected[task]) for task in expected)
    texts = ["The rain in Turin, again 🙂", "x " * 100]
    for one, two in zip(back.tokenizer.pieces(texts), loaded.tokenizer.pieces(texts), strict=True):
        assert one.ids.tolist() == two.ids.tolist()


def test_a_model_of_format_2_is_read_as_it_was(bert: Path, tmp_path: Path) -> None:
    loaded = a_model(bert, pooling="max")
    save_model_folder(loaded, tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    heads = {
        name: {key: value for key, value in head.items() if key != "pooling"}
        for name, head in description["heads"].items()
    }
    before = description | {"format": 2, "pooling": "max", "heads": heads}
    (tmp_path / "model.json").write_text(json.dumps(before))
    weights = load_file(tmp_path / "heads.safetensors")
    save_file(
        {name.removeprefix("heads."): value for name, value in weights.items()},
        tmp_path / "heads.safetensors",
    )

    back = load_model_folder(tmp_path)

    assert back.description == loaded.description
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(back.model.state_dict()[name], value)


def test_nothing_in_a_checkpoint_is_pickled(bert: Path, tmp_path: Path) -> None:
    size = save_checkpoint(tmp_path, 1, a_model(bert))

    files = [file for file in (tmp_path / checkpoint_name(1)).rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".safetensors", ".json"}
    assert (size.model, size.training) == (sum(file.stat().st_size for file in files), 0)


@pytest.mark.parametrize("broken", ["save_model_folder", "seal", "publish"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_nothing_under_the_final_name(
    broken: str,
    error: BaseException,
    bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    loaded = a_model(bert)
    save_checkpoint(tmp_path, 1, loaded)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, broken, fail)
        with pytest.raises((CheckpointError, KeyboardInterrupt)):
            save_checkpoint(tmp_path, 2, loaded)

    assert not (tmp_path / checkpoint_name(2)).exists()
    check_checkpoint(tmp_path / checkpoint_name(1))
    save_checkpoint(tmp_path, 2, loaded)
    check_checkpoint(tmp_path / checkpoint_name(2))
    visible = {file.name for file in (tmp_path / "checkpoints").iterdir()}
    assert visible == {"step-00000001", "step-00000002"}


def test_a_full_disk_is_told_with_what_to_do(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_model_folder", fail)

    with pytest.raises(CheckpointError, match=r"step 2 cannot be written: .*No space") as caught:
        save_checkpoint(tmp_path, 2, a_model(bert))

    assert "earlier checkpoints are intact" in caught.value.next_step
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["model/heads.safetensors", "model/backbone/model.safetensors", "model/model.json"]
)
def test_one_changed_byte_is_detected(name: str, bert: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, a_model(bert))
    folder = tmp_path / checkpoint_name(1)
    check_checkpoint(folder)
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(CheckpointError, match=f"{name} is not as it was written"):
        check_checkpoint(folder)


@pytest.mark.parametrize("name", ["model/heads.safetensors", "manifest.json"])
def test_an_absent_file_is_detected(name: str, bert: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, a_model(bert))
    (tmp_path / checkpoint_name(1) / name).unlink()

    with pytest.raises(CheckpointError, match="The checkpoint is not complete"):
        check_checkpoint(tmp_path / checkpoint_name(1))


def test_a_removed_checkpoint_is_gone_and_removing_it_again_is_harmless(
    bert: Path, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path, 1, a_model(bert))

    remove_checkpoint(tmp_path, 1)
    remove_checkpoint(tmp_path, 1)

    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.json is absent"):
        load_model_folder(tmp_path)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"format": 99}, "written by a newer version"),
        ({"heads": None}, r"model\.json cannot be read"),
        ({"surprise": 1}, r"model\.json cannot be read"),
    ],
)
def test_a_description_that_does_not_fit_is_an_error(
    change: dict[str, object], what: str, bert: Path, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path, 1, a_model(bert))
    file = tmp_path / checkpoint_name(1) / "model" / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))

    with pytest.raises(CheckpointError, match=what):
        load_model_folder(file.parent)


@pytest.mark.parametrize("name", ["heads.safetensors", "backbone/model.safetensors"])
def test_damaged_weights_are_an_error(name: str, bert: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, a_model(bert))
    folder = tmp_path / checkpoint_name(1) / "model"
    (folder / name).write_bytes((folder / name).read_bytes()[:-9])

    with pytest.raises(CheckpointError, match="The weights cannot be loaded") as caught:
        load_model_folder(folder)

    assert caught.value.where == str(folder)
