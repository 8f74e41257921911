"""A trained model at work on new texts: predictions of every task, and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.data.batching import Batch, TextTargets, WordTargets, pad, word_targets
from workbench.data.schemes import scheme_of_names, spans
from workbench.data.tokenizing import CUT, Pieces, WordLabels, first_pieces, last_pieces
from workbench.data.words import word_spans
from workbench.inference.evaluation import length_sorted_batches
from workbench.model.arithmetic import Arithmetic, choose_arithmetic
from workbench.model.folder import LoadedModel, load_model_folder
from workbench.model.heads import Head


@dataclass(frozen=True)
class Entity:
    """A span that a tagging task found in a text."""

    start: int
    """First character."""
    end: int
    """Character after the last."""
    text: str
    label: str


@dataclass(frozen=True)
class TextScores:
    """Scores of the classes of one text."""

    label: str
    """The likeliest class."""
    logits: tuple[float, ...]
    """In the order of the task's labels."""
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class WordTags:
    """Tags of the words of one text."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    entities: tuple[Entity, ...]
    """Spans, where the tags are BIO or BIOES."""


@dataclass(frozen=True)
class Prediction:
    """What every task says of one text."""

    text: str
    tasks: dict[str, TextScores | WordTags]


class Predictor:
    """Holds a model in evaluation mode on a device.

    Guarantees that a text's results do not depend on the texts given beside it (up to the
    rounding of float32 sums).
    """

    def __init__(self, loaded: LoadedModel, arithmetic: Arithmetic | None = None) -> None:
        self.arithmetic = arithmetic or choose_arithmetic("auto", "fp32")
        self.loaded = loaded
        self.description = loaded.description
        loaded.model.to(self.arithmetic.device).eval()

    @classmethod
    def open(cls, folder: Path) -> Predictor:
        """Load a model folder or an export.

        Raises:
            CheckpointError: It cannot be loaded.
        """
        return cls(load_model_folder(folder))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One vector per text by the pooling that tasks share, `(texts, width)`."""
        pieces = self.loaded.tokenizer.pieces(texts)
        vectors = np.zeros((len(texts), self.loaded.model.pooling.width), np.float32)
        for indices in self._batches(pieces):
            ids, mask = self._pad(pieces, indices)
            with self.arithmetic.autocast():
                encoded = self.loaded.model.encode(ids, mask)
            vectors[indices] = encoded.float().cpu().numpy()
        return vectors

    @torch.inference_mode()
    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Predictions of every task, in the order of the texts.

        For tagging a text is cut into words at white space and punctuation marks.
        """
        pieces = self.loaded.tokenizer.pieces(texts)
        cuts = [word_spans(text) for text in texts]
        words = [_unlabelled(piece, cut) for piece, cut in zip(pieces, cuts, strict=True)]
        results: list[Prediction] = [Prediction(text, {}) for text in texts]
        for indices in self._batches(pieces):
            batch = self._batch(pieces, words, indices)
            with self.arithmetic.autocast():
                logits = self.loaded.model(batch)
            for task, settings in self.description.heads.items():
                head: Head = self.loaded.model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
                found: list[int] = []
                if task in logits:
                    scores = logits[task].float()
                    found = head.decode(scores, batch.targets[task]).tolist()
                if settings.kind == "classification":
                    self._add_scores(results, indices, task, scores.cpu(), found)
                else:
                    self._add_tags(results, indices, task, found, cuts, words)
        return results

    def _batches(self, pieces: Sequence[Pieces]) -> list[NDArray[np.int64]]:
        lengths = np.array([len(piece.ids) for piece in pieces], dtype=np.int64)
        return length_sorted_batches(lengths) if len(lengths) else []

    def _pad(self, pieces: Sequence[Pieces], indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        ids, mask = pad([pieces[index].ids for index in indices], self.loaded.tokenizer.pad_id)
        return ids.to(self.arithmetic.device), mask.to(self.arithmetic.device)

    def _batch(
        self,
        pieces: Sequence[Pieces],
        words: Sequence[WordLabels],
        indices: NDArray[np.int64],
    ) -> Batch:
        ids, mask = pad([pieces[index].ids for index in indices], self.loaded.tokenizer.pad_id)
        rows = torch.arange(len(indices))
        found = word_targets([(row, words[index]) for row, index in enumerate(indices)])
        targets: dict[str, TextTargets | WordTargets] = {}
        for task, settings in self.description.heads.items():
            if settings.kind == "classification":
                targets[task] = TextTargets(rows, torch.zeros_like(rows))
            elif found is not None:
                targets[task] = found
        return Batch(
            ids=ids,
            mask=mask,
            targets=targets,
            texts=len(indices),
            tokens=int(mask.sum()),
            indices=tuple(indices.tolist()),
        ).to(self.arithmetic.device)

    def _add_scores(
        self,
        results: list[Prediction],
        indices: NDArray[np.int64],
        task: str,
        scores: Tensor,
        found: Sequence[int],
    ) -> None:
        labels = self.description.heads[task].labels
        probabilities = scores.softmax(dim=-1)
        for row, index in enumerate(indices):
            results[index].tasks[task] = TextScores(
                label=labels[found[row]],
                logits=tuple(scores[row].tolist()),
                probabilities=tuple(probabilities[row].tolist()),
            )

    def _add_tags(
        self,
        results: list[Prediction],
        indices: NDArray[np.int64],
        task: str,
        found: Sequence[int],
        words: Sequence[list[tuple[int, int]]],
        places: Sequence[WordLabels],
    ) -> None:
        labels = self.description.heads[task].labels
        missing = "O" if "O" in labels else labels[0]
        scheme = scheme_of_names(labels)
        guesses = iter(found)
        for index in indices:
            tags = [
                missing if at == CUT else labels[next(guesses)] for at in places[index].positions
            ]
            text, cuts = results[index].text, words[index]
            entities = tuple(
                Entity(
                    start=cuts[begin][0],
                    end=cuts[end - 1][1],
                    text=text[cuts[begin][0] : cuts[end - 1][1]],
                    label=label,
                )
                for begin, end, label in (spans(tags, scheme) if scheme != "plain" else [])
            )
            surface = tuple(text[begin:end] for begin, end in cuts)
            results[index].tasks[task] = WordTags(surface, tuple(tags), entities)


def _unlabelled(pieces: Pieces, cuts: Sequence[tuple[int, int]]) -> WordLabels:
    """Where the words are among the pieces; their labels are of no account."""
    firsts = first_pieces(pieces.offsets, cuts)
    return WordLabels(firsts, last_pieces(pieces.offsets, cuts, firsts), np.zeros_like(firsts))


def as_json(prediction: Prediction, predictor: Predictor) -> dict[str, Any]:
    """A prediction as plain values, for JSON."""
    tasks: dict[str, Any] = {}
    for task, found in prediction.tasks.items():
        labels = predictor.description.heads[task].labels
        if isinstance(found, TextScores):
            tasks[task] = {
                "label": found.label,
                "probabilities": dict(zip(labels, found.probabilities, strict=True)),
                "logits": dict(zip(labels, found.logits, strict=True)),
            }
        else:
            tasks[task] = {
                "words": list(found.words),
                "tags": list(found.tags),
                "entities": [vars(entity) for entity in found.entities],
            }
    return {"text": prediction.text, "tasks": tasks}
