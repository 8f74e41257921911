"""Compiled layers learn the same, under the same names; what cannot be compiled is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import Script, a_task, an_experiment, events_of
from pydantic import ValidationError
from safetensors import safe_open

from workbench.control import Stop
from workbench.events import CheckpointSaved, Event, FeaturesReady, StepFinished, Warned
from workbench.model import compiling
from workbench.training import preparation
from workbench.training.loop import train
from workbench.training.manifest import checkpoint_name

# The compiler asks every tensor for its gradient, and torch warns of those that keep none.
pytestmark = pytest.mark.filterwarnings(r"ignore:The \.grad attribute of a Tensor:UserWarning")

SETTINGS: dict[str, dict[str, Any]] = {
    "all of it": {},
    "thawing": {"freezing": {"gradual": 0.5}},
    "a frozen layer, its states cached": {"freezing": {"mode": "lowest", "layers": 1}},
    "adapters": {"backbone_settings": {"lora": {"rank": 2}}},
}


@pytest.fixture(autouse=True)
def _nothing_compiled_before() -> Iterator[None]:
    """A process compiles a function so many times at most, then runs it as it is."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def losses(events: list[Event]) -> list[float]:
    return [one.total_loss for one in events if isinstance(one, StepFinished)]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_compiled_run_learns_the_same_and_saves_under_the_same_names(
    settings: dict[str, Any],
    bert: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "backbone_settings" in settings:
        pytest.importorskip("peft", reason="the extra lora is not installed")
    monkeypatch.setattr(compiling, "BACKEND", "eager")  # no compiler is needed to follow the code
    config = an_experiment(
        backbone=bert, folder=corpus, training={"epochs": 1, "compile": True}, **settings
    )
    stopped = events_of(config, tmp_path / "run", Script((2, Stop())))
    first = [one for one in stopped if isinstance(one, CheckpointSaved)][-1]
    resumed = list(
        train(config, folder=tmp_path / "run", resume_from=tmp_path / "run" / first.folder)
    )
    with monkeypatch.context() as patched:
        patched.setattr(preparation, "compile_layers", lambda model: None)
        plain = events_of(config, tmp_path / "plain")

    assert [one for one in stopped if isinstance(one, Warned) and "compiled" in one.message] == []
    assert first.step == 2
    assert losses(stopped) + losses(resumed) == pytest.approx(losses(plain), rel=1e-5)
    is_cached = [isinstance(one, FeaturesReady) for one in stopped]
    assert any(is_cached) == any(isinstance(one, FeaturesReady) for one in plain)
    assert names_in(tmp_path / "run", 3) == names_in(tmp_path / "plain", 3)


def names_in(run: Path, step: int) -> dict[str, set[str]]:
    """Of all weights of a checkpoint, by file."""
    folder = run / checkpoint_name(step)
    found = {}
    for file in sorted(folder.rglob("*.safetensors")):
        with safe_open(file, "numpy") as opened:
            found[str(file.relative_to(folder))] = set(opened.keys())
    return found


def test_what_cannot_be_compiled_runs_as_without_and_says_so(
    bert: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("No working C++ compiler found.")

    monkeypatch.setattr(compiling, "BACKEND", fails)
    config, without = (
        an_experiment(backbone=bert, folder=corpus, training={"epochs": 1, "compile": wanted})
        for wanted in (True, False)
    )

    events = events_of(config, tmp_path / "run")

    (told,) = [
        one.message for one in events if isinstance(one, Warned) and "not compiled" in one.message
    ]
    assert "No working C++ compiler found" in told
    assert losses(events) == losses(events_of(without, tmp_path / "without"))


def test_what_has_no_layers_or_looks_between_them_is_refused(corpus: Path) -> None:
    with pytest.raises(ValidationError, match="a stack has not"):
        an_experiment(
            folder=corpus, training={"compile": True}, backbone_settings={"kind": "stack"}
        )
    with pytest.raises(ValidationError, match=r"tasks\.mood\.layer_mix looks between the layers"):
        an_experiment(
            folder=corpus,
            training={"compile": True},
            tasks={"mood": a_task(corpus, layer_mix=True)},
        )
