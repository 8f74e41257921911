from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from builders import a_task, an_experiment
from pydantic import ValidationError

from workbench.config.fields import coerce
from workbench.config.model import FreezingMode
from workbench.model.freezing import FREEZINGS
from workbench.tui.form import draft_of, judge


def test_the_settings_name_every_freezing() -> None:
    assert get_args(FreezingMode) == tuple(FREEZINGS)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"freezing": {"mode": "lowest"}}, "freezing.layers goes with"),
        ({"freezing": {"mode": "none", "layers": 2}}, "freezing.layers goes with"),
        ({"freezing": {"mode": "backbone", "gradual": 0.5}}, "keeps frozen"),
        ({"freezing": {"heads": ["moo"]}}, 'did you mean "mood"'),
        (
            {"optimization": {"optimizer": "schedule_free"}},
            'stands in for a falling rate, but schedule is "linear"',
        ),
        (
            {
                "optimization": {"optimizer": "schedule_free", "schedule": "constant"},
                "freezing": {"gradual": 0.5},
            },
            "does not go with freezing.gradual",
        ),
        ({"optimization": {"layer_factors": [0.0, 1.0]}}, "layer_factors must be above 0"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(
    sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        an_experiment(**sections)


def test_a_plateau_needs_dev_data() -> None:
    task = a_task(Path("corpus"), data={"dev": None})

    with pytest.raises(ValidationError, match="plateau looks at dev"):
        an_experiment(tasks={"mood": task}, optimization={"schedule": "plateau"})

    split_off = a_task(Path("corpus"), data={"dev": None, "dev_share": 0.2})
    an_experiment(tasks={"mood": split_off}, optimization={"schedule": "plateau"})


def test_a_list_of_numbers_goes_through_the_form_and_the_command(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.jsonl").touch()
    config = an_experiment(
        folder=tmp_path,
        optimization={"layer_rates": "table", "layer_factors": [0.25, 1.0]},
        freezing={"heads": ["mood"], "patterns": ["*.bias"]},
    )

    verdict = judge(draft_of(config, "").entries())

    assert verdict.problems == ()
    assert verdict.config == config
    assert coerce("optimization.layer_factors", "[0.25, 1]") == [0.25, 1]
