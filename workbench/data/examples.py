"""Examples: each text, or pair of texts, once, with the labels that the tasks give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.config.experiment import ExperimentConfig
from workbench.config.tasks import DataConfig
from workbench.data.columns import Column, Computed, Numbers, Repeated
from workbench.data.inputs import Input
from workbench.data.kinds import KINDS, Label
from workbench.data.kinds.kind import AnyKind, DataKind
from workbench.data.labelled import LabelledRows
from workbench.data.labels import LabelSpace
from workbench.data.parsing import Parsed, parse_split
from workbench.data.splits import Known, hold_out, known_texts, overlap
from workbench.data.text_keys import number_alike, number_equal, occurrences
from workbench.errors import DataError


@dataclass(frozen=True)
class Example:
    """A text, or several that belong together, with its labels."""

    texts: tuple[str, ...]
    labels: Mapping[str, Label]
    """By task; a task that does not label it is not among them."""
    place: str
    """Where it was read first."""
    joint: frozenset[str] = frozenset()
    """The tasks that read two texts as one."""

    @property
    def text(self) -> str:
        """The first text."""
        return self.texts[0]

    @property
    def inputs(self) -> tuple[tuple[Input, ...], dict[str, tuple[int, ...]]]:
        """What the backbone reads, each once, and by task the numbers of what is its own."""
        rows: dict[Input, int] = {}
        reads = {
            task: tuple(
                rows.setdefault(row, len(rows)) for row in inputs_of(self.texts, task in self.joint)
            )
            for task in self.labels
        }
        return tuple(rows), reads


def inputs_of(texts: tuple[str, ...], joint: bool) -> tuple[Input, ...]:
    """What the backbone reads of some texts: each, or two as one."""
    return ((texts[0], texts[1]),) if joint else texts


@dataclass(frozen=True)
class TaskPart:
    """What one task has of the examples of a split."""

    rows: LabelledRows[Any]
    row_of: NDArray[np.int32]
    """By example, the number of its row, or -1 where the task does not label it."""

    @property
    def labelled(self) -> NDArray[np.int64]:
        """Numbers of the examples that it labels, ascending."""
        return np.flatnonzero(self.row_of >= 0)


@dataclass(frozen=True, eq=False)
class Examples(Column[Example]):
    """The examples of a split: which rows of which tasks each one is put together from."""

    parts: Mapping[str, TaskPart]
    """By task."""
    first_part: Repeated[str]
    """Of each example the task that reads it first."""

    def __len__(self) -> int:
        return len(self.first_part)

    def at(self, row: int) -> Example:
        labels: dict[str, Label] = {}
        joint = set()
        for task, part in self.parts.items():
            own = int(part.row_of[row])
            if own >= 0:
                labels[task] = part.rows.labels.at(own)
                if part.rows.joint:
                    joint.add(task)
        part = self.parts[self.first_part.at(row)]
        own = int(part.row_of[row])
        return Example(part.rows.texts_at(own), labels, part.rows.places.at(own), frozenset(joint))

    def take(self, rows: Numbers) -> Examples:
        parts = {task: TaskPart(part.rows, part.row_of[rows]) for task, part in self.parts.items()}
        return Examples(parts, self.first_part.take(rows))

    @property
    def places(self) -> Column[str]:
        """Where each one was read first."""

        def place(row: int) -> str:
            part = self.parts[self.first_part.at(row)]
            return part.rows.places.at(int(part.row_of[row]))

        return Computed(place, np.arange(len(self)))

    @property
    def tasks(self) -> Repeated[frozenset[str]]:
        """The tasks that label each example."""
        flags = np.stack([part.row_of >= 0 for part in self.parts.values()])
        numbers, firsts = number_equal(*flags)
        names = list(self.parts)
        sets = (frozenset(names[at] for at in np.flatnonzero(one)) for one in flags.T[firsts])
        return Repeated(tuple(sets), numbers.astype(np.int32))

    def labels_of(self, task: str) -> Column[Any]:
        """The labels of one task, of those examples that it labels."""
        part = self.parts[task]
        return part.rows.labels.take(part.row_of[part.labelled])


@dataclass(frozen=True)
class Split:
    """The examples of train, dev or test, of all tasks together."""

    name: str
    examples: Examples


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
    parsed = parse_split(config, "train", config.tasks.keys())
    train = {name: _task_rows(config, name, "train", parsed[name], notes) for name in config.tasks}
    labels: dict[str, LabelSpace] = {}
    for name, task in config.tasks.items():
        # Of all that train has, drawn or not: a label is not unknown for being rare.
        labels[name] = KINDS[task.kind].label_space(name, task, notes.labels[name])
    shared = [name for name, task in config.tasks.items() if _shares_train(task.data)]
    parsed = parse_split(config, "dev", [name for name in config.tasks if name not in shared])
    dev: dict[str, LabelledRows[Any]] = {}
    for name in config.tasks:
        if name in shared:
            train[name], dev[name] = _divide(config, name, train[name])
        else:
            dev[name] = _task_rows(config, name, "dev", parsed[name], notes, labels[name])
        learned_from, task = train[name].labels, config.tasks[name]
        if len(learned_from) < len(notes.labels[name]):
            labels[name] = KINDS[task.kind].counted(task, labels[name], learned_from)
    told = overlap(
        *({name: _known(rows) for name, rows in found.items()} for found in (train, dev))
    )
    return Corpus(
        merge("train", train),
        merge("dev", dev),
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
    of = {
        task: "train" if _shares_train(settings.data) and name in ("train", "dev") else name
        for task, settings in config.tasks.items()
    }
    parsed: dict[str, Parsed] = {}
    for split in dict.fromkeys(of.values()):
        parsed |= parse_split(config, split, [task for task in of if of[task] == split])
    found: dict[str, LabelledRows[Any]] = {}
    for task, settings in config.tasks.items():
        rows = _task_rows(config, task, of[task], parsed[task], notes, labels[task])
        if _shares_train(settings.data) and name in ("train", "dev"):
            rows = _divide(config, task, rows)[("train", "dev").index(name)]
        found[task] = rows
    split_read = merge(name, found)
    if not len(split_read.examples):
        raise DataError(
            f"No task of this experiment has a {name} split.",
            where=f"[tasks.….data], {name}",
            next_step=f'add {name} = "…" to a task, or evaluate another split',
        )
    return split_read, notes.unlabelled


def merge(split: str, found: Mapping[str, LabelledRows[Any]]) -> Split:
    """Each text once, but for tasks that read it apart: the k-th occurrence of a text in one task
    is that in another.
    """
    names = list(found)
    tables = list(found.values())
    keys, _ = number_alike(np.concatenate([rows.row_keys for rows in tables]))
    times = np.concatenate([occurrences(rows.row_keys) for rows in tables])
    sizes = [len(rows) for rows in tables]
    owners = np.repeat([at if rows.alone else -1 for at, rows in enumerate(tables)], sizes)
    examples, firsts = number_equal(keys, times, owners)
    ends = np.cumsum(sizes)
    parts = {}
    for name, rows, own in zip(names, tables, np.split(examples, ends[:-1]), strict=True):
        row_of = np.full(len(firsts), -1, np.int32)
        row_of[own] = np.arange(len(rows))
        parts[name] = TaskPart(rows, row_of)
    first_part = np.searchsorted(ends, firsts, side="right").astype(np.int16)
    return Split(split, Examples(parts, Repeated(tuple(names), first_part)))


@dataclass
class _Notes:
    """What is told after reading."""

    unlabelled: dict[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    labels: dict[str, Column[Any]] = field(default_factory=dict)
    """All of a task's train, before some examples are drawn."""


def _task_rows(
    config: ExperimentConfig,
    name: str,
    split: str,
    parsed: Parsed,
    notes: _Notes,
    space: LabelSpace | None = None,
) -> LabelledRows[Any]:
    """The labelled rows of one task. With a label space, a label beyond it is an error."""
    task = config.tasks[name]
    kind, rows = KINDS[task.kind], parsed.rows
    if parsed.unlabelled:
        notes.unlabelled[f"{name}/{split}"] = parsed.unlabelled
    if split == "train" and not len(rows):
        raise DataError(
            f'Task "{name}": no row of train has a label.',
            where=str(task.data.train),
            next_step="check the column names in [tasks.….data]",
        )
    rows, told = kind.adapt(task, rows, f"{name}/{split}", space)
    notes.said += told
    if split == "train":
        notes.labels[name] = rows.labels
        rows = kind.drawn(task, rows, config.seed)
    if space is not None:
        kind.check_all(space, rows)
    return rows


def _shares_train(data: DataConfig) -> bool:
    """Whether dev is a share of train."""
    return data.dev is None and data.dev_share > 0


def _divide(
    config: ExperimentConfig, name: str, labelled: LabelledRows[Any]
) -> tuple[LabelledRows[Any], LabelledRows[Any]]:
    """Train and dev out of train, by the task's `dev_share`."""
    task = config.tasks[name]
    strata = _strata(KINDS[task.kind], labelled.labels)
    held = hold_out(labelled.keys, task.data.dev_share, config.seed, strata)
    return labelled.take(np.flatnonzero(~held)), labelled.take(np.flatnonzero(held))


def _strata(kind: AnyKind, labels: Column[Any]) -> Column[str] | None:
    """What is drawn from alike; None if all is, so that no label need be made."""
    if type(kind).stratum is DataKind.stratum:
        return None
    if isinstance(labels, Repeated):
        return labels.map(lambda label, row: kind.stratum(label))
    return Computed(lambda row: kind.stratum(labels.at(row)), np.arange(len(labels)))


def _known(rows: LabelledRows[Any]) -> Known:
    return known_texts(rows.bare, rows.where.starts, rows.where.lengths)
