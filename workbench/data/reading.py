"""Rows out of files and data sets, each with the place it came from.

Reads CoNLL columns, CoNLL-U, JSONL, CSV, TSV, Parquet, and hub data sets through `datasets` (the
only one that may use the network). Nothing is dropped silently: a row that cannot be read is a
`DataError` with file and line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.config.tasks import DataConfig, MaskedLmData, TaggingData
from workbench.data.formats import format_by_ending
from workbench.data.json_lines import json_object
from workbench.data.schemes import UNANNOTATED
from workbench.errors import DataError, nearest


@dataclass(frozen=True)
class Row:
    """One line, sentence or record of a source."""

    values: dict[str, Any]
    """By column name."""
    place: str
    """File and line, or data set and row: for messages."""
    word_places: tuple[str, ...] = ()
    """The same for each word, where words have lines of their own."""
    skipped: int = 0
    """Lines inside it that are no words: multiword ranges and empty nodes of CoNLL-U."""


def read_split(data: DataConfig, split: str) -> Iterator[Row]:
    """All rows of one split, one after the other.

    Args:
        data: Where the task's data is.
        split: train, dev or test.

    Yields:
        The rows in their order; none if the config names no such split.

    Raises:
        DataError: The source is absent, malformed, or has no rows.
    """
    source = data.source_of(split)
    if source is None:
        return
    rows = (
        _file_rows(Path(source), data)
        if data.dataset is None
        else _hub_rows(data.dataset, data.subset, source)
    )
    is_empty = True
    for row in rows:
        is_empty = False
        yield row
    if is_empty:
        raise DataError(
            f"{source} has no rows.",
            where=f"{split} of {data.dataset or source}",
            next_step="give a file with at least one example, or leave the split out",
        )


def column(row: Row, name: str, setting: str = "") -> Any:
    """The value of a column.

    Args:
        row: The row.
        name: Of the column.
        setting: Key in `[tasks.….data]` that names the column, if one does.

    Raises:
        DataError: The row has no such column.
    """
    try:
        return row.values[name]
    except KeyError:
        raise DataError(
            f'There is no column "{name}".',
            where=row.place,
            next_step=f"name the column in [tasks.….data]; {nearest(name, row.values)}",
            setting=f"tasks.….data.{setting}" if setting else "",
        ) from None


def _file_rows(path: Path, data: DataConfig) -> Iterator[Row]:
    form = format_by_ending(path) if data.format == "auto" else data.format
    if data.format == "auto" and isinstance(data, MaskedLmData) and path.suffix == ".txt":
        form = "lines"  # of words and tags there is nothing to be learned here
    if form not in _READERS:
        raise DataError(
            f'{path.name} has the ending "{path.suffix}", which says nothing of its format.',
            where=str(path),
            next_step=f"set format in [tasks.….data]; {nearest(form, _READERS)}",
            setting="tasks.….data.format",
        )
    try:
        yield from _READERS[form](path, data)
    except FileNotFoundError:
        raise DataError(
            f"{path.name} is not there.",
            where=str(path),
            next_step="correct the path, or give its folder with --data-root",
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is not UTF-8.",
            where=f"{path}:{_undecodable_line(path)}",
            next_step="convert it, for instance with iconv -f latin1 -t utf-8",
        ) from error
    except OSError as error:
        raise DataError(
            f"{path.name} cannot be read: {error.strerror}.",
            where=str(path),
            next_step="check that it is a file and may be read",
        ) from error


def _undecodable_line(path: Path) -> int:
    """Number of the first line that is not UTF-8; the decoder's own count is of its buffer."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 0


def _conll_rows(path: Path, data: DataConfig) -> Iterator[Row]:
    """Sentences of `token … tag` lines; a blank line ends one, -DOCSTART- lines mark documents.

    A line that begins with "# " is a comment, but for the word # in a file without tabs.
    """
    columns = data if isinstance(data, TaggingData) else TaggingData(train=str(path))
    tokens: list[str] = []
    tags: list[str] = []
    places: list[str] = []
    width = 0
    has_tabs = False
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            line = line.rstrip("\r\n")
            has_tabs = has_tabs or "\t" in line
            if not line.strip():
                if tokens:
                    yield _sentence(tokens, tags, places)
                    tokens, tags, places = [], [], []
                continue
            if line.startswith("-DOCSTART-"):
                continue
            if line.startswith("# ") and (
                "\t" not in line if has_tabs or not width else len(line.split()) != width
            ):
                continue
            fields = line.split("\t") if "\t" in line else line.split()
            width = width or len(fields)
            if len(fields) != width or width < 2:
                raise DataError(
                    f"A line has {len(fields)} column(s) where {max(width, 2)} are expected: "
                    f"{line[:60]!r}.",
                    where=f"{path}:{number}",
                    next_step="give each word a line of its own with its tag, tab between them",
                )
            try:
                token, tag = fields[columns.token_column], fields[columns.tag_column]
            except IndexError:
                raise DataError(
                    f"The line has {len(fields)} columns, so there is no column "
                    f"{columns.token_column} or {columns.tag_column}.",
                    where=f"{path}:{number}",
                    next_step="correct token_column or tag_column (from 0; -1 is the last)",
                ) from None
            if not token.strip() or not tag.strip():
                raise DataError(
                    "A word or its tag is empty.",
                    where=f"{path}:{number}",
                    next_step="give both, or remove the line",
                )
            tokens.append(token)
            tags.append(tag)
            places.append(f"{path}:{number}")
    if tokens:
        yield _sentence(tokens, tags, places)


def _sentence(tokens: list[str], tags: list[str], places: list[str], skipped: int = 0) -> Row:
    values = {"tokens": tokens, "tags": tags, "text": " ".join(tokens)}
    return Row(values, places[0], tuple(places), skipped)


CONLLU_COLUMNS = (
    "id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc",
)  # fmt: skip
_CONLLU_ID = re.compile(r"\d+(?P<no_word>[-.]\d+)?")


def _conllu_rows(path: Path, data: DataConfig) -> Iterator[Row]:
    """Sentences of CoNLL-U; the text is that of the words, one space between.

    Comments are passed over. Ranges (`3-4`, words written as one) and empty nodes (`5.1`, words
    that are not in the text) are no words: they are counted and passed over. `_` as a part of
    speech means that there is none.
    """
    columns = data if isinstance(data, TaggingData) else TaggingData(train=str(path))
    number_of_tag = (
        columns.tag_column
        if columns.tag_column >= 0
        else CONLLU_COLUMNS.index(columns.conllu_column)
    )
    tokens: list[str] = []
    tags: list[str] = []
    places: list[str] = []
    skipped = 0
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            line = line.rstrip("\r\n")
            if not line.strip():
                if tokens:
                    yield _sentence(tokens, tags, places, skipped)
                    tokens, tags, places, skipped = [], [], [], 0
                continue
            if line.startswith("#"):
                continue
            fields = line.split("\t")
            marked = _CONLLU_ID.fullmatch(fields[0])
            if len(fields) != len(CONLLU_COLUMNS) or marked is None or not fields[1].strip():
                raise DataError(
                    f"This is no line of CoNLL-U: {line[:60]!r}.",
                    where=f"{path}:{number}",
                    next_step="give ten columns with tabs between, the word's number first, or "
                    'set format = "conll"',
                )
            if marked["no_word"]:
                skipped += 1
                continue
            if number_of_tag >= len(fields):
                raise DataError(
                    f"CoNLL-U has 10 columns, so there is no column {number_of_tag}.",
                    where=f"{path}:{number}",
                    next_step="correct tag_column (from 0), or name the column by conllu_column",
                )
            tag = fields[number_of_tag]
            is_empty = tag == "_" and CONLLU_COLUMNS[number_of_tag] in ("upos", "xpos")
            tokens.append(fields[1])
            tags.append(UNANNOTATED if is_empty else tag)
            places.append(f"{path}:{number}")
    if tokens:
        yield _sentence(tokens, tags, places, skipped)


def _jsonl_rows(path: Path, data: DataConfig) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            place = f"{path}:{number}"
            yield Row(json_object(line, place), place)


def _csv_rows(path: Path, data: DataConfig) -> Iterator[Row]:
    return _separated_rows(path, ",", csv.QUOTE_MINIMAL)


def _tsv_rows(path: Path, data: DataConfig) -> Iterator[Row]:
    # Quotation marks are text in TSV files of this field, so none is taken as quoting.
    return _separated_rows(path, "\t", csv.QUOTE_NONE)


def _separated_rows(path: Path, delimiter: str, quoting: Literal[0, 3]) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
        header: list[str] | None = None
        while True:
            try:
                fields = next(reader, None)
            except csv.Error as error:
                raise DataError(
                    f"The row cannot be split: {error}.",
                    where=f"{path}:{reader.line_num}",
                    next_step="close the quotation marks, or write quotes inside a field double",
                ) from error
            if fields is None:
                return
            if not fields:
                continue
            if header is None:
                header = fields
                if twice := [name for name in header if header.count(name) > 1]:
                    raise DataError(
                        f'The header names the column "{twice[0]}" twice.',
                        where=f"{path}:{reader.line_num}",
                        next_step="give each column a name of its own",
                    )
                continue
            if len(fields) != len(header):
                raise DataError(
                    f"The row has {len(fields)} fields where the header has {len(header)}.",
                    where=f"{path}:{reader.line_num}",
                    next_step=f"give a value for each of {', '.join(header)}",
                )
            yield Row(dict(zip(header, fields, strict=True)), f"{path}:{reader.line_num}")


def _parquet_rows(path: Path, data: DataConfig) -> Iterator[Row]:
    # Here, not above: pyarrow takes 0.2 s to import and most experiments read text files.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    yield Row(values, f"{path}, row {number}")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{path.name} is not a Parquet file that can be read: {error}.",
            where=str(path),
            next_step="write it anew, or convert it to JSONL",
        ) from error


def _line_rows(path: Path, data: DataConfig) -> Iterator[Row]:
    """A text in each line; empty lines are passed over."""
    with path.open(encoding="utf-8-sig", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if text := line.strip():
                yield Row({data.text: text}, f"{path}:{number}")


_READERS: dict[str, Callable[[Path, DataConfig], Iterator[Row]]] = {
    "conll": _conll_rows,
    "conllu": _conllu_rows,
    "jsonl": _jsonl_rows,
    "csv": _csv_rows,
    "tsv": _tsv_rows,
    "parquet": _parquet_rows,
    "lines": _line_rows,
}


def _hub_rows(dataset: str, subset: str | None, split: str) -> Iterator[Row]:
    # Here, not above: `datasets` takes 1 to 2 s to import, and only hub data sets need it.
    import datasets

    datasets.disable_progress_bars()
    try:
        table = datasets.load_dataset(dataset, subset, split=split)
    except Exception as error:  # the library raises whatever its back ends raise
        raise DataError(
            f"The data set cannot be loaded: {type(error).__name__}: {error}".rstrip(".") + ".",
            where=f"{dataset}, split {split}" + (f", subset {subset}" if subset else ""),
            next_step="check the id, the split's name and the network, or use files instead",
        ) from error
    names = {name: _class_names(feature) for name, feature in table.features.items()}
    for number, values in enumerate(table, start=1):
        named = {
            key: _named(value, classes) if (classes := names[key]) else value
            for key, value in values.items()
        }
        yield Row(named, f"{dataset}, {split} row {number}")


def _class_names(feature: Any) -> list[str] | None:
    """Names behind the integers of a ClassLabel column, or of a list of them."""
    inner = getattr(feature, "feature", feature)
    return getattr(inner, "names", None)


def _named(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    # Public data sets write -1 where the label is withheld.
    return names[value] if isinstance(value, int) and value >= 0 else None
