"""Backbones without a transformer."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import a_task, an_experiment, events_of
from pydantic import ValidationError

from workbench.data.batching import pad
from workbench.data.examples import read_corpus
from workbench.errors import CheckpointError
from workbench.events import CheckpointSaved, StepFinished
from workbench.export.exporting import export_model
from workbench.export.formats import FORMATS
from workbench.inference.predictor import Predictor
from workbench.model.backbone import LoadedBackbone
from workbench.model.building import build_backbone, build_model, head_settings, pooling_settings
from workbench.model.freezing import freeze
from workbench.model.multitask import MultiTaskModel
from workbench.model.parts import parts_of
from workbench.model.stack import EMBEDDINGS, WordVectors
from workbench.training.optimizer import Rates, parameter_table

ALL = tuple(EMBEDDINGS)
SIZES: dict[str, Any] = {
    "words": {"size": 6, "min_count": 1},
    "characters": {"size": 5, "vector_size": 8, "max_length": 6},
}
TEXTS = ["Ada", "Grace adores the rain in Oslo, and nobody else.", "", "Zyx hates 🙂 again"]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vectors of three dimensions for some words of the corpus, and for others."""
    file = tmp_path_factory.mktemp("vectors") / "mini.vec"
    words = ["the", "rain", "loves", "hates", "ada", "paris", "nowhere"]
    lines = [f"{word} {number} {number % 2} -0.5" for number, word in enumerate(words, 1)]
    file.write_text("\n".join([f"{len(lines)} 3", *lines]))
    return file


def an_experiment_with(corpus: Path, vectors: Path, **settings: Any) -> Any:
    """Moods and names on a stack."""
    embeddings = settings.pop("embeddings", ["words", "char_cnn"])
    words = SIZES["words"] | settings.pop("words", {})
    if "word_vectors" in embeddings:
        words |= {"file": str(vectors), "first_rows": 0}
    backbone = {
        "kind": "stack",
        "embeddings": embeddings,
        "words": words,
        "characters": SIZES["characters"],
        "rnn": {"hidden_size": 7} | settings.pop("rnn", {}),
        "max_length": 12,
    }
    return an_experiment(
        folder=corpus,
        backbone_settings=backbone,
        optimization={"learning_rate": 2e-2} | settings.pop("optimization", {}),
        **settings,
    )


def built(config: Any) -> tuple[LoadedBackbone, MultiTaskModel]:
    corpus = read_corpus(config)
    loaded = build_backbone(config, corpus)
    heads = head_settings(config, corpus.labels)
    model = build_model(loaded, heads, pooling=pooling_settings(config), seed=config.seed)
    return loaded, model


STACKS = [
    *product([[name] for name in ALL], ["none", "lstm"]),
    *product([list(ALL)], ["none", "lstm", "gru"]),
]


@pytest.mark.parametrize(("embeddings", "cell"), STACKS, ids=str)
def test_padding_and_batch_mates_change_no_vector_of_a_word(
    embeddings: list[str], cell: str, corpus: Path, vectors: Path
) -> None:
    rnn = {"cell": cell, "layers": 2}
    config = an_experiment_with(corpus, vectors, embeddings=embeddings, rnn=rnn)
    loaded, _ = built(config)
    backbone = loaded.backbone.eval()
    pieces = [piece.ids for piece in loaded.tokenizer.pieces(TEXTS)]
    ids, mask = pad(pieces, 0)
    ids = torch.nn.functional.pad(ids, (0, 0, 0, 5))
    mask = torch.nn.functional.pad(mask, (0, 5))

    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        together = backbone(ids, mask)
        alone = [backbone(*pad([one], 0))[0] for one in pieces]

    assert together.shape == (*mask.shape, backbone.hidden_size)
    for row, one in enumerate(alone):
        assert torch.allclose(together[row, : len(one)], one, atol=1e-6)
    assert backbone.depth == (0 if cell == "none" else 2)


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("embeddings", [["words", "char_lstm"], list(ALL)], ids=str)
def test_a_stack_learns_from_scratch_and_reads_back_identically(
    embeddings: list[str], crf: bool, corpus: Path, vectors: Path, tmp_path: Path
) -> None:
    config = an_experiment_with(
        corpus,
        vectors,
        embeddings=embeddings,
        tasks={"mood": a_task(corpus), "entity": a_task(corpus, "tagging", crf=crf)},
        training={"epochs": 8},
    )

    events = events_of(config, tmp_path)

    losses = [event.total_loss for event in events if isinstance(event, StepFinished)]
    assert losses[-1] < 0.7 * losses[0]
    saved = [event for event in events if isinstance(event, CheckpointSaved)][-1]
    folder = tmp_path / saved.folder / "model"
    assert sorted(file.name for file in (folder / "backbone").iterdir()) == [
        "model.safetensors",
        "stack.json",
        "words.json",
    ]
    one, other = Predictor.open(folder), Predictor.open(folder)
    assert (one.encode(TEXTS) == other.encode(TEXTS)).all()
    assert one.predict(TEXTS) == other.predict(TEXTS)
    assert one.encode(TEXTS).shape == (4, 14)


def test_a_run_of_a_stack_is_repeatable(corpus: Path, vectors: Path, tmp_path: Path) -> None:
    config = an_experiment_with(corpus, vectors, embeddings=list(ALL), training={"epochs": 1})

    one, other = (
        [e.total_loss for e in events_of(config, tmp_path / name) if isinstance(e, StepFinished)]
        for name in ("one", "other")
    )

    assert one == other


@pytest.mark.parametrize("trained", [False, True])
def test_vectors_of_a_file_are_looked_up_and_move_only_if_they_are_trained(
    trained: bool, corpus: Path, vectors: Path, tmp_path: Path
) -> None:
    config = an_experiment_with(
        corpus,
        vectors,
        embeddings=["word_vectors"],
        words={"trained": trained},
        training={"epochs": 1},
    )
    loaded, model = built(config)
    place = loaded.backbone.encoder.embeddings["word_vectors"]  # type: ignore[union-attr, index]  # a stack
    assert isinstance(place, WordVectors)
    (pieces,) = loaded.tokenizer.pieces(["RAIN snow nowhere"])

    found = place(torch.from_numpy(pieces.ids[:, 0]), torch.zeros(3, 0))

    assert found.tolist() == [[2, 0, -0.5], [0, 0, 0], [0, 0, 0]]  # of no text is "nowhere"
    assert any("word_vectors" in name for name, _ in model.named_parameters()) == trained
    events = events_of(config, tmp_path)
    saved = next(event for event in events if isinstance(event, CheckpointSaved))
    after = Predictor.open(tmp_path / saved.folder / "model").loaded.model.state_dict()
    name = "backbone.encoder.embeddings.word_vectors.table"
    assert torch.equal(after[name], model.state_dict()[name]) != trained


def test_layers_are_those_of_the_rnn_and_what_is_below_them_are_embeddings(
    corpus: Path, vectors: Path
) -> None:
    config = an_experiment_with(corpus, vectors, embeddings=list(ALL), rnn={"layers": 3})
    _, model = built(config)

    freeze(model, "lowest", layers=1)

    names = [part.name for part in parts_of(model)]
    assert names == ["embeddings", "layer 0", "layer 1", "layer 2", "head mood", "head entity"]
    rates = Rates(backbone=1.0, heads=2.0, layers="decay", decay=0.5)
    table = parameter_table(model, rates=rates, weight_decay=0.0, begins={})
    assert {row.name: row.rate for row in table} == dict(
        zip(names, [0.0, 0.0, 0.25, 0.5, 2.0, 2.0], strict=True)
    )


def test_a_task_more_and_the_tasks_themselves_leave_the_first_weights_of_a_stack(
    corpus: Path, vectors: Path
) -> None:
    one, other = (
        built(an_experiment_with(corpus, vectors, tasks=tasks))[0].backbone.state_dict()
        for tasks in (
            {"mood": a_task(corpus)},
            {"entity": a_task(corpus, "tagging"), "mood": a_task(corpus)},
        )
    )

    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_an_experiment_with_a_stack_can_be_checked_before_it_runs(
    corpus: Path, vectors: Path
) -> None:
    from workbench.training.planning import check

    found = check(an_experiment_with(corpus, vectors, embeddings=list(ALL)))

    assert found.plan is not None


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_of_a_stack_is_refused_with_the_reason(
    form: str, corpus: Path, vectors: Path, tmp_path: Path
) -> None:
    config = an_experiment_with(corpus, vectors, training={"epochs": 1})
    events = events_of(config, tmp_path)
    saved = next(event for event in events if isinstance(event, CheckpointSaved))

    with pytest.raises(CheckpointError, match="is a stack of words, which neither"):
        export_model(tmp_path / saved.folder / "model", form, tmp_path / "out", lambda text: None)


def test_a_stack_that_reads_left_to_right_draws_the_same_advice(
    corpus: Path, vectors: Path, tmp_path: Path
) -> None:
    config = an_experiment_with(
        corpus, vectors, rnn={"bidirectional": False}, training={"epochs": 1}
    )

    told = " ".join(str(event) for event in events_of(config, tmp_path))

    assert "words+char_cnn+lstm reads left to right" in told


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embeddings": ["word_vectors"]}, "if and only if backbone.words.file names"),
        ({"words": {"file": "glove.txt"}}, "if and only if backbone.words.file names"),
        ({"embeddings": ["words", "words"]}, "names one of them twice"),
        ({"layer": 2}, "backbone.layer is of a transformer"),
        ({"pretrained": False}, "backbone.pretrained is of a transformer"),
    ],
)
def test_what_a_stack_cannot_be_is_refused_with_the_reason(
    settings: dict[str, Any], message: str, corpus: Path
) -> None:
    with pytest.raises(ValidationError, match=message):
        an_experiment(folder=corpus, backbone_settings={"kind": "stack"} | settings)


def test_layers_of_a_stack_cannot_be_mixed(corpus: Path) -> None:
    with pytest.raises(ValidationError, match=r"tasks\.mood\.layer_mix needs layers of one size"):
        an_experiment(
            tasks={"mood": a_task(corpus, layer_mix=True)}, backbone_settings={"kind": "stack"}
        )


def test_a_stack_needs_no_transformers_library() -> None:
    import subprocess

    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "from workbench.model.stack import *\n"
        "settings = StackSettings(('words', 'char_lstm'), words=3, characters=4)\n"
        "stack = StackBackbone(WordStack(settings))\n"
        "print(stack(torch.ones(1, 2, 5).long(), torch.ones(1, 2).long()).shape[-1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stdout.strip() == "150", done.stderr
