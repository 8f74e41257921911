"""Texts to word pieces, and words to their first pieces.

Works on the `tokenizers` back end alone, by character offsets: one tokenisation of the raw text
serves every task, whether its labels belong to the text or to its words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as BackEnd

from workbench.data.columns import Column, Computed, Numbers, Repeated, Stretches
from workbench.data.examples import Split, TaskPart
from workbench.data.inputs import Input, Inputs, pair_key, tokenized
from workbench.data.kinds import KINDS, EncodedLabel
from workbench.data.labels import LabelSpace
from workbench.data.masking import Vocabulary
from workbench.data.piece_column import PieceColumn
from workbench.data.pieces import Pieces
from workbench.data.text_keys import number_alike, number_equal
from workbench.data.word_tokenizing import WordTokenizer
from workbench.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class EncodedExample:
    """A text, or several that belong together, as the backbone takes them."""

    rows: tuple[Pieces, ...]
    """What the backbone reads: a text each, or two texts as one."""
    labels: Mapping[str, EncodedLabel]
    """By task; only tasks that label this example."""
    place: str
    reads: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By task: numbers of the rows that it looks at; the first for a task that is not named."""

    @property
    def length(self) -> int:
        """Pieces of its longest row."""
        return max(len(row.ids) for row in self.rows)


class Tokenizer:
    """Turns texts into pieces of at most `max_length`, special tokens included."""

    def __init__(
        self,
        back_end: BackEnd,
        *,
        max_length: int,
        pad_id: int,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        back_end.no_padding()
        back_end.enable_truncation(max_length)
        self._back_end = back_end
        self._room_for_pairs = max_length - back_end.num_special_tokens_to_add(is_pair=True)
        self.max_length = max_length
        self.pad_id = pad_id
        self.settings = dict(settings or {})
        """What `tokenizer_config.json` said, for those who open an export."""

    @classmethod
    def from_file(
        cls,
        file: Path,
        *,
        max_length: int,
        pad_id: int | None,
        settings: Mapping[str, Any] | None = None,
    ) -> Tokenizer:
        """Read a `tokenizer.json`.

        Args:
            file: The file.
            max_length: Longest text in pieces.
            pad_id: The piece that padding is made of; by default what `settings` says.
            settings: Content of `tokenizer_config.json`. One that names no padding, as those of
                models that read left to right, gets the piece that ends a text for it; any would
                do, since no position looks at padding.

        Raises:
            CheckpointError: The file is damaged.
        """
        try:
            back_end = BackEnd.from_file(str(file))
        except Exception as error:  # the library raises plain Exception
            raise CheckpointError(
                f"The tokenizer cannot be read: {error}.",
                where=str(file),
                next_step="fetch the model's files again",
            ) from error
        settings = dict(settings or {})
        for name in ("pad_token", "eos_token", "unk_token"):
            token = settings.get(name)
            token = token.get("content") if isinstance(token, dict) else token
            found = back_end.token_to_id(token) if isinstance(token, str) else None
            if found is not None:
                settings.setdefault("pad_token", None)
                settings["pad_token"] = settings["pad_token"] or token
                pad_id = found if pad_id is None else pad_id
                break
        return cls(back_end, max_length=max_length, pad_id=pad_id or 0, settings=settings)

    def pieces(self, texts: Sequence[str | tuple[str, str]]) -> list[Pieces]:
        """Tokenise texts, in parallel inside the back end.

        Two texts become one row by the tokenizer's own template. Where they are too long
        together, pieces are taken from the end of the longer.

        Raises:
            ConfigError: The maximum length leaves no room for two texts, or the tokenizer puts
                nothing between them.
        """
        if self._room_for_pairs < 2 and any(isinstance(text, tuple) for text in texts):
            raise ConfigError(
                f"A maximum length of {self.max_length} pieces leaves no room for two texts beside "
                "the special tokens.",
                where="[backbone] max_length",
                next_step='raise it, or read the texts one by one with pair = "two"',
            )
        found = _pieces_of(self._back_end.encode_batch(list(texts)), self.pad_id)
        if any(_run_together(pieces) for pieces in found):
            raise ConfigError(
                "The backbone's tokenizer puts nothing between two texts that are read as one.",
                where="[tasks.….pair]",
                next_step='read them one by one with pair = "two", or take another backbone',
            )
        return found

    @cached_property
    def highest_id(self) -> int:
        """What no number of a piece exceeds."""
        return max(self._back_end.get_vocab(with_added_tokens=True).values(), default=0)

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """What can be hidden from the backbone; None if it knows no mask."""
        mask = self.settings.get("mask_token")
        mask = mask.get("content") if isinstance(mask, dict) else mask
        mask_id = self._back_end.token_to_id(mask) if isinstance(mask, str) else None
        if mask_id is None:
            return None
        back_end = self._back_end
        return Vocabulary(
            back_end.get_vocab_size(), mask_id, lambda number: str(back_end.id_to_token(number))
        )

    def is_like(self, other: object) -> bool:
        """Whether the other has the same pieces under the same numbers."""
        if not isinstance(other, Tokenizer):
            return False
        return bool(self._back_end.get_vocab() == other._back_end.get_vocab())

    @property
    def content(self) -> str:
        """All that decides how a text becomes pieces, as `tokenizer.json` has it."""
        return str(self._back_end.to_str())

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` as it was read: no truncation, no padding."""
        self._back_end.no_truncation()
        self._back_end.save(str(folder / "tokenizer.json"))
        self._back_end.enable_truncation(self.max_length)


def _pieces_of(encodings: Sequence[Encoding], filler: int) -> list[Pieces]:
    # Arrays of all texts at once: one for each text would take a third of the tokenizer's time.
    lengths = [len(encoding.ids) for encoding in encodings]
    total = sum(lengths)
    ids = np.fromiter(chain.from_iterable(one.ids for one in encodings), np.int64, total)
    bounds = chain.from_iterable(chain.from_iterable(one.offsets for one in encodings))
    offsets = np.fromiter(bounds, np.int64, 2 * total).reshape(-1, 2)
    found, begin = [], 0
    for encoding, length in zip(encodings, lengths, strict=True):
        end = begin + length
        is_pair = encoding.n_sequences > 1
        found.append(
            Pieces(
                # A tokenizer without special tokens makes no piece of an empty text; a model
                # needs one.
                ids=ids[begin:end] if length else np.array([filler]),
                offsets=offsets[begin:end] if length else np.zeros((1, 2), np.int64),
                is_cut=bool(encoding.overflowing),
                segments=np.asarray(encoding.type_ids, dtype=np.int64) if is_pair else None,
                sources=np.array(
                    [-1 if of is None else of for of in encoding.sequence_ids], dtype=np.int64
                )
                if is_pair
                else None,
            )
        )
        begin = end
    return found


def _run_together(pieces: Pieces) -> bool:
    """Whether the second of two texts begins right after the first."""
    if pieces.sources is None:
        return False
    return bool(((pieces.sources[:-1] == 0) & (pieces.sources[1:] == 1)).any())


AnyTokenizer = Tokenizer | WordTokenizer


@dataclass(frozen=True)
class EncodedPart:
    """What one task has of the encoded examples of a split."""

    labels: Column[EncodedLabel]
    """Of each of its rows."""
    row_of: NDArray[np.int32]
    """By example, the number of its row, or -1 where the task does not label it."""
    reads: Stretches
    inputs: NDArray[np.int64]
    """Numbers of the inputs that each row reads, one row after the other."""


@dataclass(frozen=True, eq=False)
class EncodedExamples(Column[EncodedExample]):
    """The examples of a split as numbers, in flat arrays."""

    parts: Mapping[str, EncodedPart]
    """By task."""
    tasks: Repeated[frozenset[str]]
    """The tasks that label each example."""
    pieces: PieceColumn
    """Of each different input of all examples."""
    rows: Stretches
    inputs: NDArray[np.int64]
    """Numbers of the inputs of each example, each once, one example after the other."""
    places: Column[str]

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, row: int) -> EncodedExample:
        own = self.inputs[self.rows.of(row)].tolist()
        labels, reads = {}, {}
        for task, part in self.parts.items():
            number = int(part.row_of[row])
            if number >= 0:
                labels[task] = part.labels.at(number)
                given = part.inputs[part.reads.of(number)].tolist()
                reads[task] = tuple(map(own.index, given))
        return EncodedExample(tuple(map(self.pieces.at, own)), labels, self.places.at(row), reads)

    def take(self, rows: Numbers) -> EncodedExamples:
        return EncodedExamples(
            {
                task: EncodedPart(part.labels, part.row_of[rows], part.reads, part.inputs)
                for task, part in self.parts.items()
            },
            self.tasks.take(rows),
            self.pieces,
            self.rows.take(rows),
            self.inputs,
            self.places.take(rows),
        )

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces of each example's longest row, `(examples,)`."""
        lengths = self.pieces.lengths[self.inputs[self.rows.places()]]
        if not len(lengths):
            return lengths
        return np.maximum.reduceat(lengths, np.cumsum(self.rows.lengths) - self.rows.lengths)

    @property
    def used_pieces(self) -> PieceColumn:
        """Those of the inputs that some example has, in the order in which they are read."""
        inputs = self.inputs[self.rows.places()]
        return self.pieces.take(inputs[np.sort(np.unique(inputs, return_index=True)[1])])

    def of(self, tasks: Collection[str]) -> EncodedExamples:
        """What these tasks label, with their labels alone."""
        parts = {task: part for task, part in self.parts.items() if task in tasks}
        is_theirs = np.array([not one.isdisjoint(tasks) for one in self.tasks.values], np.bool_)
        kept = self.take(np.flatnonzero(is_theirs[self.tasks.codes]))
        return EncodedExamples(
            {task: kept.parts[task] for task in parts},
            kept.tasks.map(lambda found, row: found & set(tasks)),
            kept.pieces,
            kept.rows,
            kept.inputs,
            kept.places,
        )


@dataclass(frozen=True)
class EncodedSplit:
    """A split as the engine takes it."""

    name: str
    table: EncodedExamples
    cut: Mapping[str, int]
    """Texts that were longer than the maximum length, by task."""

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces of each example's longest row, `(examples,)`."""
        return self.table.lengths

    @property
    def examples(self) -> Sequence[EncodedExample]:
        """Each made when it is asked for."""
        return self.table

    def labelled(self, task: str) -> NDArray[np.int64]:
        """Numbers of the examples that a task labels, ascending."""
        return np.flatnonzero(self.table.parts[task].row_of >= 0)

    def of(self, tasks: Collection[str]) -> EncodedSplit:
        """What these tasks label, with their labels alone."""
        return EncodedSplit(self.name, self.table.of(tasks), self.cut)


PieceMaker = Callable[[Inputs], PieceColumn]
"""Makes the pieces of texts."""


def encode_split(
    split: Split,
    tokenizer: AnyTokenizer,
    labels: Mapping[str, LabelSpace],
    make_pieces: PieceMaker | None = None,
) -> EncodedSplit:
    """Tokenise every text once and number its labels.

    Args:
        split: The texts with their labels.
        tokenizer: What makes pieces of them.
        labels: Label space of every task.
        make_pieces: What stands in for the tokenizer's own method.
    """
    examples = split.examples
    read = {task: _Read(part) for task, part in examples.parts.items()}
    inputs, numbers = _different(list(read.values()))
    pieces = make_pieces(inputs) if make_pieces else tokenized(tokenizer, inputs)
    cut, parts = dict.fromkeys(labels, 0), {}
    for (task, one), own in zip(read.items(), numbers, strict=True):
        part, space = examples.parts[task], labels[task]
        is_cut = pieces.is_cut[own]
        if len(own):
            is_cut = np.logical_or.reduceat(is_cut, one.reads.starts)
        cut[task] = int(is_cut[part.row_of[part.labelled]].sum())
        firsts = pieces.take(own[one.reads.starts])
        column = KINDS[space.kind].number_all(space, part.rows, firsts, tokenizer)
        parts[task] = EncodedPart(column, part.row_of, one.reads, own)
    rows, row_inputs = _each_once(
        np.concatenate([one.examples for one in read.values()]),
        np.concatenate(numbers),
        len(examples),
    )
    encoded = EncodedExamples(parts, examples.tasks, pieces, rows, row_inputs, examples.places)
    return EncodedSplit(split.name, encoded, cut)


class _Read:
    """What one task reads: of each of its rows every text, or two as one."""

    def __init__(self, part: TaskPart) -> None:
        self._rows = rows = part.rows
        counts = np.ones(len(rows), np.int32) if rows.joint else rows.where.lengths
        self.reads = Stretches.one_after_the_other(counts)
        self._texts = rows.where.starts if rows.joint else rows.where.places()
        self.keys = rows.text_keys[self._texts]
        if rows.joint:
            both = (rows.text_keys[first : first + 2].tobytes() for first in self._texts.tolist())
            self.keys = np.frombuffer(b"".join(map(pair_key, both)), "V16")
        example_of = np.full(len(rows), -1, np.int64)
        example_of[part.row_of[part.labelled]] = part.labelled
        self.examples = np.repeat(example_of, counts)
        """Of each input, the example; -1 for a row that is in none."""
        self.is_pair = np.full(len(self.keys), rows.joint)

    def text(self, number: int) -> Input:
        """An input by its number."""
        first = int(self._texts[number])
        one = self._rows.all_texts.at(first)
        return (one, self._rows.all_texts.at(first + 1)) if self._rows.joint else one


def _different(read: Sequence[_Read]) -> tuple[Inputs, list[NDArray[np.int64]]]:
    """What all tasks read, each once, and for each task the numbers of its own inputs."""
    keys = np.concatenate([one.keys for one in read])
    numbers, firsts = number_alike(keys)
    ends = np.cumsum([len(one.keys) for one in read])
    reader = np.searchsorted(ends, firsts, side="right")
    begins = ends - [len(one.keys) for one in read]

    def text(number: int) -> Input:
        one = int(reader[number])
        return read[one].text(int(firsts[number] - begins[one]))

    is_pair = np.concatenate([one.is_pair for one in read])[firsts]
    inputs = Inputs(Computed(text, np.arange(len(firsts))), keys[firsts], is_pair)
    return inputs, np.split(numbers, ends[:-1])


def _each_once(
    example: NDArray[np.int64], inputs: NDArray[np.int64], examples: int
) -> tuple[Stretches, NDArray[np.int64]]:
    """The inputs of each example, each once, in the order in which its tasks read them."""
    order = np.argsort(example, kind="stable")
    order = order[np.count_nonzero(example < 0) :]
    example, inputs = example[order], inputs[order]
    _, firsts = number_equal(example, inputs)
    counts = np.bincount(example[firsts], minlength=examples)
    return Stretches.one_after_the_other(counts), inputs[firsts]
