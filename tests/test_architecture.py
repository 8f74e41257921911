"""The dependency rules of ARCHITECTURE.md, checked; and what static reading cannot prove."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "datasets", "pandas", "alembic", "sklearn", "pyarrow")


def modules_after(statement: str) -> set[str]:
    """Names in `sys.modules` of a clean interpreter that ran a statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", ["workbench.tui.app", "workbench.cli.app"])
def test_what_people_look_at_starts_without_the_engine(module: str) -> None:
    loaded = modules_after(f"import {module}")

    assert not loaded & set(HEAVY)


@pytest.mark.parametrize(
    "module",
    [
        "workbench.operations.artefacts",
        "workbench.operations.lifecycle",
        "workbench.operations.reading",
        "workbench.store.run_store",
        "workbench.worker.process",
    ],
)
def test_the_engine_is_not_loaded_before_it_is_needed(module: str) -> None:
    assert "torch" not in modules_after(f"import {module}")


def test_hub_data_sets_are_the_only_reason_to_load_the_datasets_library() -> None:
    assert "datasets" not in modules_after("import workbench.training.loop")


def test_help_starts_without_the_database_library() -> None:
    loaded = modules_after(
        "from workbench.cli.app import main\n"
        "sys.argv = ['mtl-workbench', '--version']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )

    assert not loaded & {*HEAVY, "sqlalchemy", "textual", "numpy"}


def test_the_list_of_runs_is_written_without_what_draws_and_computes(tmp_path: Path) -> None:
    loaded = modules_after(
        "from workbench.cli.app import main\n"
        f"assert main(['runs', '--json', '--db', {str(tmp_path / 'e.db')!r}]) == 0"
    )

    assert not loaded & {*HEAVY, "numpy", "psutil", "textual", "rich", "workbench.worker.launcher"}


def test_the_form_of_a_new_experiment_is_loaded_when_it_is_opened() -> None:
    loaded = modules_after("import workbench.tui.app")

    assert not loaded & {"workbench.tui.form", "workbench.tui.screens.new_experiment"}


def test_the_worker_loads_nothing_that_no_encoder_uses() -> None:
    loaded = modules_after(
        "from workbench.worker.quick_start import NOT_FOR_ENCODERS, import_engine\n"
        "import_engine()\n"
        "assert not set(NOT_FOR_ENCODERS) & set(sys.modules)\n"
        "import scipy, transformers\n"
        "from transformers import BertModel"
    )

    assert {"torch", "scipy", "transformers.modeling_utils"} <= loaded


def test_nothing_is_pickled() -> None:
    suspicious = ("pickle", "torch.load", "torch.save", "joblib", "marshal", "shelve", "eval(")
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in sorted((ROOT / "workbench").rglob("*.py"))
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if any(word in line for word in suspicious)
        and "allow_pickle=False" not in line
        and ".eval()" not in line
        and "no pickle" not in line
    ]

    assert found == []


def test_files_are_utf8_whatever_the_locale_says() -> None:
    without = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sorted((ROOT / "workbench").rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("read_text", "write_text")
        and not any(keyword.arg == "encoding" for keyword in node.keywords)
    ]

    assert without == []


def test_every_module_says_what_it_is_for() -> None:
    without = [
        str(file.relative_to(ROOT))
        for file in sorted((ROOT / "workbench").rglob("*.py"))
        if file.name not in ("__init__.py",) and not file.read_text().startswith(('"""', 'r"""'))
    ]

    assert without == []
