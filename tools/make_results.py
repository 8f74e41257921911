"""What the presets reach on the real corpora, together and each task alone: docs/results.md.

    python tools/make_results.py --data-root CORPORA --work FOLDER [--only NAME]… [--minutes 40]

Each row is a run of its own on one core, followed by one look at the test split with the best
checkpoint of dev; as many run side by side as there are cores. What was found stands in
docs/results.json; a run that is there is not made anew, so that the work can be done in several
sittings, and the page is written from whatever is there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.config.baselines import alone
from workbench.config.experiment import ExperimentConfig
from workbench.config.loading import load_experiment, to_toml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "results.md"
FOUND = PAGE.with_suffix(".json")
PRECISION = "bf16"
"""Of every run: half the time of fp32 on CPUs that multiply it, without a difference that a seed
would not make as well."""


@dataclass(frozen=True)
class Study:
    """A preset, perhaps with other settings, and its tasks alone."""

    name: str
    preset: str
    settings: tuple[str, ...] = ()
    """What differs from the preset, as for `--set`."""

    def config(self, data_root: Path) -> ExperimentConfig:
        """The experiment of all tasks."""
        overrides = [*self.settings, f"training.precision={PRECISION}"]
        config = load_experiment(self.preset, overrides=overrides, data_root=data_root)
        return config.model_copy(update={"name": self.name})


def _heads(*tasks: str, **settings: str) -> tuple[str, ...]:
    return tuple(f"tasks.{task}.{key}={value}" for task in tasks for key, value in settings.items())


NER = ("tweets", "wikipedia")
STUDIES = (
    Study("questions and names, linear", "tutorial-ner-trec-linear"),
    Study("intent and slots", "intent-slots"),
    Study("pairs", "pairs"),
    Study("two NER, BiLSTM and CRF", "tutorial-two-ner"),
    Study("two NER, CRF", "tutorial-two-ner", _heads(*NER, rnn="none")),
    Study("two NER, linear", "tutorial-two-ner", _heads(*NER, rnn="none", crf="false")),
    Study("questions and names, CRF", "tutorial-ner-trec"),
    Study("sentiment and parts of speech", "sentiment-pos"),
    Study("emotions", "emotions"),
)
PUBLISHED = {
    ("question", "accuracy"): "0.974 BERT-base, 0.970 DistilBERT (model cards)",
    ("entity", "span_f1"): "0.565 BERTweet; 0.456 Aguilar et al.",
    ("tweets", "span_f1"): "0.565 BERTweet; 0.456 Aguilar et al.",
    ("wikipedia", "span_f1"): "none on this split",
    ("intent", "accuracy"): "0.990 Stack-Propagation+BERT; 0.970 Slot-Gated",
    ("slots", "span_f1"): "0.970 Stack-Propagation+BERT; 0.888 Slot-Gated",
    ("relatedness", "pearson"): "0.884 InferSent; 0.888 GenSen",
    ("entailment", "accuracy"): "0.863 InferSent; 0.878 GenSen",
    ("emotion", "macro_f1"): "0.46 BERT-base (Demszky et al.)",
    ("sentiment", "accuracy"): "0.885 RoBERTa-base; 0.86-0.87 BERT-base (model cards)",
    ("pos", "accuracy"): "0.969 spaCy transformer, treebank v2.5",
}
"""On test, by task and metric, as their authors state them."""


def wanted(study: Study, data_root: Path) -> Iterator[tuple[str, ExperimentConfig]]:
    """The runs of a study by name: together, then each task alone."""
    config = study.config(data_root)
    yield study.name, config
    if len(config.tasks) > 1:
        for task in config.tasks:
            name = f"{study.name}: {task} alone"
            yield name, alone(config, task).model_copy(update={"name": name})


class Runner:
    """Makes runs, each on a core that no other has, and keeps what came out."""

    def __init__(self, folder: Path, found: dict[str, Any]) -> None:
        self.folder, self.found = folder, found
        self.cores = sorted(os.sched_getaffinity(0))
        self.lock = threading.Lock()

    def run(self, name: str, config: ExperimentConfig, core: int) -> None:
        """Train, look at test once, and keep what came out."""
        file = self.folder / f"experiment-{core}.toml"
        file.write_text(to_toml(config), encoding="utf-8")
        begin = time.monotonic()
        self._workbench(core, "train", str(file), "--name", name, "--plain")
        seconds = time.monotonic() - begin
        shown = json.loads(self._workbench(core, "show", name, "--json"))
        test = json.loads(self._workbench(core, "evaluate", name, "--json"))
        with self.lock:
            self.found[name] = {
                "dev": shown["metrics"],
                "test": test.get("metrics", test),
                "seconds": round(seconds),
                "texts_per_second": shown.get("texts_per_second"),
            }
            FOUND.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")

    def run_all(self, runs: list[tuple[str, ExperimentConfig]], until: float) -> None:
        """All of them, none begun after `until` on the monotonic clock."""
        waiting = iter(runs)

        def work(core: int) -> None:
            while time.monotonic() < until:
                with self.lock:
                    taken = next(waiting, None)
                if taken is None:
                    return
                print(time.strftime("%H:%M:%S"), taken[0], flush=True)
                self.run(*taken, core)

        with ThreadPoolExecutor(len(self.cores)) as pool:
            for done in [pool.submit(work, core) for core in self.cores]:
                done.result()

    def _workbench(self, core: int, *words: str) -> str:
        """A command of the program, on one core and to its end; what it printed."""
        command = [sys.executable, "-m", "workbench", *words, "--db"]
        done = subprocess.run(
            [*command, str(self.folder / "experiments.db")],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}")
        return done.stdout


def page(found: dict[str, Any], data_root: Path) -> str:
    """The page, from what was found so far."""
    lines = [
        "# Results",
        "",
        "What the presets reach with MiniLM (22 M parameters, 6 layers) on public corpora, on the",
        "test split, by the checkpoint that dev chose; one seed each, so that differences of a",
        f"point or less may be chance. Each run was made on one CPU core, in {PRECISION}, by",
        "`python tools/make_results.py --data-root CORPORA --work FOLDER`.",
        "",
        "| study | task | metric | together | alone | published, larger models |",
        "| --- | --- | --- | ---: | ---: | --- |",
    ]
    for study in STUDIES:
        if study.name not in found:
            continue
        config = study.config(data_root)
        for task, settings in config.tasks.items():
            metric = settings.metric
            together = found[study.name]["test"][task][metric]
            by_itself = found.get(f"{study.name}: {task} alone")
            alone_value = f"{by_itself['test'][task][metric]:.3f}" if by_itself else ""
            if len(config.tasks) == 1:
                alone_value = "the same"
            lines.append(
                f"| {study.name} | {task} | {metric} | {together:.3f} | {alone_value} "
                f"| {PUBLISHED.get((task, metric), '')} |"
            )
    lines += ["", "## Commands", "", "| study | command | seconds |", "| --- | --- | ---: |"]
    for study in STUDIES:
        if study.name in found:
            changed = (*study.settings, f"training.precision={PRECISION}")
            sets = "".join(f" --set {setting}" for setting in changed)
            lines.append(
                f"| {study.name} | `mtl-workbench train {study.preset} --data-root CORPORA{sets}` "
                f"| {found[study.name]['seconds']} |"
            )
    lines += [
        "",
        "Seconds are of a machine that did other work, too.",
        "Then `mtl-workbench evaluate @last --split test`. Each task alone: `mtl-workbench",
        "baselines PRESET --data-root CORPORA`. Published figures are those that the corpora's",
        "page or the models' cards state; the models are four to fifteen times as large.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no run after this time")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
    until = time.monotonic() + 60 * options.minutes
    data_root = options.data_root.resolve()
    runs = [
        (name, config)
        for study in STUDIES
        if not options.only or study.name in options.only
        for name, config in wanted(study, data_root)
        if name not in found
    ]
    Runner(options.work.resolve(), found).run_all(runs, until)
    PAGE.write_text(page(found, data_root), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
