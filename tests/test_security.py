"""What comes from outside is data: it runs nothing, leads nowhere, and shows no secret."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.parquet
import pytest
from sqlalchemy import text

from workbench import secrecy
from workbench.cli.app import main
from workbench.config.loading import load_experiment, parse_experiment, validate
from workbench.data.examples import read_corpus
from workbench.errors import ConfigError, WorkbenchError
from workbench.events import CheckpointSaved, RunFailed, Warned
from workbench.inference.predictor import Predictor
from workbench.operations import keeping, lifecycle, reading
from workbench.operations.workspace import open_workspace
from workbench.paths import find_database, safe_name, safe_relative
from workbench.secrecy import scrub
from workbench.store import event_json
from workbench.store.records import ExitRecord, RunRecord
from workbench.training.manifest import check_checkpoint
from workbench.worker.journal import Batch

if TYPE_CHECKING:
    from builders import TrainedRun

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TASK = {"q": {"kind": "classification", "data": {"train": "q.jsonl"}}}
TOKEN = "hf_" + "Ab12" * 8


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it ran"


@pytest.fixture
def model(trained: TrainedRun, tmp_path: Path) -> Path:
    """A copy of a checkpoint that may be spoiled."""
    source = sorted((trained.folder / "checkpoints").glob("step-*"))[-1]
    return Path(shutil.copytree(source, tmp_path / "step"))


# Nothing is run


def test_a_trap_is_one(marker: Path) -> None:
    pickle.loads(pickle.dumps(Trap(marker)))

    assert marker.exists()


def test_a_checkpoint_of_pickles_runs_nothing(model: Path, marker: Path) -> None:
    trap = pickle.dumps(Trap(marker))
    weights = sorted(model.rglob("*.safetensors"))
    assert weights
    for file in weights:
        file.write_bytes(trap)
        for name in ("pytorch_model.bin", "model.pt", "training_args.bin"):
            (file.parent / name).write_bytes(trap)

    with pytest.raises(WorkbenchError):
        check_checkpoint(model)
    with pytest.raises(WorkbenchError):
        Predictor.open(model / "model")

    assert not marker.exists()


def test_a_backbone_without_weights_but_with_pickled_ones_runs_nothing(
    model: Path, marker: Path
) -> None:
    for file in model.rglob("model.safetensors"):
        file.unlink()
        (file.parent / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(marker)))

    with pytest.raises(WorkbenchError):
        Predictor.open(model / "model")

    assert not marker.exists()


def test_code_beside_a_model_is_not_run(model: Path, marker: Path) -> None:
    code = f"import os\nos.mkdir({str(marker)!r})\nclass Model: pass\n"
    for file in model.rglob("config.json"):
        values = json.loads(file.read_text())
        classes = ("AutoConfig", "AutoModel", "AutoTokenizer")
        values["auto_map"] = dict.fromkeys(classes, "trap.Model")
        file.write_text(json.dumps(values))
        (file.parent / "trap.py").write_text(code)
    for file in model.rglob("tokenizer_config.json"):
        values = json.loads(file.read_text())
        file.write_text(json.dumps(values | {"auto_map": {"AutoTokenizer": ["trap.Model", None]}}))

    Predictor.open(model / "model").predict(["Ada went home."])

    assert not marker.exists()


def test_an_experiment_with_tags_and_calls_in_it_runs_nothing(tmp_path: Path, marker: Path) -> None:
    calls = ["!!python/object/apply:os.mkdir", "__import__('os').mkdir('x')", "${jndi:x}", "{{7}}"]
    for call in calls:
        file = tmp_path / "trap.toml"
        file.write_text(f"name = {json.dumps(call)}\n[tasks.q]\nkind = {json.dumps(call)}\n")
        with pytest.raises(ConfigError):
            load_experiment(file)

    assert not marker.exists()
    assert not (tmp_path / "x").exists()


def test_data_files_run_nothing(tmp_path: Path, marker: Path) -> None:
    trap = pickle.dumps(Trap(marker))
    fields = [
        pyarrow.field(
            "text",
            pyarrow.string(),
            metadata={
                "ARROW:extension:name": "arrow.py_extension_type",
                "ARROW:extension:metadata": trap,
            },
        ),
        pyarrow.field("label", pyarrow.string()),
    ]
    table = pyarrow.table([["one", "two"], ["a", "b"]], schema=pyarrow.schema(fields))
    pyarrow.parquet.write_table(table, tmp_path / "trap.parquet")
    (tmp_path / "trap.jsonl").write_bytes(trap + b"\n")
    (tmp_path / "trap.csv").write_text("text,label\n\"=cmd|'/c calc'!A0\",a\nx,b\n")

    for name in ("trap.parquet", "trap.jsonl", "trap.csv"):
        data = {"train": str(tmp_path / name)}
        config = validate({"tasks": {"q": {"kind": "classification", "data": data}}})
        try:
            read_corpus(config)
        except WorkbenchError:
            continue

    assert not marker.exists()


# Nothing leads out of the run's folder


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "/etc", "a\0b", "", "x" * 500, "a\nb", "ü"])
def test_names_cannot_leave_the_folder_of_runs(name: str, tmp_path: Path) -> None:
    location = find_database(str(tmp_path / "x.db"))

    folder = location.run_folder(name)

    assert folder.parent == location.runs
    assert folder.resolve().parent == location.runs.resolve()
    assert safe_name("k7fp3x2a") == "k7fp3x2a"
    with pytest.raises(ConfigError):
        validate({"tasks": {name: TASK["q"]}})


@pytest.mark.parametrize("folder", ["../../secret", "/etc", "checkpoints/../../x", "", "a\0b"])
def test_a_checkpoint_in_the_database_cannot_point_elsewhere(folder: str, tmp_path: Path) -> None:
    with open_workspace(str(tmp_path / "x.db")) as ws:
        ws.store.add_run(RunRecord("abc", "try", NOW, validate({"tasks": TASK}), ""))
        ws.store.append("abc", [CheckpointSaved(5, folder, True, 0.5, 1)])

        [found] = ws.store.checkpoints("abc")

    assert safe_relative(found.folder) == found.folder
    base = tmp_path / "runs" / "abc"
    assert (base / found.folder).resolve().is_relative_to(base.resolve())
    assert safe_relative("checkpoints/step-00000005") == "checkpoints/step-00000005"


def test_a_run_with_a_hostile_id_is_listed_and_deletes_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    with open_workspace(str(tmp_path / "x.db")) as ws:
        record = RunRecord("../precious", "try", NOW, validate({"tasks": TASK}), "")
        ws.store.add_run(record)
        ws.store.record_exit(record.id, ExitRecord("finished", NOW))

        assert [run.record.id for run in reading.list_runs(ws)] == ["../precious"]
        assert reading.log_tail(ws, record.id) == []
        keeping.delete(ws, [record.id])
        keeping.empty_trash(ws)

    assert (tmp_path / "precious").is_dir()


# Nothing secret is kept


@pytest.mark.parametrize(
    "told",
    [
        f"401 for https://huggingface.co/x (token {TOKEN})",
        f"Authorization: Bearer {'abc123' * 5}",
        "cannot connect to postgresql+psycopg://ada:opensesame@box/runs",
        "the secret is mysecretvalue1",
    ],
)
def test_tokens_and_passwords_are_hidden(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "mysecretvalue1")

    hidden = scrub(told)

    assert secrecy.HIDDEN in hidden
    assert not any(s in hidden for s in (TOKEN, "abc123abc123", "opensesame", "mysecretvalue1"))


@pytest.mark.parametrize(
    "told", ["", "no secret", "hf_short", "see https://ada@box", "a://b:c d@e"]
)
def test_text_without_a_secret_stays_as_it_is(told: str) -> None:
    assert scrub(told) == told


def test_no_token_reaches_the_database_the_journal_or_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = RunFailed(f"401: {TOKEN}", TOKEN, TOKEN, f"Traceback\n{TOKEN}")
    exit = ExitRecord("failed", NOW, f"401: {TOKEN}", TOKEN, TOKEN, TOKEN)
    file = tmp_path / "x.db"
    with open_workspace(str(file)) as ws:
        ws.store.add_run(RunRecord("abc", "try", NOW, validate({"tasks": TASK}), ""))
        ws.store.append("abc", [failed, Warned(TOKEN)], exit=exit)
        folder = ws.location.run_folder("abc")
        folder.mkdir(parents=True)
        (folder / "worker.log").write_text(f"a library prints {TOKEN}\n")
        log = reading.log_tail(ws, "abc")
        main(["--db", str(file), "show", "abc"])
        main(["--db", str(file), "watch", "abc"])

    line = Batch(NOW, (failed,), exit).to_line()
    shown = capsys.readouterr()
    kept = b"".join(one.read_bytes() for one in tmp_path.glob("x.db*"))
    assert TOKEN.encode() not in kept
    assert TOKEN not in line + event_json.to_json(failed) + "".join(log) + shown.out + shown.err
    assert Batch.from_line(line.encode()).exit == replace(
        exit, **{n: scrub(getattr(exit, n)) for n in ("what", "where", "next_step", "traceback")}
    )


@pytest.mark.parametrize(
    "words",
    [
        f"backbone.model={TOKEN}",
        f"name=with {TOKEN} in it",
        f'showcase.texts=["fine", "{TOKEN}"]',
        f"tasks.q.data.text=https://ada:{TOKEN}@huggingface.co",
        f"training.epochs={TOKEN}",
    ],
)
def test_a_token_is_refused_as_a_setting_and_not_shown(words: str) -> None:
    preset = '[tasks.q]\nkind = "classification"\n[tasks.q.data]\ntrain = "q.jsonl"\n'

    with pytest.raises(ConfigError, match="hf auth login") as caught:
        parse_experiment(
            preset, origin="x.toml", folder=Path("/x"), overrides=[words], check_files=False
        )

    assert "There is a token in the settings" in str(caught.value)
    assert f"--set {words.partition('=')[0]}" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_folder_that_is_called_like_a_token_is_none() -> None:
    folder = "/models/hf_bert_base_uncased_of_ours/hf_distilbert"

    assert validate({"backbone": {"model": folder}, "tasks": TASK}).backbone.model == folder


def test_what_libraries_print_has_its_tokens_hidden(capfd: pytest.CaptureFixture[str]) -> None:
    program = (
        "import logging, sys, warnings\n"
        "from workbench.secrecy import hide_in_outputs\n"
        "hide_in_outputs()\n"
        f"token = {TOKEN!r}\n"
        "print('printed', token)\n"
        "logging.warning('logged %s', token)\n"
        "warnings.warn(token)\n"
        "raise ValueError(token)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], check=False)

    told = "".join(capfd.readouterr())
    assert done.returncode == 1
    assert "printed [hidden]\n" in told
    assert "logged [hidden]\n" in told
    assert "ValueError: [hidden]" in told
    assert TOKEN not in told


def test_what_a_run_writes_is_for_its_owner_only(tmp_path: Path) -> None:
    with open_workspace(str(tmp_path / "x.db")) as ws:
        record = lifecycle.add(ws, validate({"tasks": TASK}))
        folder = ws.location.run_folder(record.id)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_remote_code_is_never_trusted() -> None:
    root = Path(__file__).resolve().parent.parent / "workbench"
    found = [
        f"{file.name}: {line.strip()}"
        for file in root.rglob("*.py")
        for line in file.read_text().splitlines()
        if "trust_remote_code=True" in line.replace(" ", "")
    ]

    assert found == []


# Nothing is obeyed


ESCAPES = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp\U000e0041"


def test_escapes_in_a_run_are_shown_not_obeyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.db"
    with open_workspace(str(file)) as ws:
        config = validate({"tasks": TASK})
        record = RunRecord("abc", ESCAPES, NOW, config, ESCAPES, parent_id=ESCAPES, parent_step=1)
        ws.store.add_run(record)
        ws.store.append("abc", [Warned(ESCAPES)])
        ws.store.enqueue("abc", ESCAPES)
        ws.store.record_exit("abc", ExitRecord("failed", NOW, ESCAPES, ESCAPES, ESCAPES))
        with ws.store.engine.begin() as connection:
            connection.execute(text("UPDATE runs SET config = '{\"\x1b[1m\": 1}'"))
        run_words = ["runs", "show abc", "show abc --json", "queue list", "doctor", "watch abc"]
        for words in [*run_words, "doctor --json", "runs --json", "queue list --json", "stop abc"]:
            main(["--db", str(file), *words.split()])

    shown = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\U000e0041"} & set(shown.out + shown.err)
    assert "red" in shown.out
