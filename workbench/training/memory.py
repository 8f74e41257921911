"""What the weights, the optimizer and the gradient scaler remember, by the names of parameters.

By name and not by position, so that the order in which groups are built may change, and so that
a model with one head more can take over what still fits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from workbench.training.optimizer import weights_to_train, weights_to_use
from workbench.training.state import State

_FROM_SETTINGS = frozenset({"params", "lr", "peak", "name", "weight_decay"})
"""Entries of an optimizer's group that the settings say, and the step."""


class TrainedWeights:
    """The values of all parameters that may move, at the place where gradients are taken.

    Schedule-free training knows a second place, their average, where the model is evaluated and
    saved. Going there and back by its own arithmetic rounds; here the way back is exact, so that
    an evaluation more changes nothing of what is learned.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, frozen: Collection[str]
    ) -> None:
        self._optimizer = optimizer
        self._parameters = {
            name: parameter for name, parameter in model.named_parameters() if name not in frozen
        }
        self._has_two_places = hasattr(optimizer, "eval")
        self._aside: dict[str, Tensor] | None = None

    def to_use(self) -> None:
        """Put the weights where the model is looked at and saved."""
        if self._has_two_places and self._aside is None:
            self._aside = _copies(self._parameters)
            weights_to_use(self._optimizer)

    def to_train(self) -> None:
        """Put the weights where gradients are taken."""
        weights_to_train(self._optimizer)
        if self._aside is not None:
            _copy(self._aside, self._parameters)
            self._aside = None

    def state(self) -> State:
        """By name of the parameter."""
        values: Mapping[str, Tensor] = self._parameters
        return dict(self._aside if self._aside is not None else values)

    def restore(self, state: State) -> None:
        """Set every parameter.

        Raises:
            ValueError: They are not those of this model.
        """
        different = sorted(state.keys() ^ self._parameters.keys())
        different += [
            name
            for name, value in state.items()
            if name in self._parameters and value.shape != self._parameters[name].shape
        ]
        if different:
            raise ValueError(f"{different[0]} is not in both, or of another shape")
        _copy(state, self._parameters)
        if self._has_two_places:
            self._aside = _copies(self._parameters)


class FittedValues:
    """What is fitted or tuned at evaluations, not trained: layers and thresholds of heads."""

    def __init__(self, model: nn.Module) -> None:
        parameters = {name for name, _ in model.named_parameters()}
        self._values = {
            f"{part}.{name}": value
            for part, child in model.named_children()
            if part != "backbone"
            for name, value in child.state_dict().items()
            if f"{part}.{name}" not in parameters
        }

    def state(self) -> State:
        """By name of the buffer."""
        return dict(self._values)

    def restore(self, state: State) -> None:
        """Set every one of them.

        Raises:
            ValueError: They are not those of this model.
        """
        if different := sorted(state.keys() ^ self._values.keys()):
            raise ValueError(f"{different[0]} is not in both")
        for name, value in self._values.items():
            value.copy_(state[name])


class OptimizerMemory:
    """What an optimizer has gathered: moments and counts of each parameter, sums of its groups."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        self._groups = [
            ([names.get(id(one), f"unnamed {place}") for place, one in enumerate(group["params"])])
            for group in optimizer.param_groups
        ]

    def state(self) -> State:
        """By name of the parameter; and by group, with the names that are in it."""
        parameters = {}
        for names, group in zip(self._groups, self._optimizer.param_groups, strict=True):
            for name, parameter in zip(names, group["params"], strict=True):
                if held := self._optimizer.state.get(parameter):
                    parameters[name] = dict(held)
        groups = [
            {"parameters": names, "values": _memory_of(group)}
            for names, group in zip(self._groups, self._optimizer.param_groups, strict=True)
        ]
        return {"kind": type(self._optimizer).__name__, "parameters": parameters, "groups": groups}

    def restore(self, state: State) -> None:
        """Take all of it over.

        Raises:
            ValueError: It is of another optimizer, or its groups hold other parameters.
        """
        if (kind := type(self._optimizer).__name__) != state["kind"]:
            raise ValueError(f"it is of {state['kind']}, not of {kind}")
        remembered = {frozenset(one["parameters"]): one["values"] for one in state["groups"]}
        if remembered.keys() != {frozenset(names) for names in self._groups}:
            raise ValueError("the groups of parameters are others")
        for names, group in zip(self._groups, self._optimizer.param_groups, strict=True):
            group.update(remembered[frozenset(names)])
            for name, parameter in zip(names, group["params"], strict=True):
                held = state["parameters"].get(name)
                if held is None:
                    self._optimizer.state.pop(parameter, None)
                else:
                    self._optimizer.state[parameter] = {
                        key: value.to(parameter.device, copy=True)
                        if isinstance(value, Tensor)
                        else value
                        for key, value in held.items()
                    }


class ScalerMemory:
    """The scale of fp16 losses, and since when it has been right."""

    def __init__(self, scaler: torch.amp.GradScaler) -> None:
        self._scaler = scaler

    def state(self) -> State:
        """Empty where nothing is scaled."""
        return dict(self._scaler.state_dict())

    def restore(self, state: State) -> None:
        """Go on with that scale.

        Raises:
            ValueError: One of the two runs scales and the other does not.
        """
        if bool(state) != self._scaler.is_enabled():
            raise ValueError("only one of the two runs is in fp16")
        if state:
            self._scaler.load_state_dict(state)


def _memory_of(group: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in group.items()
        if key not in _FROM_SETTINGS and isinstance(value, bool | int | float)
    }


def _copies(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in values.items()}


@torch.no_grad()
def _copy(values: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter]) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(values[name])
