"""Examples: each text once, with the labels that the tasks give it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.config.experiment import ExperimentConfig
from workbench.config.task import ClassificationTask, TaggingData, TaggingTask, TaskConfig
from workbench.data.labels import LabelSpace, class_labels, tag_labels
from workbench.data.reading import Row, column, read_split
from workbench.data.schemes import UNANNOTATED, Scheme, convert, scheme_of
from workbench.data.splits import draw, hold_out, overlap
from workbench.data.words import word_spans
from workbench.errors import DataError, nearest


@dataclass(frozen=True)
class Words:
    """A text cut into words, with a tag for each."""

    spans: tuple[tuple[int, int], ...]
    """Begin and end of each word in the text, in characters."""
    tags: tuple[str, ...]
    """One for each word, `UNANNOTATED` where nobody gave one."""


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
    notes: tuple[str, ...] = ()
    """What else a person should know of the data before the run starts."""


def read_corpus(config: ExperimentConfig) -> Corpus:
    """Read train and dev of every task; test stays untouched.

    Raises:
        DataError: A source is absent or malformed, or a dev label does not occur in train.
    """
    notes = _Notes()
    train = {name: _read_task(config, name, "train", notes) for name in config.tasks}
    labels: dict[str, LabelSpace] = {}
    dev: dict[str, list[_Labelled]] = {}
    for name, task in config.tasks.items():
        labels[name] = _label_space(name, task, [item.label for item in train[name]])
        if task.data.dev is None and task.data.dev_share > 0:
            train[name], dev[name] = _divide(config, name, train[name])
        else:
            dev[name] = _read_task(config, name, "dev", notes, labels[name])
    told = overlap(
        *({name: [item.text for item in found[name]] for name in found} for found in (train, dev))
    )
    return Corpus(
        _merge("train", train),
        _merge("dev", dev),
        labels,
        notes.unlabelled,
        (*notes.said, *told),
    )


def read_evaluation_split(
    config: ExperimentConfig, name: str, labels: Mapping[str, LabelSpace]
) -> tuple[Split, Mapping[str, int]]:
    """Read one split of every task that has it, to be evaluated with known label spaces.

    Returns:
        The split, and the rows without a label, by `task/split`.

    Raises:
        DataError: No task has such a split, or a label is not in the label space.
    """
    notes = _Notes()
    found: dict[str, list[_Labelled]] = {}
    for task, settings in config.tasks.items():
        shared = settings.data.dev is None and settings.data.dev_share > 0
        if shared and name in ("train", "dev"):
            parts = _divide(config, task, _read_task(config, task, "train", notes, labels[task]))
            found[task] = parts[("train", "dev").index(name)]
        else:
            found[task] = _read_task(config, task, name, notes, labels[task])
    split = _merge(name, found)
    if not split.examples:
        raise DataError(
            f"No task of this experiment has a {name} split.",
            where=f"[tasks.….data], {name}",
            next_step=f'add {name} = "…" to a task, or evaluate another split',
        )
    return split, notes.unlabelled


@dataclass(frozen=True)
class _Labelled:
    """What one row says to one task."""

    row: Row
    text: str
    label: Label


@dataclass
class _Notes:
    """What is told after reading."""

    unlabelled: dict[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    rows: dict[tuple[object, ...], list[Row]] = field(default_factory=dict)
    """Several tasks often read one file: it is parsed once."""


def _read_task(
    config: ExperimentConfig,
    name: str,
    split: str,
    notes: _Notes,
    space: LabelSpace | None = None,
) -> list[_Labelled]:
    """The labelled rows of one task. With a label space, a label beyond it is an error."""
    task = config.tasks[name]
    data = task.data
    columns = (
        (data.token_column, data.tag_column, data.conllu_column)
        if isinstance(data, TaggingData)
        else ()
    )
    key = (data.dataset, data.subset, data.source_of(split), data.format, *columns)
    if key not in notes.rows:
        notes.rows[key] = read_split(data, split)
    rows = notes.rows[key]
    parsed = [_Labelled(row, *found) for row in rows if (found := _parse(name, task, row))]
    if len(parsed) < len(rows):
        notes.unlabelled[f"{name}/{split}"] = len(rows) - len(parsed)
    if split == "train":
        if not parsed:
            raise DataError(
                f'Task "{name}": no row of train has a label.',
                where=str(data.train),
                next_step="check the column names in [tasks.….data]",
            )
        if data.max_examples is not None:
            drawn = draw([item.text for item in parsed], data.max_examples, config.seed)
            parsed = [parsed[number] for number in drawn]
    if isinstance(task, TaggingTask):
        parsed = _in_scheme(task, parsed, f"{name}/{split}", notes, space)
    if space is not None:
        for item in parsed:
            _check_labels(space, item.label, item.row)
    return parsed


def _divide(
    config: ExperimentConfig, name: str, labelled: list[_Labelled]
) -> tuple[list[_Labelled], list[_Labelled]]:
    """Train and dev out of train, by the task's `dev_share`."""
    classes = [item.label for item in labelled if isinstance(item.label, str)]
    held = hold_out(
        [item.text for item in labelled],
        config.tasks[name].data.dev_share,
        config.seed,
        classes or None,
    )
    train, dev = (
        [item for item in labelled if (item.text in held) == is_held] for is_held in (False, True)
    )
    return train, dev


def _merge(split: str, found: Mapping[str, Sequence[_Labelled]]) -> Split:
    """Each text once: the k-th occurrence of a text in one task is that in another."""
    texts: dict[tuple[str, int], tuple[dict[str, Label], str]] = {}
    for name, labelled in found.items():
        occurrences: defaultdict[str, int] = defaultdict(int)
        for item in labelled:
            number = occurrences[item.text]
            occurrences[item.text] += 1
            texts.setdefault((item.text, number), ({}, item.row.place))[0][name] = item.label
    examples = (Example(text, labels, place) for (text, _), (labels, place) in texts.items())
    return Split(split, tuple(examples))


def _in_scheme(
    task: TaggingTask,
    labelled: list[_Labelled],
    place: str,
    notes: _Notes,
    space: LabelSpace | None,
) -> list[_Labelled]:
    """The tags as the task learns them: BIO or BIOES where it says so, IOB1 always as BIO."""
    sentences = [item.label.tags for item in labelled if isinstance(item.label, Words)]
    if skipped := sum(item.row.skipped for item in labelled):
        notes.said.append(
            f"{place}: {skipped} multiword range(s) and empty node(s) are no words and were "
            "passed over."
        )
    if missing := sum(tag == UNANNOTATED for tags in sentences for tag in tags):
        notes.said.append(f'{place}: {missing} word(s) are not annotated (null or "?").')
    source = scheme_of(sentences)
    # A split without a span, or with few, does not show its scheme by itself.
    if space is not None and task.scheme == "as read" and space.scheme == "bioes":
        source = "bioes" if source != "plain" else source
    if source == "plain":
        return labelled
    if source == "iob1":
        notes.said.append(f"{place}: the tags are IOB1 and were read as BIO.")
    target: Scheme = "bio" if source == "iob1" else source
    if task.scheme != "as read":
        target = "bio" if task.scheme == "bio" else "bioes"
    if target == source and not task.constrained:
        return labelled
    strays = 0
    converted = []
    for item in labelled:
        assert isinstance(item.label, Words)
        tags, lost = convert(item.label.tags, source, target)
        strays += lost
        converted.append(replace(item, label=replace(item.label, tags=tags)))
    if strays:
        notes.said.append(
            f"{place}: {strays} tag(s) belong to no span that begins and ends as it should, and "
            "were read as O."
        )
    return converted


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
    if task.data.spans in row.values and task.data.tags not in row.values:
        return _parse_spans(name, task, row)
    return _parse_words(name, task, row)


def _parse_spans(name: str, task: TaggingTask, row: Row) -> tuple[str, Label] | None:
    """BIO tags out of spans in characters, on the words that new texts are cut into, too."""
    given = row.values[task.data.spans]
    if given is None:
        return None
    text = _text(name, column(row, task.data.text), row)
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
    return text, Words(tuple(words), tuple(tags))


def _parse_words(name: str, task: TaggingTask, row: Row) -> tuple[str, Label] | None:
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


def _label_space(name: str, task: TaskConfig, labels: Sequence[Label]) -> LabelSpace:
    if isinstance(task, ClassificationTask):
        space = class_labels(name, (label for label in labels if isinstance(label, str)))
        if len(space.names) < 2:
            raise DataError(
                f'Task "{name}": train has only the label "{space.names[0]}".',
                where=task.data.train,
                next_step="a classification needs two labels or more",
            )
        for label in task.label_weights:
            if label not in space.names:
                raise DataError(
                    f'Task "{name}": label_weights names "{label}", which does not occur in train.',
                    where=f"[tasks.{name}.label_weights]",
                    next_step=nearest(label, space.names),
                )
        return space
    tags = {tag for label in labels if isinstance(label, Words) for tag in label.tags}
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


def _check_labels(space: LabelSpace, label: Label, row: Row) -> None:
    if isinstance(label, str):
        space.index(label, row.place)
        return
    for number, tag in enumerate(label.tags):
        if tag == UNANNOTATED:
            continue
        space.index(tag, row.word_places[number] if row.word_places else row.place)
