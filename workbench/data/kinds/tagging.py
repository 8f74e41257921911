"""One tag per word: lists of words and tags, or spans in characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.config.tasks import DataConfig, TaggingData, TaggingTask
from workbench.data.columns import AT_ONCE, Column, Computed, Numbers, Stretches
from workbench.data.growing import Arrays, GrowingArrays
from workbench.data.kinds.kind import DataKind, text_of
from workbench.data.label_packing import LabelPacker, Numbering
from workbench.data.labelled import Labelled, LabelledRows
from workbench.data.labels import LabelSpace, tag_labels
from workbench.data.piece_column import PieceColumn
from workbench.data.pieces import CUT, NO_LABEL, Pieces, WordLabels, first_pieces, last_pieces
from workbench.data.reading import Row, column
from workbench.data.schemes import UNANNOTATED, Scheme, convert, is_iob1, scheme_of_names
from workbench.data.words import Words, word_spans
from workbench.errors import DataError


@dataclass(frozen=True, eq=False)
class WordColumn(Column[Words]):
    """The words and tags of many texts."""

    names: tuple[str, ...]
    """Tags by number."""
    spans: NDArray[np.int32]
    """Begin and end of each word, `(words, 2)`."""
    tags: Numbers
    """Number of each word's tag, `(words,)`."""
    where: Stretches
    """Which words are a text's; of its tags, too."""

    def __len__(self) -> int:
        return len(self.where)

    def at(self, row: int) -> Words:
        spans = self.spans[self.where.of(row)].tolist()
        return Words(tuple((begin, end) for begin, end in spans), self.tags_at(row))

    def tags_at(self, row: int) -> tuple[str, ...]:
        """The tags of a text."""
        return tuple(self.names[code] for code in self.tags[self.where.of(row)].tolist())

    @property
    def sentences(self) -> Column[tuple[str, ...]]:
        """The tags of each text."""
        return Computed(self.tags_at, np.arange(len(self)))

    def tag_counts(self) -> dict[str, int]:
        """How often each tag occurs, of those that do."""
        counts = np.zeros(len(self.names), np.int64)
        for begin in range(0, len(self), AT_ONCE):
            some = self.where.take(np.arange(begin, min(begin + AT_ONCE, len(self))))
            counts += np.bincount(self.tags[some.places()], minlength=len(self.names))
        return {
            name: count for name, count in zip(self.names, counts.tolist(), strict=True) if count
        }

    def take(self, rows: Numbers) -> WordColumn:
        return replace(self, where=self.where.take(rows))


class WordPacker(LabelPacker[Words]):
    """The words of one text after those of the other."""

    def __init__(self) -> None:
        self._numbers = Numbering()

    def pack(self, labels: Sequence[Words]) -> Arrays:
        spans = [span for label in labels for span in label.spans]
        return {
            "spans": np.array(spans, np.int32).reshape(-1, 2),
            "tags": self._numbers([tag for label in labels for tag in label.tags]),
            "words": np.fromiter((len(label.spans) for label in labels), np.int32, len(labels)),
        }

    def about(self) -> Any:
        return self._numbers.values

    def unpack(self, arrays: Mapping[str, Any], about: Any) -> WordColumn:
        where = Stretches.one_after_the_other(arrays["words"])
        return WordColumn(tuple(about), arrays["spans"], arrays["tags"], where)


@dataclass(frozen=True, eq=False)
class WordLabelColumn(Column[WordLabels]):
    """The tags of many texts as batches take them."""

    positions: Numbers
    lasts: Numbers
    labels: Numbers
    where: Stretches

    def __len__(self) -> int:
        return len(self.where)

    def at(self, row: int) -> WordLabels:
        own = self.where.of(row)
        return WordLabels(
            self.positions[own].astype(np.int64),
            self.lasts[own].astype(np.int64),
            self.labels[own].astype(np.int64),
        )

    def take(self, rows: Numbers) -> WordLabelColumn:
        return replace(self, where=self.where.take(rows))


class TaggingKind(DataKind[TaggingTask, Words, WordLabels]):
    """A label is the words of the text with their tags."""

    def reading_settings(self, data: DataConfig) -> tuple[Hashable, ...]:
        """Which columns of a CoNLL file are words and tags."""
        assert isinstance(data, TaggingData)
        return data.token_column, data.tag_column, data.conllu_column

    def parse(self, name: str, task: TaggingTask, row: Row) -> Labelled[Words] | None:
        """Words and tags, or spans where the row has no tags."""
        if task.data.spans in row.values and task.data.tags not in row.values:
            return _parse_spans(name, task, row)
        return _parse_words(name, task, row)

    def adapt(
        self,
        task: TaggingTask,
        labelled: LabelledRows[Words],
        place: str,
        space: LabelSpace | None,
    ) -> tuple[LabelledRows[Words], list[str]]:
        """BIO or BIOES where the task says so, IOB1 always as BIO."""
        told: list[str] = []
        labels = labelled.labels
        assert isinstance(labels, WordColumn)
        counts = labels.tag_counts()
        if skipped := int(labelled.skipped.sum()):
            told.append(
                f"{place}: {skipped} multiword range(s) and empty node(s) are no words and were "
                "passed over."
            )
        if missing := counts.get(UNANNOTATED, 0):
            told.append(f'{place}: {missing} word(s) are not annotated (null or "?").')
        source: Scheme = scheme_of_names(counts)
        if source == "bio" and is_iob1(labels.sentences):
            source = "iob1"
        # A split without a span, or with few, does not show its scheme by itself.
        if space is not None and task.scheme == "as read" and space.scheme == "bioes":
            source = "bioes" if source != "plain" else source
        if source == "plain":
            return labelled, told
        if source == "iob1":
            told.append(f"{place}: the tags are IOB1 and were read as BIO.")
        target: Scheme = "bio" if source == "iob1" else source
        if task.scheme != "as read":
            target = "bio" if task.scheme == "bio" else "bioes"
        if target == source and not task.constrained:
            return labelled, told
        converted, strays = _converted(labels, source, target)
        if strays:
            told.append(
                f"{place}: {strays} tag(s) belong to no span that begins and ends as it should, "
                "and were read as O."
            )
        return replace(labelled, labels=converted), told

    def label_space(self, name: str, task: TaggingTask, labels: Sequence[Words]) -> LabelSpace:
        """The tags of train; tags of spans are completed."""
        assert isinstance(labels, WordColumn)
        space = tag_labels(name, labels.tag_counts())
        if not space.names:
            raise DataError(
                f'Task "{name}": no word of train is annotated.',
                where=task.data.train,
                next_step="give some words a tag that is not null and not ?",
            )
        needy = 'metric = "span_f1"' if task.metric == "span_f1" else ""
        needy = needy or ("constrained = true" if task.constrained else "")
        needy = needy or (f'scheme = "{task.scheme}"' if task.scheme != "as read" else "")
        if needy and not space.has_spans:
            odd = next((tag for tag in space.names if tag != "O" and tag[1:2] != "-"), None)
            found = "only O" if odd is None else f'"{odd}"'
            raise DataError(
                f'Task "{name}": {needy} needs BIO or BIOES tags, but train has {found}.',
                where=task.data.train,
                next_step='set metric = "accuracy" for plain tags, without scheme and constrained, '
                "or write B-…, I-… and O",
            )
        return space

    def check(self, space: LabelSpace, label: Words, row: Row) -> None:
        """Every tag has to occur in train."""
        for number, tag in enumerate(label.tags):
            if tag == UNANNOTATED:
                continue
            space.index(tag, row.word_places[number] if row.word_places else row.place)

    def check_all(self, space: LabelSpace, labelled: LabelledRows[Words]) -> None:
        """Sentences are looked at one by one only if some tag is unknown."""
        assert isinstance(labelled.labels, WordColumn)
        if labelled.labels.tag_counts().keys() - {UNANNOTATED} - set(space.names):
            super().check_all(space, labelled)

    def packer(self) -> WordPacker:
        """Of words."""
        return WordPacker()

    def parsing_settings(self, task: TaggingTask) -> tuple[Hashable, ...]:
        """None: what the task makes of the scheme comes later."""
        return ()

    def tally(self, labels: Sequence[Words]) -> dict[str, int]:
        """Spans by type; tags where they write no spans."""
        assert isinstance(labels, WordColumn)
        tags = labels.tag_counts()
        tags.pop(UNANNOTATED, None)
        begins = {tag: count for tag, count in tags.items() if tag[:2] in ("B-", "S-")}
        if not begins:
            return dict(tags)
        spans: Counter[str] = Counter()
        for tag, count in begins.items():
            spans[tag[2:]] += count
        return dict(spans)

    def number(self, space: LabelSpace, label: Words, pieces: Pieces, place: str) -> WordLabels:
        """Where the words are among the pieces, and the places of their tags."""
        firsts = first_pieces(pieces.offsets, label.spans)
        numbers = [
            NO_LABEL if tag == UNANNOTATED else space.index(tag, place) for tag in label.tags
        ]
        return WordLabels(
            positions=firsts,
            lasts=last_pieces(pieces.offsets, label.spans, firsts),
            labels=np.array(numbers, dtype=np.int64),
        )

    def number_all(
        self,
        space: LabelSpace,
        labelled: LabelledRows[Words],
        pieces: Column[Pieces],
        tokenizer: Any,
    ) -> WordLabelColumn:
        """The same for many texts at once."""
        words = labelled.labels
        assert isinstance(words, WordColumn)
        assert isinstance(pieces, PieceColumn)
        used = words.tag_counts().keys() - {UNANNOTATED}
        numbers = np.array(
            [
                space.index(tag, f"the data of {space.task}") if tag in used else NO_LABEL
                for tag in words.names
            ]
        )
        is_small = max(len(space.names), tokenizer.max_length) < 1 << 15
        dtype = np.int16 if is_small else np.int32
        arrays = GrowingArrays()
        arrays.add(dict.fromkeys(("positions", "lasts", "labels"), np.zeros(0, dtype)))
        for begin, some in pieces.some_at_once():
            own = words.where.take(np.arange(begin, begin + len(some)))
            places = own.places()
            firsts, lasts = _found(some, words.spans[places], own.lengths)
            labels = numbers[words.tags[places]]
            made = {"positions": firsts, "lasts": lasts, "labels": labels}
            arrays.add({name: array.astype(dtype) for name, array in made.items()})
        where = Stretches.one_after_the_other(words.where.lengths)
        return WordLabelColumn(**arrays.close(), where=where)

    def unlabelled(self, texts: tuple[str, ...], labels: int, pieces: Pieces) -> WordLabels:
        """The words that the text is cut into, each with any tag."""
        cuts = word_spans(texts[0])
        firsts = first_pieces(pieces.offsets, cuts)
        return WordLabels(firsts, last_pieces(pieces.offsets, cuts, firsts), np.zeros_like(firsts))


def _converted(labels: WordColumn, source: Scheme, target: Scheme) -> tuple[WordColumn, int]:
    """Tags in another scheme, and how many belonged to no span."""
    numbers, strays, found = Numbering(), 0, []
    for tags in labels.sentences:
        written, lost = convert(tags, source, target)
        found.append(numbers(written))
        strays += lost
    where = Stretches.one_after_the_other(labels.where.lengths)
    # Where the words are is no longer where their tags are.
    spans = labels.spans[labels.where.places()]
    return WordColumn(numbers.values, spans, np.concatenate(found), where), strays


def _found(
    pieces: PieceColumn, spans: NDArray[np.int32], words: Numbers
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last piece of each word of several texts.

    The texts are laid end to end, so far apart that no word meets a piece of another text.

    Args:
        pieces: Of each text.
        spans: Of all words, `(words, 2)`.
        words: How many each text has.
    """
    offsets, lengths = pieces.flat("offsets"), pieces.lengths
    room = int(max(offsets.max(initial=0), spans.max(initial=0))) + 1
    starts = np.cumsum(lengths) - lengths
    texts = np.arange(len(pieces))
    moved = offsets + (np.repeat(texts, lengths) * room)[:, None]
    moved_spans = spans + (np.repeat(texts, words) * room)[:, None]
    firsts = first_pieces(moved, moved_spans)
    lasts = last_pieces(moved, moved_spans, firsts)
    start = np.repeat(starts, words)
    is_there = firsts != CUT
    return np.where(is_there, firsts - start, CUT), np.where(is_there, lasts - start, CUT)


def _parse_spans(name: str, task: TaggingTask, row: Row) -> Labelled[Words] | None:
    """BIO tags out of spans in characters, on the words that new texts are cut into, too."""
    given = row.values[task.data.spans]
    if given is None:
        return None
    text = text_of(name, column(row, task.data.text, "text"), row)
    words = word_spans(text)
    begins = {begin: number for number, (begin, _) in enumerate(words)}
    ends = {end: number for number, (_, end) in enumerate(words)}
    tags = ["O"] * len(words)
    for span in given if isinstance(given, list) else [given]:
        match span:
            case {"start": int(start), "end": int(end), "label": str(label)} if label:
                pass
            case _:
                raise DataError(
                    f'Task "{name}": {str(span)[:60]} is no span.',
                    where=row.place,
                    next_step='write them as [{"start": 0, "end": 3, "label": "PER"}, …]',
                )
        first, last = begins.get(start), ends.get(end)
        if first is None or last is None or last < first:
            raise DataError(
                f'Task "{name}": the span {start} to {end} ({text[max(0, start) : end][:40]!r}) '
                "does not begin and end with words of the text.",
                where=row.place,
                next_step="count characters from 0, the end being the character after the last, "
                "without white space at either end",
            )
        if any(tag != "O" for tag in tags[first : last + 1]):
            raise DataError(
                f'Task "{name}": the span {start} to {end} ({text[start:end][:40]!r}) overlaps '
                "another.",
                where=row.place,
                next_step="keep one of them: a word has one tag",
            )
        tags[first : last + 1] = [f"B-{label}"] + [f"I-{label}"] * (last - first)
    return Labelled(row, (text,), Words(tuple(words), tuple(tags)))


def _parse_words(name: str, task: TaggingTask, row: Row) -> Labelled[Words] | None:
    tokens = column(row, task.data.tokens, "tokens")
    tags = column(row, task.data.tags, "tags")
    if tags is None:
        return None
    if isinstance(tags, list):
        tags = [UNANNOTATED if tag is None else tag for tag in tags]
    for what, value in (("words", tokens), ("tags", tags)):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise DataError(
                f'Task "{name}": the {what} are no list of strings.',
                where=row.place,
                next_step='write them as ["Ada", "lives", …]',
            )
    if not tokens:
        raise DataError(
            f'Task "{name}": the sentence has no words.',
            where=row.place,
            next_step="give it words and tags, or remove the row",
        )
    if len(tokens) != len(tags):
        raise DataError(
            f'Task "{name}": {len(tokens)} words but {len(tags)} tags.',
            where=row.place,
            next_step="give each word one tag",
        )
    given = row.values.get(task.data.text)
    text = text_of(name, given, row) if given is not None else " ".join(tokens)
    return Labelled(row, (text,), Words(_locate(name, text, tokens, row), tuple(tags)))


def _locate(name: str, text: str, tokens: Sequence[str], row: Row) -> tuple[tuple[int, int], ...]:
    """Find each word in the text, one after the other."""
    spans, end = [], 0
    for token in tokens:
        start = text.find(token, end)
        if start < 0 or text[end:start].strip() or not token:
            raise DataError(
                f'Task "{name}": the word {token!r} does not follow in the text.',
                where=row.place,
                next_step="the words must be those of the text, in order and complete; "
                "or leave the text column out",
            )
        end = start + len(token)
        spans.append((start, end))
    if rest := text[end:].strip():
        raise DataError(
            f'Task "{name}": the text goes on after its last word: {rest[:40]!r}.',
            where=row.place,
            next_step="the words must be those of the text, in order and complete; "
            "or leave the text column out",
        )
    return tuple(spans)
