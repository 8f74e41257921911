from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from builders import a_task, an_experiment
from pydantic import ValidationError

from workbench.config.loading import load_experiment, parse_experiment, to_toml
from workbench.config.model import PoolingMode, PoolingPart
from workbench.errors import ConfigError

CORPUS = Path("corpus")


def with_pooling(**own: Any) -> dict[str, Any]:
    return {"mood": a_task(CORPUS, pooling=own), "entity": a_task(CORPUS, "tagging")}


def test_a_task_shares_the_pooling_of_all_or_has_one_of_its_own() -> None:
    config = an_experiment(
        tasks=with_pooling(mode="cls") | {"length": a_task(CORPUS)},
        pooling={"mode": "concat", "modes": ["max", "mean"], "projection": 16, "normalize": True},
    )

    assert config.pooling_of("length") is config.pooling
    assert config.pooling.parts == ("max", "mean")
    own = config.pooling_of("mood")
    assert (own.parts, own.projection, own.normalize) == (("cls",), 0, False)


def test_parts_that_stand_side_by_side_have_one_order_whatever_is_written() -> None:
    there, back = (
        an_experiment(pooling={"mode": "concat", "modes": list(modes)}).pooling.parts
        for modes in (get_args(PoolingPart), reversed(get_args(PoolingPart)))
    )

    assert there == back == get_args(PoolingPart)
    assert set(get_args(PoolingMode)) == {*get_args(PoolingPart), "concat"}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"pooling": {"mode": "concat"}}, "pooling.modes has 0"),
        ({"pooling": {"mode": "concat", "modes": ["mean"]}}, "pooling.modes has 1"),
        ({"pooling": {"mode": "mean", "modes": ["max"]}}, "goes with pooling.mode = concat"),
        (
            {"pooling": {"mode": "concat", "modes": ["max", "max", "min"]}},
            "names one of them tw",
        ),
        ({"tasks": with_pooling(mode="concat")}, "pooling.modes has 0"),
        (
            {"tasks": with_pooling(projection=8)},
            "projection is set, but pooling.mode is as",
        ),
        (
            {"tasks": with_pooling(mode="mean"), "pooling": {"mode": "attention"}},
            "something to learn .* but no task looks at it",
        ),
        (
            {"tasks": {"entity": a_task(CORPUS, "tagging")}, "pooling": {"projection": 8}},
            "something to learn .* but no task looks at it",
        ),
    ],
)
def test_poolings_that_make_no_sense_are_refused_with_the_reason(
    sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        an_experiment(**sections)


def test_a_tagging_task_has_no_pooling_and_is_told_where_it_belongs() -> None:
    with pytest.raises(ConfigError, match='"entity": unknown key "pooling"'):
        load_experiment("quickstart", overrides=["tasks.entity.pooling.mode=cls"])


def test_a_pooling_of_a_task_comes_through_set_and_toml() -> None:
    config = load_experiment(
        "quickstart",
        overrides=[
            "tasks.topic.pooling.mode=concat",
            'tasks.topic.pooling.modes=["max", "attention"]',
            "tasks.topic.pooling.normalize=true",
            "pooling.mode=attention",
        ],
    )

    assert config.pooling_of("topic").parts == ("max", "attention")
    assert config.pooling_of("topic").normalize
    assert config.pooling_of("sentiment").parts == ("attention",)
    assert parse_experiment(to_toml(config), origin="again", folder=Path("/")) == config
