"""Set before anything of Hugging Face is imported; fixtures that are costly are made once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from builders import TrainedRun
    from postgresql_server import PostgresqlServer

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other on a busy machine
_CACHE = tempfile.TemporaryDirectory(prefix="mtl-workbench-tests-")
# Nothing is fetched, and the person's own caches stay as they are.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = _CACHE.name
os.environ["MTL_WORKBENCH_CACHE"] = f"{_CACHE.name}/mtl-workbench"

settings.register_profile(
    "workbench",
    deadline=None,  # two busy cores
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("workbench")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: at the end a single process would wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a tiny random backbone, by family: bert, roberta, electra, distilbert."""
    from builders import write_backbone

    return cache(
        lambda family: write_backbone(tmp_path_factory.mktemp("backbone") / family, family)
    )


@pytest.fixture(scope="session")
def bert(backbones: Callable[[str], Path]) -> Path:
    """Folder of a tiny random BERT."""
    return backbones("bert")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with train, dev and test of three tasks on the same sentences."""
    from builders import write_corpus

    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def trained(bert: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """Moods and names, learned by a tiny BERT in a few steps."""
    from builders import TrainedRun, an_experiment, events_of

    config = an_experiment(backbone=bert, folder=corpus, training={"epochs": 6})
    folder = tmp_path_factory.mktemp("run")
    return TrainedRun(config, folder, tuple(events_of(config, folder)))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A true server; what needs it is skipped, with the reason, where none is installed."""
    from postgresql_server import PostgresqlServer, why_not

    if reason := why_not():
        pytest.skip(reason)
    server = PostgresqlServer()
    yield server
    server.close()
