from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders import a_model, a_task, an_experiment, events_of, some_encoded_examples

from workbench.data.batching import collate
from workbench.errors import CheckpointError, ConfigError
from workbench.events import CheckpointSaved, LayersMixed
from workbench.export.exporting import export_model
from workbench.model.backbone import load_backbone
from workbench.model.folder import load_model_folder, save_model_folder
from workbench.model.freezing import freeze
from workbench.model.mixing import LayerMix
from workbench.model.parts import parts_of
from workbench.training.optimizer import Rates, parameter_table

ALL = ("mood", "length", "entity")


def test_a_mix_is_the_mean_by_the_softmax_of_its_weights_times_its_scale() -> None:
    layers = [torch.randn(2, 3, 4) for _ in range(3)]
    mix = LayerMix(3)

    begun = mix(layers)
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([0.0, 1.0, -1.0]))
        mix.scale.fill_(2.0)
    shares = torch.tensor([0.0, 1.0, -1.0]).softmax(dim=0)

    assert torch.allclose(begun, sum(layers) / 3, atol=1e-6)  # type: ignore[operator]  # tensors
    expected = 2 * (shares[0] * layers[0] + shares[1] * layers[1] + shares[2] * layers[2])
    assert torch.allclose(mix(layers), expected, atol=1e-6)
    assert mix.shares == pytest.approx(shares.tolist())


def test_only_the_tasks_that_ask_for_it_see_a_mix(bert: Path) -> None:
    plain, mixed = a_model(bert, tasks=ALL), a_model(bert, tasks=ALL, mixing=("mood", "entity"))
    batch = collate(some_encoded_examples(), range(6), pad_id=0)

    with torch.no_grad():
        one, other = plain.model(batch), mixed.model(batch)
        for task in ("mood", "entity"):
            mix = mixed.model.mixes[task]
            assert isinstance(mix, LayerMix)
            mix.weights.copy_(torch.tensor([-99.0, -99.0, 0.0]))  # the last layer alone
        last = mixed.model(batch)

    assert torch.equal(one["length"], other["length"])
    assert not torch.allclose(one["mood"], other["mood"], atol=1e-3)
    assert not torch.allclose(one["entity"], other["entity"], atol=1e-3)
    assert all(torch.allclose(one[task], last[task], atol=1e-5) for task in ALL)


def test_layers_are_kept_only_if_a_task_mixes_them(bert: Path) -> None:
    batch = collate(some_encoded_examples(), range(6), pad_id=0)
    kept = {}
    for mixing in ((), ("mood",)):
        model = a_model(bert, tasks=ALL, mixing=mixing).model
        found: list[bool] = []
        model.backbone.encoder.register_forward_hook(
            lambda module, given, result, found=found: found.append(
                result.hidden_states is not None
            )
        )
        model(batch)
        kept[mixing] = found

    assert kept == {(): [False], ("mood",): [True]}


def test_a_mix_has_the_rate_of_its_head_no_decay_and_is_frozen_with_it(bert: Path) -> None:
    model = a_model(bert, tasks=ALL, mixing=("mood", "entity")).model
    rates = Rates(backbone=0.1, heads=0.4, tasks={"mood": 0.7})

    freeze(model, "backbone", heads=["entity"])
    table = parameter_table(model, rates=rates, weight_decay=0.1, begins={})

    found = {(row.name, row.rate, row.decay, row.frozen) for row in table if "mix" in row.name}
    assert found == {("mix mood", 0.7, 0.0, False), ("mix entity", 0.0, 0.0, True)}
    assert {part.name for part in parts_of(model) if part.role == "mix"} == {
        "mix mood",
        "mix entity",
    }


def test_a_run_learns_which_layers_to_read_and_says_so(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert,
        tasks={"mood": a_task(corpus, layer_mix=True), "entity": a_task(corpus, "tagging")},
        freezing={"mode": "backbone"},
        optimization={"learning_rate": 5e-2},
    )

    events = events_of(config, tmp_path)

    mixes = [event for event in events if isinstance(event, LayersMixed)]
    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    assert [mix.step for mix in mixes] == [one.step for one in saved]
    assert set(mixes[-1].shares) == {"mood"}
    assert sum(mixes[-1].shares["mood"]) == pytest.approx(1.0)
    assert max(mixes[-1].shares["mood"]) > 0.34 > min(mixes[0].shares["mood"])  # thirds at first
    back = load_model_folder(tmp_path / saved[-1].folder / "model")
    assert back.model.layer_shares["mood"] == pytest.approx(mixes[-1].shares["mood"])


def test_a_mix_goes_into_our_own_export_and_is_refused_for_a_classifier(
    bert: Path, tmp_path: Path
) -> None:
    loaded = a_model(bert, mixing=("mood",))
    (tmp_path / "model").mkdir()
    save_model_folder(loaded, tmp_path / "model")

    done = export_model(
        tmp_path / "model", "sentence-transformers", tmp_path / "out", lambda text: None
    )

    assert done.largest_difference < 1e-5
    assert load_model_folder(done.folder).description == loaded.description
    with pytest.raises(CheckpointError, match="a mean of all layers before it"):
        export_model(tmp_path / "model", "transformers", tmp_path / "no", lambda text: None)


# --- An earlier layer ---------------------------------------------------------------------------


def test_an_earlier_layer_is_the_model_s_own_and_those_above_are_left_out(bert: Path) -> None:
    whole = load_backbone(str(bert), max_length=48)
    lower = load_backbone(str(bert), max_length=48, layer=1)
    batch = collate(some_encoded_examples(), range(6), pad_id=0)

    with torch.no_grad():
        whole.backbone.eval()
        expected = whole.backbone.layers(batch.ids, batch.mask)[1]
        found = lower.backbone.eval()(batch.ids, batch.mask)

    assert torch.equal(found, expected)
    assert (whole.backbone.depth, lower.backbone.depth) == (2, 1)
    assert not any("layer.1." in name for name, _ in lower.backbone.named_parameters())


def test_a_layer_that_the_backbone_has_not_is_refused(bert: Path) -> None:
    with pytest.raises(ConfigError, match=r"layer is 3, but the backbone has 2 layers"):
        load_backbone(str(bert), max_length=48, layer=3)
