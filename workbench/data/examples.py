"""Examples: each text, or pair of texts, once, with the labels that the tasks give it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.config.experiment import ExperimentConfig
from workbench.data.kinds import KINDS, Label, Labelled
from workbench.data.labels import LabelSpace
from workbench.data.reading import Row, read_split
from workbench.data.splits import hold_out, overlap
from workbench.errors import DataError

Input = str | tuple[str, str]
"""What the backbone reads at once: a text, or two as one."""


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
    dev: dict[str, list[Labelled[Any]]] = {}
    for name, task in config.tasks.items():
        # Of all that train has, drawn or not: a label is not unknown for being rare.
        labels[name] = KINDS[task.kind].label_space(name, task, notes.labels[name])
        if task.data.dev is None and task.data.dev_share > 0:
            train[name], dev[name] = _divide(config, name, train[name])
        else:
            dev[name] = _read_task(config, name, "dev", notes, labels[name])
        learned_from = [item.label for item in train[name]]
        labels[name] = KINDS[task.kind].counted(task, labels[name], learned_from)
    told = overlap(
        *({name: [item.texts for item in found[name]] for name in found} for found in (train, dev))
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
    found: dict[str, list[Labelled[Any]]] = {}
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


@dataclass
class _Notes:
    """What is told after reading."""

    unlabelled: dict[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    rows: dict[tuple[object, ...], list[Row]] = field(default_factory=dict)
    """Several tasks often read one file: it is parsed once."""
    labels: dict[str, list[Any]] = field(default_factory=dict)
    """All of a task's train, before some examples are drawn."""


def _read_task(
    config: ExperimentConfig,
    name: str,
    split: str,
    notes: _Notes,
    space: LabelSpace | None = None,
) -> list[Labelled[Any]]:
    """The labelled rows of one task. With a label space, a label beyond it is an error."""
    task = config.tasks[name]
    data, kind = task.data, KINDS[task.kind]
    source = (data.dataset, data.subset, data.source_of(split), data.format)
    key = (*source, *kind.reading_settings(data))
    if key not in notes.rows:
        notes.rows[key] = read_split(data, split)
    rows = notes.rows[key]
    parsed = [found for row in rows if (found := kind.parse(name, task, row))]
    if len(parsed) < len(rows):
        notes.unlabelled[f"{name}/{split}"] = len(rows) - len(parsed)
    if split == "train" and not parsed:
        raise DataError(
            f'Task "{name}": no row of train has a label.',
            where=str(data.train),
            next_step="check the column names in [tasks.….data]",
        )
    parsed, told = kind.adapt(task, parsed, f"{name}/{split}", space)
    notes.said += told
    if split == "train":
        notes.labels[name] = [item.label for item in parsed]
        parsed = kind.drawn(task, parsed, config.seed)
    if space is not None:
        for item in parsed:
            kind.check(space, item.label, item.row)
    return parsed


def _divide(
    config: ExperimentConfig, name: str, labelled: list[Labelled[Any]]
) -> tuple[list[Labelled[Any]], list[Labelled[Any]]]:
    """Train and dev out of train, by the task's `dev_share`."""
    task = config.tasks[name]
    held = hold_out(
        [item.key for item in labelled],
        task.data.dev_share,
        config.seed,
        [KINDS[task.kind].stratum(item.label) for item in labelled],
    )
    train, dev = (
        [item for item in labelled if (item.key in held) == is_held] for is_held in (False, True)
    )
    return train, dev


def _merge(split: str, found: Mapping[str, Sequence[Labelled[Any]]]) -> Split:
    """Each text once, but for tasks that read it apart: the k-th occurrence of a text in one task
    is that in another.
    """
    examples: dict[tuple[tuple[str, ...], int, str], tuple[dict[str, Label], str, set[str]]] = {}
    for name, labelled in found.items():
        occurrences: defaultdict[tuple[str, ...], int] = defaultdict(int)
        for item in labelled:
            number = occurrences[item.texts]
            occurrences[item.texts] += 1
            owner = name if item.alone else ""
            labels, _, joint = examples.setdefault(
                (item.texts, number, owner), ({}, item.row.place, set())
            )
            labels[name] = item.label
            if item.joint:
                joint.add(name)
    return Split(
        split,
        tuple(
            Example(texts, labels, place, frozenset(joint))
            for (texts, _, _), (labels, place, joint) in examples.items()
        ),
    )
