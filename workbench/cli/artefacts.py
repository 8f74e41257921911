"""`export`, `evaluate`: what a checkpoint is good for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import output
from workbench.cli.options import (
    AsJson,
    Checkpoint,
    Database,
    Precision,
    Run,
    check_choice,
    check_precision,
    workspace,
)
from workbench.export.formats import FORMATS

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
    check_choice(format, tuple(FORMATS), "--format")
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


def evaluate(
    context: typer.Context,
    run: Run,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="test, dev, or train.")] = "test",
    checkpoint: Checkpoint = "best",
    precision: Precision = "fp32",
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

    The test split is read for this only. Metrics on test and dev are kept with the run, but for
    those that --precision made inexact. With --now the run itself is asked to evaluate dev once
    more, and goes on.

    With --json an object with the metrics by task, by metric.
    """
    check_choice(split, SPLITS, "--split")
    check_precision(precision)
    if now:
        from workbench.operations import requests

        record = requests.evaluate_now(workspace(context, db), run)
        output.note(f"Asked run {record.id} to evaluate dev; it does after its current update.")
        return
    from workbench.cli.report import print_metrics
    from workbench.operations import artefacts

    metrics = artefacts.evaluate(
        workspace(context, db),
        run,
        split,
        checkpoint,
        precision=precision,
        progress=output.note,
    )
    if json:
        output.json_document(metrics)
    else:
        print_metrics(metrics)
