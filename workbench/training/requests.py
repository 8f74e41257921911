"""What people have set in a run while it is at work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from workbench.control import SetLogInterval, SetRateScale, Setting, SetWeight
from workbench.errors import nearest
from workbench.training.state import State


@dataclass
class Requests:
    """The settings in force that differ from the config; a checkpoint keeps them."""

    weights: dict[str, float] = field(default_factory=dict)
    """Factors of the losses, by task."""
    rate_scale: float = 1.0
    """What the schedule's rates are multiplied with."""
    log_interval: int = 1
    """The losses of every n-th update are told."""

    def set(self, request: Setting) -> None:
        """From now on do as asked."""
        match request:
            case SetWeight():
                self.weights[request.task] = request.weight
            case SetRateScale():
                self.rate_scale = request.factor
            case SetLogInterval():
                self.log_interval = request.updates

    def state(self) -> State:
        """All of them."""
        return {
            "weights": dict(self.weights),
            "rate_scale": self.rate_scale,
            "log_interval": self.log_interval,
        }

    def restore(self, state: State) -> None:
        """Put them in force again."""
        self.weights = dict(state["weights"])
        self.rate_scale = state["rate_scale"]
        self.log_interval = state["log_interval"]


def refusal(
    request: Setting,
    tasks: Collection[str],
    *,
    graduated: Collection[str] = (),
    by_formula: bool = False,
) -> str:
    """Why a request cannot be obeyed; empty if it can.

    Args:
        request: What was asked.
        tasks: Of the run.
        graduated: Tasks that are trained no longer.
        by_formula: Whether a formula says what each loss counts.
    """
    match request:
        case SetWeight() if request.task in graduated:
            return f"{request.task} has stopped improving and is trained no longer."
        case SetWeight() if by_formula:
            return "weighting.formula says what each task counts, so no weight is set."
        case SetWeight() if request.task not in tasks:
            return f'There is no task "{request.task}" to weigh; {nearest(request.task, tasks)}.'
        case SetWeight() if not 0 <= request.weight < float("inf"):
            return f"A weight is 0 or more, so that of {request.task} is not set: {request.weight}."
        case SetRateScale() if not 0 < request.factor < float("inf"):
            return f"A rate scale is above 0, so it stays as it is: {request.factor}."
        case SetLogInterval() if request.updates < 1:
            return f"A log interval is at least 1 update: {request.updates}."
    return ""
