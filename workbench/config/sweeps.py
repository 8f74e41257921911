"""Several experiments out of one: every combination of the values that some settings take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from math import prod
from pathlib import Path

from workbench.config.experiment import ExperimentConfig
from workbench.config.loading import parse_experiment, to_toml, unset
from workbench.errors import ConfigError

MOST = 1000
"""Combinations; a hundred more than anybody would wait for is a slip of the finger."""
_LONGEST_NAME = 80
_VALUE = re.compile(r"""(?:\[[^\]]*\]|\{[^}]*\}|"[^"]*"|'[^']*'|[^,])+""")
"""Commas inside of brackets and quotes do not part values."""


def sweep(config: ExperimentConfig, variations: Sequence[str]) -> list[ExperimentConfig]:
    """Every combination, the last variation changing fastest.

    An experiment's name says what was varied; seeds alone leave it as it is, so that they can be
    folded into one row.

    Args:
        config: What all of them have in common; its paths are absolute.
        variations: `KEY=VALUE,VALUE…` texts; with none the experiment itself comes out.

    Raises:
        ConfigError: A variation cannot be read, or a combination is no valid experiment.
    """
    if not variations:
        return [config]
    keys, values = zip(*map(_parse, variations), strict=True)
    if (count := prod(map(len, values))) > MOST:
        raise ConfigError(
            f"These are {count} combinations, and {MOST} is the most.",
            where=f"--vary {variations[0]}",
            next_step="vary fewer settings at a time",
        )
    if len(set(keys)) < len(keys):
        raise ConfigError(
            "A setting is varied twice.",
            where=" ".join(f"--vary {one}" for one in variations),
            next_step="give all its values at once: KEY=VALUE,VALUE",
        )
    text = to_toml(config)
    return [
        parse_experiment(
            text,
            origin=f'"{config.name}"',
            folder=Path.cwd(),
            overrides=[
                *unset(config),
                f"name={_name(config.name, keys, combination)}",
                *(f"{key}={value}" for key, value in zip(keys, combination, strict=True)),
            ],
        )
        for combination in product(*values)
    ]


def _parse(variation: str) -> tuple[str, list[str]]:
    key, equals, text = variation.partition("=")
    values = [value.strip() for value in _VALUE.findall(text)]
    if not (equals and key.strip() and values and all(values)):
        raise ConfigError(
            f'"{variation}" is not KEY=VALUE,VALUE.',
            where=f"--vary {variation}",
            next_step="write as --vary optimization.learning_rate=1e-5,3e-5 --vary seed=1,2,3",
        )
    return key.strip(), list(dict.fromkeys(values))


def _name(base: str, keys: Sequence[str], combination: Sequence[str]) -> str:
    lasts = [key.rpartition(".")[2] for key in keys]
    told = [
        f"{last if lasts.count(last) == 1 else key}={value}"
        for key, last, value in zip(keys, lasts, combination, strict=True)
        if key != "seed"
    ]
    if not told:
        return base
    tail = " ".join(told)[-(_LONGEST_NAME - 2) :]  # the ends are what differs
    return f"{base[: _LONGEST_NAME - 1 - len(tail)].strip()} {tail.strip()}"
