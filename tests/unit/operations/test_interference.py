from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import an_experiment, events_of

from workbench.events import InterferenceProbed
from workbench.operations.interference import interference
from workbench.operations.workspace import open_workspace
from workbench.store.records import RunRecord


def test_the_looks_of_a_run_come_back_as_matrix_history_and_layers(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(
        backbone=bert,
        folder=corpus,
        instruments={"interference_every": 1},
        training={"epochs": 2, "batch_size": 8},
    )
    events = events_of(config, tmp_path / "run")
    with open_workspace(str(tmp_path / "experiments.db")) as ws:
        ws.store.add_run(RunRecord("arun2345", "try", datetime.now(UTC), config, ""))
        before = interference(ws, "arun2345")
        ws.store.append("arun2345", events)

        found = interference(ws, "arun2345")

    probes = [event for event in events if isinstance(event, InterferenceProbed)]
    pair = found.pair("entity", "mood")
    cosines = [probe.cosines["all"]["mood|entity"] for probe in probes]
    assert before.pairs[0].latest is None
    assert before.pairs[0].conflict_rate is None
    assert pair.history.steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert pair.history.values.tolist() == pytest.approx(cosines)
    assert pair.latest == pytest.approx(cosines[-1])
    assert pair.conflict_rate == pytest.approx(sum(value < 0 for value in cosines) / 6)
    assert list(pair.layers) == ["embeddings", "layer 0", "layer 1"]
    assert found.norms["mood"].values.tolist() == pytest.approx(
        [probe.norms["all"]["mood"] for probe in probes]
    )
    assert found.weights["entity"].values.tolist() == [1.0] * 6
