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

from workbench.data.batching import collate, pad
from workbench.data.kinds import KINDS
from workbench.data.pieces import Pieces
from workbench.data.tokenizing import EncodedExample
from workbench.inference.evaluation import length_sorted_batches, share_out
from workbench.inference.kinds import ANSWERS, Answer
from workbench.model.arithmetic import Arithmetic, choose_arithmetic
from workbench.model.folder import LoadedModel, load_model_folder
from workbench.model.heads import Head


@dataclass(frozen=True)
class Prediction:
    """What every task says of one text."""

    text: str
    tasks: dict[str, Answer]


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
        if self.arithmetic.device.type == "cpu":
            loaded.model.backbone.pack_batches(pad_id=loaded.tokenizer.pad_id)

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
        examples = [self._example(text, piece) for text, piece in zip(texts, pieces, strict=True)]
        results: list[Prediction] = [Prediction(text, {}) for text in texts]
        for indices in self._batches(pieces):
            inside = [examples[index] for index in indices]
            batch = collate(inside, indices.tolist(), pad_id=self.loaded.tokenizer.pad_id)
            batch = batch.to(self.arithmetic.device)
            with self.arithmetic.autocast():
                logits = self.loaded.model(batch)
            for task, settings in self.description.heads.items():
                head: Head = self.loaded.model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
                scores = decoded = np.zeros(0, np.float32)
                if task in logits:  # else all that it could look at was cut off
                    scores = logits[task].float().cpu().numpy()
                    decoded = head.decode(logits[task].float(), batch.targets[task]).cpu().numpy()
                scores_of, decoded_of = (
                    share_out(settings.kind, task, inside, values) for values in (scores, decoded)
                )
                for row, index in enumerate(indices):
                    results[index].tasks[task] = ANSWERS[settings.kind].answer(
                        texts[index],
                        settings.labels,
                        inside[row].labels[task],
                        scores_of[row],
                        decoded_of[row],
                    )
        return results

    def _example(self, text: str, pieces: Pieces) -> EncodedExample:
        """A new text with what stands for the labels of every task."""
        labels = {
            task: KINDS[settings.kind].unlabelled(text, pieces)
            for task, settings in self.description.heads.items()
        }
        return EncodedExample(pieces.ids, labels, place="")

    def _batches(self, pieces: Sequence[Pieces]) -> list[NDArray[np.int64]]:
        lengths = np.array([len(piece.ids) for piece in pieces], dtype=np.int64)
        return length_sorted_batches(lengths) if len(lengths) else []

    def _pad(self, pieces: Sequence[Pieces], indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        ids, mask = pad([pieces[index].ids for index in indices], self.loaded.tokenizer.pad_id)
        return ids.to(self.arithmetic.device), mask.to(self.arithmetic.device)


def as_json(prediction: Prediction) -> dict[str, Any]:
    """A prediction as plain values, for JSON."""
    return {
        "text": prediction.text,
        "tasks": {task: found.plain() for task, found in prediction.tasks.items()},
    }
