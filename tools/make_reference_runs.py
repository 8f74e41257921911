"""Make the repository's own `experiments.db`: real runs of the shipped presets.

    python tools/make_reference_runs.py [--data-root CORPORA]

Runs every preset whose data are there; of one of them other seeds, another setting and its tasks
alone, too, so that folding, Compare and the gains have something to show. Then takes this machine's
paths and names out of the database, packs it and puts it in place. The runs with their checkpoints
stay in build/reference, for the pictures.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

from workbench.config.baselines import companions
from workbench.config.loading import load_experiment, to_toml

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "reference"
MAIN = "quickstart"
RUNS: list[tuple[str, list[str]]] = [
    ("notebook", []),
    (MAIN, ["--set", "seed=1"]),
    (MAIN, ["--set", "seed=2"]),
    (
        MAIN,
        [
            *("--name", "quickstart-frozen-backbone"),
            *("--set", "freezing.mode=backbone"),
            *("--set", "optimization.head_learning_rate=1e-2"),
        ],
    ),
    (MAIN, []),
]
WITH_CORPORA: list[tuple[str, list[str]]] = [("tutorial-ner-trec", [])]


def train(preset: str, options: list[str], database: Path) -> None:
    """One run, to its end."""
    command = [sys.executable, "-m", "workbench", "train", preset, "--plain", "--db", str(database)]
    print("$", *command[3:5], *options, flush=True)
    subprocess.run([*command, *options], check=True, cwd=ROOT, stdin=subprocess.DEVNULL)


def train_alone(preset: str, database: Path) -> None:
    """Each task of a preset by itself."""
    for config in companions(load_experiment(preset), pairs=False)[1:]:
        file = WORK / "alone.toml"
        file.write_text(to_toml(config), encoding="utf-8")
        train(str(file), [], database)


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
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    database = WORK / "experiments.db"
    train_alone(MAIN, database)
    for preset, options in RUNS:
        train(preset, options, database)
    evaluate(MAIN, database)
    if root is not None:
        for preset, options in WITH_CORPORA:
            train(preset, [*options, "--data-root", str(root.resolve())], database)
            evaluate(preset, database)
    prefixes = [f"{WORK}/", f"{ROOT}/presets/", f"{ROOT}/"]
    clean(database, prefixes + ([f"{root.resolve()}/"] if root is not None else []))
    shutil.copy(database, ROOT / "experiments.db")
    print(f"{ROOT / 'experiments.db'}: {(ROOT / 'experiments.db').stat().st_size} bytes")


if __name__ == "__main__":
    main()
