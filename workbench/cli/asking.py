"""`predict`, `encode`: what a model says of texts, of a few or of a file larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import output
from workbench.cli.options import (
    AsJson,
    Checkpoint,
    Column,
    Database,
    PlainProgress,
    Precision,
    Source,
    TextFormat,
    TextFromFile,
    Texts,
    check_choice,
    check_precision,
    workspace,
)
from workbench.cli.predictions import in_words
from workbench.cli.progress import watching

if TYPE_CHECKING:
    from workbench.data.new_texts import NewText, TextFile


def predict(
    context: typer.Context,
    source: Source,
    texts: Texts = None,
    file: TextFromFile = None,
    format: TextFormat = "auto",
    column: Column = "text",
    pairs: Annotated[
        bool,
        typer.Option(
            "--pairs",
            help="Texts come in twos: one argument after the other, in a file with a tab between.",
        ),
    ] = False,
    column_b: Annotated[
        str,
        typer.Option(metavar="NAME", help="With --pairs, the second text in each line of JSONL."),
    ] = "text_b",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write all of it, a line for each, as .jsonl or .csv.",
            show_default=False,
        ),
    ] = None,
    checkpoint: Checkpoint = "best",
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK.LABEL=DESCRIPTION",
            help="Labels of a task that matches descriptions, in place of those of training; "
            "give it once for each.",
            show_default=False,
        ),
    ] = None,
    precision: Precision = "fp32",
    plain: PlainProgress = False,
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Say what every task makes of texts.

    With --pairs the tasks that read two texts say what they make of those. With --json a list
    with one object per text or pair. A file may be larger than memory.
    """  # fmt: skip
    there = _text_file(file, format, column, column_b if pairs else None)
    asked = _asked(_twos(texts or []) if pairs else texts or [], there)
    labels = read_labels(label or [])
    check_precision(precision)
    from workbench.operations import artefacts, result_files

    space = workspace(context, db)
    count, is_any_silent = 0, False
    with ExitStack() as stack:
        progress = stack.enter_context(watching(there, plain=plain, prints=out is None or json))
        found = artefacts.predict(
            space,
            source,
            asked,
            checkpoint=checkpoint,
            labels=labels,
            precision=precision,
            progress=progress.note,
            advance=progress.advance,
        )
        opened = None if out is None else stack.enter_context(result_files.prediction_file(out))

        def rows() -> Iterator[Mapping[str, Any]]:
            nonlocal count, is_any_silent
            for one in found:
                row = output.plain(one)
                count += 1
                is_any_silent |= not row["tasks"]
                if opened is not None:
                    opened.add(row)
                yield row

        _show(rows(), as_json=json, line=_print_prediction if out is None else None)
    if out is not None:
        output.note(f"Wrote {count} predictions to {out}.")
    if is_any_silent:
        output.note(
            "Tasks that read one text say nothing of two: ask without --pairs."
            if pairs
            else "Tasks that read two texts say nothing of one: give them in twos, with --pairs."
        )


def encode(
    context: typer.Context,
    source: Source,
    texts: Texts = None,
    file: TextFromFile = None,
    format: TextFormat = "auto",
    column: Column = "text",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy", help="Write all vectors as a NumPy file.", show_default=False
        ),
    ] = None,
    checkpoint: Checkpoint = "best",
    precision: Precision = "fp32",
    plain: PlainProgress = False,
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Turn texts into vectors.

    Prints the first and last values of each; --out writes them all, and --json prints a list of
    objects with the keys text and vector. A file may be larger than memory; its empty lines are
    no texts and have no vectors.
    """
    there = _text_file(file, format, column)
    asked = _asked(texts or [], there)
    check_precision(precision)
    from workbench.operations import artefacts, result_files

    space = workspace(context, db)
    with ExitStack() as stack:
        progress = stack.enter_context(watching(there, plain=plain, prints=out is None or json))
        found = artefacts.encode(
            space,
            source,
            asked,
            checkpoint=checkpoint,
            precision=precision,
            progress=progress.note,
            advance=progress.advance,
        )
        opened = None if out is None else stack.enter_context(result_files.vector_file(out))

        def rows() -> Iterator[Mapping[str, Any]]:
            for window, vectors in found:
                if opened is not None:
                    opened.add(vectors)
                if opened is None or json:
                    for text, vector in zip(window, vectors.tolist(), strict=True):
                        yield {"text": text, "vector": vector}

        _show(rows(), as_json=json, line=_print_vector if out is None else None)
    if opened is not None:
        output.note(f"Wrote {opened.rows} vectors to {out}.")


def _show(rows: Iterable[Mapping[str, Any]], *, as_json: bool, line: Any) -> None:
    """Print rows as they come: as JSON, line by line, or not at all."""
    if as_json:
        output.json_list(rows)
        return
    for row in rows:
        if line is not None:
            line(row)


def _print_prediction(row: Mapping[str, Any]) -> None:
    output.line("  |  ".join(row[key] for key in ("text", "text_b") if key in row))
    for task, value in row["tasks"].items():
        output.line(f"  {task}  {in_words(value)}")


def _print_vector(row: Mapping[str, Any]) -> None:
    from workbench.cli.report import short_vector

    output.line(row["text"])
    output.line(f"  {short_vector(row['vector'])}")


def _text_file(
    file: Path | None, form: str, column: str, column_b: str | None = None
) -> TextFile | None:
    from workbench.data.new_texts import FORMATS, TextFile

    check_choice(form, ("auto", *FORMATS), "--format")
    if file is None:
        return None
    return TextFile(file, form=form, column=column, column_b=column_b)


def _asked(given: Sequence[NewText], file: TextFile | None) -> Iterable[NewText]:
    """The texts that were given, then those of the file.

    Raises:
        typer.BadParameter: There is neither.
    """
    if not given and file is None:
        raise typer.BadParameter("give texts, or --file", param_hint="TEXT")
    return chain(given, file or ())


def _twos(given: Sequence[str]) -> list[NewText]:
    if len(given) % 2:
        raise typer.BadParameter("with --pairs give them in twos", param_hint="TEXT")
    return list(zip(given[::2], given[1::2], strict=True))


def read_labels(options: Sequence[str]) -> dict[str, dict[str, str]]:
    """Descriptions by task and label, out of `TASK.LABEL=DESCRIPTION`."""
    labels: dict[str, dict[str, str]] = {}
    for option in options:
        key, equals, description = option.partition("=")
        task, point, name = key.partition(".")
        if not (equals and point and task and name and description.strip()):
            raise typer.BadParameter(
                f"{option!r} is no description; write TASK.LABEL=DESCRIPTION, such as "
                "'intent.play_music=play a song'",
                param_hint="--label",
            )
        labels.setdefault(task, {})[name] = description
    return labels
