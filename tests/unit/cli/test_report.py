from __future__ import annotations

from dataclasses import asdict

import pytest

from workbench.cli import report
from workbench.events import ParameterGroup

GROUPS = [
    ParameterGroup("embeddings", 1000, 0.0, 0.0, frozen=True),
    *(ParameterGroup(f"layer {n}", 100, 2e-5, 0.01, frozen=False) for n in range(10)),
    *(ParameterGroup(f"layer {n}", 100, 4e-5, 0.01, frozen=False) for n in (10, 11)),
    ParameterGroup("head mood", 50, 1e-3, 0.0, frozen=False, first_step=7),
]


def test_parts_that_are_treated_alike_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    report._parameter_groups([asdict(group) for group in GROUPS])

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["embeddings", "1,000", "frozen", "-", "-"] in lines
    assert ["layers", "0-9", "1,000", "2e-5", "0.01", "1"] in lines
    assert ["layers", "10-11", "200", "4e-5", "0.01", "1"] in lines
    assert ["head", "mood", "50", "1e-3", "0", "7"] in lines


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["embeddings", "layer 0", "layer 1", "head a"],
            "embeddings, layers 0-1, head a",
        ),
        (["layer 0", "layer 2", "layer 3"], "layer 0, layers 2-3"),
        (["layer 5"], "layer 5"),
        (["head a", "head b"], "head a, head b"),
    ],
)
def test_neighbouring_layers_are_named_together(names: list[str], words: str) -> None:
    assert report._parts_in_words(names) == words
