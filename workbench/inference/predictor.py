"""A trained model at work on new texts: predictions of every task, and vectors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.data.batching import collate, pad
from workbench.data.examples import Example
from workbench.data.kinds import KINDS
from workbench.data.pieces import Pieces
from workbench.data.tokenizing import EncodedExample
from workbench.errors import ConfigError
from workbench.inference.evaluation import length_sorted_batches, share_out
from workbench.inference.kinds import ANSWERS, Answer
from workbench.model.arithmetic import Arithmetic, choose_arithmetic
from workbench.model.folder import LoadedModel, load_model_folder
from workbench.model.heads import Head, MatchingHead
from workbench.model.mixing import LayerMix
from workbench.model.multitask import MultiTaskModel

Done = Callable[[float], None]


def say_nothing(share: float) -> None:
    """For work whose progress nobody watches."""


@dataclass(frozen=True)
class Prediction:
    """What every task says of one text, or of a pair."""

    texts: tuple[str, ...]
    """The text, or the two of a pair."""
    tasks: dict[str, Answer]

    @property
    def text(self) -> str:
        """The text, or the first of two."""
        return self.texts[0]


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
    def open(cls, folder: Path, precision: str = "fp32") -> Predictor:
        """Load a model folder or an export.

        Args:
            folder: Of the model.
            precision: fp32, which is exact, bf16, or auto.

        Raises:
            CheckpointError: It cannot be loaded.
        """
        return cls(load_model_folder(folder), choose_arithmetic("auto", precision))

    def described(self, descriptions: Mapping[str, Mapping[str, str]]) -> Predictor:
        """The same model with other labels for tasks that match descriptions.

        Args:
            descriptions: By task, by label; the labels need not occur in training.

        Raises:
            ConfigError: A task is not there, or does not go by descriptions.
        """
        model, settings = self.loaded.model, dict(self.description.heads)
        heads = {name: head for name, head in model.heads.items() if isinstance(head, Head)}
        for task, given in descriptions.items():
            head = copy.deepcopy(heads.get(task))
            if not isinstance(head, MatchingHead):
                matching = [name for name in heads if isinstance(heads[name], MatchingHead)]
                raise ConfigError(
                    f'The task "{task}" does not take labels by their descriptions.',
                    where="labels",
                    next_step=f"those that do: {', '.join(matching)}"
                    if matching
                    else 'train one with kind = "few_shot" and method = "matching"',
                )
            texts = list(given.values())
            head.describe(texts, self.loaded.tokenizer)
            heads[task] = head
            options = {**settings[task].options, "descriptions": texts}
            settings[task] = replace(settings[task], labels=tuple(given), options=options)
        changed = MultiTaskModel(
            model.backbone,
            heads,
            pooling=model.pooling,
            poolings={name: model.pooling_of(name) for name in model.poolings},
            mixes={name: mix for name, mix in model.mixes.items() if isinstance(mix, LayerMix)},
        )
        description = replace(self.description, heads=settings)
        loaded = replace(self.loaded, model=changed, description=description)
        return Predictor(loaded, self.arithmetic)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], done: Done = say_nothing) -> NDArray[np.float32]:
        """One vector per text by the pooling that tasks share, `(texts, width)`.

        Args:
            texts: The texts.
            done: Told after each batch which share of the work is done.
        """
        pieces = self.loaded.tokenizer.pieces(texts)
        vectors = np.zeros((len(texts), self.loaded.model.pooling.width), np.float32)
        lengths = np.array([len(piece.ids) for piece in pieces], dtype=np.int64)
        with self.arithmetic.weights_cast_once():
            for indices in _batches(lengths, done):
                ids, mask = self._pad(pieces, indices)
                with self.arithmetic.autocast():
                    encoded = self.loaded.model.encode(ids, mask)
                vectors[indices] = encoded.float().cpu().numpy()
        return vectors

    def predict(
        self, texts: Sequence[str | tuple[str, str]], done: Done = say_nothing
    ) -> list[Prediction]:
        """What the tasks say of each text or pair, in their order.

        A task that was trained on pairs says something about pairs, the others about texts. For
        tagging a text is cut into words at white space and punctuation marks.

        Args:
            texts: The texts and pairs.
            done: Told after each batch which share of the work is done.
        """
        with torch.inference_mode(), self.arithmetic.weights_cast_once():
            return self._predict(texts, done)

    def _predict(self, texts: Sequence[str | tuple[str, str]], done: Done) -> list[Prediction]:
        results = [Prediction((one,) if isinstance(one, str) else one, {}) for one in texts]
        examples = self._examples([result.texts for result in results])
        read = [number for number, example in enumerate(examples) if example.rows]
        lengths = np.array([examples[number].length for number in read], dtype=np.int64)
        for places in _batches(lengths, done):
            indices = [read[place] for place in places]
            inside = [examples[index] for index in indices]
            batch = collate(inside, indices, pad_id=self.loaded.tokenizer.pad_id)
            batch = batch.to(self.arithmetic.device)
            with self.arithmetic.autocast():
                logits = self.loaded.model(batch)
            for task in dict.fromkeys(task for example in inside for task in example.labels):
                settings = self.description.heads[task]
                head: Head = self.loaded.model.heads[task]  # type: ignore[assignment]  # ModuleDict is untyped
                scores = decoded = np.zeros(0, np.float32)
                if task in logits:  # else all that it could look at was cut off
                    scores = logits[task].float().cpu().numpy()
                    decoded = head.decode(logits[task].float(), batch.targets[task]).cpu().numpy()
                scores_of, decoded_of = (
                    share_out(settings.kind, task, inside, values) for values in (scores, decoded)
                )
                for row in scores_of:
                    result = results[indices[row]]
                    result.tasks[task] = ANSWERS[settings.kind].answer(
                        result.texts,
                        settings.labels,
                        inside[row].labels[task],
                        scores_of[row],
                        decoded_of[row],
                    )
        in_order = {task: number for number, task in enumerate(self.description.heads)}
        return [
            replace(one, tasks=dict(sorted(one.tasks.items(), key=lambda it: in_order[it[0]])))
            for one in results
        ]

    def _examples(self, given: Sequence[tuple[str, ...]]) -> list[EncodedExample]:
        """New texts with what stands for the labels of every task that reads such."""
        heads = self.description.heads
        inputs = []
        for texts in given:
            is_pair = len(texts) > 1
            tasks = [task for task, head in heads.items() if (head.pair is not None) == is_pair]
            joint = frozenset(task for task in tasks if heads[task].pair == "joint")
            inputs.append(Example(texts, dict.fromkeys(tasks, ""), "", joint).inputs)
        different = dict.fromkeys(row for rows, _ in inputs for row in rows)
        pieces = dict(zip(different, self.loaded.tokenizer.pieces(list(different)), strict=True))
        examples = []
        for texts, (rows, reads) in zip(given, inputs, strict=True):
            own = tuple(pieces[row] for row in rows)
            labels = {}
            for task, numbers in reads.items():
                kind, read = KINDS[heads[task].kind], own[numbers[0]]
                found = kind.unlabelled(texts, len(heads[task].labels), read)
                labels[task] = kind.finish(found, read, self.loaded.tokenizer, new=True)
            examples.append(EncodedExample(own, labels, "", reads))
        return examples

    def _pad(self, pieces: Sequence[Pieces], indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        ids, mask = pad([pieces[index].ids for index in indices], self.loaded.tokenizer.pad_id)
        return ids.to(self.arithmetic.device), mask.to(self.arithmetic.device)


def _batches(lengths: NDArray[np.int64], done: Done) -> Iterator[NDArray[np.int64]]:
    """Batches of like length, none for no texts; after each it is told how far that is."""
    finished, all_pieces = 0, int(lengths.sum())
    for indices in length_sorted_batches(lengths) if len(lengths) else []:
        yield indices
        finished += int(lengths[indices].sum())
        done(finished / all_pieces)


def as_json(prediction: Prediction) -> dict[str, Any]:
    """A prediction as plain values, for JSON."""
    return {
        "text": prediction.text,
        **({"text_b": prediction.texts[1]} if len(prediction.texts) > 1 else {}),
        "tasks": {task: found.plain() for task, found in prediction.tasks.items()},
    }
