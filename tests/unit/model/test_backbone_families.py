"""What holds for every family of backbone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from builders import (
    FAMILIES,
    LEFT_TO_RIGHT,
    a_model,
    a_task,
    an_experiment,
    events_of,
    some_encoded_examples,
)

from workbench.data.batching import collate, pad
from workbench.errors import CheckpointError, ConfigError
from workbench.events import CheckpointSaved, ParameterGroup, RunStarted, StepFinished, Warned
from workbench.inference.predictor import Predictor
from workbench.model.backbone import Backbone, Sizes, load_backbone
from workbench.model.folder import load_model_folder, save_model_folder
from workbench.model.freezing import freeze
from workbench.model.parts import encoder_layers, parts_of
from workbench.model.sources import SentenceEncoder, locate, sentence_encoder_of
from workbench.training.optimizer import Rates, build_optimizer, parameter_table

Backbones = Callable[[str], Path]
TEXTS = ["Ada", "The rain in Turin, which nobody had asked for, went on.", "", "Oslo again."]
EACH_FAMILY = pytest.mark.parametrize("family", FAMILIES)
DEPTH = {family: 3 if family == "modernbert" else 2 for family in FAMILIES}


@EACH_FAMILY
def test_padding_and_batch_mates_change_no_vector_of_a_piece(
    family: str, backbones: Backbones
) -> None:
    loaded = a_model(backbones(family))
    pieces = [piece.ids for piece in loaded.tokenizer.pieces(TEXTS)]
    together, mask = pad(pieces, loaded.tokenizer.pad_id)
    together = torch.nn.functional.pad(together, (0, 7), value=loaded.tokenizer.pad_id)
    mask = torch.nn.functional.pad(mask, (0, 7))

    with torch.no_grad():
        vectors = loaded.model.hidden(together, mask)
        for row, ids in enumerate(pieces):
            alone = loaded.model.hidden(*pad([ids], loaded.tokenizer.pad_id))[0]
            assert torch.allclose(vectors[row, : len(ids)], alone, atol=1e-5)


@EACH_FAMILY
def test_which_backbones_read_left_to_right_is_known_from_their_structure(
    family: str, backbones: Backbones
) -> None:
    backbone = load_backbone(str(backbones(family)), max_length=48).backbone.eval()

    with torch.no_grad():
        one, other = backbone(torch.tensor([[5, 6, 7], [5, 6, 8]]), torch.ones(2, 3).long())

    blind = torch.allclose(one[:2], other[:2], atol=1e-6)
    assert blind == backbone.reads_left_to_right == (family in LEFT_TO_RIGHT)


@EACH_FAMILY
def test_layers_are_found_and_each_value_belongs_to_one_part(
    family: str, backbones: Backbones
) -> None:
    model = a_model(backbones(family)).model

    parts = parts_of(model)

    layers = [part for part in parts if part.role == "layer"]
    assert len(layers) == model.backbone.depth == DEPTH[family]
    assert len({len(part.parameters) for part in layers[1:]}) == 1
    assert parts[0].role == "embeddings"
    assert model.backbone.encoder.get_input_embeddings().weight is next(  # type: ignore[operator]  # of every transformers model
        value for name, value in parts[0].parameters.items() if value.shape[0] > 50
    )
    assert sum(len(part.parameters) for part in parts) == len(list(model.named_parameters()))


@EACH_FAMILY
def test_lower_layers_are_frozen_and_upper_ones_have_the_higher_rate(
    family: str, backbones: Backbones
) -> None:
    model = a_model(backbones(family)).model
    freeze(model, "lowest", layers=1)
    rates = Rates(backbone=1.0, heads=3.0, layers="decay", decay=0.5)

    table = parameter_table(model, rates=rates, weight_decay=0.0, begins={})

    found = {row.name: row.rate for row in table}
    assert found["embeddings"] == found["layer 0"] == 0.0
    upper = [found[f"layer {number}"] for number in range(1, DEPTH[family])]
    assert upper == [0.5 ** (DEPTH[family] - number) for number in range(1, DEPTH[family])]
    assert found["head mood"] == 3.0


@EACH_FAMILY
@pytest.mark.parametrize("mode", ["none", "embeddings", "all_but_top", "norms_only"])
def test_a_step_moves_what_is_not_frozen_and_nothing_else(
    mode: str, family: str, backbones: Backbones
) -> None:
    loaded = a_model(backbones(family), tasks=("mood", "length", "entity"))
    model = loaded.model.train()
    frozen = freeze(model, mode, layers=1 if mode == "all_but_top" else 0)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = build_optimizer(model, rates=Rates(backbone=0.01, heads=0.01), weight_decay=0.1)
    batch = collate(some_encoded_examples(), range(6), pad_id=loaded.tokenizer.pad_id)

    logits = model(batch)
    torch.stack([value.float().square().mean() for value in logits.values()]).sum().backward()
    optimizer.step()

    still = {name for name, value in model.named_parameters() if torch.equal(value, before[name])}
    assert frozen <= still
    # A key's bias moves nothing: it adds the same to all scores of a query.
    assert not {name for name in still - frozen if "key" not in name and "k_proj" not in name}


@EACH_FAMILY
def test_a_run_saves_a_model_that_reads_back_identically(
    family: str, backbones: Backbones, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=backbones(family),
        folder=corpus,
        pooling={"mode": "last"},
        training={"epochs": 1},
        tasks={
            "mood": a_task(corpus, layer_mix=True),
            "entity": a_task(corpus, "tagging", word_pieces="mean"),
        },
    )

    events = events_of(config, tmp_path / "run")

    assert [event.message for event in events if isinstance(event, Warned)] == []
    losses = [event.total_loss for event in events if isinstance(event, StepFinished)]
    assert losses[-1] < losses[0]
    saved = next(event for event in events if isinstance(event, CheckpointSaved))
    first = Predictor.open(tmp_path / "run" / saved.folder / "model")
    (tmp_path / "again").mkdir()
    save_model_folder(first.loaded, tmp_path / "again")
    second = Predictor.open(tmp_path / "again")
    assert (first.encode(TEXTS) == second.encode(TEXTS)).all()
    assert first.predict(TEXTS) == second.predict(TEXTS)


@EACH_FAMILY
def test_an_earlier_layer_is_what_the_whole_model_has_there(
    family: str, backbones: Backbones, tmp_path: Path
) -> None:
    folder = str(backbones(family))
    whole = load_backbone(folder, max_length=48).backbone.eval()
    lower = load_backbone(folder, max_length=48, layer=1).backbone.eval()
    ids, mask = torch.tensor([[5, 6, 7, 8]]), torch.ones(1, 4).long()

    with torch.no_grad():
        expected = whole.layers(ids, mask)
        found = lower.layers(ids, mask)

    assert len(encoder_layers(lower)) == lower.depth == 1
    assert torch.allclose(found[0], expected[0], atol=1e-6)
    # Where a norm follows the layers it follows this one, too.
    assert torch.allclose(found[1], _normed(whole, expected[1]), atol=1e-5)


def _normed(backbone: Backbone, hidden: torch.Tensor) -> torch.Tensor:
    encoder: torch.nn.Module = getattr(backbone.encoder, "encoder", backbone.encoder)
    for name in ("final_layer_norm", "ln_f", "norm", "final_norm"):
        norm = getattr(encoder, name, None)
        if isinstance(norm, torch.nn.Module):
            normed: torch.Tensor = norm(hidden)
            return normed
    return hidden


@EACH_FAMILY
def test_random_weights_follow_the_seed_and_the_sizes_that_are_asked_for(
    family: str, backbones: Backbones, tmp_path: Path
) -> None:
    folder = tmp_path / "without weights"
    shutil.copytree(backbones(family), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    sizes = Sizes(hidden_size=48, layers=5, attention_heads=4)

    one, same, other = (
        load_backbone(str(folder), max_length=48, random=sizes, seed=seed).backbone.eval()
        for seed in (1, 1, 2)
    )

    ids, mask = torch.tensor([[5, 6, 7, 8]]), torch.ones(1, 4).long()
    with torch.no_grad():
        vectors = one(ids, mask)
        assert vectors.shape == (1, 4, 48)
        assert torch.equal(vectors, same(ids, mask))
        assert not torch.allclose(vectors, other(ids, mask), atol=1e-2)
    assert len(encoder_layers(one)) == one.depth == 5


def test_sizes_that_do_not_go_together_are_refused(bert: Path) -> None:
    with pytest.raises(ConfigError, match="hidden_size is 30, which 4 attention heads"):
        load_backbone(str(bert), max_length=48, random=Sizes(hidden_size=30, attention_heads=4))


def test_a_run_from_random_weights_learns_and_is_repeatable(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    random = {"model": str(bert), "max_length": 48, "pretrained": False, "layers": 1}
    config = an_experiment(folder=corpus).model_copy(
        update={"backbone": an_experiment(backbone=bert).backbone.model_copy(update=random)}
    )

    runs = [events_of(config, tmp_path / str(number)) for number in range(2)]

    losses = [
        [event.total_loss for event in run if isinstance(event, StepFinished)] for run in runs
    ]
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0]
    started = next(event for event in runs[0] if isinstance(event, RunStarted))
    assert layers_in(started.groups) == {"layer 0"}


def layers_in(groups: tuple[ParameterGroup, ...]) -> set[str]:
    return {group.name for group in groups if group.name.startswith("layer")}


# --- Left to right ------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "told"), [("mean", True), ("cls", True), ("last", False)])
def test_a_pooling_that_sees_half_of_what_was_read_draws_a_warning(
    mode: str, told: bool, backbones: Backbones, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=backbones("gpt2"),
        tasks={"mood": a_task(corpus), "entity": a_task(corpus, "tagging")},
        pooling={"mode": mode},
        training={"epochs": 1},
    )

    warned = [event.message for event in events_of(config, tmp_path) if isinstance(event, Warned)]

    found = [text for text in warned if 'mood would do better with pooling.mode = "last"' in text]
    assert len(found) == int(told)


@pytest.mark.parametrize("family", LEFT_TO_RIGHT)
def test_a_model_without_padding_is_saved_with_some_so_that_others_can_pad(
    family: str, backbones: Backbones, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    loaded = a_model(backbones(family))
    save_model_folder(loaded, tmp_path)

    theirs = AutoTokenizer.from_pretrained(tmp_path / "backbone")

    batch = theirs(["Ada", "The rain in Turin."], padding=True, return_tensors="pt")
    ours = pad(
        [piece.ids for piece in loaded.tokenizer.pieces(["Ada", "The rain in Turin."])],
        loaded.tokenizer.pad_id,
    )
    assert torch.equal(batch["input_ids"], ours[0])
    assert torch.equal(batch["attention_mask"], ours[1])
    assert load_model_folder(tmp_path).tokenizer.pad_id == loaded.tokenizer.pad_id


# --- sentence-transformers folders --------------------------------------------------------------


def a_sentence_encoder(
    bert: Path, folder: Path, *, inside: str, pooling: dict[str, object]
) -> Path:
    """A folder as sentence-transformers writes it, the transformer at its top or inside."""
    shutil.copytree(bert, folder / inside, dirs_exist_ok=True)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    kinds = [("Transformer", inside), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")]
    modules = [
        {"idx": number, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / inside / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')
    return folder


@pytest.mark.parametrize("inside", ["", "0_Transformer"])
@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
        {"pooling_mode": "cls"},
        {"pooling_mode": ["cls"]},
    ],
)
def test_of_a_sentence_transformers_folder_the_transformer_is_read_and_the_rest_is_a_hint(
    inside: str, pooling: dict[str, object], bert: Path, tmp_path: Path
) -> None:
    folder = a_sentence_encoder(bert, tmp_path / "st", inside=inside, pooling=pooling)

    loaded = load_backbone(str(folder), max_length=48)

    assert Path(loaded.source) == folder / inside
    assert sentence_encoder_of(loaded.source) == SentenceEncoder(("cls",), 20, True)
    plain = load_backbone(str(bert), max_length=48)
    for name, value in plain.backbone.state_dict().items():
        assert torch.equal(loaded.backbone.state_dict()[name], value)


def test_a_backbone_that_was_trained_for_another_pooling_says_so(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    folder = a_sentence_encoder(bert, tmp_path / "st", inside="", pooling={"pooling_mode": "cls"})
    tasks = {"mood": a_task(corpus), "length": a_task(corpus, pooling={"mode": "cls"})}
    config = an_experiment(backbone=folder, tasks=tasks, training={"epochs": 1})

    events = events_of(config, tmp_path / "run")

    warned = " ".join(event.message for event in events if isinstance(event, Warned))
    assert "was trained to be pooled by cls; mood will have to learn another way" in warned
    assert "The dense layer after" in warned
    assert "is meant for texts of up to 20 pieces; max_length is 48" in warned


def test_a_folder_of_word_vectors_is_no_transformer(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(
        '[{"path": "0_WordEmbeddings", "type": "sentence_transformers.models.WordEmbeddings"}]'
    )

    with pytest.raises(ConfigError, match="begins with WordEmbeddings, not with a transformer"):
        locate(str(tmp_path))


def test_a_hub_model_is_wanted_without_its_weights_where_they_are_random() -> None:
    with pytest.raises(CheckpointError, match='"nobody/nothing" cannot be loaded'):
        load_backbone("nobody/nothing", max_length=40, random=Sizes())
