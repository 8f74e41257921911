"""Following a run by reading the store: what it said since the last look, as lines.

Nothing here is needed by the run: whoever follows may come and go.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workbench.cli.documents import in_order
from workbench.cli.report import features_line
from workbench.control import from_json, in_words
from workbench.events import PAUSED
from workbench.tui import figures

if TYPE_CHECKING:
    from workbench.operations.workspace import Workspace
    from workbench.store.records import Curve, MessageRecord, SeriesKey, StepTable

_BLOCK_SECONDS = 2.0
_BLOCK_STEPS = 10
_SHORTEST_BLOCK_SECONDS = 0.5
_LINES_OF_THE_PAST = 100
"""How many lines the steps made before the first look become at most."""
_KEPT_SHARE = 0.8
"""Of the smoothed loss, what stays of it at each step."""


@dataclass(frozen=True)
class Line:
    """One thing that happened, in words."""

    kind: Literal["step", "evaluation", "checkpoint", "warning", "note"]
    text: str


class Follower:
    """Reads what is new of one run, each thing once, in the order of the steps."""

    def __init__(self, workspace: Workspace, run_id: str) -> None:
        self.step = 0
        self.total_steps = 0
        self._tasks = list(workspace.store.run(run_id).config.tasks)
        self._store = workspace.store
        self._run_id = run_id
        self._after: dict[SeriesKey, int] = {}
        self._messages = 0
        self._smoothed: dict[str, float] = {}
        self._block = _Block(0, 0.0, 0)
        self._eta = math.nan
        self._latest: tuple[int, float, Mapping[str, float]] = (0, 0.0, {})
        self._past_block_steps = 0
        """Steps in a line while the past is told; 0 once it is."""
        self._is_first_look = True

    @property
    def progress(self) -> str:
        """Where the run is, in a few words."""
        share = figures.percent(figures.share(self.step, self.total_steps))
        eta = f"  ETA {figures.duration(self._eta)}" if self.step < self.total_steps else ""
        return f"step {self.step}/{self.total_steps or '?'}  {share}{eta}"

    def news(self, *, is_over: bool = False) -> list[Line]:
        """The lines since the last call.

        Args:
            is_over: The run has ended: a begun block of steps is told, too.
        """
        items = self._told()
        curves = self._store.curves(self._run_id, after=self._after)
        for key, curve in curves.items():
            self._after[key] = int(curve.steps[-1])
        items += self._evaluated(curves)
        items += self._stepped(curves, items, is_over=is_over)
        return [line for _, line in sorted(items, key=lambda item: item[0])]

    def _stepped(
        self, curves: Mapping[SeriesKey, Curve], items: list[tuple[float, Line]], *, is_over: bool
    ) -> list[tuple[float, Line]]:
        """A line for each block of steps."""
        last = max((int(c.steps[-1]) for k, c in curves.items() if k.split == "train"), default=0)
        table = self._store.steps(self._run_id, after=self.step)
        past = last // _LINES_OF_THE_PAST if self._is_first_look else 0
        self._past_block_steps = past if past > _BLOCK_STEPS else 0
        self._is_first_look = False
        values: dict[int, dict[str, float]] = defaultdict(dict)
        for key, curve in curves.items():
            name = key.metric if key.split == "run" else key.task
            is_loss = key.split == "train" and key.metric == "loss"
            if is_loss or key.metric.startswith("learning_rate/"):
                for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True):
                    values[step][name] = value
        # A block ends before an evaluation or a checkpoint, so that the lines are in order.
        ends = {math.floor(p) for p, line in items if line.kind in ("evaluation", "checkpoint")}
        return self._blocks(table, last, values, ends, is_over=is_over)

    def _blocks(
        self,
        table: StepTable,
        last: int,
        values: Mapping[int, dict[str, float]],
        ends: set[int],
        *,
        is_over: bool,
    ) -> list[tuple[float, Line]]:
        lines = []
        columns = (table.steps, table.epochs, table.seconds, table.texts)
        for step, epoch, seconds, texts in zip(*(c.tolist() for c in columns), strict=True):
            if step > last:
                break  # written after the curves were read: it comes next time
            self.step = step
            self._block = self._block.with_step(seconds, texts)
            self._smooth(values.get(step, {}))
            self._latest = (step, epoch, values.get(step, {}))
            if self._is_whole(self._block) or step in ends:
                lines.append(self._end_block())
        if is_over and self._block.steps:
            lines.append(self._end_block())
        return lines

    def _end_block(self) -> tuple[float, Line]:
        line = self._step_line(*self._latest)
        self._block = _Block(0, 0.0, 0)
        return float(self._latest[0]), line

    def _is_whole(self, block: _Block) -> bool:
        if block.steps < self._past_block_steps:
            return False
        if block.seconds >= _BLOCK_SECONDS:
            return True
        return block.steps >= _BLOCK_STEPS and block.seconds >= _SHORTEST_BLOCK_SECONDS

    def _smooth(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if name and not name.startswith("learning_rate/"):
                before = self._smoothed.get(name, value)
                before = value if math.isnan(before) else before
                self._smoothed[name] = _KEPT_SHARE * before + (1 - _KEPT_SHARE) * value

    def _step_line(self, step: int, epoch: float, values: Mapping[str, float]) -> Line:
        seconds = max(self._block.seconds, 1e-9)
        self._eta = (self.total_steps - step) * seconds / max(1, self._block.steps)
        losses = "  ".join(
            f"{task} {figures.metric(self._smoothed[task])}"
            for task in self._tasks
            if task in self._smoothed
        )
        rates = {n.partition("/")[2]: v for n, v in values.items() if "learning_rate/" in n}
        shown = "/".join(dict.fromkeys(figures.rate(rate) for rate in rates.values()))
        parts = [
            f"step {step}/{self.total_steps or '?'}",
            f"epoch {epoch:.2f}",
            f"loss {losses}",
            f"lr {shown}" if shown else "",
            f"{self._block.texts / seconds:.0f} texts/s",
            f"ETA {figures.duration(self._eta)}" if self.total_steps > step else "",
        ]
        return Line("step", "  ".join(part for part in parts if part))

    def _evaluated(self, curves: Mapping[SeriesKey, Curve]) -> list[tuple[float, Line]]:
        """A block of lines for each evaluation."""
        found: dict[tuple[int, str], dict[str, dict[str, float]]] = {}
        for key, curve in curves.items():
            if key.split in ("train", "run"):
                continue
            for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True):
                metrics = found.setdefault((step, key.split), defaultdict(dict))
                metrics[key.task][key.metric] = value
        lines: list[tuple[float, Line]] = []
        for (step, split), metrics in sorted(found.items()):
            selection = metrics.pop("", {}).get("selection")
            suffix = "" if selection is None else f"  selection {figures.metric(selection)}"
            head = f"evaluation  {split} at step {step}{suffix}"
            rows = [
                f"  {task}  "
                + "  ".join(f"{name} {figures.metric(value)}" for name, value in row.items())
                for task, row in in_order(metrics, self._tasks).items()
            ]
            lines.append((step + 0.5, Line("evaluation", "\n".join([head, *rows]))))
        return lines

    def _told(self) -> list[tuple[float, Line]]:
        """Lines for the messages that are new."""
        messages = self._store.messages(self._run_id)
        new, self._messages = messages[self._messages :], len(messages)
        lines: list[tuple[float, Line]] = []
        place = float(self.step)
        for message in new:
            if message.kind == "RunStarted":
                self.total_steps = int(str(message.body["total_steps"]))
            if message.kind == "RunResumed":
                self._go_back(int(str(message.body["step"])))
                place = float(self.step)
            line = _line_of(message)
            if message.kind == "CheckpointSaved":
                place = max(place, float(str(message.body["step"])) + 0.6)
            if line is not None:
                lines.append((place, line))
        return lines

    def _go_back(self, step: int) -> None:
        """Steps after this one were told by a process that ended, and are told anew."""
        if step < self.step:
            self.step = step
            self._block = _Block(0, 0.0, 0)
        self._after = {key: min(last, step) for key, last in self._after.items()}


@dataclass(frozen=True)
class _Block:
    """Steps that one line tells."""

    steps: int
    seconds: float
    texts: int

    def with_step(self, seconds: float, texts: int) -> _Block:
        return _Block(self.steps + 1, self.seconds + seconds, self.texts + texts)


def _asked(body: Mapping[str, object]) -> str:
    """What a run was asked; in the program's own words where this version has none."""
    try:
        return in_words(from_json(str(body["kind"]), str(body["body"])))
    except (KeyError, TypeError, ValueError):
        return str(body["kind"])


def _line_of(message: MessageRecord) -> Line | None:
    body = message.body
    match message.kind:
        case "RunStarted":
            return Line(
                "note",
                f"training {body['trainable_parameters']:,} of {body['total_parameters']:,} "
                f"parameters on {body['device']} in {body['precision']}, "
                f"{body['total_steps']} steps",
            )
        case "CheckpointSaved":
            best = ", the best so far" if body["is_best"] else ""
            size = figures.size(int(str(body["bytes"])))
            return Line("checkpoint", f"checkpoint  step {body['step']}{best}, {size}")
        case "FeaturesReady":
            return Line("note", features_line(body))
        case "TaskGraduated":
            best = figures.metric(float(str(body["best"])))
            return Line(
                "note",
                f"{body['task']} is through: {body['metric']} {best} at step {body['best_step']} "
                "was not surpassed; it is trained no longer",
            )
        case "Warned":
            return Line("warning", f"warning  {body['message']}")
        case "PhaseStarted" if body["phase"] in ("reading data", "showcase", PAUSED):
            return Line("note", f"{body['phase']} …")
        case "RequestObeyed":
            return Line("note", f"asked after step {body['step']}: {_asked(body)}")
        case "RunResumed":
            return Line("note", f"going on after step {body['step']} ({body['previous']})")
    return None
