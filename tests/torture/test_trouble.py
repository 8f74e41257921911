"""Full disks, crowds on one database, servers that restart, input that makes no sense."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from builders import an_experiment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgresql_server import PostgresqlServer
from scripted_runs import a_config, counted_losses, end_of, losses_of, scripted, wait_until

from workbench.config.loading import parse_experiment, validate
from workbench.data.examples import read_corpus
from workbench.errors import CheckpointError, WorkbenchError
from workbench.operations import artefacts, lifecycle, reading
from workbench.operations.filtering import parse_filter
from workbench.operations.workspace import Workspace, open_workspace
from workbench.paths import Location
from workbench.store.run_store import RunStore
from workbench.training.manifest import check_checkpoint, check_training_state
from workbench.worker.liveness import RunState

Times = Callable[..., int]
Figure = Callable[[str], None]
WHOLE = counted_losses(scripted.COUNTED_STEPS)


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=False)


def fill(folder: Path) -> Path:
    """Take all that is left."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


def test_a_full_disk_stops_a_run_with_a_message_and_its_last_checkpoint_whole(
    bert: Path, corpus: Path, small_disk: Path, figure: Figure
) -> None:
    training = {"epochs": 60, "batch_size": 4, "checkpoint_minutes": 1e-9}
    config = an_experiment(backbone=bert, folder=corpus, training=training)
    url = f"sqlite:///{small_disk / 'experiments.db'}"
    with Workspace(Location(url, small_disk / "runs"), RunStore.open(url)) as ws:
        record = lifecycle.start(ws, config)
        wait_until(lambda: len(ws.store.checkpoints(record.id)) > 0, 120)
        folder = ws.location.run_folder(record.id)
        filler = fill(small_disk)
        process = ws.store.facts(record.id).process
        assert process is not None
        time.sleep(4.0)
        fill(small_disk)  # the room of a checkpoint that was half written is there again

        with pytest.raises(WorkbenchError) as caught:
            artefacts.export(ws, record.id, format="sentence-transformers")
        assert caught.value.next_step
        filler.unlink()
        summary = end_of(ws, record, 120)

        assert summary.state is RunState.FAILED
        assert "No space left" in summary.why or "cannot be written" in summary.why
        assert "make room on the disk" in str(summary.exit and summary.exit.next_step)
        last = ws.store.checkpoints(record.id)[-1]
        check_checkpoint(folder / last.folder)
        check_training_state(folder / last.folder)
        steps = ws.store.steps(record.id).steps.tolist()
        assert steps == list(range(1, steps[-1] + 1))
        lifecycle.resume(ws, record.id)
        wait_until(lambda: ws.store.latest_step(record.id) > last.step + 2, 120)
        lifecycle.stop(ws, record.id, now=True)
    figure("disk full during log, checkpoint and export: clear message, last checkpoint whole")


# A crowd


def test_many_workers_and_readers_share_one_file(
    ws: Workspace, times: Times, figure: Figure
) -> None:
    seconds = times(300, short=4)
    records = [lifecycle.start(ws, a_config(scripted.LOOPS)) for _ in range(8)]
    until = time.monotonic() + seconds
    troubles: list[str] = []
    looks: list[int] = []

    def read() -> None:
        with open_workspace(str(ws.location.database_file)) as own:
            while time.monotonic() < until:
                try:
                    for run in reading.list_runs(own):
                        own.store.curves(run.record.id)
                except WorkbenchError as error:
                    troubles.append(str(error))
                looks.append(1)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    for record in records:
        lifecycle.stop(ws, record.id)
    ends = [end_of(ws, record, 60) for record in records]

    assert troubles == []
    assert {end.state for end in ends} == {RunState.STOPPED}
    rows = 0
    for end in ends:
        steps = ws.store.steps(end.record.id).steps.tolist()
        assert steps == list(range(1, end.step + 1))
        assert list(losses_of(ws, end.record)) == steps
        kinds = [message.kind for message in ws.store.messages(end.record.id)]
        assert kinds.count("RunStarted") == kinds.count("RunFinished") == 1
        assert not any("locked" in line for line in reading.log_tail(ws, end.record.id))
        rows += len(steps)
    figure(
        f"8 workers and 4 readers for {seconds} s: {rows} updates in, none lost or doubled, "
        f"{len(looks)} lists of runs, no 'database is locked'"
    )


# A server that restarts


def test_a_server_that_restarts_costs_no_row(
    postgresql_server: PostgresqlServer,
    ws: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    times: Times,
    figure: Figure,
) -> None:
    monkeypatch.chdir(tmp_path)
    count = times(5)
    for _ in range(count):
        postgresql_server.empty()
        with open_workspace(postgresql_server.url) as on_server:
            record = lifecycle.start(on_server, a_config(scripted.COUNTS))
            time.sleep(random.uniform(0.0, 1.2))
            postgresql_server.stop()
            time.sleep(random.uniform(0.0, 3.0))
            postgresql_server.start()

            assert end_of(on_server, record, 60).state is RunState.FINISHED
            assert losses_of(on_server, record) == WHOLE
    figure(f"PostgreSQL crashed and restarted in {count} runs: all finished, no row lost")


# Nonsense

IS_LONG = os.environ.get("MTL_WORKBENCH_TORTURE") == "full"
MALFORMED = settings(
    max_examples=2000 if IS_LONG else 25,
    deadline=20_000,  # ms: never a hang
    suppress_health_check=list(HealthCheck),
)
_WORDS = """name tasks kind classification tagging data train dev text label seed weight training
optimization learning_rate epochs batch_size backbone model pooling mode freezing minilm none or
= [ ] { } . , " ' # 1 -1 1e400 nan inf true 0x 2e-5 ~ != <= > ( ) and not ü"""
WORDS = st.sampled_from([*_WORDS.split(), "\n", "\x00", "\x1b", " "])
NONSENSE = st.one_of(
    st.text(max_size=200),
    st.lists(WORDS, max_size=30).map(" ".join),
    st.lists(WORDS, max_size=30).map("".join),
)


@MALFORMED
@given(NONSENSE)
def test_a_malformed_preset_is_an_error_of_ours(words: str) -> None:
    with suppress(WorkbenchError):
        parse_experiment(words, origin="preset", folder=Path("/nowhere"))


@MALFORMED
@given(st.lists(NONSENSE, max_size=3))
def test_a_malformed_override_is_an_error_of_ours(words: list[str]) -> None:
    with suppress(WorkbenchError):
        parse_experiment(
            '[tasks.q]\nkind = "classification"\n[tasks.q.data]\ntrain = "q.jsonl"\n',
            origin="preset",
            folder=Path("/nowhere"),
            overrides=words,
            check_files=False,
        )


@MALFORMED
@given(NONSENSE)
def test_a_malformed_filter_is_an_error_of_ours(words: str) -> None:
    with suppress(WorkbenchError):
        parse_filter(words).apply([])


ROWS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["text", "label", "tags", "words", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
FILES = st.one_of(
    st.binary(max_size=300),
    NONSENSE.map(lambda text: text.encode(errors="replace")),
    st.lists(ROWS, max_size=6).map(
        lambda rows: "\n".join(json.dumps(row) for row in rows).encode(errors="replace")
    ),
)


@MALFORMED
@given(
    content=FILES,
    ending=st.sampled_from(["jsonl", "csv", "tsv", "conll", "conllu", "parquet"]),
    kind=st.sampled_from(["classification", "tagging"]),
)
def test_a_malformed_data_file_is_an_error_of_ours(
    content: bytes, ending: str, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / f"nonsense.{ending}"
    file.write_bytes(content)
    config = validate({"tasks": {"q": {"kind": kind, "data": {"train": str(file)}}}})
    with suppress(WorkbenchError):
        read_corpus(config)


@MALFORMED
@given(
    content=FILES,
    name=st.sampled_from(["manifest.json", "training/manifest.json", "model/model.json"]),
)
def test_a_malformed_checkpoint_is_an_error_of_ours(
    content: bytes, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "nonsense-checkpoint"
    for part in ("model", "training"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)

    for check in (check_checkpoint, check_training_state):
        with suppress(CheckpointError):
            check(folder)
