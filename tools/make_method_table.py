"""Four tasks under four ways of balancing them, beside each task alone: docs/methods.md.

    python tools/make_method_table.py --data-root CORPORA --work FOLDER [--minutes 40]

The runs are those of the preset `four-tasks` with three seeds. What FOLDER's database has already
is not made anew, so that the work can be done in several sittings; the page needs all of it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from workbench.config.experiment import ExperimentConfig
from workbench.config.loading import load_experiment, to_toml
from workbench.operations.baselines import TaskGain, Transfer, companions_of, transfer
from workbench.operations.reading import summarize
from workbench.operations.workspace import Workspace, open_workspace

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "methods.md"
PRESET, SEEDS = "four-tasks", (1, 2, 3)
EVERYWHERE = ("training.precision=bf16",)
METHODS: dict[str, tuple[str, ...]] = {
    "sum": (),
    "uncertainty": ("weighting.method=uncertainty",),
    "PCGrad": ("weighting.gradients=pcgrad",),
    "UPGrad": ("weighting.gradients=upgrad",),
}


def experiments(data_root: Path) -> dict[str, ExperimentConfig]:
    """The preset under each method."""
    return {
        name: load_experiment(PRESET, overrides=[*EVERYWHERE, *settings], data_root=data_root)
        for name, settings in METHODS.items()
    }


def missing(ws: Workspace, configs: dict[str, ExperimentConfig]) -> Iterator[ExperimentConfig]:
    """The runs that are not there yet; each task alone is the same for all methods."""
    for config in configs.values():
        for companion in companions_of(ws, config, seeds=SEEDS):
            if companion.run_id is None:
                yield companion.config


def train(config: ExperimentConfig, folder: Path) -> None:
    """One run, to its end."""
    file = folder / "experiment.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    command = [sys.executable, "-m", "workbench", "train", str(file), "--plain"]
    command += ["--db", str(folder / "experiments.db")]
    subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL)


def page(ws: Workspace, found: dict[str, Transfer]) -> str:
    """The page, when all runs are there."""
    tasks = next(iter(found.values())).gains
    lines = [
        "# Four tasks, four ways of balancing them",
        "",
        "Intents and slots (SNIPS), question types (TREC-6) and named entities (WNUT-17) on one",
        "MiniLM, a thousand examples of each, three passes, the preset `four-tasks` with nothing",
        f"but the method and bf16 changed, {len(SEEDS)} seeds, a core for each run. Dev metrics",
        "of the best checkpoint, means over the seeds; in brackets the interval (95 %) over texts",
        "and seeds.",
        "Other work went on on the machine: seconds are good for their order only.",
        "`tools/make_method_table.py` makes the runs and this page.",
        "",
        "| method | mean relative gain (Δm) | seconds a run (median) |",
        "| --- | --- | ---: |",
    ]
    for method, one in found.items():
        lines.append(f"| {method} | {_mean(one)} | {_seconds(ws, one):.0f} |")
    lines += ["", "| task | metric | alone | " + " | ".join(found) + " |"]
    lines += ["| --- | --- | ---: | " + " | ".join("---" for _ in found) + " |"]
    for place, task in enumerate(tasks):
        cells = [_cell(one.gains[place]) for one in found.values()]
        lines.append(
            f"| {task.task} | {task.metric} | {task.alone:.4f} | " + " | ".join(cells) + " |"
        )
    lines += [
        "",
        "An interval that holds 0 is no gain and no loss that could be told from chance. All",
        "methods ran at the rate of the preset, without matching of norms: a method whose steps",
        "are longer or shorter than the sum's may owe some of its figure to that.",
        "",
        "## Commands",
        "",
        "```",
        f"mtl-workbench baselines {PRESET} --data-root CORPORA --set {EVERYWHERE[0]} --seeds 1,2,3",
    ]
    for settings in list(METHODS.values())[1:]:
        sets = " ".join(f"--set {setting}" for setting in (*EVERYWHERE, *settings))
        lines.append(f"mtl-workbench baselines {PRESET} --data-root CORPORA {sets} --seeds 1,2,3")
    return "\n".join([*lines, "mtl-workbench compare --transfer RUN", "```", ""])


def _mean(one: Transfer) -> str:
    low, high = one.mean_interval or (float("nan"), float("nan"))
    return f"{one.mean_gain or float('nan'):+.2%} [{low:+.2%}, {high:+.2%}]"


def _cell(gain: TaskGain) -> str:
    low, high = gain.low or 0.0, gain.high or 0.0
    return f"{gain.together:.4f}, {gain.difference:+.4f} [{low:+.4f}, {high:+.4f}]"


def _seconds(ws: Workspace, one: Transfer) -> float:
    return median(summarize(ws, run).seconds or 0.0 for run in one.runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no run after this time")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    configs = experiments(options.data_root.resolve())
    until = time.monotonic() + 60 * options.minutes
    with open_workspace(str(options.work / "experiments.db")) as ws:
        while (config := next(missing(ws, configs), None)) and time.monotonic() < until:
            print(config.name, config.seed, flush=True)
            train(config, options.work.resolve())
        if config is not None:
            print("Not all runs are there yet.")
            return
        found = {}
        for name, one in configs.items():
            (first, *_) = companions_of(ws, one, seeds=SEEDS)
            (found[name],) = transfer(ws, [str(first.run_id)])
        PAGE.write_text(page(ws, found), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
