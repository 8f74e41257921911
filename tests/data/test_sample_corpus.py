"""The sample corpus is what the README and the presets say of it."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from workbench.data.labels import tag_labels
from workbench.data.schemes import scheme_of_names

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "presets" / "data" / "sample"
SPLITS = ("train", "dev", "test")
SENTIMENTS = {"negative", "neutral", "positive"}
TYPES = {"PER", "ORG", "LOC", "DATE", "PRODUCT"}


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "build_sample_corpus", ROOT / "tools" / "build_sample_corpus.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def splits() -> dict[str, list[dict[str, Any]]]:
    return {
        name: [json.loads(line) for line in (SAMPLE / f"{name}.jsonl").read_text().splitlines()]
        for name in SPLITS
    }


@pytest.fixture(scope="module")
def examples(splits: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [example for name in SPLITS for example in splits[name]]


def test_it_has_700_sentences_with_three_labels_each(examples: list[dict[str, Any]]) -> None:
    assert len(examples) >= 700
    assert len({example["topic"] for example in examples}) >= 7
    assert {example["sentiment"] for example in examples} == SENTIMENTS
    for example in examples:
        assert example.keys() == {"text", "topic", "sentiment", "tokens", "tags"}
        assert len(example["tokens"]) == len(example["tags"]) > 0


def test_no_two_sentences_share_half_of_their_words(examples: list[dict[str, Any]]) -> None:
    sets = [
        {token.lower() for token in example["tokens"] if any(map(str.isalnum, token))}
        for example in examples
    ]
    number = {word: at for at, word in enumerate(sorted(set().union(*sets)))}
    incidence = np.zeros((len(sets), len(number)), dtype=np.float32)
    for row, words in enumerate(sets):
        incidence[row, [number[word] for word in words]] = 1.0
    shared = incidence @ incidence.T
    sizes = incidence.sum(axis=1)
    jaccard = shared / (sizes[:, None] + sizes[None, :] - shared)
    np.fill_diagonal(jaccard, 0.0)

    one, two = np.unravel_index(jaccard.argmax(), jaccard.shape)

    pair = (examples[one]["text"], examples[two]["text"])
    assert jaccard[one, two] < 0.5, pair


def test_sentences_vary_in_length_and_wording(examples: list[dict[str, Any]]) -> None:
    lengths = [len(example["tokens"]) for example in examples]
    beginnings = Counter(tuple(example["tokens"][:3]) for example in examples)

    assert min(lengths) <= 6
    assert max(lengths) >= 30
    assert beginnings.most_common(1)[0][1] <= 0.02 * len(examples)


def test_no_sentence_is_in_two_splits(splits: dict[str, list[dict[str, Any]]]) -> None:
    # Neither across splits nor, through the shared backbone, across tasks.
    texts = [
        " ".join(example["text"].lower().split()) for name in SPLITS for example in splits[name]
    ]

    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("label", ["topic", "sentiment"])
def test_splits_are_stratified(label: str, splits: dict[str, list[dict[str, Any]]]) -> None:
    counts = {name: Counter(example[label] for example in splits[name]) for name in SPLITS}

    total = sum(counts.values(), Counter())
    for name in SPLITS:
        share = len(splits[name]) / sum(total.values())
        for value, count in total.items():
            assert counts[name][value] == pytest.approx(share * count, abs=0.05 * count), value


def test_entities_of_every_type_are_in_every_split(splits: dict[str, list[dict[str, Any]]]) -> None:
    for name in SPLITS:
        spans = Counter(
            tag[2:] for example in splits[name] for tag in example["tags"] if tag[0] == "B"
        )
        assert spans.keys() == TYPES
        assert min(spans.values()) >= 15, (name, spans)


def test_tags_are_valid_bio(examples: list[dict[str, Any]]) -> None:
    tags = {tag for example in examples for tag in example["tags"]}
    assert scheme_of_names(tags) == "bio"
    assert set(tag_labels("entity", tags).names) == {"O"} | {
        f"{m}-{t}" for m in "BI" for t in TYPES
    }
    for example in examples:
        before = "O"
        for tag in example["tags"]:
            if tag.startswith("I-"):
                assert before in (f"B-{tag[2:]}", tag), example["text"]
            before = tag


def test_tokens_are_those_of_the_text(examples: list[dict[str, Any]]) -> None:
    for example in examples:
        assert "".join(example["tokens"]) == "".join(example["text"].split())


def test_words_are_cut_as_the_predictor_cuts_them(
    examples: list[dict[str, Any]], builder: ModuleType
) -> None:
    from workbench.data import words

    assert builder.WORD.pattern == words._WORD.pattern
    for example in examples:
        text = example["text"]
        assert [text[begin:end] for begin, end in words.word_spans(text)] == example["tokens"]


def test_the_files_are_what_the_tool_makes_of_the_written_sentences(
    splits: dict[str, list[dict[str, Any]]], builder: ModuleType
) -> None:
    assert builder.build() == splits
