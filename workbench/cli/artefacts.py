"""`export`, `predict`, `encode`, `evaluate`: what a checkpoint is good for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

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
    checkpoint: Checkpoint = "best",
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Say what every task makes of texts.

    With --json a list with one object per text.
    """
    wanted = read_texts(texts, file)
    from workbench.operations import artefacts

    found = artefacts.predict(workspace(context, db), source, wanted, checkpoint=checkpoint)
    if json:
        output.json_document(found)
        return
    for text, prediction in zip(wanted, output.plain(found), strict=True):
        output.line(text)
        for task, value in prediction["tasks"].items():
            output.line(f"  {task}  {_words(value)}")


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
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Measure a checkpoint on a split, as test.

    The test split is read for this only. Metrics on test and dev are kept with the run.

    With --json an object with the metrics by task, by metric.
    """
    if split not in SPLITS:
        raise typer.BadParameter(
            f"there is no split {split!r}; {nearest(split, SPLITS)}", param_hint="--split"
        )
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


def _words(value: Mapping[str, Any]) -> str:
    """One task's prediction in a line."""
    if "entities" in value:
        found = ", ".join(f"{entity['text']} ({entity['label']})" for entity in value["entities"])
        return found or _tags(value["words"], value["tags"])
    ranked = sorted(value["probabilities"].items(), key=lambda pair: -pair[1])[:3]
    listed = "  ".join(f"{label} {probability:.3f}" for label, probability in ranked)
    return f"{value['label']}  ({listed})"


def _tags(words: Sequence[str], tags: Sequence[str]) -> str:
    """The words with their tags, where the tags say something without being those of spans."""
    from workbench.data.schemes import scheme_of_names  # numpy: the other commands start without

    if scheme_of_names(tags) != "plain" or set(tags) <= {"O"}:
        return "nothing found"
    return " ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=True))
