"""Every screen at every size, as it was looked at and approved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from grid import assert_grid
from recorded_runs import a_config, a_queue, a_run, finish, train
from textual.pilot import Pilot

from workbench.operations import keeping
from workbench.operations.playground import Playground, Tried
from workbench.operations.workspace import Workspace
from workbench.store import curves
from workbench.store.records import SeriesKey
from workbench.store.tables import points
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.checkpoints import CheckpointsScreen
from workbench.tui.screens.compare import CompareScreen
from workbench.tui.screens.home import HomeScreen
from workbench.tui.screens.interference import InterferenceScreen
from workbench.tui.screens.playground import PlaygroundScreen
from workbench.tui.screens.queue_screen import QueueScreen
from workbench.tui.screens.run import RunScreen
from workbench.tui.widgets.chart import Chart
from workbench.worker.machine import MachineWatch

SENTENCES = ("Ada saw Rome", "Ada flew to Lisbon.")
SIZES = [(80, 24), (100, 30), (120, 40), (200, 60)]
Text = Callable[[Pilot[None]], str]


@pytest.fixture
def kept(recorded: Workspace, no_supervisor: None, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The recorded runs with what people add, a second seed, and cosines of gradients."""
    seed = a_config("cls", pooling="cls").model_copy(update={"seed": 7})
    other = a_run(recorded, "p3rt5c8w", config=seed, minutes_ago=61)
    train(recorded, other, upto=240, quality=0.9)
    finish(recorded, other)
    keeping.star(recorded, ["n2rt5c8w"])
    keeping.tag(recorded, ["n2rt5c8w", "f9zx7k2n"], ["paper"])
    keeping.note(recorded, "n2rt5c8w", "the one for the paper")
    write_cosines(recorded, "n2rt5c8w")
    monkeypatch.setattr(Playground, "try_texts", try_texts)
    # What the machine of the tests is doing differs each second.
    monkeypatch.setattr(MachineWatch, "look", lambda self, process: None)
    return recorded


def try_texts(self: Playground, run_id: str, texts: Any, **rest: Any) -> Tried:
    """What a model would say; that it does is tested where there is one."""
    answers = {
        "topic": {"label": "travel", "probabilities": {"travel": 0.91, "food": 0.07, "art": 0.02}},
        "sentiment": {"label": "good", "probabilities": {"good": 0.62, "bad": 0.38}},
    }
    entities = [
        [
            {"text": name, "label": label, "start": text.index(name),
             "end": text.index(name) + len(name)}
            for name, label in (("Ada", "PER"), ("Rome", "LOC"), ("Lisbon", "LOC"))
            if name in text
        ]
        for text in texts
    ]  # fmt: skip
    said = tuple({**answers, "entity": {"entities": found}} for found in entities)
    return Tried(tuple(texts), said, np.eye(len(texts), dtype="f4"))


def write_cosines(ws: Workspace, run_id: str) -> None:
    """Looks at gradients as a worker logs them."""
    noise = np.random.default_rng(3)
    pairs = {"topic|sentiment": 0.4, "topic|entity": -0.2, "sentiment|entity": 0.05}
    with ws.store._database.write() as connection:
        keys = [SeriesKey("run", pair, "cosine") for pair in pairs]
        ids = curves.series_ids(connection, run_id, keys)
        connection.execute(
            points.insert(),
            [
                {"series_id": ids[SeriesKey("run", pair, "cosine")], "step": step,
                 "value": float(noise.normal(mean, 0.1))}
                for pair, mean in pairs.items()
                for step in range(5, 241, 5)
            ],
        )  # fmt: skip


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_screen_looks_as_approved(
    kept: Workspace, wait: Any, screen_text: Text, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(kept)
    name = f"{size[0]}x{size[1]}"

    def front(kind: type) -> Callable[[], bool]:
        return lambda: isinstance(app.screen, kind)

    async def approve(pilot: Pilot[None], what: str) -> None:
        before = None
        while (now := screen_text(pilot)) != before:  # until nothing moves any more
            before = now
            await pilot.pause(0.15)
        assert_grid(f"{what}-{name}", now)

    async with app.run_test(size=size) as pilot:
        await wait(pilot, lambda: len(app.known_runs) == 4)
        await approve(pilot, "home")

        await pilot.press("f", "down")
        await approve(pilot, "home-folded")
        await pilot.press("f", "home", "down", "enter")
        await wait(pilot, front(RunScreen))
        await wait(pilot, lambda: len(app.screen.query("GridChart")) == 5)
        await wait(pilot, lambda: "240" in app.screen.query("GridChart")[0].summary())  # type: ignore[attr-defined]
        await approve(pilot, "run")

        await pilot.press("g")
        await wait(pilot, front(InterferenceScreen))
        await wait(pilot, lambda: "cosine" in app.screen.query_one(Chart).summary())
        await approve(pilot, "interference")

        app.action_go("checkpoints")
        await wait(pilot, front(CheckpointsScreen))
        await wait(pilot, lambda: app.screen.chosen is not None)  # type: ignore[attr-defined]
        await approve(pilot, "checkpoints")

        app._compare.show_runs(("n2rt5c8w", "p3rt5c8w", "k7fp3x2a"))
        app.action_go("compare")
        await wait(pilot, front(CompareScreen))
        await wait(pilot, lambda: "240" in app.screen.query_one(Chart).summary())
        await approve(pilot, "compare")
        await pilot.press("p")
        await approve(pilot, "compare-scatter")

        app.action_go("playground")
        await wait(pilot, front(PlaygroundScreen))
        for sentence in SENTENCES:
            await pilot.press(*sentence, "enter")
        await wait(pilot, lambda: app.screen.tried and len(app.screen.tried.texts) == 2)  # type: ignore[attr-defined]
        await pilot.press("escape")
        await approve(pilot, "playground")

        a_queue(kept)
        app.action_go("queue")
        await wait(pilot, front(QueueScreen))
        await wait(pilot, lambda: "hot rate" in screen_text(pilot))
        await pilot.press("down")
        await approve(pilot, "queue")
        app.action_go("home")
        await wait(pilot, front(HomeScreen))
