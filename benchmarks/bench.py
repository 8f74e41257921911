"""One table: this project and its peers at the same work, in interleaved runs.

    python benchmarks/bench.py --data-root CORPORA [--peers FOLDER] [--steps 60] [--rounds 3]
    python benchmarks/bench.py --data-root CORPORA [--peers FOLDER] --epoch [--rounds 1]

Every row is a process of its own; rounds run all rows one after the other, so that a machine that
slows down does so for all. Ratios are of real word pieces per CPU second: others on the machine
disturb CPU time least, and batches of questions are half as long as those of entities. With
--epoch each trains a whole epoch, and metrics on dev show that the work was done.
`--peers` is the folder of make_peers.sh; what is not there is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FROZEN = ["--set", "freezing.mode=backbone", "--set", "training.epochs=2"]
LOWEST = ["--set", "freezing.mode=lowest", "--set", "freezing.layers=4"]
LOWEST += ["--set", "training.epochs=2"]
SMALL = [f"--set=tasks.{task}.data.max_examples=320" for task in ("question", "entity")]
SMALL_STEPS = 40
"""Two epochs over 2 x 320 texts in batches of 32; the rate is that of the second."""

EPOCH = 261
"""Updates over both corpora in batches of 32 of one task."""

Result = dict[str, Any]


def rows(peers: Path | None, steps: int, *, is_epoch: bool) -> dict[str, list[str]]:
    """By name, the command of each row without the arguments that all have."""
    python = sys.executable
    ours = [python, str(HERE / "our_rate.py"), "--steps", str(steps)]
    dev = ["--dev"] if is_epoch else []
    if is_epoch:  # to its end: an evaluation comes after the last update
        ours[-1:] = ["1000000", "--set", "training.epochs=1"]
    small = [python, str(HERE / "our_rate.py"), "--steps", str(SMALL_STEPS), "--skip", "20", *SMALL]
    plain = [python, str(HERE / "plain_loop.py"), "--steps", str(steps), *dev]
    plain += ["--epochs", "1"] if is_epoch else []
    uncached = ["--set", "cache.features=false"]
    found = {
        "plain loop": plain,
        "HF Trainer": [python, str(HERE / "peer_trainer.py"), "--steps", str(steps), *dev],
        "sentence-transformers": [
            python,
            str(HERE / "peer_sentence_transformers.py"),
            "--steps",
            str(steps),
            *dev,
        ],
        "workbench fp32": [*ours, "--set", "training.precision=fp32"],
        "workbench bf16": [*ours, "--set", "training.precision=bf16"],
        "lower 4 of 6 frozen: plain loop": [*plain, "--frozen-layers", "4"],
        "lower 4 of 6 frozen: recomputed": [*small, *LOWEST, *uncached],
        "lower 4 of 6 frozen: cached": [*small, *LOWEST],
        "backbone frozen: recomputed": [*small, *FROZEN, *uncached],
        "backbone frozen: cached": [*small, *FROZEN],
    }
    flair = peers / "flair/bin/python" if peers else None
    if flair is not None and flair.is_file():
        command = [str(flair), str(HERE / "peer_flair.py"), "--steps", str(steps), *dev]
        found["Flair"] = command
        found["Flair BiLSTM+CRF"] = [*command, "--bilstm-crf"]
    return found


def run(command: list[str], cache: str) -> Result | None:
    """The last line of a row's output, as JSON; None if it failed."""
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "GOMP_SPINCOUNT": "1000"}
    variables["MTL_WORKBENCH_CACHE"] = cache
    variables["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), str(HERE)])
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    if done.returncode:
        print(f"{' '.join(command)} failed:\n{done.stderr[-600:]}", file=sys.stderr)
        return None
    found: Result = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--epoch", action="store_true", help="a whole epoch each, with dev metrics")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--to", type=Path, help="also write the figures of every run, as JSON")
    asked = parser.parse_args()
    common = ["--data-root", str(asked.data_root), "--threads", str(asked.threads)]
    found: dict[str, list[Result]] = {}
    with tempfile.TemporaryDirectory() as cache:
        for number in range(asked.rounds):
            steps = EPOCH if asked.epoch else asked.steps
            for name, command in rows(asked.peers, steps, is_epoch=asked.epoch).items():
                result = run([*command, *common], cache)
                print(f"round {number + 1}  {name}  {json.dumps(result)}", file=sys.stderr)
                if result is not None:
                    found.setdefault(name, []).append(result)
                if asked.to:
                    asked.to.write_text(json.dumps(found, indent=1))
        print(table(found))
        python = sys.executable
        encoding = run([python, str(HERE / "encoding.py"), *common], cache)
        print(f"\n{encoding_table(encoding)}" if encoding else "")
        profile = [python, str(HERE / "our_rate.py"), "--steps", "15", "--profile", *common]
        for precision in ("fp32", "bf16"):
            told = run([*profile, "--set", f"training.precision={precision}"], cache)
            if told:
                print(f"matrix products in {precision}: {told['matrix_products']:.0%} of the time")
        cost = run([python, str(HERE / "instrument_cost.py")], cache)
        if cost:
            print(
                f"recording: {cost['cpu_milliseconds_per_update']} ms of CPU time per update, "
                f"{cost['share']:.2%} of a step at 20 steps/s"
            )


def median(results: list[Result], key: str) -> float:
    """Of the runs that have it."""
    return statistics.median(result[key] for result in results if key in result)


def table(found: dict[str, list[Result]]) -> str:
    """A Markdown table of medians; ratios are of word pieces per CPU second."""
    rate = "pieces_per_cpu_second"
    base = median(found["plain loop"], rate)
    peers = [name for name in ("HF Trainer", "sentence-transformers") if name in found]
    fastest = max((median(found[name], rate) for name in peers), default=base)
    lines = [
        "| | texts/s | pieces per CPU s (lowest to highest) | to the plain loop | to the fastest "
        "shuffling peer | first step, s | peak MB | loss, first 5 and last 5 batches | dev |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for name, results in found.items():
        rates = [result[rate] for result in results]
        middle = statistics.median(rates)
        last = results[-1]
        losses = ", ".join(
            f"{task} {last['loss_head'][task]} {last['loss_tail'][task]}"
            for task in sorted(last["loss_head"])
        )
        dev = ", ".join(f"{task} {value}" for task, value in sorted(last.get("dev", {}).items()))
        lines.append(
            f"| {name} | {median(results, 'texts_per_second'):.1f} | {middle:.0f} "
            f"({min(rates):.0f} to {max(rates):.0f}) | {middle / base:.2f} | "
            f"{middle / fastest:.2f} | {median(results, 'first_step_seconds'):.1f} | "
            f"{median(results, 'peak_megabytes'):.0f} | {losses} | {dev} |"
        )
    return "\n".join(lines)


def encoding_table(encoding: Result) -> str:
    """The same for encoding."""
    base = encoding["sentence-transformers"]["texts_per_cpu_second"]
    lines = [
        "| encoding | texts/s | texts per CPU s | ratio | lowest cosine |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, row in encoding.items():
        lines.append(
            f"| {name} | {row['texts_per_second']} | {row['texts_per_cpu_second']} | "
            f"{row['texts_per_cpu_second'] / base:.2f} | {row['lowest_cosine']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
