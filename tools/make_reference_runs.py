"""Make the repository's own `experiments.db`: real runs of the shipped presets.

    python tools/make_reference_runs.py [--data-root CORPORA]

Runs every preset whose data are there, two of them once more with another setting, so that
Compare has something to show; then takes this machine's paths and names out of the database,
packs it and puts it in place. The run folders with their checkpoints are not kept.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS: list[tuple[str, list[str]]] = [
    ("notebook", []),
    (
        "quickstart",
        [
            *("--name", "quickstart-frozen-backbone"),
            *("--set", "freezing.mode=backbone"),
            *("--set", "optimization.head_learning_rate=1e-2"),
        ],
    ),
    ("quickstart", []),
]
WITH_CORPORA: list[tuple[str, list[str]]] = [("tutorial-ner-trec", [])]


def train(preset: str, options: list[str], database: Path) -> None:
    """One run, to its end."""
    command = [sys.executable, "-m", "workbench", "train", preset, "--plain", "--db", str(database)]
    print("$", *command[3:5], *options, flush=True)
    subprocess.run([*command, *options], check=True, cwd=ROOT, stdin=subprocess.DEVNULL)


def evaluate(preset: str, database: Path) -> None:
    """The test split of a run, once."""
    command = [sys.executable, "-m", "workbench", "evaluate", preset, "--split", "test"]
    subprocess.run([*command, "--db", str(database)], check=True, cwd=ROOT)


def clean(database: Path, prefixes: list[str]) -> None:
    """Take paths and names of this machine out, and pack."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        for prefix in prefixes:
            for table, column in (
                ("runs", "config"),
                ("runs", "source"),
                ("messages", "body"),
                ("exports", "folder"),
            ):
                connection.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, '')", (prefix,)
                )
        for table in ("launches", "claims"):
            connection.execute(f"UPDATE {table} SET pid = 0, boot_id = '', host = 'reference'")
    connection.close()
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("VACUUM")
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path)
    root = parser.parse_args().data_root
    with tempfile.TemporaryDirectory(prefix="reference-") as folder:
        database = Path(folder) / "experiments.db"
        for preset, options in RUNS:
            train(preset, options, database)
        evaluate("quickstart", database)
        if root is not None:
            for preset, options in WITH_CORPORA:
                train(preset, [*options, "--data-root", str(root.resolve())], database)
                evaluate(preset, database)
        prefixes = [f"{ROOT}/presets/", f"{ROOT}/", f"{folder}/"]
        clean(database, prefixes + ([f"{root.resolve()}/"] if root is not None else []))
        shutil.copy(database, ROOT / "experiments.db")
    print(f"{ROOT / 'experiments.db'}: {(ROOT / 'experiments.db').stat().st_size} bytes")


if __name__ == "__main__":
    main()
