from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import FAMILIES, HIDDEN, POSITIONS, a_model
from safetensors.torch import load_file, save_file

from workbench.errors import CheckpointError, ConfigError
from workbench.model import sources
from workbench.model.backbone import _positions, load_backbone
from workbench.model.sources import ALIASES, locate


@pytest.mark.parametrize("family", FAMILIES)
def test_any_encoder_is_loaded_with_its_tokenizer_and_without_a_pooler(
    family: str, backbones: Callable[[str], Path]
) -> None:
    loaded = load_backbone(str(backbones(family)), max_length=40)

    assert loaded.backbone.hidden_size == HIDDEN
    assert loaded.tokenizer.max_length == 40
    padding = {"roberta": 1, "xlm-roberta": 1, "modernbert": 1, "t5": 1, "llama": 2}
    assert loaded.tokenizer.pad_id == padding.get(family, 0)
    assert not any("pooler" in name for name, _ in loaded.backbone.named_parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_maximum_length_is_lowered_to_what_the_model_has_positions_for(
    family: str, backbones: Callable[[str], Path]
) -> None:
    loaded = a_model(backbones(family))
    longest = load_backbone(str(backbones(family)), max_length=8000)

    assert longest.tokenizer.max_length == POSITIONS
    from workbench.inference.predictor import Predictor
    from workbench.model.folder import LoadedModel

    predictor = Predictor(LoadedModel(loaded.model, longest.tokenizer, loaded.description))
    assert predictor.encode(["rain again " * 200]).shape == (1, HIDDEN)


def test_a_backbone_that_lacks_weights_is_refused(bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "holes"
    shutil.copytree(bert, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(CheckpointError, match=r"lacks 1 of its weights, .*layer\.1\.output\.dense"):
        load_backbone(str(folder), max_length=40)


def test_an_encoder_that_does_not_come_without_its_decoder_is_refused(tmp_path: Path) -> None:
    from transformers import BartConfig

    BartConfig(d_model=8, encoder_layers=1, encoder_attention_heads=1).save_pretrained(tmp_path)

    with pytest.raises(CheckpointError, match="bart is an encoder with a decoder, and"):
        load_backbone(str(tmp_path), max_length=40)


def test_a_damaged_backbone_is_an_error_that_names_it(bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(bert, folder)
    (folder / "config.json").write_text('{"model_type": "no such model"}')

    with pytest.raises(
        CheckpointError, match=r'The backbone ".*damaged" cannot be loaded'
    ) as caught:
        load_backbone(str(folder), max_length=40)

    assert caught.value.where == "[backbone] model"


@pytest.mark.parametrize("spoiled", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_file_of_a_backbone_is_an_error_in_words(
    spoiled: str, bert: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(bert, folder)
    (folder / spoiled).write_bytes(b"\x00not what it should be")

    with pytest.raises(CheckpointError, match=r"cannot be (loaded|read)"):
        load_backbone(str(folder), max_length=40)


def test_a_backbone_without_a_tokenizer_is_an_error_in_words(bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mute"
    shutil.copytree(bert, folder, ignore=shutil.ignore_patterns("tokenizer*"))

    with pytest.raises(CheckpointError, match="has no tokenizer"):
        load_backbone(str(folder), max_length=40)


def test_a_hub_model_in_the_cache_is_its_folder_so_that_no_network_is_asked(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--org--mini"
    snapshot = repository / "snapshots" / ("a" * 40)
    shutil.copytree(bert, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    assert locate("org/mini") == str(snapshot)
    (snapshot / "model.safetensors").unlink()
    assert locate("org/mini") == "org/mini"  # the hub is asked for the rest


def test_a_hub_id_that_is_not_in_the_cache_is_an_error_without_a_network() -> None:
    with pytest.raises(CheckpointError, match='"nobody/nothing" cannot be loaded') as caught:
        load_backbone("nobody/nothing", max_length=40)

    assert "without a network" in caught.value.next_step


# --- Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["./gone", "/gone/model", "a/b/c"])
def test_a_folder_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="There is no folder"):
        locate(name)


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json is absent"):
        locate(str(tmp_path))


def test_a_hub_id_is_left_to_the_hub() -> None:
    assert locate("org/model") == "org/model"


def test_the_alias_means_the_package_if_its_weights_are_the_published_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    alias = sources.Alias("org/mini", "some-package", digest)
    monkeypatch.setitem(ALIASES, "mini", alias)
    monkeypatch.setattr(sources, "_package_folder", lambda package: tmp_path)

    assert locate("mini") == str(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"others")
    with pytest.raises(CheckpointError, match=f"the published ones {digest[:12]}"):
        locate("mini")


def test_the_alias_means_the_hub_id_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_package_folder", lambda package: None)

    assert locate("minilm") == "sentence-transformers/all-MiniLM-L6-v2"


def test_the_alias_names_the_published_weights() -> None:
    assert ALIASES["minilm"].sha256.startswith("53aa51172d142c89")


def test_an_export_keeps_what_the_tokenizer_config_said(bert: Path, tmp_path: Path) -> None:
    from workbench.model.backbone import save_backbone_files

    save_backbone_files(a_model(bert).backbone, tmp_path)

    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert settings["tokenizer_class"] == "BertTokenizer"
    assert settings["model_max_length"] == 48


@pytest.mark.parametrize(("family", "expected"), [("mpnet", 512), ("luke", 512), ("bert", 514)])
def test_positions_that_begin_after_padding_carry_less(
    family: str, expected: int, tmp_path: Path
) -> None:
    config = SimpleNamespace(model_type=family, max_position_embeddings=514)

    assert _positions(config, tmp_path) == expected
