"""Adapters beside the layers of a backbone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import FAMILIES, KINDS, a_model, a_task, an_experiment, events_of
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import nn

from workbench.errors import CheckpointError, ConfigError
from workbench.events import CheckpointSaved, ParameterGroup, RunFinished, RunStarted, StepFinished
from workbench.export.exporting import export_model
from workbench.export.formats import FORMATS
from workbench.inference.predictor import Predictor
from workbench.model.backbone import load_backbone
from workbench.model.folder import LoadedModel, load_model_folder, save_model_folder
from workbench.model.freezing import freeze
from workbench.model.lora import TARGETS, LoraSettings, add_adapters, target_modules
from workbench.model.parts import parts_of

Backbones = Callable[[str], Path]
TEXTS = ["Ada", "The rain in Turin, which nobody had asked for."]


def adapted(backbone: Path, which: str = "query_value", **settings: Any) -> LoadedModel:
    """A model with adapters that have learned something."""
    loaded = a_model(backbone, **settings)
    encoder = loaded.model.backbone.encoder
    lora = LoraSettings(2, 4, modules=target_modules(encoder, which))
    add_adapters(encoder, lora, seed=1)
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.3)
    return replace(loaded, lora=lora)


@pytest.mark.parametrize("which", TARGETS)
@pytest.mark.parametrize("family", FAMILIES)
def test_layers_are_found_in_every_family_and_only_there(
    which: str, family: str, backbones: Backbones
) -> None:
    encoder = load_backbone(str(backbones(family)), max_length=48).backbone.encoder

    found = target_modules(encoder, which)

    depth = 3 if family == "modernbert" else 2
    assert len(found) % depth == 0
    per_layer = len(found) // depth
    linear = len(target_modules(encoder, "all")) // depth
    fused = family in ("gpt2", "modernbert")
    assert {"query_value": 1 if fused else 2, "all": linear}.get(which, per_layer) == per_layer
    assert per_layer <= linear
    if which == "attention":
        assert (
            set(target_modules(encoder, "query_value"))
            < set(found)
            < set(target_modules(encoder, "all"))
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_new_adapters_change_nothing_and_learned_ones_are_merged_exactly(
    family: str, backbones: Backbones
) -> None:
    plain = Predictor(a_model(backbones(family))).encode(TEXTS)
    fresh = a_model(backbones(family))
    encoder = fresh.model.backbone.encoder
    modules = target_modules(encoder, "all")
    add_adapters(encoder, LoraSettings(2, 4, modules=modules), seed=1)
    learned = adapted(backbones(family), "all")

    merged = learned.with_adapters_merged

    assert np.abs(Predictor(fresh).encode(TEXTS) - plain).max() < 1e-6
    vectors = Predictor(learned).encode(TEXTS)
    assert np.abs(vectors - plain).max() > 1e-2
    assert np.abs(Predictor(merged).encode(TEXTS) - vectors).max() < 1e-4
    names = set(merged.model.backbone.encoder.state_dict())
    assert names == set(a_model(backbones(family)).model.backbone.encoder.state_dict())
    assert np.array_equal(Predictor(learned).encode(TEXTS), vectors)  # it is as it was


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_with_adapters_is_read_back_identically(
    family: str, backbones: Backbones, tmp_path: Path
) -> None:
    loaded = adapted(backbones(family), tasks=tuple(KINDS))
    save_model_folder(loaded, tmp_path)

    back = load_model_folder(tmp_path)

    assert back.lora == loaded.lora
    state, other = loaded.model.state_dict(), back.model.state_dict()
    assert state.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in state.items())
    names = {name for name, value in back.model.backbone.named_parameters() if value.requires_grad}
    assert all("lora_" in name for name in names)
    # The weights beside them are the pretrained ones, under their own names.
    base = load_file(tmp_path / "backbone" / "model.safetensors")
    plain = load_backbone(str(backbones(family)), max_length=48).backbone.encoder.state_dict()
    assert all(torch.equal(value, plain[name]) for name, value in base.items())


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_has_the_adapters_added_in(form: str, bert: Path, tmp_path: Path) -> None:
    loaded = adapted(bert)
    (tmp_path / "model").mkdir()
    save_model_folder(loaded, tmp_path / "model")

    done = export_model(tmp_path / "model", form, tmp_path / "out", lambda text: None)

    assert done.largest_difference < 1e-4
    files = [file.name for file in done.folder.rglob("*")]
    assert not [name for name in files if "adapter" in name]
    if form == "sentence-transformers":
        theirs, ours = Predictor.open(done.folder), Predictor(loaded)
        assert np.abs(theirs.encode(TEXTS) - ours.encode(TEXTS)).max() < 1e-4


def test_a_run_trains_adapters_and_heads_alone(bert: Path, corpus: Path, tmp_path: Path) -> None:
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        backbone_settings={"lora": {"rank": 4, "dropout": 0.1, "targets": "all"}},
        optimization={"learning_rate": 2e-2},
        training={"epochs": 3},
    )

    events = events_of(config, tmp_path)

    started = next(event for event in events if isinstance(event, RunStarted))
    finished = next(event for event in events if isinstance(event, RunFinished))
    assert started.frozen_checksum == finished.frozen_checksum != ""
    assert started.trainable_parameters < 0.5 * started.total_parameters
    moving = {group.name for group in started.groups if not group.frozen}
    assert moving == {"layer 0", "layer 1", "head mood", "head entity"}
    losses = [event.total_loss for event in events if isinstance(event, StepFinished)]
    assert losses[-1] < losses[0]
    saved = [event for event in events if isinstance(event, CheckpointSaved)][-1]
    one, other = (Predictor.open(tmp_path / saved.folder / "model") for _ in range(2))
    assert one.predict(TEXTS) == other.predict(TEXTS)
    again = events_of(config, tmp_path / "again")
    assert [event.total_loss for event in again if isinstance(event, StepFinished)] == losses


def test_lower_adapters_are_frozen_with_their_layers(bert: Path) -> None:
    loaded = adapted(bert)

    frozen = freeze(loaded.model, "lowest", layers=1)

    trained = {
        part.name: {name for name, value in part.parameters.items() if value.requires_grad}
        for part in parts_of(loaded.model)
    }
    assert trained["embeddings"] == trained["layer 0"] == set()
    assert len(trained["layer 1"]) == 4  # two matrices beside each of query and value
    assert all("lora_" in name for name in trained["layer 1"])
    assert frozen == {
        name for name, value in loaded.model.named_parameters() if not value.requires_grad
    }


def test_layers_can_be_named(bert: Path) -> None:
    encoder = load_backbone(str(bert), max_length=48).backbone.encoder

    found = target_modules(encoder, "all", ("key",))

    assert [name.rpartition(".")[2] for name in found] == ["key", "key"]
    with pytest.raises(ConfigError, match='no linear layer "kee"') as caught:
        target_modules(encoder, "all", ("kee",))
    assert 'did you mean "key"' in caught.value.next_step


def test_without_peft_it_is_said_what_to_install(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_backbone(str(bert), max_length=48).backbone.encoder
    monkeypatch.setitem(sys.modules, "peft", None)

    with pytest.raises(ConfigError, match="package peft") as caught:
        add_adapters(encoder, LoraSettings(2, 4, modules=("encoder",)), seed=0)

    assert "mtl-workbench[lora]" in caught.value.next_step


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"freezing": {"mode": "backbone"}}, r"freezing\.mode = backbone keeps frozen"),
        ({"freezing": {"mode": "biases_only"}}, r"freezing\.mode = biases_only keeps frozen"),
        ({"backbone_settings": {"kind": "stack", "lora": {"rank": 2}}}, "lora.rank is of a transf"),
    ],
)
def test_adapters_that_could_not_learn_are_refused(
    sections: dict[str, Any], message: str, corpus: Path
) -> None:
    settings = {"lora": {"rank": 2}} | sections.pop("backbone_settings", {})
    with pytest.raises(ValidationError, match=message):
        an_experiment(tasks={"mood": a_task(corpus)}, backbone_settings=settings, **sections)


def test_damaged_adapters_are_an_error_in_words(bert: Path, tmp_path: Path) -> None:
    save_model_folder(adapted(bert), tmp_path)
    file = tmp_path / "backbone" / "adapter.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps(settings | {"modules": settings["modules"][:1]}))

    with pytest.raises(CheckpointError, match="adapters cannot be read: its two files differ"):
        load_model_folder(tmp_path)


def test_a_table_shows_what_of_a_layer_moves(bert: Path) -> None:
    from workbench.training.optimizer import Rates, parameter_table

    table = parameter_table(
        adapted(bert).model, rates=Rates(backbone=0.1, heads=0.2), weight_decay=0.0, begins={}
    )

    rows: list[ParameterGroup] = [row for row in table if row.name == "layer 1"]
    assert {(row.frozen, row.rate) for row in rows} == {(True, 0.0), (False, 0.1)}
    moving = sum(row.parameters for row in rows if not row.frozen)
    assert moving == 2 * 2 * 2 * 32  # query and value, two matrices of rank 2


def test_a_module_that_only_looks_like_an_adapter_is_left_alone() -> None:
    from workbench.model.lora import merged

    odd = nn.Module()
    odd.lora_A = nn.Linear(2, 2)
    holder = nn.ModuleList([odd])

    assert isinstance(merged(holder)[0].lora_A, nn.Linear)  # type: ignore[index]  # a list
