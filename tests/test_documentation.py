"""The README is complete: every command, every preset, every setting."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from pathlib import Path
from types import ModuleType

from workbench.cli.app import COMMANDS
from workbench.config.fields import experiment_fields
from workbench.config.meanings import meanings
from workbench.config.presets import list_presets

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def tool(name: str) -> ModuleType:
    """A script of the tools folder, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_is_in_the_readme() -> None:
    table = README.split("## Commands")[1].split("## Exports")[0]

    assert [name for name in COMMANDS if not re.search(rf"`{name}\b", table)] == []


def test_every_preset_is_in_the_readme() -> None:
    assert [preset.name for preset in list_presets() if f"`{preset.name}`" not in README] == []


def test_the_page_of_settings_is_that_of_the_schema() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()

    assert page == tool("document_settings").page(), "run python tools/document_settings.py"


def test_every_word_of_every_choice_is_explained() -> None:
    silent = [
        f"{field.path} ({', '.join(field.task_kinds)}): {meaning.word}"
        for field in experiment_fields()
        for meaning in meanings(field)
        if not meaning.text
    ]

    assert silent == []


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"`?make ([a-z-]+)", README)) <= targets


def test_the_query_of_the_readme_reads_the_reference_runs() -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)

    with sqlite3.connect(f"file:{ROOT / 'experiments.db'}?mode=ro&immutable=1", uri=True) as db:
        rows = db.execute(query).fetchall()

    assert any(row[0] == "quickstart" and row[2] == "span_f1" for row in rows)
    assert all(0 <= highest <= 1 for *_, highest in rows)
