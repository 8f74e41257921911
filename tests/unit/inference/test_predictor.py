from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import HIDDEN, PAIRS, TrainedRun, a_model
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.schemes import spans
from workbench.errors import CheckpointError
from workbench.events import CheckpointSaved
from workbench.inference.kinds import Answer, TextScores, WordTags
from workbench.inference.predictor import Predictor, as_json

ODD_TEXTS = {
    "empty": "",
    "blank": " \n\t ",
    "emoji": "🙂👩‍👩‍👧 Ada 🙂",
    "no words of the tokenizer": "\u200b\u200d",
    "control characters": "Ada\x00\x1b[31m left",
    "very long": "Ada left Paris in the rain again. " * 300,
    "one word without an end": "a" * 3000,
    "another script": "東京でエイダに会った。",
}
TEXTS = st.lists(st.sampled_from([*ODD_TEXTS.values(), "Ada."]) | st.text(max_size=30), max_size=6)


@pytest.fixture(scope="module")
def predictor(trained: TrainedRun) -> Predictor:
    best = [one for one in trained.events if isinstance(one, CheckpointSaved) and one.is_best][-1]
    return Predictor.open(trained.folder / best.folder / "model")


@pytest.fixture(scope="module")
def untrained(bert: Path) -> Predictor:
    """Its tags are odd, and so test more."""
    return Predictor(a_model(bert, tasks=("mood", "length", "entity")))


@settings(max_examples=20)
@given(texts=TEXTS, seed=st.integers(0, 99))
def test_results_do_not_depend_on_neighbours_or_order(
    texts: list[str], seed: int, untrained: Predictor
) -> None:
    order = np.random.default_rng(seed).permutation(len(texts))

    vectors, predictions = untrained.encode(texts), untrained.predict(texts)

    shuffled = untrained.encode([texts[at] for at in order])
    assert np.abs(shuffled - vectors[order]).max(initial=0.0) < 1e-5
    for number, text in enumerate(texts):
        alone = untrained.predict([text])[0]
        beside = predictions[number]
        assert np.abs(untrained.encode([text])[0] - vectors[number]).max() < 1e-5
        assert alone.tasks["entity"] == beside.tasks["entity"]
        one, two = alone.tasks["mood"], beside.tasks["mood"]
        assert isinstance(one, TextScores)
        assert isinstance(two, TextScores)
        assert one.logits == pytest.approx(two.logits, abs=1e-4)


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_any_text_has_a_vector_and_a_prediction_of_every_task(
    name: str, untrained: Predictor
) -> None:
    text = ODD_TEXTS[name]

    vectors, found = untrained.encode([text]), untrained.predict([text])[0]

    assert vectors.shape == (1, HIDDEN)
    assert np.isfinite(vectors).all()
    assert found.text == text
    assert list(found.tasks) == ["mood", "length", "entity"]


@pytest.fixture(scope="module")
def of_pairs(bert: Path) -> Predictor:
    """Of every kind that reads two texts, and one that reads one."""
    loaded = a_model(bert, tasks=("mood", *PAIRS))
    return Predictor(loaded)


ODD = st.sampled_from([*ODD_TEXTS.values(), "Ada.", "Ada left Paris."])


@settings(max_examples=15)
@given(given_texts=st.lists(ODD | st.tuples(ODD, ODD), min_size=1, max_size=5))
def test_a_pair_is_answered_by_tasks_of_pairs_whatever_is_beside_it(
    given_texts: list[str | tuple[str, str]], of_pairs: Predictor
) -> None:
    found = of_pairs.predict(given_texts)

    for one, beside in zip(given_texts, found, strict=True):
        alone = of_pairs.predict([one])[0]
        is_pair = isinstance(one, tuple)
        assert list(beside.tasks) == (list(PAIRS) if is_pair else ["mood"])
        assert beside.texts == (one if is_pair else (one,))
        for task, answer in beside.tasks.items():
            assert numbers_of(answer) == pytest.approx(numbers_of(alone.tasks[task]), abs=1e-4)


def numbers_of(answer: Answer) -> list[float]:
    """Every number of an answer."""
    flat: list[float] = []
    waiting: list[object] = [answer.plain()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, float):
            flat.append(value)
    return flat


def test_two_equal_texts_are_as_alike_as_can_be(of_pairs: Predictor) -> None:
    (found,) = of_pairs.predict([("Ada left.", "Ada left.")])

    for task in ("alike", "answer"):
        assert found.tasks[task].plain() == {"similarity": pytest.approx(1.0, abs=1e-5)}


def test_a_model_that_reads_pairs_only_says_nothing_of_a_text(bert: Path) -> None:
    predictor = Predictor(a_model(bert, tasks=("alike",)))

    one, pair = predictor.predict(["Ada left.", ("Ada left.", "Kurt left.")])

    assert one.tasks == {}
    assert as_json(pair).keys() == {"text", "text_b", "tasks"}


def test_no_texts_have_no_vectors_and_no_predictions(untrained: Predictor) -> None:
    assert untrained.encode([]).shape == (0, HIDDEN)
    assert untrained.predict([]) == []


@given(text=st.text(max_size=60) | st.sampled_from(list(ODD_TEXTS.values())))
def test_words_are_pieces_of_the_text_and_entities_are_the_strict_spans_of_their_tags(
    text: str, untrained: Predictor
) -> None:
    found = untrained.predict([text])[0].tasks["entity"]

    assert isinstance(found, WordTags)
    assert len(found.words) == len(found.tags)
    assert "".join(found.words) == "".join(char for char in text if not char.isspace())
    assert [entity.label for entity in found.entities] == [kind for *_, kind in spans(found.tags)]
    for entity in found.entities:
        assert text[entity.start : entity.end] == entity.text


def test_words_beyond_the_maximum_length_are_outside(untrained: Predictor) -> None:
    found = untrained.predict(["rain " * 100])[0].tasks["entity"]

    assert isinstance(found, WordTags)
    assert len(found.words) == 100
    assert set(found.tags[untrained.loaded.tokenizer.max_length :]) == {"O"}


def test_probabilities_add_up_and_the_label_is_the_likeliest(untrained: Predictor) -> None:
    found = untrained.predict(["Ada loves the rain."])[0].tasks["mood"]

    assert isinstance(found, TextScores)
    assert sum(found.probabilities) == pytest.approx(1.0, abs=1e-5)
    assert found.label == ("bad", "good", "plain")[int(np.argmax(found.logits))]


def test_a_trained_model_finds_what_it_learned(predictor: Predictor) -> None:
    found = predictor.predict(["Ada loves the rain in Paris."])[0].tasks["entity"]

    assert isinstance(found, WordTags)
    assert ("Ada", "PER") in [(entity.text, entity.label) for entity in found.entities]


def test_a_prediction_as_json_names_its_numbers(untrained: Predictor) -> None:
    values = as_json(untrained.predict(["Ada"])[0])

    assert values["text"] == "Ada"
    assert values["tasks"]["mood"].keys() == {"label", "probabilities", "logits"}
    assert values["tasks"]["mood"]["logits"].keys() == {"bad", "good", "plain"}
    assert values["tasks"]["entity"]["words"] == ["Ada"]


def test_a_folder_that_holds_no_model_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no model in this folder"):
        Predictor.open(tmp_path)
