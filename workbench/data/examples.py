"""Examples: each text once, with the labels that the tasks give it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.config.experiment import ExperimentConfig
from workbench.config.task import ClassificationTask, TaggingData, TaggingTask, TaskConfig
from workbench.data.labels import LabelSpace, class_labels, is_bio, tag_labels
from workbench.data.reading import Row, column, read_split
from workbench.errors import DataError


@dataclass(frozen=True)
class Words:
    """A text cut into words, with a tag for each."""

    spans: tuple[tuple[int, int], ...]
    """Begin and end of each word in the text, in characters."""
    tags: tuple[str, ...]


Label = str | Words


@dataclass(frozen=True)
class Example:
    """One text with its labels. A task that does not label it is not in `labels`."""

    text: str
    labels: Mapping[str, Label]
    place: str
    """Where it was read first."""


@dataclass(frozen=True)
class Split:
    """The examples of train, dev or test, of all tasks together."""

    name: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Corpus:
    """Everything the run reads before it trains."""

    train: Split
    dev: Split
    labels: Mapping[str, LabelSpace]
    """By task, built from train."""
    unlabelled: Mapping[str, int] = field(default_factory=dict)
    """Rows without a label, by `task/split`: they are left out of that task, and told."""


def read_corpus(config: ExperimentConfig) -> Corpus:
    """Read train and dev of every task; test stays untouched.

    Raises:
        DataError: A source is absent or malformed, or a dev label does not occur in train.
    """
    unlabelled: dict[str, int] = {}
    train = _read(config, "train", unlabelled)
    labels = {name: _label_space(name, task, train) for name, task in config.tasks.items()}
    dev = _read(config, "dev", unlabelled, labels)
    return Corpus(train, dev, labels, unlabelled)


def read_evaluation_split(
    config: ExperimentConfig, name: str, labels: Mapping[str, LabelSpace]
) -> tuple[Split, Mapping[str, int]]:
    """Read one split of every task that has it, to be evaluated with known label spaces.

    Returns:
        The split, and the rows without a label, by `task/split`.

    Raises:
        DataError: No task has such a split, or a label is not in the label space.
    """
    unlabelled: dict[str, int] = {}
    split = _read(config, name, unlabelled, labels)
    if not split.examples:
        raise DataError(
            f"No task of this experiment has a {name} split.",
            where=f"[tasks.….data], {name}",
            next_step=f'add {name} = "…" to a task, or evaluate another split',
        )
    return split, unlabelled


def _read(
    config: ExperimentConfig,
    split: str,
    unlabelled: dict[str, int],
    labels: Mapping[str, LabelSpace] | None = None,
) -> Split:
    """Merge the tasks' rows: the k-th occurrence of a text in one task is that in another.

    With `labels`, a label that is not among them is an error that names its line.
    """
    # Several tasks often read one file: it is parsed once.
    files: dict[tuple[object, ...], list[Row]] = {}
    texts: dict[tuple[str, int], tuple[dict[str, Label], str]] = {}
    for name, task in config.tasks.items():
        data = task.data
        columns = (data.token_column, data.tag_column) if isinstance(data, TaggingData) else ()
        key = (data.dataset, data.subset, data.source_of(split), data.format, *columns)
        if key not in files:
            files[key] = read_split(data, split)
        occurrences: defaultdict[str, int] = defaultdict(int)
        for row in files[key]:
            parsed = _parse(name, task, row)
            if parsed is None:
                unlabelled[f"{name}/{split}"] = unlabelled.get(f"{name}/{split}", 0) + 1
                continue
            text, label = parsed
            if labels is not None:
                _check_labels(labels[name], label, row)
            number = occurrences[text]
            occurrences[text] += 1
            texts.setdefault((text, number), ({}, row.place))[0][name] = label
        if split == "train" and not occurrences:
            raise DataError(
                f'Task "{name}": no row of train has a label.',
                where=str(data.train),
                next_step="check the column names in [tasks.….data]",
            )
    examples = (Example(text, labels, place) for (text, _), (labels, place) in texts.items())
    return Split(split, tuple(examples))


def _parse(name: str, task: TaskConfig, row: Row) -> tuple[str, Label] | None:
    if isinstance(task, ClassificationTask):
        label = column(row, task.data.label)
        if label is None or label == "":
            return None
        if isinstance(label, (list, dict)):
            raise DataError(
                f'Task "{name}": the label is a {type(label).__name__}, where one value is '
                f"expected.",
                where=row.place,
                next_step='name another column, or use kind = "tagging" for a list of tags',
            )
        return _text(name, column(row, task.data.text), row), str(label)
    return _parse_words(name, task, row)


def _parse_words(name: str, task: TaggingTask, row: Row) -> tuple[str, Label] | None:
    tokens, tags = column(row, task.data.tokens), column(row, task.data.tags)
    if tags is None:
        return None
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
    text = _text(name, given, row) if given is not None else " ".join(tokens)
    return text, Words(_locate(name, text, tokens, row), tuple(tags))


def _text(name: str, value: Any, row: Row) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(
            f'Task "{name}": the text is empty.'
            if value is None or isinstance(value, str)
            else f'Task "{name}": the text is a {type(value).__name__}, not a string.',
            where=row.place,
            next_step="give the row a text, or remove it",
        )
    return value


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


def _label_space(name: str, task: TaskConfig, train: Split) -> LabelSpace:
    labels = (example.labels[name] for example in train.examples if name in example.labels)
    if isinstance(task, ClassificationTask):
        space = class_labels(name, (label for label in labels if isinstance(label, str)))
        if len(space.names) < 2:
            raise DataError(
                f'Task "{name}": train has only the label "{space.names[0]}".',
                where=task.data.train,
                next_step="a classification needs two labels or more",
            )
        return space
    tags = {tag for label in labels if isinstance(label, Words) for tag in label.tags}
    if task.metric == "span_f1" and not is_bio(tags):
        odd = next((tag for tag in sorted(tags) if tag != "O" and not is_bio([tag])), None)
        found = "only O" if odd is None else f'"{odd}"'
        raise DataError(
            f'Task "{name}": span_f1 needs BIO tags, but train has {found}.',
            where=task.data.train,
            next_step='set metric = "accuracy" for plain tags, or write B-…, I-… and O',
        )
    return tag_labels(name, tags)


def _check_labels(space: LabelSpace, label: Label, row: Row) -> None:
    if isinstance(label, str):
        space.index(label, row.place)
        return
    for number, tag in enumerate(label.tags):
        space.index(tag, row.word_places[number] if row.word_places else row.place)
