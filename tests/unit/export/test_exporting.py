from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import FAMILIES as ALL_FAMILIES
from builders import KINDS, OPTIONS, TrainedRun, a_model

from workbench.errors import CheckpointError
from workbench.events import CheckpointSaved
from workbench.export import exporting, verification
from workbench.export.exporting import WRITERS, export_model
from workbench.export.formats import FORMATS
from workbench.export.sentence_transformers import ACTIVATION_CLASSES, POOLING_FLAGS
from workbench.export.transformers import PROBLEM_TYPES
from workbench.inference.kinds import GivenLabels, TextScores
from workbench.inference.predictor import Predictor
from workbench.model.building import HeadSettings, build_model
from workbench.model.folder import LoadedModel, ModelDescription, save_model_folder
from workbench.model.pooling import POOLINGS, PoolingSettings

FAMILIES = ["bert", "roberta", "electra", "distilbert"]
TEXTS = ["Great movie.", "Ada loves the rain in Paris, and the old town as well."]


def ignore(message: str) -> None:
    return None


def save(loaded: LoadedModel, folder: Path) -> Path:
    folder.mkdir()
    save_model_folder(loaded, folder)
    return folder


def best_model(trained: TrainedRun) -> Path:
    best = [one for one in trained.events if isinstance(one, CheckpointSaved) and one.is_best][-1]
    return trained.folder / best.folder / "model"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_sentence_transformers_export_says_the_same(
    family: str, pooling: str, backbones: Callable[[str], Path], tmp_path: Path
) -> None:
    loaded = a_model(backbones(family), tasks=tuple(KINDS), pooling=pooling)
    model = save(loaded, tmp_path / "model")
    if pooling not in POOLING_FLAGS:
        with pytest.raises(CheckpointError, match=f'cannot pool by "{pooling}"'):
            export_model(model, "sentence-transformers", tmp_path / "out", ignore)
        return

    done = export_model(model, "sentence-transformers", tmp_path / "out", ignore)

    assert done.largest_difference < 1e-5
    theirs, ours = Predictor.open(done.folder), Predictor(loaded)
    assert np.abs(theirs.encode(TEXTS) - ours.encode(TEXTS)).max() < 1e-6
    for one, two in zip(theirs.predict(TEXTS), ours.predict(TEXTS), strict=True):
        assert one.tasks["entity"] == two.tasks["entity"]
        for task in ("mood", "topics"):
            mine, other = one.tasks[task], two.tasks[task]
            assert isinstance(mine, TextScores | GivenLabels)
            assert isinstance(other, TextScores | GivenLabels)
            assert mine.logits == pytest.approx(other.logits, abs=1e-6)


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_every_family_goes_into_both_formats_or_says_why_not(
    family: str, backbones: Callable[[str], Path], tmp_path: Path
) -> None:
    loaded = a_model(backbones(family), tasks=("entity",), pooling="last")
    model = save(loaded, tmp_path / "model")

    done = export_model(model, "sentence-transformers", tmp_path / "vectors", ignore)
    assert done.largest_difference < 1e-5
    theirs, ours = Predictor.open(done.folder).encode(TEXTS), Predictor(loaded).encode(TEXTS)
    assert np.abs(theirs - ours).max() < 1e-6

    if family == "modernbert":
        with pytest.raises(CheckpointError, match="has no plain linear layer over the pieces"):
            export_model(model, "transformers", tmp_path / "tags", ignore)
    else:
        done = export_model(model, "transformers", tmp_path / "tags", ignore)
        assert done.largest_difference < 1e-5


@pytest.mark.parametrize("task", ["mood", "entity", "topics", "grade"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_transformers_export_says_the_same_or_is_refused_with_a_reason(
    family: str, pooling: str, task: str, backbones: Callable[[str], Path], tmp_path: Path
) -> None:
    model = save(a_model(backbones(family), tasks=(task,), pooling=pooling), tmp_path / "model")
    is_possible = (
        KINDS[task] == "tagging"
        or pooling == "cls"
        or (pooling == "mean" and family != "distilbert")
    )

    if is_possible:
        done = export_model(model, "transformers", tmp_path / "out", ignore)

        # Single sums in float32, through a layer that scales by 2^13 or adds 64.
        assert done.largest_difference < 1e-4
    else:
        with pytest.raises(CheckpointError, match=f'head of "{task}" cannot .* {family}') as caught:
            export_model(model, "transformers", tmp_path / "out", ignore)

        assert "--format sentence-transformers" in caught.value.next_step
        assert list(tmp_path.iterdir()) == [model]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_pairs_that_are_read_as_one_are_exported_as_such(
    family: str, kind: str, backbones: Callable[[str], Path], tmp_path: Path
) -> None:
    loaded = a_model(backbones(family))
    labels = () if kind == "regression" else ("no", "yes")
    options = {"pair": "joint"} | (OPTIONS["grade"] if kind == "regression" else {})
    heads = {"pair": HeadSettings(kind, labels, 0.0, options)}
    pooling = PoolingSettings(("cls",))
    model = build_model(loaded.backbone, heads, pooling=pooling, seed=1)
    folder = save(
        LoadedModel(model, loaded.tokenizer, ModelDescription("try", pooling, 48, heads)),
        tmp_path / "model",
    )

    done = export_model(folder, "transformers", tmp_path / "out", ignore)

    assert done.largest_difference < 1e-4
    card = (done.folder / "pair" / "README.md").read_text()
    assert 'tokenizer("How are you?", "I am fine."' in card
    config = json.loads((done.folder / "pair" / "config.json").read_text())
    assert config["problem_type"] == PROBLEM_TYPES.get(kind)


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("follows", "two texts that are read one by one"),
        ("alike", "it compares vectors"),
        ("answer", "it compares vectors"),
        ("named", "scores that are not those of one linear layer"),
    ],
)
def test_what_no_classifier_of_transformers_does_is_refused(
    task: str, why: str, bert: Path, tmp_path: Path
) -> None:
    model = save(a_model(bert, tasks=("mood", task)), tmp_path / "model")

    with pytest.raises(CheckpointError, match=f'head of "{task}" cannot .*{why}'):
        export_model(model, "transformers", tmp_path / "out", ignore)

    assert list(tmp_path.iterdir()) == [model]


def test_the_card_of_a_multilabel_head_tells_its_thresholds(bert: Path, tmp_path: Path) -> None:
    loaded = a_model(bert, tasks=("topics",), pooling="cls")
    loaded.model.heads["topics"].set_thresholds([0.25, 0.5, 0.75])
    model = save(loaded, tmp_path / "model")

    for form in FORMATS:
        done = export_model(model, form, tmp_path / form, ignore)
        card = next(done.folder.rglob("README.md")).read_text()
        assert "from these probabilities on: france 0.250, love 0.500, time 0.750." in card


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_head_that_is_very_sure_is_exported_as_truly(
    family: str, pooling: str, backbones: Callable[[str], Path], tmp_path: Path
) -> None:
    # The layers between are straight only in the middle: logits of 20 must still be there.
    if (family, pooling) == ("distilbert", "mean"):
        return
    loaded = a_model(backbones(family), tasks=("mood",), pooling=pooling)
    logits = [
        found.tasks["mood"].logits  # type: ignore[union-attr]  # a classification
        for found in Predictor(loaded).predict(verification.TEXTS)
    ]
    with torch.no_grad():
        loaded.model.heads["mood"].linear.weight.mul_(20.0 / np.abs(logits).max())
    model = save(loaded, tmp_path / "model")

    assert export_model(model, "transformers", tmp_path / "out", ignore).largest_difference < 1e-3


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_more_classes_than_dimensions_are_refused(pooling: str, bert: Path, tmp_path: Path) -> None:
    loaded = a_model(bert)
    heads = {"many": HeadSettings("classification", tuple(f"c{n:02}" for n in range(40)), 0.0)}
    model = build_model(loaded.backbone, heads, pooling=PoolingSettings((pooling,)), seed=1)
    folder = save(
        LoadedModel(
            model,
            loaded.tokenizer,
            ModelDescription("many", PoolingSettings((pooling,)), 48, heads),
        ),
        tmp_path / "model",
    )

    with pytest.raises(CheckpointError, match="too narrow for 40 classes"):
        export_model(folder, "transformers", tmp_path / "out", ignore)


def test_a_stranger_opens_the_transformers_export_of_a_trained_run(
    trained: TrainedRun, tmp_path: Path
) -> None:
    from transformers import (
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
    )

    done = export_model(best_model(trained), "transformers", tmp_path / "out", ignore)

    predictor = Predictor.open(best_model(trained))
    mood = AutoModelForSequenceClassification.from_pretrained(done.folder / "mood")
    entity = AutoModelForTokenClassification.from_pretrained(done.folder / "entity")
    tokenizer = AutoTokenizer.from_pretrained(done.folder / "mood")
    inputs = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        logits = mood(**inputs).logits
    expected = [
        found.tasks["mood"].logits  # type: ignore[union-attr]  # a classification
        for found in predictor.predict(TEXTS)
    ]
    assert np.abs(logits.numpy() - np.array(expected)).max() < 1e-4
    assert mood.config.id2label == {0: "bad", 1: "good", 2: "plain"}
    assert entity.config.id2label[1] == "B-LOC"
    assert tokenizer.model_max_length == 48


def test_an_export_does_not_change_the_model_that_is_exported(bert: Path, tmp_path: Path) -> None:
    loaded = a_model(bert, tasks=("mood", "entity", "topics", "grade"))
    before = json.dumps(loaded.model.backbone.config.to_dict(), default=str)
    vectors = Predictor(loaded).encode(TEXTS)

    for form, write in WRITERS.items():
        (tmp_path / form).mkdir()
        write(loaded, tmp_path / form)

    assert json.dumps(loaded.model.backbone.config.to_dict(), default=str) == before
    assert np.array_equal(Predictor(loaded).encode(TEXTS), vectors)


def test_each_format_that_is_offered_is_written_and_verified() -> None:
    assert FORMATS.keys() == WRITERS.keys() == verification.VERIFIERS.keys()


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_has_a_card_and_nothing_that_runs(
    form: str, trained: TrainedRun, tmp_path: Path
) -> None:
    done = export_model(best_model(trained), form, tmp_path / "out", ignore)

    files = [file for file in done.folder.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".json", ".safetensors", ".md"}
    card = next(file for file in files if file.name == "README.md").read_text()
    assert "| mood | classification | bad, good, plain |" in card
    assert "mtl-workbench" in card


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_that_says_something_else_is_not_kept(
    form: str, trained: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = WRITERS[form]

    def spoil(loaded: LoadedModel, folder: Path) -> None:
        write(loaded, folder)
        for file in folder.rglob("model.safetensors"):
            from safetensors.torch import load_file, save_file

            weights = {name: value * 1.05 for name, value in load_file(file).items()}
            save_file(weights, file, metadata={"format": "pt"})

    monkeypatch.setitem(exporting.WRITERS, form, spoil)

    with pytest.raises(CheckpointError, match="differs from the checkpoint by"):
        export_model(best_model(trained), form, tmp_path / "out", ignore)

    assert list(tmp_path.iterdir()) == []


def test_a_difference_that_is_no_number_is_no_export(
    trained: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(verification.VERIFIERS, "transformers", lambda *_: float("nan"))

    with pytest.raises(CheckpointError, match="differs from the checkpoint by nan"):
        export_model(best_model(trained), "transformers", tmp_path / "out", ignore)


def test_an_unknown_format_is_an_error_with_the_nearest(
    trained: TrainedRun, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match='no export format "transformer"') as caught:
        export_model(best_model(trained), "transformer", tmp_path / "out", ignore)

    assert 'did you mean "transformers"?' in caught.value.next_step


def test_a_folder_in_use_is_left_alone(trained: TrainedRun, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(CheckpointError, match="is there already and not empty"):
        export_model(best_model(trained), "sentence-transformers", tmp_path, ignore)

    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_a_fine_target(trained: TrainedRun, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    said: list[str] = []

    done = export_model(best_model(trained), "sentence-transformers", tmp_path / "out", said.append)

    assert (done.folder / "modules.json").is_file()
    assert len(said) == 3


@pytest.mark.slow
def test_sentence_transformers_opens_the_export_and_gives_the_same_vectors(
    trained: TrainedRun, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    done = export_model(best_model(trained), "sentence-transformers", tmp_path / "out", ignore)

    stranger = SentenceTransformer(str(done.folder), device="cpu")

    texts = [*TEXTS, "rain again " * 60]
    vectors = stranger.encode(texts)
    expected = Predictor.open(best_model(trained)).encode(texts)
    assert np.abs(vectors - expected).max() < 1e-5
    assert np.abs(stranger.encode(texts[:1])[0] - vectors[0]).max() < 1e-5
    assert stranger.max_seq_length == 48


@pytest.mark.slow
@pytest.mark.parametrize(
    "pooling",
    [
        *(PoolingSettings((part,)) for part in POOLING_FLAGS),
        PoolingSettings(tuple(POOLING_FLAGS)),
        PoolingSettings(("mean",), normalize=True),
        PoolingSettings(("cls", "mean"), projection=12),
        PoolingSettings(("max",), projection=40, activation="linear", normalize=True),
    ],
    ids=lambda pooling: pooling.words,
)
def test_sentence_transformers_pools_as_we_do(
    pooling: PoolingSettings, bert: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    loaded = a_model(bert, pooling=pooling)
    done = export_model(
        save(loaded, tmp_path / "model"), "sentence-transformers", tmp_path / "out", ignore
    )

    vectors = SentenceTransformer(str(done.folder), device="cpu").encode(TEXTS)

    expected = Predictor(loaded).encode(TEXTS)
    assert vectors.shape == expected.shape
    assert np.abs(vectors - expected).max() < 1e-5


def test_an_export_whose_projection_is_not_the_checkpoint_s_is_refused(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = a_model(bert, pooling=PoolingSettings(("mean",), projection=5))
    model = save(loaded, tmp_path / "model")
    monkeypatch.setitem(ACTIVATION_CLASSES, "tanh", ACTIVATION_CLASSES["linear"])

    with pytest.raises(CheckpointError, match="differs from the checkpoint"):
        export_model(model, "sentence-transformers", tmp_path / "out", ignore)


@pytest.mark.parametrize(
    ("pooling", "form", "why"),
    [
        (PoolingSettings(("attention", "mean")), "sentence-transformers", 'pool by "attention"'),
        (PoolingSettings(("attention",)), "transformers", 'cannot pool by "attention"'),
        (PoolingSettings(("max", "mean")), "transformers", r'cannot pool by "max \+ mean"'),
        (PoolingSettings(("mean",), projection=8), "transformers", "no layer between"),
        (PoolingSettings(("cls",), normalize=True), "transformers", "no layer between"),
    ],
)
def test_what_a_format_cannot_pool_is_refused_in_words(
    pooling: PoolingSettings, form: str, why: str, bert: Path, tmp_path: Path
) -> None:
    model = save(a_model(bert, tasks=("mood",), pooling=pooling), tmp_path / "model")

    with pytest.raises(CheckpointError, match=why):
        export_model(model, form, tmp_path / "out", ignore)
