"""The command line as a whole: exit codes, streams, start-up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.app import COMMANDS, main


def program(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        **options,
    )


def test_every_command_is_explained_in_one_whole_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])

    out = capsys.readouterr().out

    assert all(f"\n  {command} " in out for command in COMMANDS)
    assert "..." not in out.split("Commands:")[1]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "queue"])
def test_every_command_has_help_and_a_database_option(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    assert "--db" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "what", "advice"),
    [
        (["runz"], "No such command 'runz'.", "did you mean 'runs'?"),
        (["runs", "--jsn"], "No such option: --jsn", "--json"),
        (["show"], "Missing argument 'RUN'.", "mtl-workbench show --help"),
        (["train"], "name a preset or a file", "mtl-workbench train --help"),
        (["export", "x", "--format", "onx"], "there is no format", "known: sentence-transformers"),
        (["encode", "x"], "give texts, or --file", "encode --help"),
    ],
)
def test_wrong_usage_is_exit_code_2_with_advice(
    words: list[str], what: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(words)

    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert what in captured.err
    assert advice in captured.err
    assert "?." not in captured.err


def test_a_config_error_is_exit_code_2_with_all_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('[tasks.a]\nkind = "tagging"\ndata = {train = "gone"}\n[training]\nepoch = 2\n')

    code = main(["train", str(file), "--set", "seed=x", "--db", str(tmp_path / "x.db")])

    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.count("  next   ") == 3
    assert "line 5, [training] epoch" in captured.err
    assert not (tmp_path / "x.db").exists()


def test_an_unknown_preset_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nosuchpreset"]) == 3
    assert "There is no preset" in capsys.readouterr().err


def test_a_file_that_is_no_database_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.db"
    file.write_bytes(b"no database at all, only text" * 100)

    assert main(["runs", "--db", str(file)]) == 1
    assert "  next   " in capsys.readouterr().err


def test_without_a_terminal_the_interface_is_refused(
    tmp_path: Path,
) -> None:
    result = program(cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd())})

    assert result.returncode == 2
    assert "needs a terminal" in result.stderr
    assert not (tmp_path / "experiments.db").exists()


def test_the_database_may_be_named_before_or_after_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = tmp_path / "before.db", tmp_path / "after.db"

    main(["--db", str(before), "runs"])
    main(["--db", str(before), "runs", "--db", str(after)])

    assert before.exists()
    assert after.exists()


def test_the_schema_is_json_and_lists_the_sections(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0

    properties = json.loads(capsys.readouterr().out)["properties"]
    assert {"backbone", "tasks", "optimization", "showcase"} <= set(properties)


@pytest.mark.parametrize("words", [["--help"], ["presets"], ["schema"], ["--version"]])
def test_quick_commands_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from workbench.cli.app import main; "
        f"assert main({words!r}) == 0; "
        "print({m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    heavy = {"sqlalchemy", "numpy", "textual", "rich", "torch", "transformers", "psutil", "alembic"}
    assert not heavy & set(result.stderr.replace("'", "").strip("{}\n ").split(", "))


def test_a_reader_that_leaves_ends_the_program_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    complaint = process.stderr.read()
    process.stderr.close()

    assert process.wait(timeout=60) == 0
    assert complaint == ""


def test_a_terminal_that_knows_few_signs_gets_escapes() -> None:
    result = program("presets", env={**os.environ, "PYTHONIOENCODING": "ascii"})

    assert result.returncode == 0
