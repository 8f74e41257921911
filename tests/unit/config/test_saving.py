"""An experiment as a preset of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config.experiment import ExperimentConfig
from workbench.config.loading import load_experiment
from workbench.config.presets import list_presets
from workbench.config.saving import save_preset
from workbench.errors import ConfigError


@pytest.fixture
def config(tmp_path: Path) -> ExperimentConfig:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").touch()
    file = tmp_path / "given.toml"
    file.write_text(
        'name = "mine"\n[tasks.a]\nkind = "classification"\ndata.train = "data/train.jsonl"\n'
        "[freezing]\nheads = []\n[optimization]\nlearning_rate = 3e-5\n"
    )
    return load_experiment(file)


def test_a_saved_preset_is_the_same_experiment(config: ExperimentConfig, tmp_path: Path) -> None:
    file = save_preset(config, tmp_path / "saved.toml")

    assert load_experiment(file) == config


def test_data_below_the_preset_can_be_moved_with_it(
    config: ExperimentConfig, tmp_path: Path
) -> None:
    file = save_preset(config, tmp_path / "saved")
    assert 'train = "data/train.jsonl"' in file.read_text()

    elsewhere = save_preset(config, tmp_path / "presets" / "saved.toml")

    assert str(tmp_path / "data" / "train.jsonl") in elsewhere.read_text()


def test_what_it_is_for_stands_at_its_head(config: ExperimentConfig, tmp_path: Path) -> None:
    save_preset(config, tmp_path / "presets" / "v1.2", about="For a try.\nTakes a minute.")

    (preset,) = list_presets(tmp_path / "presets")
    assert preset.name == "v1.2"
    assert preset.summary == "For a try."
    assert preset.header == "For a try.\nTakes a minute."


def test_a_file_that_is_there_is_replaced_on_request_only(
    config: ExperimentConfig, tmp_path: Path
) -> None:
    (tmp_path / "saved.toml").write_text("mine\n")

    with pytest.raises(ConfigError, match=r"There is a file saved\.toml already"):
        save_preset(config, tmp_path / "saved.toml")
    assert (tmp_path / "saved.toml").read_text() == "mine\n"

    save_preset(config, tmp_path / "saved.toml", overwrite=True)

    assert load_experiment(tmp_path / "saved.toml") == config
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_cannot_be_made_is_told(config: ExperimentConfig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="cannot be written"):
        save_preset(config, tmp_path / "file" / "saved.toml")
