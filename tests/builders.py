"""What many tests need: tiny random backbones, small corpora, configurations, a trained run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from workbench.config.experiment import ExperimentConfig
from workbench.data.labels import LabelSpace, class_labels, tag_labels
from workbench.data.pieces import WordLabels
from workbench.data.tokenizing import EncodedExample
from workbench.events import Event
from workbench.model.backbone import load_backbone
from workbench.model.building import HeadSettings, build_model
from workbench.model.folder import LoadedModel, ModelDescription
from workbench.model.pooling import PoolingSettings
from workbench.training.loop import train

HIDDEN = 32
POSITIONS = 128
PEOPLE = ("Ada", "Grace", "Alan", "Emmy", "Kurt", "Sofia")
PLACES = ("Paris", "Turin", "Lyon", "Oslo")
MOODS = {"good": ("loves", "adores"), "bad": ("hates", "fears"), "plain": ("left", "saw")}
WORDS = ["the", "rain", "in", "again", "old", "##s", "##er", "loves", "hates", "left", "paris"]


# --- Tokenizers and backbones -------------------------------------------------------------------


def wordpiece_tokenizer() -> Tokenizer:
    """BERT's kind: lower case, punctuation apart, pieces of words marked `##`."""
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    inside = [f"##{letter}" for letter in letters if letter.isalnum()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *inside, *WORDS]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


SOME_TEXTS = [
    "The rain in Turin stopped again, and Ada loves the old town.",
    "Grace hates the noise; Alan left Paris for Lyon.",
    "Emmy saw Oslo. Kurt fears nothing, Sofia adores it!",
]


def byte_level_tokenizer(*, trims: bool = True) -> Tokenizer:
    """RoBERTa's kind (`trims`), or ModernBERT's, whose pieces begin with the space before them."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(SOME_TEXTS, trainer)
    made.decoder = decoders.ByteLevel()
    made.post_processor = (
        processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
        if trims
        else processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
    )
    return made


def metaspace_tokenizer() -> Tokenizer:
    """XLM-R's kind: a piece holds the space before its word."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=120, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False
    )
    made.train_from_iterator(SOME_TEXTS, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return made


def write_backbone(folder: Path, family: str) -> Path:
    """A backbone with random weights: 2 layers of 32 dimensions, saved as anybody would."""
    import transformers

    torch.manual_seed(7)
    common: dict[str, Any] = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": POSITIONS,
    }
    if family == "roberta":
        tokenizer, kind = byte_level_tokenizer(), "RobertaTokenizer"
        marks = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
        marks |= {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
        config: Any = transformers.RobertaConfig(
            **(common | {"max_position_embeddings": POSITIONS + 2}),
            vocab_size=tokenizer.get_vocab_size(),
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
        )
        model: Any = transformers.RobertaModel(config)
    else:
        tokenizer, kind = wordpiece_tokenizer(), "BertTokenizer"
        marks = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
        marks |= {"unk_token": "[UNK]", "mask_token": "[MASK]"}
        size = {"vocab_size": tokenizer.get_vocab_size()}
        if family == "bert":
            model = transformers.BertModel(transformers.BertConfig(**common, **size))
        elif family == "electra":
            model = transformers.ElectraModel(
                transformers.ElectraConfig(**common, **size, embedding_size=16)
            )
        elif family == "distilbert":
            model = transformers.DistilBertModel(
                transformers.DistilBertConfig(
                    **size,
                    dim=HIDDEN,
                    n_layers=2,
                    n_heads=2,
                    hidden_dim=2 * HIDDEN,
                    max_position_embeddings=POSITIONS,
                )
            )
        else:
            raise ValueError(family)
    # Wider than the usual 0.02, so that the random layers say something.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    for mark in marks.values():
        tokenizer.add_special_tokens([AddedToken(mark, special=True)])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": kind, "model_max_length": POSITIONS} | marks
    if kind == "BertTokenizer":
        settings["do_lower_case"] = True
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


# --- Corpora and configurations -----------------------------------------------------------------


def sentences(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Different sentences with a mood, a reader and the tags of their names."""
    rows = []
    verbs = [(mood, verb) for mood, verbs in MOODS.items() for verb in verbs]
    for number in range(first, first + count):
        person = PEOPLE[number % len(PEOPLE)]
        mood, verb = verbs[(number + number // 6) % len(verbs)]
        place = PLACES[number // 36 % len(PLACES)]
        tokens = [person, verb, "the", "rain", "in", place]
        tokens += ["again"] * (number % 3) + ["."]
        rows.append(
            {
                "text": " ".join(tokens[:-1]) + ".",
                "mood": mood,
                "length": "long" if number % 3 else "short",
                "tokens": tokens,
                "tags": ["B-PER", "O", "O", "O", "O", "B-LOC"] + ["O"] * (len(tokens) - 6),
            }
        )
    return rows


def write_jsonl(file: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.write_text("".join(lines), encoding="utf-8")
    return file


def write_corpus(folder: Path, *, train_size: int = 24, dev_size: int = 12) -> Path:
    """train.jsonl, dev.jsonl and test.jsonl with three labels for each sentence."""
    write_jsonl(folder / "train.jsonl", sentences(train_size))
    write_jsonl(folder / "dev.jsonl", sentences(dev_size, first=60))
    write_jsonl(folder / "test.jsonl", sentences(dev_size, first=90))
    return folder


def a_task(folder: Path, kind: str = "classification", **settings: Any) -> dict[str, Any]:
    """A task on the files of `write_corpus`."""
    data = {split: str(folder / f"{split}.jsonl") for split in ("train", "dev", "test")}
    if kind == "classification":
        data["label"] = "mood"
    return {"kind": kind, "data": data | settings.pop("data", {})} | settings


def an_experiment(
    *,
    backbone: Path | str = "tiny",
    folder: Path | None = None,
    tasks: Mapping[str, Any] | None = None,
    **sections: Any,
) -> ExperimentConfig:
    """An experiment; by default moods and names, 2 epochs on the CPU, quick to learn."""
    folder = folder or Path("corpus")
    values: dict[str, Any] = {
        "name": "try",
        "backbone": {"model": str(backbone), "max_length": 48},
        "tasks": tasks or {"mood": a_task(folder), "entity": a_task(folder, "tagging")},
        "optimization": {"learning_rate": 5e-3} | sections.pop("optimization", {}),
        "training": {"epochs": 2, "batch_size": 8, "device": "cpu", "precision": "fp32"}
        | sections.pop("training", {}),
    }
    return ExperimentConfig.model_validate(values | sections)


# --- Models and batches -------------------------------------------------------------------------

LABELS = {
    "mood": class_labels("mood", MOODS),
    "length": class_labels("length", ("long", "short")),
    "entity": tag_labels("entity", ("O", "B-PER", "B-LOC")),
}
KINDS = {"mood": "classification", "length": "classification", "entity": "tagging"}


def a_model(
    backbone: Path,
    *,
    tasks: Sequence[str] = ("mood", "entity"),
    pooling: str | PoolingSettings = "mean",
    mixing: Sequence[str] = (),
    dropout: float = 0.0,
    seed: int = 3,
) -> LoadedModel:
    """An untrained model on a backbone's folder, in evaluation mode; some tasks mix layers."""
    loaded = load_backbone(str(backbone), max_length=48)
    heads = {
        name: HeadSettings(KINDS[name], LABELS[name].names, dropout, layer_mix=name in mixing)
        for name in tasks
    }
    pooling = pooling if isinstance(pooling, PoolingSettings) else PoolingSettings((pooling,))
    model = build_model(loaded, heads, pooling=pooling, seed=seed).eval()
    description = ModelDescription("try", pooling, loaded.tokenizer.max_length, heads)
    return LoadedModel(model, loaded.tokenizer, description)


def an_encoded_example(
    pieces: int = 5,
    *,
    text_labels: Mapping[str, int] | None = None,
    words: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    first_id: int = 10,
) -> EncodedExample:
    """An example of `pieces` pieces; `words` are (position, tag) pairs by task."""
    labels: dict[str, int | WordLabels] = dict(text_labels or {})
    for task, pairs in (words or {}).items():
        positions, tags = np.array(list(pairs), dtype=np.int64).reshape(-1, 2).T
        labels[task] = WordLabels(positions, positions, tags)
    return EncodedExample(np.arange(first_id, first_id + pieces), labels, "made:1")


def some_encoded_examples(count: int = 6) -> list[EncodedExample]:
    """Examples that all three tasks of `LABELS` label."""
    return [
        an_encoded_example(
            4 + number,
            text_labels={"mood": number % 3, "length": number % 2},
            words={"entity": [(1, number % 5), (2, 0)]},
            first_id=10 + 7 * number,
        )
        for number in range(count)
    ]


@dataclass(frozen=True)
class TrainedRun:
    """A run that was trained in this process. Read it, change nothing."""

    config: ExperimentConfig
    folder: Path
    events: tuple[Event, ...]


def events_of(
    config: ExperimentConfig, folder: Path, should_stop: Callable[[], str | None] = lambda: None
) -> list[Event]:
    """All events of a run."""
    return list(train(config, folder=folder, should_stop=should_stop))


def spaces(**labels: Sequence[str]) -> dict[str, LabelSpace]:
    return {
        task: LabelSpace(task, tuple(names), KINDS.get(task, "classification"))
        for task, names in labels.items()
    }
