"""What many tests need: tiny random backbones, small corpora, configurations, a trained run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from workbench.control import Control, Pause, Request, Resume
from workbench.data.columns import Repeated, Stretches
from workbench.data.examples import Example, Split, merge
from workbench.data.growing import GrowingArrays
from workbench.data.kinds import KINDS as DATA_KINDS
from workbench.data.kinds import LabelFlags, TextKeys
from workbench.data.labelled import Labelled, RowPacker, unpack_rows
from workbench.data.labels import LabelSpace, class_labels, tag_labels
from workbench.data.piece_column import PieceColumn, piece_arrays
from workbench.data.pieces import Pieces, WordLabels
from workbench.data.reading import Row
from workbench.data.tokenizing import (
    EncodedExample,
    EncodedExamples,
    EncodedPart,
    EncodedSplit,
)
from workbench.events import Event
from workbench.model.backbone import load_backbone
from workbench.model.building import HeadSettings, build_model
from workbench.model.folder import LoadedModel, ModelDescription
from workbench.model.pooling import PoolingSettings
from workbench.training.loop import train
from workbench.training.manifest import checkpoint_name, checkpoint_steps, has_training_state

HIDDEN = 32
POSITIONS = 128
PEOPLE = ("Ada", "Grace", "Alan", "Emmy", "Kurt", "Sofia")
PLACES = ("Paris", "Turin", "Lyon", "Oslo")
MOODS = {"good": ("loves", "adores"), "bad": ("hates", "fears"), "plain": ("left", "saw")}
TOPICS = {"time": "again", "france": "Paris", "love": "loves"}
"""Topics of a text, each by the word that gives it."""
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


def plain_byte_level_tokenizer() -> Tokenizer:
    """GPT-2's kind: no special token is put anywhere, and there is none for padding."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(SOME_TEXTS, trainer)
    made.decoder = decoders.ByteLevel()
    return made


def metaspace_tokenizer(*, ends_only: bool = False) -> Tokenizer:
    """XLM-R's kind: a piece holds the space before its word; T5's marks the end alone."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=120, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False
    )
    made.train_from_iterator(SOME_TEXTS, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>" if ends_only else "<s> $A </s>",
        special_tokens=[("</s>", 2)] if ends_only else [("<s>", 0), ("</s>", 2)],
    )
    return made


@dataclass(frozen=True)
class _Family:
    """How a tiny backbone of a family is made; `rename` has its own names of the sizes."""

    config: str
    model: str
    tokenizer: Callable[[], Tokenizer]
    tokenizer_class: str
    marks: Mapping[str, str]
    rename: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)


_BERT_MARKS = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
_BERT_MARKS |= {"unk_token": "[UNK]", "mask_token": "[MASK]"}
_ROBERTA_MARKS = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
_ROBERTA_MARKS |= {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
_ROBERTA_IDS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
_ROBERTA_IDS |= {"max_position_embeddings": POSITIONS + 2}
_T5_MARKS = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
_LLAMA_MARKS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}  # no padding
_GPT_SIZES = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer"}
_GPT_SIZES |= {"num_attention_heads": "n_head", "intermediate_size": "n_inner"}
_GPT_SIZES |= {"max_position_embeddings": "n_positions"}
_DISTIL_SIZES = {"hidden_size": "dim", "num_hidden_layers": "n_layers"}
_DISTIL_SIZES |= {"num_attention_heads": "n_heads", "intermediate_size": "hidden_dim"}
_T5_SIZES = {"hidden_size": "d_model", "num_hidden_layers": "num_layers"}
_T5_SIZES |= {"num_attention_heads": "num_heads", "intermediate_size": "d_ff"}
_ENDS_AT_0 = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
_MODERN_IDS = {"pad_token_id": 1, "bos_token_id": 0, "cls_token_id": 0}
_MODERN_IDS |= {"eos_token_id": 2, "sep_token_id": 2, "num_hidden_layers": 3, "local_attention": 8}
_GROUPED = {"num_key_value_heads": 1, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": None}
_DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16}
_DEBERTA |= {"type_vocab_size": 0, "position_biased_input": False, "share_att_key": True}
_FAST = "PreTrainedTokenizerFast"

_FAMILIES = {
    "bert": _Family("BertConfig", "BertModel", wordpiece_tokenizer, "BertTokenizer", _BERT_MARKS),
    "electra": _Family(
        "ElectraConfig",
        "ElectraModel",
        wordpiece_tokenizer,
        "BertTokenizer",
        _BERT_MARKS,
        more={"embedding_size": 16},
    ),
    "distilbert": _Family(
        "DistilBertConfig",
        "DistilBertModel",
        wordpiece_tokenizer,
        "BertTokenizer",
        _BERT_MARKS,
        _DISTIL_SIZES,
    ),
    "deberta-v2": _Family(
        "DebertaV2Config",
        "DebertaV2Model",
        wordpiece_tokenizer,
        _FAST,
        _BERT_MARKS,
        more=_DEBERTA,
    ),
    "roberta": _Family(
        "RobertaConfig",
        "RobertaModel",
        byte_level_tokenizer,
        "RobertaTokenizer",
        _ROBERTA_MARKS,
        more=_ROBERTA_IDS,
    ),
    "xlm-roberta": _Family(
        "XLMRobertaConfig",
        "XLMRobertaModel",
        metaspace_tokenizer,
        _FAST,
        _ROBERTA_MARKS,
        more=_ROBERTA_IDS,
    ),
    "modernbert": _Family(
        "ModernBertConfig",
        "ModernBertModel",
        lambda: byte_level_tokenizer(trims=False),
        _FAST,
        _ROBERTA_MARKS,
        more=_MODERN_IDS,
    ),
    "t5": _Family(
        "T5Config",
        "T5Model",
        lambda: metaspace_tokenizer(ends_only=True),
        _FAST,
        _T5_MARKS,
        _T5_SIZES,
        {"d_kv": HIDDEN // 2, "num_decoder_layers": 1, "pad_token_id": 1, "eos_token_id": 2},
    ),
    "gpt2": _Family(
        "GPT2Config",
        "GPT2Model",
        plain_byte_level_tokenizer,
        _FAST,
        {"bos_token": "<|end|>", "eos_token": "<|end|>", "unk_token": "<|end|>"},
        _GPT_SIZES,
        _ENDS_AT_0,
    ),
    "llama": _Family(
        "LlamaConfig", "LlamaModel", metaspace_tokenizer, _FAST, _LLAMA_MARKS, more=_GROUPED
    ),
    "qwen2": _Family(
        "Qwen2Config",
        "Qwen2Model",
        plain_byte_level_tokenizer,
        _FAST,
        {"eos_token": "<|end|>"},
        more=_GROUPED | {"bos_token_id": None, "eos_token_id": 0},
    ),
}
FAMILIES = tuple(_FAMILIES)
LEFT_TO_RIGHT = ("gpt2", "llama", "qwen2")


def write_backbone(folder: Path, family: str) -> Path:
    """A backbone with random weights: 2 layers of 32 dimensions, saved as anybody would."""
    import transformers

    torch.manual_seed(7)
    kind = _FAMILIES[family]
    sizes = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": POSITIONS,
    }
    tokenizer = kind.tokenizer()
    for mark in kind.marks.values():
        tokenizer.add_special_tokens([AddedToken(mark, special=True)])
    settings: dict[str, Any] = {kind.rename.get(name, name): size for name, size in sizes.items()}
    if family == "t5":
        settings.pop("max_position_embeddings")  # its positions are relative
    settings |= {"vocab_size": tokenizer.get_vocab_size(), **kind.more}
    model: Any = getattr(transformers, kind.model)(getattr(transformers, kind.config)(**settings))
    # Wider than the usual 0.02, so that the random layers say something; T5 is wide already.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1 and family != "t5":
                parameter.mul_(4.0)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    said = {"tokenizer_class": kind.tokenizer_class, "model_max_length": POSITIONS, **kind.marks}
    if kind.tokenizer_class == "BertTokenizer":
        said["do_lower_case"] = True
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
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
                "topics": [name for name, word in TOPICS.items() if word in tokens],
                "grade": 10.0 * (number % 3) + 20.0 * (mood == "good"),
                "other": f"{person} was in {PLACES[number % len(PLACES)]}.",
                "alike": 5.0 if place == PLACES[number % len(PLACES)] else float(number % 2),
                "wrong": f"{PEOPLE[(number + 1) % len(PEOPLE)]} was in {place}.",
                "follows": "yes" if place == PLACES[number % len(PLACES)] else "no",
            }
        )
    return rows


def a_split(labels: Mapping[str, LabelSpace], *examples: Example) -> Split:
    """A train split of these examples, as reading makes one."""
    found = {}
    for task, space in labels.items():
        packer, arrays = DATA_KINDS[space.kind].packer(), GrowingArrays()
        rows = RowPacker(packer, arrays)
        for one in examples:
            if task in one.labels:
                row = Row({}, one.place)
                rows.add(Labelled(row, one.texts, one.labels[task], task in one.joint))
        about = rows.close()
        found[task] = unpack_rows(arrays.close(), about, packer)
    return merge("train", found)


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
    return {"kind": kind, "data": data | COLUMNS[kind] | settings.pop("data", {})} | settings


COLUMNS: dict[str, dict[str, Any]] = {
    "classification": {"label": "mood"},
    "tagging": {},
    "multilabel": {"labels": "topics"},
    "regression": {"label": "grade"},
    "similarity": {"text_b": "other", "label": "alike"},
    "contrastive": {"text_b": "other"},
    "few_shot": {"label": "mood", "examples_per_class": None},
    "masked_lm": {},
}
"""Where the files of `write_corpus` have what a kind of task needs."""


def an_experiment(
    *,
    backbone: Path | str = "tiny",
    folder: Path | None = None,
    tasks: Mapping[str, Any] | None = None,
    backbone_settings: Mapping[str, Any] | None = None,
    **sections: Any,
) -> ExperimentConfig:
    """An experiment; by default moods and names, 2 epochs on the CPU, quick to learn."""
    folder = folder or Path("corpus")
    values: dict[str, Any] = {
        "name": "try",
        "backbone": {"model": str(backbone), "max_length": 48} | dict(backbone_settings or {}),
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
    "topics": LabelSpace("topics", tuple(sorted(TOPICS)), "multilabel"),
    "grade": LabelSpace("grade", (), "regression"),
    "follows": class_labels("follows", ("yes", "no")),
    "alike": LabelSpace("alike", (), "similarity"),
    "answer": LabelSpace("answer", (), "contrastive"),
    "named": LabelSpace("named", tuple(sorted(MOODS)), "few_shot"),
}
KINDS = {task: space.kind for task, space in LABELS.items()}
OPTIONS: dict[str, dict[str, Any]] = {
    "grade": {"mean": 20.0, "std": 10.0},
    "follows": {"pair": "two"},
    "alike": {"pair": "two", "lowest": 0.0, "highest": 5.0},
    "answer": {"pair": "two", "hidden_size": 8},
    "named": {"method": "matching", "descriptions": ["hates the rain", "loves it", "left paris"]},
}
"""What the heads of these tasks need beside their labels."""
PAIRS = ("follows", "alike", "answer")
"""The tasks that read two texts."""


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
        name: HeadSettings(
            KINDS[name],
            LABELS[name].names,
            dropout,
            OPTIONS.get(name, {}),
            layer_mix=name in mixing,
        )
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
        labels[task] = words_at(pairs)
    return EncodedExample((a_row(pieces, first_id),), labels, "made:1")


def a_row(pieces: int, first_id: int = 10) -> Pieces:
    """A text of so many pieces, without offsets."""
    ids = np.arange(first_id, first_id + pieces)
    return Pieces(ids, np.zeros((pieces, 2), dtype=np.int64), is_cut=False)


def some_encoded_examples(
    count: int = 6, tasks: Sequence[str] = ("mood", "length", "entity")
) -> list[EncodedExample]:
    """Examples that these tasks of `LABELS` label: pairs both texts, the others the first.

    The second text of two neighbours is the same.
    """
    examples = []
    for number in range(count):
        labels: dict[str, Any] = {
            "mood": number % 3,
            "length": number % 2,
            "entity": words_at([(1, number % 5), (2, 0)]),
            "topics": LabelFlags(np.array([number % 2, number % 3 == 0, 1], dtype=np.float32)),
            "grade": 10.0 * (number % 4),
            "follows": number % 2,
            "alike": float(number % 5),
            "answer": TextKeys((100 + number, 200 + number // 2)),
            "named": number % 3,
        }
        reads = {task: (0, 1) for task in PAIRS if task in tasks}
        rows = (a_row(4 + number, 10 + 7 * number), a_row(3, 20 + 5 * (number // 2)))
        examples.append(
            EncodedExample(
                rows if reads else rows[:1], {task: labels[task] for task in tasks}, "made:1", reads
            )
        )
    return examples


def an_encoded_split(*examples: EncodedExample) -> EncodedSplit:
    """A dev split of these examples, as encoding makes one; of single texts or of pairs."""
    pieces = [row for one in examples for row in one.rows]
    counts = np.array([len(one.rows) for one in examples])
    rows = Stretches.one_after_the_other(counts)
    parts = {}
    for task in dict.fromkeys(task for one in examples for task in one.labels):
        labelled = [at for at, one in enumerate(examples) if task in one.labels]
        row_of = np.full(len(examples), -1, np.int32)
        row_of[labelled] = np.arange(len(labelled))
        reads = [rows.starts[at] + np.array(examples[at].reads.get(task, (0,))) for at in labelled]
        parts[task] = EncodedPart(
            Repeated(tuple(examples[at].labels[task] for at in labelled), np.arange(len(labelled))),
            row_of,
            Stretches.one_after_the_other(np.array([len(one) for one in reads])),
            np.concatenate(reads),
        )
    table = EncodedExamples(
        parts,
        Repeated.of([frozenset(one.labels) for one in examples]),
        PieceColumn.of(piece_arrays(pieces, highest_id=1 << 16)),
        rows,
        np.arange(len(pieces)),
        Repeated.of([one.place for one in examples]),
    )
    return EncodedSplit("dev", table, dict.fromkeys(parts, 0))


def words_at(pairs: Sequence[tuple[int, int]]) -> WordLabels:
    """Words of one piece each, as (position, tag)."""
    positions, tags = np.array(list(pairs), dtype=np.int64).reshape(-1, 2).T
    return WordLabels(positions, positions, tags)


@dataclass(frozen=True)
class TrainedRun:
    """A run that was trained in this process. Read it, change nothing."""

    config: ExperimentConfig
    folder: Path
    events: tuple[Event, ...]


class Script:
    """A `Control` that asks for what is written down, each request after its update."""

    def __init__(
        self, *requests: tuple[int, Request], first: int = 1, paused: Sequence[Request] = ()
    ) -> None:
        self._requests = requests
        self._step = first - 1
        self._is_paused = False
        self._in_pause = list(paused)

    def take(self) -> Sequence[Request]:
        if self._is_paused:
            taken = [self._in_pause.pop(0)]
        else:
            self._step += 1
            taken = [request for step, request in self._requests if step == self._step]
        for request in taken:
            if isinstance(request, Pause | Resume):
                self._is_paused = isinstance(request, Pause)
        return taken

    def wait(self, seconds: float) -> None:
        return


def events_of(
    config: ExperimentConfig, folder: Path, control: Control | None = None
) -> list[Event]:
    """All events of a run."""
    return list(train(config, folder=folder, control=control))


def resumable_steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in a run's folder that it can go on from exactly, ascending."""
    steps = checkpoint_steps(folder)
    return [step for step in steps if has_training_state(folder / checkpoint_name(step))]


def spaces(**labels: Sequence[str]) -> dict[str, LabelSpace]:
    return {
        task: LabelSpace(task, tuple(names), KINDS.get(task, "classification"))
        for task, names in labels.items()
    }
