"""One tag per word: lists of words and tags, or spans in characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from workbench.config.task import DataConfig, TaggingData, TaggingTask
from workbench.data.kinds.kind import DataKind, Labelled, text_of
from workbench.data.labels import LabelSpace, tag_labels
from workbench.data.pieces import NO_LABEL, Pieces, WordLabels, first_pieces, last_pieces
from workbench.data.reading import Row, column
from workbench.data.schemes import UNANNOTATED, Scheme, convert, scheme_of
from workbench.data.words import Words, word_spans
from workbench.errors import DataError


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
        labelled: list[Labelled[Words]],
        place: str,
        space: LabelSpace | None,
    ) -> tuple[list[Labelled[Words]], list[str]]:
        """BIO or BIOES where the task says so, IOB1 always as BIO."""
        told: list[str] = []
        sentences = [item.label.tags for item in labelled]
        if skipped := sum(item.row.skipped for item in labelled):
            told.append(
                f"{place}: {skipped} multiword range(s) and empty node(s) are no words and were "
                "passed over."
            )
        if missing := sum(tag == UNANNOTATED for tags in sentences for tag in tags):
            told.append(f'{place}: {missing} word(s) are not annotated (null or "?").')
        source = scheme_of(sentences)
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
        strays = 0
        converted = []
        for item in labelled:
            tags, lost = convert(item.label.tags, source, target)
            strays += lost
            converted.append(replace(item, label=replace(item.label, tags=tags)))
        if strays:
            told.append(
                f"{place}: {strays} tag(s) belong to no span that begins and ends as it should, "
                "and were read as O."
            )
        return converted, told

    def label_space(self, name: str, task: TaggingTask, labels: Sequence[Words]) -> LabelSpace:
        """The tags of train; tags of spans are completed."""
        tags = {tag for label in labels for tag in label.tags}
        space = tag_labels(name, tags)
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

    def tally(self, labels: Sequence[Words]) -> dict[str, int]:
        """Spans by type; tags where they write no spans."""
        tags = Counter(tag for label in labels for tag in label.tags if tag != UNANNOTATED)
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

    def unlabelled(self, texts: tuple[str, ...], labels: int, pieces: Pieces) -> WordLabels:
        """The words that the text is cut into, each with any tag."""
        cuts = word_spans(texts[0])
        firsts = first_pieces(pieces.offsets, cuts)
        return WordLabels(firsts, last_pieces(pieces.offsets, cuts, firsts), np.zeros_like(firsts))


def _parse_spans(name: str, task: TaggingTask, row: Row) -> Labelled[Words] | None:
    """BIO tags out of spans in characters, on the words that new texts are cut into, too."""
    given = row.values[task.data.spans]
    if given is None:
        return None
    text = text_of(name, column(row, task.data.text), row)
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
    tokens, tags = column(row, task.data.tokens), column(row, task.data.tags)
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
