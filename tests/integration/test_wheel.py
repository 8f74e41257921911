"""The wheel carries presets and the sample corpus, and works in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    # Without isolation: the build back end is among the locked tools already.
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), "."],
        check=True,
        capture_output=True,
        cwd=ROOT,
    )
    (built,) = target.glob("*.whl")
    return built


def test_presets_sample_corpus_and_migrations_travel_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        "workbench/presets/quickstart.toml",
        "workbench/presets/data/sample/train.jsonl",
        "workbench/presets/data/sample/README.md",
        "workbench/tui/app.tcss",
    } <= names
    assert any(name.startswith("workbench/store/migrations/versions/") for name in names)
    assert not any(name.startswith(("tests/", "tools/")) or ".db" in name for name in names)


def test_an_empty_environment_lists_and_loads_the_presets_of_the_wheel(
    wheel: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty/bin/python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True,
    )
    # The dependencies are taken from here by path: to install them anew would take minutes.
    ours = sysconfig.get_paths()["purelib"]
    theirs = next((tmp_path / "empty/lib").glob("python*/site-packages"))
    (theirs / "dependencies.pth").write_text(ours + "\n")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH",)}

    listed = subprocess.run(
        [str(tmp_path / "empty/bin/mtl-workbench"), "presets"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    where = subprocess.run(
        [
            str(python),
            "-c",
            "import workbench.paths as p; print(p.shipped_presets());"
            "from workbench.config.loading import load_experiment as l;"
            "print(l('quickstart').tasks['topic'].data.train)",
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )

    assert "quickstart" in listed.stdout
    assert where.stdout.splitlines()[0] == str(theirs / "workbench/presets")
    assert Path(where.stdout.splitlines()[1]).is_file()
