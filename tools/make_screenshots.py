"""Make the pictures of the README: the real interface over the reference runs.

    python tools/make_screenshots.py

Presses the keys that a person would press, over a copy of `experiments.db` and at a fixed time,
so that the pictures change only when the interface or the runs do. Writes `docs/screens/*.svg`;
those that take the runs' files, too, only where `make reference` has left them.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from unittest.mock import patch

from textual.pilot import Pilot

from workbench.config.loading import load_experiment
from workbench.operations import queue
from workbench.operations.workspace import Workspace, open_workspace
from workbench.tui import figures
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.checkpoints import CheckpointsScreen
from workbench.tui.screens.compare import CompareScreen
from workbench.tui.screens.export_dialog import ExportDialog
from workbench.tui.screens.gains import GainsScreen
from workbench.tui.screens.interference import InterferenceScreen
from workbench.tui.screens.new_experiment import NewExperimentScreen
from workbench.tui.screens.playground import PlaygroundScreen
from workbench.tui.screens.queue_screen import QueueScreen
from workbench.tui.screens.run import RunScreen
from workbench.tui.widgets.outlook import Outlook
from workbench.tui.widgets.table import Table

ROOT = Path(__file__).resolve().parent.parent
SCREENS = ROOT / "docs" / "screens"
SIZE = (120, 40)
RUN, OTHER_RUN = "quickstart", "quickstart-frozen-backbone"
WAITING = {"quickstart": 0, "sentiment-pos": 5, "intent-slots": 0}
"""Presets that wait in the picture of the queue, and how urgent they are."""
REFERENCE = ROOT / "build" / "reference"
"""Where `make reference` leaves the runs with their files."""
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
TEXT = re.compile(
    r'<text (?P<style>class="\S+") x="(?P<x>[\d.]+)" (?P<y>y="[\d.]+") '
    r'textLength="(?P<length>[\d.]+)" (?P<clip>[^>]*)>(?P<content>.*?)</text>'
)
"""One text of Textual's export."""
WAIT_SECONDS = 60


async def take_all(workspace: Workspace, *, has_files: bool) -> None:
    """Go through the screens, and take a picture of each that can be shown."""
    app = WorkbenchApp(workspace)
    async with app.run_test(size=SIZE) as pilot:
        await _until(pilot, lambda: bool(app.known_runs))
        # Of several of one name the newest.
        names = [run.record.name for run in app.known_runs]
        rows = {name: names.index(name) for name in names}

        async def choose(name: str) -> None:
            await pilot.press("1", "home", *(["down"] * rows[name]))

        await choose(RUN)
        await take(pilot, "home")

        await pilot.press("enter")
        await _until(pilot, lambda: _shows(app, RunScreen) and app.screen.query("GridChart"))
        await take(pilot, "run")

        await choose(RUN)
        await pilot.press("space")
        await choose(OTHER_RUN)
        await pilot.press("space", "c")
        await _until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await _until(pilot, lambda: _comparison(app) is not None)
        await pilot.press("t", "m", "m")
        await take(pilot, "compare")

        await choose(RUN)
        await pilot.press("enter", "g")
        await _until(pilot, lambda: _shows(app, InterferenceScreen) and _rows(app))
        await take(pilot, "interference")

        await choose(RUN)
        await pilot.press("k")
        await _until(pilot, lambda: isinstance(app.screen, CheckpointsScreen))
        await _until(pilot, lambda: _chosen_step(app) is not None)
        await take(pilot, "checkpoints")

        await pilot.press("e")
        await _until(pilot, lambda: isinstance(app.screen, ExportDialog))
        await take(pilot, "export")

        await pilot.press("escape", "2")
        await _until(pilot, lambda: _is_planned(app))
        await take(pilot, "new")

        if has_files:
            await choose(RUN)
            await pilot.press("b")
            await _until(pilot, lambda: _shows(app, GainsScreen) and _rows(app))
            await take(pilot, "gains")

            await pilot.press("escape", "k")
            await _until(pilot, lambda: _chosen_step(app) is not None)
            await pilot.press("y")
            await _until(pilot, lambda: _has_tried(app))
            await pilot.press("escape", "down")
            await take(pilot, "playground")

        # The last one: from now on there are more runs.
        queue.pause(workspace)
        for preset, priority in WAITING.items():
            queue.add(workspace, load_experiment(preset), priority=priority, source=preset)
        await pilot.press("7")
        await _until(pilot, lambda: _shows(app, QueueScreen) and _rows(app))
        await take(pilot, "queue")


async def take(pilot: Pilot[None], name: str) -> None:
    """Write the screen as it is once nothing moves any more."""
    svg, before = "", None
    while svg != before:
        before = svg
        await pilot.pause(0.3)
        svg = pilot.app.export_screenshot(title="mtl-workbench")
    file = SCREENS / f"{name}.svg"
    file.write_text(self_contained(svg), encoding="utf-8")
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size} bytes")


def self_contained(svg: str) -> str:
    """Load nothing from elsewhere, and keep every character in its cell with any font."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: Fira Code, monospace", f"font-family: {FONTS}", svg)
    svg = re.sub(r"rich-\d+-|terminal-\d+-", "t", svg)  # Numbers that differ each time.
    svg = svg.replace("font-size: 20px", "font-size: 20.26px")
    return TEXT.sub(_placed, svg)


def _placed(match: re.Match[str]) -> str:
    """A text without the spaces around it, which some programs drop, each at its own place.

    Braille comes from another font with another width, so there each character has its place.
    """
    text = html.unescape(match["content"])
    cell = float(match["length"]) / len(text)
    start = float(match["x"]) + cell * (len(text) - len(text.lstrip()))
    text = text.strip()
    if not text:
        return ""
    content = html.escape(text, quote=False).replace("\xa0", "&#160;")
    if text.replace("\xa0", " ").isascii():
        where = f'x="{start:.6g}" textLength="{cell * len(text):.6g}"'
    else:
        where = f'x="{" ".join(f"{start + at * cell:.6g}" for at in range(len(text)))}"'
    return f"<text {match['style']} {where} {match['y']} {match['clip']}>{content}</text>"


def _shows(app: WorkbenchApp, screen: type) -> bool:
    return isinstance(app.screen, screen)


def _comparison(app: WorkbenchApp) -> object:
    screen = app.screen
    return screen.comparison if isinstance(screen, CompareScreen) else None


def _chosen_step(app: WorkbenchApp) -> int | None:
    screen = app.screen
    chosen = screen.chosen if isinstance(screen, CheckpointsScreen) else None
    return chosen.step if chosen is not None else None


def _rows(app: WorkbenchApp) -> object:
    tables = app.screen.query(Table)
    return tables and tables.first().rows


def _has_tried(app: WorkbenchApp) -> bool:
    screen = app.screen
    return isinstance(screen, PlaygroundScreen) and screen.tried is not None


def _is_planned(app: WorkbenchApp) -> bool:
    screen = app.screen
    return isinstance(screen, NewExperimentScreen) and screen.query_one(Outlook).is_fresh


async def _until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{pilot.app.screen} did not get ready in {WAIT_SECONDS} s")
        await pilot.pause(0.05)


def fixed_clock(moment: datetime) -> type[datetime]:
    """A `datetime` whose present is this moment."""

    class FixedClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> FixedClock:
            return cls.fromtimestamp(moment.timestamp(), tz)

    return FixedClock


def main() -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    os.environ["TZ"] = "UTC"
    time.tzset()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory(prefix="screens-") as folder:
        os.environ["HOME"] = folder  # The database goes by "~/experiments.db" on every machine.
        database = Path(folder) / "experiments.db"
        has_files = (REFERENCE / "runs").is_dir()
        if has_files:
            (Path(folder) / "runs").symlink_to(REFERENCE / "runs")
        else:
            print("no pictures of gains and playground: make reference leaves the files they need")
        shutil.copy((REFERENCE if has_files else ROOT) / "experiments.db", database)
        with open_workspace(str(database)) as workspace:
            runs = workspace.store.runs()
            for run in runs if not has_files else []:
                # Their files are not kept; without the folders the screen would say so.
                for checkpoint in workspace.store.checkpoints(run.id):
                    kept = workspace.location.run_folder(run.id) / checkpoint.folder
                    kept.mkdir(parents=True, exist_ok=True)
            clock = fixed_clock(runs[0].created_at + timedelta(hours=1))
            with patch.object(figures, "datetime", clock):
                asyncio.run(take_all(workspace, has_files=has_files))


if __name__ == "__main__":
    main()
