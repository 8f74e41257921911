"""Pairs of tasks by the cosines of their gradients."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from builders import an_experiment, events_of

from workbench.events import InterferenceProbed
from workbench.operations import interference
from workbench.operations.workspace import open_workspace
from workbench.store.records import Curve, RunRecord, SeriesKey


def cosines(*values: float) -> Curve:
    return Curve(np.arange(1, len(values) + 1) * 10, np.array(values))


CURVES = {
    SeriesKey("run", "a|b", "cosine"): cosines(0.5, -0.5, 0.5, 0.5),
    SeriesKey("run", "a|c", "cosine"): cosines(*[0.9] * 30, *[-0.4] * 20),
    SeriesKey("run", "b|c", "cosine"): cosines(float("nan")),
    SeriesKey("run", "a|b", "cosine/layer 1"): cosines(0.1),
    SeriesKey("run", "", "gradient_norm"): cosines(1.0),
    SeriesKey("train", "a", "loss"): cosines(2.0),
}


def test_pairs_come_with_those_most_at_odds_first_and_unknown_ones_last() -> None:
    found = interference.pairs(CURVES)

    assert [pair.name for pair in found] == ["a|c", "a|b", "b|c"]
    assert found[0].recent == pytest.approx(-0.4)  # of the last looks, not of all
    assert found[0].conflict == pytest.approx(0.4)
    assert found[1].conflict == pytest.approx(0.25)
    assert found[2].looks == 0


def test_cosines_of_a_part_are_told_apart_from_those_of_the_whole() -> None:
    assert interference.parts_of(CURVES) == ["", "layer 1"]
    (pair,) = interference.pairs(CURVES, "layer 1")
    assert pair.recent == pytest.approx(0.1)


def test_the_looks_of_a_true_run_come_back_by_pair_and_part(
    bert: Path, corpus: Path, tmp_path: Path
) -> None:
    config = an_experiment(backbone=bert, folder=corpus, instruments={"interference_every": 1})
    events = events_of(config, tmp_path / "run")
    with open_workspace(str(tmp_path / "experiments.db")) as ws:
        ws.store.add_run(RunRecord("arun2345", "try", datetime.now(UTC), config, ""))
        ws.store.append("arun2345", events)

        curves = ws.store.curves("arun2345")

    probes = [event for event in events if isinstance(event, InterferenceProbed)]
    cosines = [probe.cosines["all"]["mood|entity"] for probe in probes]
    (pair,) = interference.pairs(curves)
    assert pair.name == "mood|entity"
    assert pair.looks == len(cosines) == 6
    assert pair.mean == pytest.approx(np.mean(cosines))
    assert pair.conflict == pytest.approx(sum(value < 0 for value in cosines) / 6)
    assert interference.parts_of(curves) == ["", "embeddings", "layer 0", "layer 1"]
