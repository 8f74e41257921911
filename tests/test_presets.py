"""Every shipped preset loads, and says in its first lines what it is for and how to run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.config.loading import load_experiment, parse_experiment, to_toml
from workbench.config.presets import list_presets
from workbench.errors import ConfigError
from workbench.paths import shipped_presets

PRESETS = [preset.name for preset in list_presets()]
NEED_CORPORA = {
    "emotions": ["goemotions"],
    "few-shot": ["snips"],
    "few-shot-plain": ["snips"],
    "four-tasks": ["snips", "trec", "wnut17"],
    "intent-slots": ["snips"],
    "pairs": ["sick"],
    "sentiment-pos": ["sentence_polarity", "ud_ewt"],
    "tutorial-ner-trec": ["trec", "wnut17"],
    "tutorial-ner-trec-linear": ["trec", "wnut17"],
    "tutorial-two-ner": ["wikigold", "wnut17"],
}
"""Presets that read corpora which are not shipped, and their folders."""
CORPORA = Path(__file__).resolve().parents[2] / "shared" / "data"


def test_the_promised_presets_are_there() -> None:
    assert {"quickstart", "notebook", "tutorial-ner-trec"} <= set(PRESETS)


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in NEED_CORPORA])
def test_a_preset_loads_without_anything_else(name: str) -> None:
    config = load_experiment(name)

    assert config.name == name
    assert parse_experiment(to_toml(config), origin=name, folder=Path("/")) == config


@pytest.mark.corpora
@pytest.mark.parametrize("name", sorted(NEED_CORPORA))
def test_a_preset_loads_with_its_corpora(name: str) -> None:
    if not CORPORA.is_dir():
        pytest.skip("the corpora are not on this machine")

    config = load_experiment(name, data_root=CORPORA)

    assert config.name == name


@pytest.mark.parametrize("name", sorted(NEED_CORPORA))
def test_a_preset_without_its_corpora_says_what_to_give(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--data-root") as caught:
        load_experiment(name, data_root=tmp_path)

    told = str(caught.value)
    assert all(f'"{folder}/train.' in told for folder in NEED_CORPORA[name])


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_opens_with_what_it_is_for_how_long_it_takes_and_how_to_run_it(name: str) -> None:
    preset = next(preset for preset in list_presets() if preset.name == name)

    assert len(preset.summary) > 20
    assert "Takes " in preset.header
    assert f"mtl-workbench train {name}" in preset.header


def test_the_notebook_preset_has_six_sentences_and_two_heads_of_three_classes() -> None:
    lines = (shipped_presets() / "data/notebook/train.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    config = load_experiment("notebook")

    assert len(rows) == 6
    assert len(config.tasks) == 2
    assert len({row["kind"] for row in rows}) == len({row["mood"] for row in rows}) == 3
    assert config.showcase.texts == tuple(row["text"] for row in rows)


def test_the_notebook_s_other_presets_differ_from_it_in_what_they_are_named_for() -> None:
    plain = load_experiment("notebook")
    presets = {name: load_experiment(name) for name in PRESETS if name.startswith("notebook-")}

    frozen = {
        name.removeprefix("notebook-frozen-"): (config.freezing.mode, config.freezing.heads)
        for name, config in presets.items()
        if "frozen" in name
    }
    assert frozen == {
        "everything": ("everything", ()),
        "backbone": ("backbone", ()),
        "head": ("none", ("mood",)),
    }
    for config in presets.values():
        assert config.tasks == plain.tasks
        assert config.showcase == plain.showcase
        assert config.backbone == plain.backbone
    layerwise = presets["notebook-layerwise"].optimization
    assert layerwise.layer_rates == "table"
    assert layerwise.layer_factors == (0.1,) * 4 + (0.2,) * 4 + (0.5,) * 4
