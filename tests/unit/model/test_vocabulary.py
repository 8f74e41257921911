from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders import an_experiment, events_of
from torch import nn

import workbench.training.preparation as preparation
from workbench.events import StepFinished
from workbench.model.folder import load_model_folder
from workbench.model.vocabulary import OccurringRows, train_only_occurring_rows


def an_embedding(rows: int = 10, size: int = 4, padding: int | None = 0) -> nn.Embedding:
    torch.manual_seed(1)
    return nn.Embedding(rows, size, padding_idx=padding)


def test_any_row_is_looked_up_as_in_the_whole_embedding() -> None:
    whole = an_embedding()
    some = OccurringRows(whole, torch.tensor([0, 3, 7])).eval()
    ids = torch.arange(10).reshape(2, 5)

    assert torch.equal(some(ids), whole(ids))


def test_the_saved_state_is_that_of_the_whole_embedding_with_the_trained_rows() -> None:
    whole = an_embedding()
    some = OccurringRows(whole, torch.tensor([0, 3, 7]))
    with torch.no_grad():
        some.trained += 1

    state = some.state_dict()

    assert list(state) == ["weight"]
    expected = whole.weight.detach().clone()
    expected[[0, 3, 7]] += 1
    assert torch.equal(state["weight"], expected)


def test_padding_gets_no_gradient() -> None:
    some = OccurringRows(an_embedding(padding=3), torch.tensor([0, 3, 7]))

    some(torch.tensor([[0, 7, 3]])).sum().backward()

    assert some.trained.grad is not None
    assert some.trained.grad.abs().sum(dim=1).gt(0).tolist() == [True, False, True]


def test_an_embedding_that_occurs_wholly_is_left_alone() -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = an_embedding()

        def get_input_embeddings(self) -> nn.Embedding:
            return self.embedding

    train_only_occurring_rows(encoder := Encoder(), torch.arange(9))

    assert type(encoder.embedding) is nn.Embedding


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_training_some_rows_learns_the_same_as_training_all(
    optimizer: str, bert: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, optimization={"optimizer": optimizer})
    losses = {}
    for kind in ("some", "all"):
        if kind == "all":
            monkeypatch.setattr(preparation, "train_only_occurring_rows", lambda encoder, ids: None)
        folder = tmp_path / kind
        folder.mkdir()
        events = events_of(config, folder)
        losses[kind] = [e.total_loss for e in events if isinstance(e, StepFinished)]

    assert losses["some"] == pytest.approx(losses["all"], abs=1e-6)
    weights = [
        load_model_folder(next((tmp_path / kind / "checkpoints").iterdir()) / "model")
        .model.backbone.encoder.get_input_embeddings()
        .weight
        for kind in ("some", "all")
    ]
    assert torch.allclose(*weights, atol=1e-6)
