"""What every option of a head has to do. That it trains and is saved: test_combinations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import (
    HIDDEN,
    LABELS,
    a_model,
    a_row,
    a_task,
    an_encoded_split,
    an_experiment,
    events_of,
    sentences,
    write_jsonl,
)
from head_options import TAGGING, close, name_of

from workbench.data.batching import TextTargets, WordTargets, collate
from workbench.data.examples import read_corpus
from workbench.data.pieces import NO_LABEL, WordLabels
from workbench.data.schemes import scheme_of_names, spans
from workbench.data.tokenizing import EncodedExample
from workbench.errors import CheckpointError
from workbench.events import CheckpointSaved, EvaluationFinished
from workbench.export.exporting import export_model
from workbench.inference.evaluation import predict_split
from workbench.inference.predictor import Predictor, as_json
from workbench.model.arithmetic import choose_arithmetic
from workbench.model.backbone import load_backbone
from workbench.model.building import HeadSettings, build_model, head_settings
from workbench.model.folder import LoadedModel, ModelDescription, save_model_folder
from workbench.model.heads import TaggingHead
from workbench.model.heads.classification import ClassificationHead
from workbench.model.heads.word_vectors import WORD_VECTORS
from workbench.model.pooling import PoolingSettings

CPU = choose_arithmetic("cpu", "fp32")
TEXTS = ["Ada loves the rain in Paris.", "Great!", "Kurt", " ".join(["Emmy"] * 60)]


def a_head(labels: tuple[str, ...] = LABELS["entity"].names, **options: Any) -> TaggingHead:
    torch.manual_seed(0)
    return TaggingHead(HIDDEN, labels=labels, dropout=0.0, **options).eval()


def some_words(lengths: tuple[int, ...], labels: list[int] | None = None) -> WordTargets:
    rows = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    positions = torch.cat([torch.arange(length) for length in lengths])
    given = torch.tensor(labels) if labels is not None else torch.zeros_like(rows)
    return WordTargets(rows, positions, positions, given, lengths, int((given != NO_LABEL).sum()))


@pytest.mark.parametrize("options", TAGGING, ids=name_of)
def test_a_sentence_is_tagged_the_same_alone_and_beside_longer_ones(
    options: dict[str, Any],
) -> None:
    head = a_head(**{key: value for key, value in options.items() if key != "scheme"})
    torch.manual_seed(3)
    hidden = torch.randn(3, 9, HIDDEN)
    lengths = (2, 9, 5)

    together = some_words(lengths)
    logits = head(head.vectors(hidden, together), together)
    tags = head.decode(logits, together).split(lengths)

    for row, length in enumerate(lengths):
        alone = some_words((length,))
        scores = head(head.vectors(hidden[row : row + 1], alone), alone)
        assert torch.allclose(scores, logits.split(lengths)[row], atol=1e-5)
        assert head.decode(scores, alone).tolist() == tags[row].tolist()


@pytest.mark.parametrize("options", TAGGING, ids=name_of)
def test_one_batch_can_be_overfitted(options: dict[str, Any]) -> None:
    head = a_head(**{key: value for key, value in options.items() if key != "scheme"}).train()
    torch.manual_seed(3)
    hidden = torch.randn(2, 4, HIDDEN)
    targets = some_words((4, 3), [1, 2, 0, 3, 0, 1, 0])
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.05, weight_decay=0.0)
    for _ in range(60):
        optimizer.zero_grad()
        loss = head.loss_sum(head(head.vectors(hidden, targets), targets), targets)
        loss.backward()
        optimizer.step()

    logits = head(head.vectors(hidden, targets), targets)

    assert loss.item() / targets.count < 0.1
    assert head.decode(logits, targets).tolist() == targets.labels.tolist()


@pytest.mark.parametrize("labels", [("O", "B-X", "I-X"), ("O", "B-X", "I-X", "E-X", "S-X")])
@pytest.mark.parametrize("crf", [False, True])
def test_a_constrained_head_gives_no_tag_outside_a_span(labels: tuple[str, ...], crf: bool) -> None:
    head = a_head(labels, crf=crf, constrained=True)
    torch.manual_seed(5)
    targets = some_words((12, 1, 7))

    numbers = head.decode(5 * torch.randn(20, len(labels)), targets)

    for part in numbers.split(targets.lengths):
        tags = [labels[number] for number in part]
        inside = sum(end - begin for begin, end, _ in spans(tags, scheme_of_names(labels)))
        assert inside == sum(tag != "O" for tag in tags)


@pytest.mark.parametrize("crf", [False, True])
def test_a_word_that_is_not_annotated_pulls_at_no_score_of_a_linear_head(crf: bool) -> None:
    head = a_head(crf=crf)
    logits = torch.randn(4, 5, requires_grad=True)
    targets = some_words((4,), [1, NO_LABEL, 0, 2])

    head.loss_sum(logits, targets).backward()

    assert targets.count == 3
    assert logits.grad is not None
    # The CRF's first transitions are 0: there the words do not see each other either.
    assert logits.grad[1].abs().max() < 1e-6
    assert logits.grad[0].abs().max() > 1e-2


@pytest.mark.parametrize("options", TAGGING, ids=name_of)
def test_the_loss_is_in_float32_under_autocast(options: dict[str, Any]) -> None:
    head = a_head(**{key: value for key, value in options.items() if key != "scheme"})
    targets = some_words((4, 3), [1, 2, 0, 3, 0, 1, 0])
    hidden = torch.randn(2, 4, HIDDEN)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head(head.vectors(hidden.bfloat16(), targets), targets)
        loss = head.loss_sum(logits, targets)
        tags = head.decode(logits, targets)

    assert loss.dtype == torch.float32
    assert tags.dtype == torch.int64


def test_a_crf_of_zeros_loses_as_much_per_word_as_a_linear_head() -> None:
    # So that the losses of tasks with and without CRF can be added.
    targets = some_words((4, 3), [1, 2, 0, 3, 0, 1, 0])
    logits = torch.randn(7, 5)

    linear, crf = (a_head(crf=crf).loss_sum(logits, targets) for crf in (False, True))

    assert linear.item() == pytest.approx(crf.item(), rel=1e-5)


def test_transitions_of_a_crf_are_kept_out_of_weight_decay(bert: Path) -> None:
    loaded = load_backbone(str(bert), max_length=48)
    settings = HeadSettings("tagging", LABELS["entity"].names, 0.1, {"crf": True})
    model = build_model(loaded, {"t": settings}, pooling=PoolingSettings(), seed=1)

    marked = {name for name, value in model.named_parameters() if hasattr(value, "no_decay")}

    assert marked == {f"heads.t.crf.{part}" for part in ("start", "pairs", "end")}


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [1.0, 4.0, 0.5]])
def test_the_loss_of_a_classification_is_what_its_settings_say(
    gamma: float, smoothing: float, weights: list[float] | None
) -> None:
    head = ClassificationHead(
        4, labels="abc", dropout=0.0, focal_gamma=gamma, label_smoothing=smoothing,
        class_weights=weights,
    )  # fmt: skip
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 1, 1, 0])

    found = head.loss_sum(logits, TextTargets(torch.arange(6), labels)).item()

    expected = 0.0
    for scores, label in zip(logits.log_softmax(dim=1).tolist(), labels.tolist(), strict=True):
        factors = weights or [1.0] * 3
        loss = -(1 - smoothing) * factors[label] * scores[label]
        loss -= smoothing / 3 * sum(f * s for f, s in zip(factors, scores, strict=True))
        expected += loss * (1 - np.exp(scores[label])) ** gamma
    assert found == pytest.approx(expected, rel=1e-4)


def test_balanced_weights_have_the_mean_1_over_train_and_every_label_the_same_share(
    tmp_path: Path,
) -> None:
    rows = [{"text": f"text {n}", "mood": "rare" if n % 5 == 0 else "usual"} for n in range(10)]
    file = str(write_jsonl(tmp_path / "train.jsonl", rows))
    task = {"kind": "classification", "class_weights": "balanced", "label_weights": {"rare": 2.0}}
    task["data"] = {"train": file, "label": "mood"}
    config = an_experiment(tasks={"mood": task})

    weights = head_settings(config, read_corpus(config).labels)["mood"].options["class_weights"]

    assert weights == pytest.approx([2.0 * 10 / 2 / 2, 10 / 2 / 8])


@pytest.mark.parametrize(
    ("drawn", "expected"), [({"examples_per_class": 2}, [1.0, 1.0]), ({"dev_share": 0.5}, None)]
)
def test_balanced_weights_are_of_the_examples_that_are_learned_from(
    drawn: dict[str, Any], expected: list[float] | None, tmp_path: Path
) -> None:
    rows = [{"text": f"text {n}", "mood": "rare" if n < 2 else "usual"} for n in range(20)]
    file = str(write_jsonl(tmp_path / "train.jsonl", rows))
    task = {"kind": "classification", "class_weights": "balanced"}
    config = an_experiment(
        tasks={"mood": task | {"data": {"train": file, "label": "mood"} | drawn}}
    )

    corpus = read_corpus(config)

    weights = head_settings(config, corpus.labels)["mood"].options["class_weights"]
    labels = [example.labels["mood"] for example in corpus.train.examples]
    counts = [labels.count(name) for name in ("rare", "usual")]
    assert weights == pytest.approx(expected or [len(labels) / 2 / count for count in counts])
    assert len(labels) < len(rows)


def test_word_vectors_are_made_of_the_pieces_that_they_name() -> None:
    hidden = torch.arange(12.0).reshape(1, 6, 2)
    targets = WordTargets(
        rows=torch.tensor([0, 0]),
        positions=torch.tensor([1, 4]),
        lasts=torch.tensor([3, 4]),
        labels=torch.tensor([0, 0]),
        lengths=(2,),
        count=2,
    )

    found = {name: make(hidden, targets).tolist() for name, make in WORD_VECTORS.items()}

    assert found == {
        "first": [[2.0, 3.0], [8.0, 9.0]],
        "last": [[6.0, 7.0], [8.0, 9.0]],
        "mean": [[4.0, 5.0], [8.0, 9.0]],
        "first+last": [[2.0, 3.0, 6.0, 7.0], [8.0, 9.0, 8.0, 9.0]],
    }


def test_a_text_without_any_annotated_word_is_no_loss_and_no_error(bert: Path) -> None:
    words = WordLabels(np.array([1, 2]), np.array([1, 2]), np.array([NO_LABEL, NO_LABEL]))

    example = EncodedExample((a_row(4, 0),), {"entity": words}, "x:1")

    batch = collate([example], [0], pad_id=0)

    assert dict(batch.targets) == {}
    split = an_encoded_split(example)
    model = a_model(bert, tasks=("entity",)).model
    assert predict_split(model, split, LABELS, pad_id=0, arithmetic=CPU) == {}


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        ("tagging", {"crf": True}, "a CRF"),
        ("tagging", {"rnn": "gru"}, "a recurrent layer"),
        ("tagging", {"word_pieces": "mean"}, 'word_pieces = "mean"'),
        ("classification", {"hidden_size": 4}, "a hidden layer"),
    ],
)
def test_a_head_that_transformers_does_not_have_is_refused_there_and_goes_the_other_way(
    kind: str, options: dict[str, Any], why: str, bert: Path, tmp_path: Path
) -> None:
    loaded = load_backbone(str(bert), max_length=48)
    labels = LABELS["mood" if kind == "classification" else "entity"].names
    heads = {"t": HeadSettings(kind, labels, 0.0, options)}
    model = build_model(loaded, heads, pooling=PoolingSettings(), seed=1).eval()
    ours = LoadedModel(
        model, loaded.tokenizer, ModelDescription("try", PoolingSettings(), 48, heads)
    )
    (tmp_path / "model").mkdir()
    save_model_folder(ours, tmp_path / "model")

    with pytest.raises(CheckpointError, match=f'head of "t" cannot be written .* {why}'):
        export_model(tmp_path / "model", "transformers", tmp_path / "no", lambda message: None)
    done = export_model(
        tmp_path / "model", "sentence-transformers", tmp_path / "out", lambda message: None
    )

    assert not (tmp_path / "no").exists()
    there = Predictor.open(done.folder).predict(TEXTS)
    here = Predictor(ours).predict(TEXTS)
    assert close(list(map(as_json, here)), list(map(as_json, there)))


def test_a_run_learns_partial_bioes_with_rnn_and_crf(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    rows = sentences(24)
    for row in rows[::3]:
        row["tags"] = [None if at % 4 == 2 else tag for at, tag in enumerate(row["tags"])]
    data = {
        "train": str(write_jsonl(tmp_path / "train.jsonl", rows)),
        "dev": str(write_jsonl(tmp_path / "dev.jsonl", sentences(24))),
    }
    options = {"crf": True, "constrained": True, "scheme": "bioes", "rnn": "lstm"}
    task = a_task(corpus, "tagging", hidden_size=16, **options, data=data)
    config = an_experiment(
        backbone=bert,
        tasks={"entity": task},
        training={"epochs": 10},
        optimization={"learning_rate": 1.5e-3, "head_learning_rate": 2e-2},
    )

    events = events_of(config, tmp_path / "run")

    metrics = [one.metrics["entity"] for one in events if isinstance(one, EvaluationFinished)]
    assert metrics[-1]["span_f1"] > 0.9
    saved = [one for one in events if isinstance(one, CheckpointSaved)]
    predictor = Predictor.open(tmp_path / "run" / saved[-1].folder / "model")
    (found,) = predictor.predict(["Ada loves the rain in Paris."])
    assert [(one.text, one.label) for one in found.tasks["entity"].entities] == [
        ("Ada", "PER"),
        ("Paris", "LOC"),
    ]
