"""Any number of labels for a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.config.tasks import MultilabelTask
from workbench.data.columns import Column, Repeated
from workbench.data.growing import Arrays
from workbench.data.kinds.kind import DataKind, is_joint, texts_of
from workbench.data.label_packing import LabelPacker
from workbench.data.labelled import Labelled, LabelledRows
from workbench.data.labels import LabelSpace
from workbench.data.pieces import Pieces
from workbench.data.reading import Row, column
from workbench.errors import DataError, nearest

_FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


@dataclass(frozen=True)
class LabelSet:
    """The labels of one text."""

    present: frozenset[str]
    unknown: frozenset[str] = frozenset()
    """Labels of which nobody has said whether they apply."""


@dataclass(frozen=True)
class LabelFlags:
    """The labels of one text in numbers."""

    flags: NDArray[np.float32]
    """1 where a label applies, 0 where not, NaN where nobody knows, `(labels,)`."""


class SetPacker(LabelPacker[LabelSet]):
    """Each different set once, with a number for each row."""

    def __init__(self) -> None:
        self._places: dict[LabelSet, int] = {}

    def pack(self, labels: Sequence[LabelSet]) -> Arrays:
        places = self._places
        codes = [places.setdefault(label, len(places)) for label in labels]
        return {"labels": np.array(codes, np.int32)}

    def about(self) -> Any:
        return [[sorted(one.present), sorted(one.unknown)] for one in self._places]

    def unpack(self, arrays: Mapping[str, Any], about: Any) -> Repeated[LabelSet]:
        sets = (LabelSet(frozenset(present), frozenset(unknown)) for present, unknown in about)
        return Repeated(tuple(sets), arrays["labels"])


class MultilabelKind(DataKind[MultilabelTask, LabelSet, LabelFlags]):
    """A label is the set of those that apply."""

    def parse(self, name: str, task: MultilabelTask, row: Row) -> Labelled[LabelSet] | None:
        """A list, a text with separators, or several columns with 0 and 1."""
        found = _flagged(name, task, row) if task.data.label_columns else _listed(name, task, row)
        if found is None:
            return None
        return Labelled(row, texts_of(name, task.data, row), found, is_joint(task))

    def label_space(
        self, name: str, task: MultilabelTask, labels: Sequence[LabelSet]
    ) -> LabelSpace:
        """The labels of train, sorted, or in the order of their columns."""
        counts = Counter(label for one in labels for label in one.present)
        names = task.data.label_columns or tuple(sorted(counts))
        if absent := [label for label in names if not counts[label]]:
            raise DataError(
                f'Task "{name}": the label "{absent[0]}" applies to no text of train.',
                where=task.data.train,
                next_step="leave its column out of label_columns, or add examples of it",
            )
        if not names:
            raise DataError(
                f'Task "{name}": no text of train has a label.',
                where=task.data.train,
                next_step="check the column names in [tasks.….data]",
            )
        for label in task.label_weights:
            if label not in names:
                raise DataError(
                    f'Task "{name}": label_weights names "{label}", which does not occur in train.',
                    where=f"[tasks.{name}.label_weights]",
                    next_step=nearest(label, names),
                )
        ordered = tuple(counts[label] for label in names)
        return LabelSpace(name, names, "multilabel", ordered, {"texts": float(len(labels))})

    def packer(self) -> SetPacker:
        """Of sets."""
        return SetPacker()

    def check(self, space: LabelSpace, label: LabelSet, row: Row) -> None:
        """Every label has to occur in train."""
        for one in sorted(label.present):
            space.index(one, row.place)

    def stratum(self, label: LabelSet) -> str:
        """Each set of labels by itself."""
        return "\t".join(sorted(label.present))

    def tally(self, labels: Sequence[LabelSet]) -> dict[str, int]:
        """Each label by itself."""
        return dict(Counter(label for one in labels for label in one.present))

    def number(self, space: LabelSpace, label: LabelSet, pieces: Pieces, place: str) -> LabelFlags:
        """A flag for each label."""
        flags = np.zeros(len(space.names), dtype=np.float32)
        flags[[space.index(one, place) for one in label.present]] = 1.0
        flags[[space.index(one, place) for one in label.unknown]] = np.nan
        return LabelFlags(flags)

    def number_all(
        self,
        space: LabelSpace,
        labelled: LabelledRows[LabelSet],
        pieces: Column[Pieces],
        tokenizer: Any,
    ) -> Column[LabelFlags]:
        """Each different set once."""
        return Repeated.of(labelled.labels).map(
            lambda label, row: self.number(space, label, pieces.at(row), labelled.places.at(row))
        )

    def unlabelled(self, texts: tuple[str, ...], labels: int, pieces: Pieces) -> LabelFlags:
        """No label."""
        return LabelFlags(np.zeros(labels, dtype=np.float32))


def _listed(name: str, task: MultilabelTask, row: Row) -> LabelSet | None:
    given = column(row, task.data.labels, "labels")
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    if isinstance(given, str):
        given = [part.strip() for part in given.split(task.data.separator)]
    if not isinstance(given, list) or any(isinstance(one, list | dict) for one in given):
        raise DataError(
            f'Task "{name}": the labels are a {type(given).__name__}, where a list of values is '
            "expected.",
            where=row.place,
            next_step='write them as ["joy", "surprise"], or as a text with separators',
        )
    if any(one is None or one == "" for one in given):
        raise DataError(
            f'Task "{name}": one of the labels is empty.',
            where=row.place,
            next_step="remove it from the list, or correct the separator",
        )
    return LabelSet(frozenset(str(one) for one in given))


def _flagged(name: str, task: MultilabelTask, row: Row) -> LabelSet | None:
    found = {
        one: _flag(name, one, column(row, one, "label_columns"), row)
        for one in task.data.label_columns
    }
    unknown = frozenset(one for one, flag in found.items() if flag is None)
    if len(unknown) == len(found):
        return None
    return LabelSet(frozenset(one for one, flag in found.items() if flag), unknown)


def _flag(name: str, of: str, value: Any, row: Row) -> bool | None:
    if value is None or value == "":
        return None
    flag = _FLAGS.get(str(value).strip().lower())
    if flag is None:
        raise DataError(
            f'Task "{name}": column "{of}" has {str(value)[:40]!r}, where 0 or 1 is expected.',
            where=row.place,
            next_step="write 1 where the label applies, 0 where not, nothing where nobody knows",
        )
    return flag
