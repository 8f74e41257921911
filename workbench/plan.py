"""What a run would be, told before it begins: plain values that the engine fills in.

`workbench.training.planning` makes them, a screen or a command shows them; both know this module
and not each other. All of it can be written as JSON and read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """Something that a person should know before starting."""

    severity: Severity
    """error: the run would fail. warning: it would warn. note: worth knowing."""
    what: str
    where: str = ""
    next_step: str = ""
    setting: str = ""
    """Dotted key of the setting that is to be changed, where that is known."""


@dataclass(frozen=True)
class Trial:
    """What one small experiment before a run found (see `workbench.training.preflight`)."""

    name: str
    is_well: bool
    what: str
    """What was found, with figures."""
    means: str
    """What that means for the run."""
    next_step: str = ""
    """What to change; empty if it is well."""


@dataclass(frozen=True)
class PlannedPart:
    """A part of the model: what of it is trained, how fast, and from when on."""

    name: str
    """embeddings, layer 3, top, pooling, head question."""
    parameters: int
    trained: int
    """Parameters that move at some time."""
    rate: float
    """Highest learning rate; 0 if all of it is frozen."""
    first_step: int = 1
    """The update that it begins to move in, from 1; later than 1 if it thaws."""


@dataclass(frozen=True)
class PlannedTask:
    """A task's data."""

    name: str
    kind: str
    examples: Mapping[str, int]
    """Labelled examples by split; a split that the task has not is missing."""
    labels: Mapping[str, int]
    """How often each label occurs in train, the most frequent first; of a tagging the spans by
    type. Empty where the labels are no names."""
    truncated: Mapping[str, int]
    """Texts that are longer than the maximum length, by split."""
    scores: tuple[int, ...]
    """Examples of train by score, from the lowest to the highest in even bars; empty where the
    labels are no numbers."""
    score_range: tuple[float, float]
    """The lowest and the highest score."""
    lengths: tuple[int, ...]
    """Texts of train by length: one number for each of `Plan.length_steps`."""


@dataclass(frozen=True)
class Memory:
    """Expected memory in bytes: a rule of thumb, good to about a third."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """Of the longest batch, as far down as gradients go."""
    program: int
    """The libraries themselves."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.program


@dataclass(frozen=True)
class Plan:
    """What a run would do."""

    device: str
    precision: str
    parts: tuple[PlannedPart, ...]
    """From the bottom to the top, then the heads."""
    trainable_parameters: int
    total_parameters: int
    tasks: tuple[PlannedTask, ...]
    length_steps: tuple[int, ...]
    """Upper ends, in pieces, of the bars of the length histograms."""
    max_length: int
    """Longest text that the backbone takes here, in pieces."""
    total_steps: int
    steps_per_epoch: int
    memory: Memory


@dataclass(frozen=True)
class Measured:
    """Two real updates, timed."""

    device: str
    seconds_per_update: float
    """Of a batch of usual length."""
    seconds_in_all: float
    """Updates and evaluations of the whole run, at this speed."""
    memory_bytes: int
    """Largest use of the GPU while measuring; on a CPU what the process took."""


@dataclass(frozen=True)
class Check:
    """What a look at an experiment found."""

    plan: Plan | None
    """None if it could not be made: the findings say why."""
    findings: tuple[Finding, ...] = field(default=())

    @property
    def has_errors(self) -> bool:
        """Whether the run would fail."""
        return any(one.severity == "error" for one in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Plain values, with the total of the memory among them."""
        values = asdict(self)
        if self.plan is not None:
            values["plan"]["memory"]["total"] = self.plan.memory.total
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Check:
        """The same again from what `as_json` gave, also after it was written as JSON."""
        findings = tuple(Finding(**one) for one in values["findings"])
        given = values["plan"]
        return cls(_plan(given) if given is not None else None, findings)


def _plan(values: Mapping[str, Any]) -> Plan:
    memory = {name: size for name, size in values["memory"].items() if name != "total"}
    inner: dict[str, Any] = {
        "parts": tuple(PlannedPart(**one) for one in values["parts"]),
        "tasks": tuple(_task(one) for one in values["tasks"]),
        "length_steps": tuple(values["length_steps"]),
        "memory": Memory(**memory),
    }
    return Plan(**(dict(values) | inner))


def _task(values: Mapping[str, Any]) -> PlannedTask:
    rows: dict[str, Any] = {
        name: tuple(values[name]) for name in ("scores", "score_range", "lengths")
    }
    return PlannedTask(**(dict(values) | rows))
