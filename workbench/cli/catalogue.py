"""`presets` and `schema`: what can be run and how it is described. Neither opens a database."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli import output
from workbench.cli.options import AsJson, Database


def presets(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Print this preset.", show_default=False)
    ] = "",
    json: AsJson = False,
    db: Database = None,
) -> None:
    """List the presets that `train` takes, or print one.

    A printed one is a start for a file of your own.

    With --json a list of objects with the keys name, path, summary (the first comment line) and
    header (all leading comment lines); of one preset that object.
    """
    from workbench.config.presets import find_preset, list_presets

    if name:
        preset = find_preset(name)
        if json:
            output.json_document(preset)
        else:
            output.line(preset.path.read_text(encoding="utf-8").rstrip())
        return
    found = list_presets()
    if json:
        output.json_document(found)
        return
    output.table(
        ["preset", "what it is for"], [[p.name, p.summary] for p in found], whole=["preset"]
    )
    output.note("Start one: mtl-workbench train NAME. Print one: mtl-workbench presets NAME")


def schema(db: Database = None) -> None:
    """Print the JSON schema of an experiment.

    It has every setting with its type, bounds and meaning.
    """
    from workbench.config.experiment import ExperimentConfig  # pydantic, 0.1 s that --help saves

    output.json_document(ExperimentConfig.model_json_schema())
