"""Guessing hidden pieces, beside other tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from builders import a_task, an_experiment, events_of, sentences, write_jsonl

from workbench.data.batching import collate
from workbench.data.examples import read_corpus
from workbench.data.tokenizing import encode_split
from workbench.data.word_tokenizing import WordTokenizer
from workbench.errors import ConfigError
from workbench.events import CheckpointSaved, EvaluationFinished, StepFinished
from workbench.inference.predictor import Predictor
from workbench.model.backbone import load_backbone
from workbench.model.building import build_model, head_settings, pooling_settings
from workbench.model.folder import load_model_folder
from workbench.model.heads import MaskedLmHead


def tasks_of(corpus: Path, **settings: Any) -> dict[str, Any]:
    return {"mood": a_task(corpus), "words": a_task(corpus, "masked_lm", **settings)}


@pytest.fixture(scope="module")
def learned(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A run on nine sentences, which a tiny BERT learns by heart."""
    folder = tmp_path_factory.mktemp("masked")
    file = str(write_jsonl(folder / "few.jsonl", sentences(9)))
    data = {"train": file, "dev": file, "test": None}
    tasks = {
        "mood": a_task(folder, data=data),
        "words": a_task(folder, "masked_lm", data=data, masked_share=0.2, dropout=0.0),
    }
    config = an_experiment(
        backbone=bert, tasks=tasks, training={"epochs": 60, "batch_size": 18},
        optimization={"learning_rate": 3e-3},
    )  # fmt: skip
    events = events_of(config, folder / "run")
    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    return folder / "run" / saved[-1].folder / "model", events


def test_hidden_pieces_are_learned(learned: tuple[Path, list[Any]]) -> None:
    losses = [event.losses["words"] for event in learned[1] if isinstance(event, StepFinished)]
    dev = [event for event in learned[1] if isinstance(event, EvaluationFinished)]

    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert dev[-1].metrics["words"]["accuracy"] > dev[0].metrics["words"]["accuracy"]


def test_an_aid_has_no_part_in_choosing_the_checkpoint(learned: tuple[Path, list[Any]]) -> None:
    dev = [event for event in learned[1] if isinstance(event, EvaluationFinished)]

    assert [event.selection for event in dev] == [
        event.metrics["mood"]["accuracy"] for event in dev
    ]


def test_gaps_of_a_text_are_filled(learned: tuple[Path, list[Any]]) -> None:
    predictor = Predictor.open(learned[0])

    two, none = predictor.predict(["[MASK] loves the rain in [MASK].", "Ada left."])

    gaps = two.tasks["words"].plain()["gaps"]
    assert len(gaps) == 2
    assert len(gaps[0]) == 5
    assert gaps[0][0]["probability"] >= gaps[0][1]["probability"]
    assert none.tasks["words"].plain() == {"gaps": []}
    alone = predictor.predict(["[MASK] loves the rain in [MASK]."])[0].tasks["words"].plain()
    assert [gap[0]["piece"] for gap in alone["gaps"]] == [gap[0]["piece"] for gap in gaps]


def test_the_same_text_of_another_task_is_read_whole(bert: Path, corpus: Path) -> None:
    config = an_experiment(backbone=bert, tasks=tasks_of(corpus))
    loaded = load_backbone(str(bert), max_length=48)
    read = read_corpus(config)
    split = encode_split(read.train, loaded.tokenizer, read.labels)
    mask_id = loaded.tokenizer.vocabulary.mask_id

    batch = collate(split.examples, range(len(split.examples)), pad_id=0, draw=(1, 2))

    assert len(split.examples) == 48
    assert not (batch.ids[batch.targets["mood"].rows] == mask_id).any()
    assert (batch.ids[batch.targets["words"].rows] == mask_id).any()


def test_it_moves_its_layers_and_the_backbone_but_owns_no_embedding(
    bert: Path, corpus: Path
) -> None:
    config = an_experiment(backbone=bert, tasks=tasks_of(corpus))
    loaded = load_backbone(str(bert), max_length=48)
    read = read_corpus(config)
    model = build_model(
        loaded, head_settings(config, read.labels), pooling=pooling_settings(config), seed=1
    ).eval()
    split = encode_split(read.train, loaded.tokenizer, read.labels)
    batch = collate(split.examples, range(48), pad_id=0, draw=(1,))
    head = model.heads["words"]
    assert isinstance(head, MaskedLmHead)

    (head.loss_sum(model(batch)["words"], batch.targets["words"])).backward()

    embedding = loaded.backbone.encoder.get_input_embeddings().weight
    assert all(parameter is not embedding for parameter in head.parameters())
    assert embedding.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in head.parameters())
    assert all(parameter.grad is None for parameter in model.heads["mood"].parameters())


def test_parts_of_a_batch_hide_what_the_whole_hides(bert: Path, corpus: Path) -> None:
    config = an_experiment(backbone=bert, tasks=tasks_of(corpus))
    loaded = load_backbone(str(bert), max_length=48)
    read = read_corpus(config)
    examples = encode_split(read.train, loaded.tokenizer, read.labels).examples

    whole = collate(examples, range(48), pad_id=0, draw=(1, 5)).targets["words"]
    halves = [collate(part, range(24), pad_id=0, draw=(1, 5)).targets.get("words")
              for part in (examples[:24], examples[24:])]  # fmt: skip

    found = torch.cat([half.labels for half in halves if half is not None])
    assert torch.equal(found, whole.labels)


def test_a_checkpoint_scores_with_the_embeddings_that_training_left(
    learned: tuple[Path, list[Any]],
) -> None:
    loaded = load_model_folder(learned[0])
    head = loaded.model.heads["words"]

    vectors = torch.randn(2, head.vector_size)
    dense = head.norm(torch.nn.functional.gelu(head.dense(vectors)))
    weight = loaded.model.backbone.encoder.get_input_embeddings().weight

    assert torch.allclose(head(vectors), dense @ weight.T + head.bias, atol=1e-5)


def test_a_text_file_of_lines_is_read(bert: Path, corpus: Path, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("Ada left.\n\nThe rain in Paris.\n", encoding="utf-8")
    data = {"train": str(file), "dev": None, "test": None}
    config = an_experiment(
        tasks={"mood": a_task(corpus), "words": a_task(corpus, "masked_lm", data=data)}
    )

    train = read_corpus(config).train

    assert [one.texts for one in train.examples if "words" in one.labels] == [
        ("Ada left.",),
        ("The rain in Paris.",),
    ]


def test_a_tokenizer_without_a_mask_is_refused(corpus: Path) -> None:
    read = read_corpus(an_experiment(tasks=tasks_of(corpus)))
    words = WordTokenizer(["ada"], "ad", max_length=10, characters_per_word=0, lowercase=True)

    with pytest.raises(ConfigError, match="has no mask"):
        encode_split(read.train, words, read.labels)
