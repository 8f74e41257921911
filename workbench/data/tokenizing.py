"""Texts to word pieces, and words to their first pieces.

Works on the `tokenizers` back end alone, by character offsets: one tokenisation of the raw text
serves every task, whether its labels belong to the text or to its words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as BackEnd

from workbench.data.examples import Split
from workbench.data.kinds import KINDS, EncodedLabel
from workbench.data.labels import LabelSpace
from workbench.data.masking import Vocabulary
from workbench.data.pieces import Pieces
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
        found = [
            _pieces(encoding, self.pad_id) for encoding in self._back_end.encode_batch(list(texts))
        ]
        if any(_run_together(pieces) for pieces in found):
            raise ConfigError(
                "The backbone's tokenizer puts nothing between two texts that are read as one.",
                where="[tasks.….pair]",
                next_step='read them one by one with pair = "two", or take another backbone',
            )
        return found

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


def _pieces(encoding: Encoding, filler: int) -> Pieces:
    is_pair = encoding.n_sequences > 1
    # A tokenizer without special tokens makes no piece of an empty text; a model needs one.
    ids, offsets = (encoding.ids, encoding.offsets) if encoding.ids else ([filler], [(0, 0)])
    return Pieces(
        ids=np.asarray(ids, dtype=np.int64),
        offsets=np.asarray(offsets, dtype=np.int64).reshape(-1, 2),
        is_cut=bool(encoding.overflowing),
        segments=np.asarray(encoding.type_ids, dtype=np.int64) if is_pair else None,
        sources=np.array([-1 if of is None else of for of in encoding.sequence_ids], dtype=np.int64)
        if is_pair
        else None,
    )


def _run_together(pieces: Pieces) -> bool:
    """Whether the second of two texts begins right after the first."""
    if pieces.sources is None:
        return False
    return bool(((pieces.sources[:-1] == 0) & (pieces.sources[1:] == 1)).any())


AnyTokenizer = Tokenizer | WordTokenizer


@dataclass(frozen=True)
class EncodedSplit:
    """A split as the engine takes it."""

    name: str
    examples: tuple[EncodedExample, ...]
    cut: Mapping[str, int]
    """Texts that were longer than the maximum length, by task."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces of each example's longest row, `(examples,)`."""
        return np.fromiter(
            (example.length for example in self.examples), np.int64, len(self.examples)
        )

    def of(self, tasks: Collection[str]) -> EncodedSplit:
        """What these tasks label, with their labels alone."""
        examples = (
            replace(
                example,
                labels={task: label for task, label in example.labels.items() if task in tasks},
            )
            for example in self.examples
            if not example.labels.keys().isdisjoint(tasks)
        )
        return EncodedSplit(self.name, tuple(examples), self.cut)


PieceMaker = Callable[[list[str | tuple[str, str]]], list[Pieces]]
"""Makes the pieces of texts: `Tokenizer.pieces`, or one that keeps them."""


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
    inputs = [example.inputs for example in split.examples]
    different = dict.fromkeys(row for rows, _ in inputs for row in rows)
    made = (make_pieces or tokenizer.pieces)(list(different))
    pieces = dict(zip(different, made, strict=True))
    cut = dict.fromkeys(labels, 0)
    encoded = []
    for example, (rows, reads) in zip(split.examples, inputs, strict=True):
        given = tuple(pieces[row] for row in rows)
        numbered: dict[str, EncodedLabel] = {}
        for task, label in example.labels.items():
            space, own = labels[task], [given[number] for number in reads[task]]
            cut[task] += any(one.is_cut for one in own)
            kind = KINDS[space.kind]
            found = kind.number(space, label, own[0], example.place)
            numbered[task] = kind.finish(found, own[0], tokenizer, new=False)
        encoded.append(EncodedExample(given, numbered, example.place, reads))
    return EncodedSplit(split.name, tuple(encoded), cut)
