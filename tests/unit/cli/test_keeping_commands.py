"""Order among runs by command, and what they print."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.cli.serving import serve_command, tunnel_command


@pytest.fixture
def two(add_run: Any) -> None:
    add_run("arun2345", name="first")
    add_run("brun2345", name="second")


def names(result: Any) -> list[str]:
    return [run["name"] for run in result.json]


def test_tags_notes_stars_and_names_are_found_again(two: None, run_command: Any) -> None:
    assert run_command("tag", "arun2345", "b", "--add", "paper").code == 0
    assert run_command("star", "b").code == 0
    assert run_command("note", "arun2345", "too hot").code == 0
    assert run_command("rename", "b", "better").code == 0

    assert names(run_command("runs", "--filter", "tag=paper and starred", "--json")) == ["better"]
    (run,) = run_command("runs", "--filter", "note~hot", "--json").json
    assert run["tags"] == ["paper"]
    assert run["note"] == "too hot"
    assert run_command("tag", "b", "--remove", "paper").code == 0
    assert names(run_command("runs", "--filter", "tag=paper", "--json")) == ["first"]


def test_what_is_put_away_is_not_listed_and_comes_back(
    two: None, run_command: Any, space: Any
) -> None:
    run_command("archive", "arun2345")
    assert len(run_command("runs", "--json").json) == 1
    run_command("archive", "arun2345", "--off")
    assert len(run_command("runs", "--json").json) == 2


def test_columns_are_chosen_by_name(two: None, run_command: Any) -> None:
    result = run_command("runs", "--columns", "name,training.epochs,tags")

    head, *rows = [line.split() for line in result.out.splitlines()]
    assert head == ["run", "training.epochs", "tags"]
    assert {row[0] for row in rows} == {"first", "second"}


def test_a_column_that_is_none_is_refused_with_the_nearest(two: None, run_command: Any) -> None:
    result = run_command("runs", "--columns", "nmae")

    assert result.code == 2
    assert "name" in result.err


def test_seeds_of_one_configuration_are_one_row(two: None, run_command: Any) -> None:
    (fold,) = run_command("runs", "--fold-seeds", "--json").json

    assert sorted(fold["runs"]) == ["arun2345", "brun2345"]


def test_deleting_needs_a_run_or_the_trash(run_command: Any) -> None:
    assert run_command("delete").code == 2


def test_the_interface_in_a_browser_is_for_this_machine_alone(tmp_path: Path) -> None:
    assert "127.0.0.1:8123:" not in tunnel_command(8123)
    assert tunnel_command(8123).startswith("ssh -L 8123:127.0.0.1:8123 ")
    assert serve_command().endswith("-m workbench")


def test_a_browser_is_served_without_the_password_on_a_command_line(
    run_command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []

    class Server:
        def __init__(self, command: str, **_options: Any) -> None:
            served.append(command)

        def serve(self) -> None:
            served.append(os.environ["MTL_WORKBENCH_DB"])

    monkeypatch.setitem(sys.modules, "textual_serve.server", SimpleNamespace(Server=Server))
    monkeypatch.setenv("MTL_WORKBENCH_DB", "of before")
    url = "postgresql+psycopg://me:secret@server/runs"

    run_command("serve", "--db", url)

    assert served == [serve_command(), url]


@pytest.mark.parametrize(
    "words",
    [
        ("rename", "arun2345", "red\x1b[31m"),
        ("rename", "arun2345", "not \udcff UTF-8"),
        ("tag", "arun2345", "bell\x07"),
        ("note", "arun2345", "not \udcff UTF-8"),
    ],
)
def test_what_is_no_text_is_refused_in_words(
    words: tuple[str, ...], two: None, run_command: Any
) -> None:
    result = run_command(*words)

    assert result.code in (1, 2)
    assert "next" in result.err
    (run,) = [one for one in run_command("runs", "--json").json if one["id"] == "arun2345"]
    assert (run["tags"], run["note"]) == ([], "")
