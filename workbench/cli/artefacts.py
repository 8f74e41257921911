"""`export`, `predict`, `encode`, `evaluate`: what a checkpoint is good for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import output
from workbench.cli.options import (
    AsJson,
    Checkpoint,
    Database,
    Run,
    Source,
    TextFile,
    Texts,
    workspace,
)
from workbench.cli.predictions import in_words
from workbench.errors import DataError, nearest

FORMATS = ("sentence-transformers", "transformers")
SPLITS = ("train", "dev", "test")


def export(
    context: typer.Context,
    run: Run,
    format: Annotated[
        str, typer.Option(metavar="FORMAT", help=" or ".join(FORMATS), show_default=False)
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where to; else in the run's folder.", show_default=False
        ),
    ] = None,
    checkpoint: Checkpoint = "best",
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Write a checkpoint as a folder for another library.

    The folder is opened again and its numbers compared with the checkpoint's. With --json an
    object with the keys at, format, folder, step, largest_difference.
    """
    if format not in FORMATS:
        raise typer.BadParameter(
            f"there is no format {format!r}; {nearest(format, FORMATS)}", param_hint="--format"
        )
    from workbench.operations import artefacts

    record = artefacts.export(
        workspace(context, db),
        run,
        checkpoint=checkpoint,
        format=format,
        to=to,
        progress=output.note,
    )
    if json:
        output.json_document(record)
        return
    output.line(record.folder)
    output.note(
        f"Exported step {record.step} as {record.format}; opened again, its numbers differ "
        f"from the checkpoint's by at most {record.largest_difference:.1e}."
    )


def predict(
    context: typer.Context,
    source: Source,
    texts: Texts = None,
    file: TextFile = None,
    pairs: Annotated[
        bool,
        typer.Option(
            "--pairs",
            help="Texts come in twos: one argument after the other, in a file with a tab between.",
        ),
    ] = False,
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
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Say what every task makes of texts.

    With --pairs the tasks that read two texts say what they make of those. With --json a list
    with one object per text or pair.
    """
    wanted = read_pairs(texts, file) if pairs else read_texts(texts, file)
    labels = read_labels(label or [])
    from workbench.operations import artefacts

    space = workspace(context, db)
    found = artefacts.predict(space, source, wanted, checkpoint=checkpoint, labels=labels)
    if json:
        output.json_document(found)
        return
    for prediction in output.plain(found):
        output.line(
            "  |  ".join(prediction[key] for key in ("text", "text_b") if key in prediction)
        )
        for task, value in prediction["tasks"].items():
            output.line(f"  {task}  {in_words(value)}")
    if not all(prediction["tasks"] for prediction in found):
        output.note(
            "Tasks that read one text say nothing of two: ask without --pairs."
            if pairs
            else "Tasks that read two texts say nothing of one: give them in twos, with --pairs."
        )


def encode(
    context: typer.Context,
    source: Source,
    texts: Texts = None,
    file: TextFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy", help="Write all vectors as a NumPy file.", show_default=False
        ),
    ] = None,
    checkpoint: Checkpoint = "best",
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Turn texts into vectors.

    Prints the first and last values of each; --out writes them all, and --json prints a list of
    objects with the keys text and vector.
    """
    wanted = read_texts(texts, file)
    from workbench.operations import artefacts

    vectors = artefacts.encode(
        workspace(context, db), source, wanted, checkpoint=checkpoint, progress=output.note
    )
    if out is not None:
        import numpy as np

        try:
            with out.open("wb") as opened:  # by name, numpy would add its ending to another one
                np.save(opened, vectors, allow_pickle=False)
        except OSError as error:
            raise DataError(
                f"{out} cannot be written: {error.strerror}.",
                where="--out",
                next_step="name a file in a folder that is there and may be written",
            ) from error
        output.note(f"Wrote {len(vectors)} vectors to {out}.")
    if json:
        rows = vectors.tolist()
        pairs = zip(wanted, rows, strict=True)
        output.json_document([{"text": text, "vector": row} for text, row in pairs])
    elif out is None:
        from workbench.cli.report import short_vector

        for text, vector in zip(wanted, vectors.tolist(), strict=True):
            output.line(text)
            output.line(f"  {short_vector(vector)}")


def evaluate(
    context: typer.Context,
    run: Run,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="test, dev, or train.")] = "test",
    checkpoint: Checkpoint = "best",
    now: Annotated[
        bool,
        typer.Option(
            "--now", help="Let a run that is at work evaluate dev after its current update."
        ),
    ] = False,
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Measure a checkpoint on a split, as test.

    The test split is read for this only. Metrics on test and dev are kept with the run. With --now
    the run itself is asked to evaluate dev once more, and goes on.

    With --json an object with the metrics by task, by metric.
    """
    if split not in SPLITS:
        raise typer.BadParameter(
            f"there is no split {split!r}; {nearest(split, SPLITS)}", param_hint="--split"
        )
    if now:
        from workbench.operations import requests

        record = requests.evaluate_now(workspace(context, db), run)
        output.note(f"Asked run {record.id} to evaluate dev; it does after its current update.")
        return
    from workbench.cli.report import print_metrics
    from workbench.operations import artefacts

    metrics = artefacts.evaluate(
        workspace(context, db), run, split, checkpoint, progress=output.note
    )
    if json:
        output.json_document(metrics)
    else:
        print_metrics(metrics)


def read_texts(texts: Sequence[str] | None, file: Path | None) -> list[str]:
    """The texts that were given, then those of the file, one a line.

    Raises:
        typer.BadParameter: There are none.
        DataError: The file cannot be read.
    """
    found = list(texts or [])
    if file is not None:
        found += _lines(file)
    if not found:
        raise typer.BadParameter("give texts, or --file", param_hint="TEXT")
    return found


def read_pairs(texts: Sequence[str] | None, file: Path | None) -> list[tuple[str, str]]:
    """The texts that were given two by two, then the lines of the file, each with a tab in it.

    Raises:
        typer.BadParameter: There are none, or a text has no second one.
        DataError: The file cannot be read.
    """
    given = list(texts or [])
    if len(given) % 2:
        raise typer.BadParameter("with --pairs give them in twos", param_hint="TEXT")
    found = list(zip(given[::2], given[1::2], strict=True))
    for number, line in enumerate(_lines(file) if file is not None else [], start=1):
        first, tab, second = line.partition("\t")
        if not tab or not first.strip() or not second.strip():
            raise DataError(
                f"Text {number} has no second one: {line[:40]!r}.",
                where=str(file),
                next_step="write two texts a line, with a tab between",
            )
        found.append((first, second))
    if not found:
        raise typer.BadParameter("give texts, or --file", param_hint="TEXT")
    return found


def _lines(file: Path) -> list[str]:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror}.", where=str(file), next_step="mend the path"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{file} is not UTF-8 text.",
            where=f"{file}, line {line}",
            next_step="save it as UTF-8, one text per line",
        ) from error
    # Not splitlines(): a text may hold one of the signs that Python counts as a line's end.
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()]


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
