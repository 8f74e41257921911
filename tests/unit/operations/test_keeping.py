"""Order among runs: what is added is kept, found again, and can be taken back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tui"))

from recorded_runs import a_config, a_run, finish, train

from workbench.errors import ConfigError, NotFoundError, WorkbenchError
from workbench.events import EvaluationFinished
from workbench.operations import keeping, reading
from workbench.operations.filtering import parse_filter
from workbench.operations.keeping import Change
from workbench.operations.workspace import Workspace, open_workspace
from workbench.store.records import Keeping
from workbench.worker.additions import add_evaluation


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    """Three finished runs, and one at work."""
    with open_workspace(str(tmp_path / "experiments.db")) as opened:
        for number, run_id in enumerate(("aaa22222", "bbb22222", "ccc22222")):
            run = a_run(opened, run_id, config=a_config(f"run {run_id[0]}"), minutes_ago=9 - number)
            train(opened, run, upto=40)
            finish(opened, run)
        a_run(opened, "ddd22222", minutes_ago=1)
        yield opened


def shown(ws: Workspace, text: str = "") -> list[str]:
    wanted = parse_filter(text)
    runs = reading.list_runs(ws, deleted="deleted" in wanted.scopes)
    return [run.record.id[0] for run in wanted.shown(runs)]


CHANGES: list[Callable[[Workspace], Change]] = [
    lambda ws: keeping.star(ws, ["aaa", "bbb"]),
    lambda ws: keeping.tag(ws, ["aaa", "bbb"], ["paper", "good"]),
    lambda ws: keeping.note(ws, "aaa", "the one"),
    lambda ws: keeping.archive(ws, ["aaa", "ccc"]),
    lambda ws: keeping.delete(ws, ["bbb"]),
    lambda ws: keeping.rename(ws, "aaa", "a better name"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_can_be_taken_back_whole(
    ws: Workspace, change: Callable[[Workspace], Change]
) -> None:
    keeping.tag(ws, ["aaa"], ["before"])
    keeping.note(ws, "bbb", "before")
    before = reading.list_runs(ws)

    done = change(ws)
    assert done.count > 0
    assert reading.list_runs(ws) != before
    keeping.undo(ws, done)

    assert [(run.record, run.keeping) for run in reading.list_runs(ws)] == [
        (run.record, run.keeping) for run in before
    ]


def test_runs_are_found_by_what_was_added(ws: Workspace) -> None:
    keeping.tag(ws, ["aaa", "bbb"], ["paper"])
    keeping.star(ws, ["bbb"])
    keeping.note(ws, "ccc", "too hot")

    assert shown(ws, "tag=paper") == ["b", "a"]
    assert shown(ws, "paper") == ["b", "a"]
    assert shown(ws, "tag=paper and not starred") == ["a"]
    assert shown(ws, "note ~ hot") == ["c"]
    assert shown(ws, "tag!=paper") == ["d", "c"]


def test_what_is_put_away_is_shown_only_when_it_is_asked_for(ws: Workspace) -> None:
    keeping.archive(ws, ["aaa"])
    keeping.delete(ws, ["bbb"])

    assert shown(ws) == ["d", "c"]
    assert shown(ws, "archived") == ["a"]
    assert shown(ws, "deleted") == ["b"]
    with pytest.raises(NotFoundError):
        reading.find_run(ws, "bbb")


def test_a_run_at_work_is_not_deleted_nor_any_with_it(ws: Workspace) -> None:
    with pytest.raises(WorkbenchError, match="ddd22222"):
        keeping.delete(ws, ["aaa", "ddd"])

    assert shown(ws) == ["d", "c", "b", "a"]


def test_the_trash_is_emptied_with_the_files_and_nothing_else(ws: Workspace) -> None:
    for run_id in ("aaa22222", "bbb22222"):
        ws.location.run_folder(run_id).mkdir(parents=True)
        (ws.location.run_folder(run_id) / "weights").write_bytes(b"12345")
    keeping.delete(ws, ["aaa"])

    assert keeping.empty_trash(ws) == 1

    assert not ws.location.run_folder("aaa22222").exists()
    assert ws.location.run_folder("bbb22222").exists()
    assert [run.id for run in ws.store.runs(deleted=True)] == ["ddd22222", "ccc22222", "bbb22222"]


def test_a_run_out_of_the_trash_is_as_it_was(ws: Workspace) -> None:
    keeping.tag(ws, ["aaa"], ["paper"])
    keeping.delete(ws, ["aaa"])

    keeping.restore(ws, ["aaa"])

    assert ws.store.keeping("aaa22222") == Keeping(tags=("paper",))


@pytest.mark.parametrize("tag", ["two words", "a=b", "", "a,b", "(x)"])
def test_a_tag_that_no_filter_could_name_is_refused(ws: Workspace, tag: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a tag"):
        keeping.tag(ws, ["aaa"], [tag])


def test_changing_what_is_so_already_leaves_nothing_to_take_back(ws: Workspace) -> None:
    keeping.star(ws, ["aaa"])

    assert keeping.star(ws, ["aaa"]).count == 0


def test_a_list_read_on_from_a_known_one_is_the_list_read_anew(ws: Workspace) -> None:
    known = reading.list_runs(ws)
    keeping.tag(ws, ["aaa"], ["new"])
    keeping.rename(ws, "bbb", "renamed")
    keeping.delete(ws, ["ccc"])
    run = ws.store.run("ddd22222")
    train(ws, run, upto=80)
    finish(ws, run)
    added = a_run(ws, "eee22222", minutes_ago=0)
    train(ws, added, upto=40)
    finish(ws, added)

    again = reading.list_runs(ws, known=known)

    assert again == reading.list_runs(ws)
    untouched = [run for run in known if run.record.id == "aaa22222"]
    assert again[-1].metrics is untouched[0].metrics  # not read again


def test_what_is_evaluated_after_its_end_is_in_a_list_that_is_read_on(ws: Workspace) -> None:
    known = reading.list_runs(ws)
    better = EvaluationFinished(40, "dev", {"question": {"accuracy": 0.99}}, 0.99, 1.0)
    add_evaluation(ws.store, ws.location, "bbb22222", better)

    again = reading.list_runs(ws, known=known)

    assert [run.record.id[0] for run in again] == ["d", "c", "b", "a"]
    assert again[2].metrics["question"]["accuracy"] == 0.99
    assert (again[1], again[3]) == (known[1], known[3])
    assert again[1] is known[1]  # not read again
    assert reading.list_runs(ws, known=again)[2] is again[2]
