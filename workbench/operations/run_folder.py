"""A run's folder: made before anything is done for the run, and enough to list it without a store.

| file                | holds                                                                     |
| ------------------- | ------------------------------------------------------------------------- |
| `run.json`          | id, name, time, settings, source, parent: the run as it was asked for     |
| `experiment.toml`   | the settings for people, to run it again                                  |
| `journal.jsonl`     | all that the run said (see `workbench.worker.journal`)                    |
| `added.jsonl`       | what others did with it (see `workbench.worker.additions`)                |
| `worker.log`        | what the worker and its libraries printed                                 |
| `unsent.jsonl`      | of the first version only: rows that its store did not take               |
| `worker.lock`       | held by the worker while it lives; says which process it is               |
| `checkpoints/`      | what can be taken away, with a manifest of hashes each                    |
| `predictions/`      | what the best checkpoint says of dev (see `training.dev_predictions`)     |
| `origin/`           | the checkpoint that a forked run began with                               |
| `requests.json`     | of a run that repeats another: what that one was asked at which steps     |
| `exports/`          | what was exported without `--to`                                          |

Beside `origin/` an empty file `origin-with-optimizer` says that its optimizer's moments are taken
over, too. In `checkpoints/`, `set-aside-step-N/` is the model (`manifest.json` and `model/`) of a
step that was made anew, since the run could not go on from there.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from workbench.config.loading import to_toml
from workbench.control import Request
from workbench.errors import WorkerError
from workbench.operations.workspace import Workspace
from workbench.paths import is_run_id
from workbench.store.records import RunRecord
from workbench.store.stored_config import read_config
from workbench.worker.resumption import KEEP_OPTIMIZER_NAME, ORIGIN_NAME, write_requests

RUN_FILE = "run.json"
SETTINGS_FILE = "experiment.toml"


def make_run_folder(
    ws: Workspace,
    record: RunRecord,
    *,
    origin: Path | None = None,
    keep_optimizer: bool = False,
    requests: Sequence[tuple[int, Request]] = (),
) -> Path:
    """Make the folder of a new run, readable by its owner only.

    Args:
        ws: Where.
        record: The run.
        origin: The folder of the checkpoint that it begins with.
        keep_optimizer: Whether it takes over the optimizer's moments from there.
        requests: What it is to be asked, each after its step.

    Raises:
        WorkerError: It cannot be made.
    """
    folder = ws.location.run_folder(record.id)
    try:
        ws.location.runs.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        _write(folder / SETTINGS_FILE, to_toml(record.config))
        _write(folder / RUN_FILE, _to_json(record))
        if requests:
            write_requests(folder, requests)
        if origin is not None:
            # As links where they can be: the parent may remove its own, and no byte is copied.
            shutil.copytree(origin, folder / ORIGIN_NAME, copy_function=_link_or_copy)
            if keep_optimizer:
                (folder / KEEP_OPTIMIZER_NAME).touch(mode=0o600)
    except (OSError, shutil.Error) as error:
        if not isinstance(error, FileExistsError):  # else it is another run's
            shutil.rmtree(folder, ignore_errors=True)
        raise WorkerError(
            f"The run's folder cannot be made: {getattr(error, 'strerror', None) or error}.",
            where=str(folder),
            next_step="check permissions and free space, or use another place with --db",
        ) from error
    return folder


def read_run_file(folder: Path) -> RunRecord | None:
    """The run as it was asked for, out of its folder; None if it is no run's folder.

    A folder that an earlier version made has the settings only: its time is then that of the
    file.
    """
    if not is_run_id(folder.name):
        return None
    try:
        values = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        config, unreadable = read_config(json.dumps(values["config"]))
        return RunRecord(
            id=folder.name,
            name=str(values["name"]),
            created_at=datetime.fromtimestamp(float(values["created_at"]), UTC),
            config=config,
            source=str(values["source"]),
            parent_id=values.get("parent_id"),
            parent_step=values.get("parent_step"),
            unreadable=unreadable,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return _from_settings(folder)


def _from_settings(folder: Path) -> RunRecord | None:
    import tomllib  # seldom needed

    file = folder / SETTINGS_FILE
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        config, unreadable = read_config(json.dumps(values))
        created_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except (OSError, ValueError, TypeError):
        return None
    return RunRecord(folder.name, config.name, created_at, config, "", unreadable=unreadable)


def _to_json(record: RunRecord) -> str:
    values = {
        "id": record.id,
        "name": record.name,
        "created_at": record.created_at.timestamp(),
        "source": record.source,
        "parent_id": record.parent_id,
        "parent_step": record.parent_step,
        "config": record.config.model_dump(mode="json"),
    }
    return json.dumps(values, ensure_ascii=False, indent=1)


def _write(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
