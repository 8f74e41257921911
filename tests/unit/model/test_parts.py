from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from workbench.model.backbone import Backbone
from workbench.model.multitask import MultiTaskModel
from workbench.model.parts import encoder_layers, parts_of
from workbench.model.pooling import PoolingSettings, TextPooling
from workbench.model.vocabulary import train_only_occurring_rows

SIZE: dict[str, Any] = {"vocab_size": 50, "max_position_embeddings": 16}
COMMON: dict[str, Any] = SIZE | {
    "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16,
}  # fmt: skip


def a_deep_encoder(family: str, layers: int) -> Any:
    match family:
        case "bert":
            return transformers.BertModel(
                transformers.BertConfig(**COMMON, num_hidden_layers=layers),
                add_pooling_layer=False,
            )
        case "roberta":
            return transformers.RobertaModel(
                transformers.RobertaConfig(**COMMON, num_hidden_layers=layers),
                add_pooling_layer=False,
            )
        case "electra":
            return transformers.ElectraModel(
                transformers.ElectraConfig(**COMMON, num_hidden_layers=layers, embedding_size=4)
            )
        case "distilbert":
            return transformers.DistilBertModel(
                transformers.DistilBertConfig(
                    **SIZE, dim=8, n_heads=2, hidden_dim=16, n_layers=layers
                )
            )
        case "deberta":
            return transformers.DebertaV2Model(
                transformers.DebertaV2Config(
                    **COMMON,
                    num_hidden_layers=layers,
                    relative_attention=True,
                    pos_att_type=["p2c", "c2p"],
                    share_att_key=True,
                    norm_rel_ebd="layer_norm",
                )
            )
        case _:
            return transformers.ModernBertModel(
                transformers.ModernBertConfig(
                    **COMMON,
                    num_hidden_layers=layers,
                    pad_token_id=0,
                    bos_token_id=1,
                    eos_token_id=2,
                    cls_token_id=1,
                    sep_token_id=2,
                )
            )


def on(encoder: nn.Module) -> MultiTaskModel:
    heads = {name: nn.Linear(8, 2) for name in ("a", "layer")}
    return MultiTaskModel(Backbone(encoder), heads, pooling=TextPooling(8, PoolingSettings()))


FAMILIES = ("bert", "roberta", "electra", "distilbert", "deberta", "modernbert")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_is_in_one_part_and_each_layer_in_its_own(family: str) -> None:
    # By name, `layer.1` also meant layers 10 and 11.
    model = on(a_deep_encoder(family, 12))

    parts = parts_of(model)

    held = [name for part in parts for name in part.parameters]
    assert sorted(held) == sorted(name for name, _ in model.named_parameters())
    layers = [part for part in parts if part.role == "layer"]
    assert [part.layer for part in layers] == list(range(12))
    for part in layers:
        numbers = {
            next(piece for piece in name.split(".") if piece.isdigit()) for name in part.parameters
        }
        assert numbers == {str(part.layer)}
    names = [part.name for part in parts]
    assert names[0] == "embeddings"
    assert names[1:13] == [f"layer {number}" for number in range(12)]
    assert names[-2:] == ["head a", "head layer"]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_looks_pieces_up_lies_below_the_layers(family: str) -> None:
    # Word embeddings fell through to the full rate.
    model = on(a_deep_encoder(family, 2))

    embeddings = parts_of(model)[0]

    held = {id(parameter) for parameter in embeddings.parameters.values()}
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            assert {id(parameter) for parameter in module.parameters()} <= held


def test_the_swapped_embedding_is_an_embedding() -> None:
    model = on(a_deep_encoder("bert", 2))
    train_only_occurring_rows(model.backbone.encoder, torch.tensor([0, 1, 2]))

    embeddings = parts_of(model)[0]

    assert "backbone.encoder.embeddings.word_embeddings.trained" in embeddings.parameters


def test_a_backbone_without_a_list_of_layers_is_embeddings_and_top() -> None:
    encoder = nn.Sequential(nn.Embedding(9, 8), nn.LSTM(8, 8))

    parts = parts_of(on(encoder))

    assert encoder_layers(encoder) == []
    assert [part.name for part in parts] == ["embeddings", "top", "head a", "head layer"]


def test_lists_inside_a_layer_are_not_the_layers() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList(nn.Linear(2, 2) for _ in range(9))

    encoder = nn.Module()
    encoder.blocks = nn.ModuleList(Block() for _ in range(3))

    assert encoder_layers(encoder) == list(encoder.blocks)


def test_the_tiny_families_have_their_two_layers(backbones: Callable[[str], Path]) -> None:
    from workbench.model.backbone import load_backbone

    for family in ("bert", "roberta", "electra", "distilbert"):
        loaded = load_backbone(str(backbones(family)), max_length=16)
        assert len(encoder_layers(loaded.backbone)) == 2, family
