"""The frozen lower part of a backbone: where it ends, its states there, and going on from them.

What is frozen and in evaluation mode makes the same of a text each time. Its states at the boundary
to what is trained can be kept, and the layers beneath be left out when they are at hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workbench.model.compiling import uncompiled
from workbench.model.multitask import MultiTaskModel
from workbench.model.packing import LAYOUT
from workbench.model.parts import encoder_layers, parts_of

CLOSE = 1e-5
"""How far results may lie apart, as a share of the largest value, and still be called the same:
ten times what the rounding of float32 makes of another order of sums."""


@dataclass(frozen=True)
class FrozenPart:
    """How much of a backbone is frozen from its bottom up."""

    layers: int
    """Lowest layers, the embeddings beneath them included."""
    is_whole: bool
    """Whether it is all of the backbone; what is kept then is what comes out of it."""

    @property
    def is_worth_keeping(self) -> bool:
        """Embeddings alone are looked up as quickly as their states would be."""
        return self.is_whole or self.layers > 0


def frozen_part(model: MultiTaskModel) -> FrozenPart:
    """What is frozen now, from the bottom up without a gap."""
    parts = parts_of(model)
    inside = [part for part in parts if part.role in ("embeddings", "layer", "top")]
    moving = [part for part in inside if any(p.requires_grad for p in part.parameters.values())]
    if not moving:
        return FrozenPart(sum(part.role == "layer" for part in inside), True)
    if moving[0].role == "embeddings":
        return FrozenPart(0, False)
    lowest = min((part.layer for part in moving if part.role == "layer"), default=None)
    depth = len(encoder_layers(model.backbone))
    return FrozenPart(depth if lowest is None else lowest, False)


def fingerprint(model: MultiTaskModel, part: FrozenPart) -> str:
    """What the states of a part depend on but for the texts: its weights and how they are used."""
    encoder: Any = model.backbone.encoder
    settings = {name: value for name, value in encoder.config.to_dict().items() if name[0] != "_"}
    digest = hashlib.sha256(type(encoder).__name__.encode())
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    above = {
        id(parameter)
        for layer in encoder_layers(model.backbone)[part.layers :]
        for parameter in layer.parameters()
    }
    for name, parameter in model.backbone.named_parameters():
        # What stands outside the layers may be used by any of them.
        if id(parameter) not in above and (part.is_whole or not parameter.requires_grad):
            digest.update(name.encode())
            digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


class FrozenStates:
    """Computes the states of a frozen part, and has the backbone go on from them."""

    def __init__(self, model: MultiTaskModel, part: FrozenPart) -> None:
        self.part = part
        self._model = model
        self._layers = encoder_layers(model.backbone)
        self._in_tuple = False
        self.dtype = torch.float32
        """Of the states, as it was when they were last computed."""

    def compute(self, ids: Tensor, mask: Tensor, segments: Tensor | None = None) -> Tensor:
        """The states of a batch, `(batch, seq, hidden)`.

        Args:
            ids: Word pieces, `(batch, seq)`.
            mask: 1 for a piece, 0 for padding, `(batch, seq)`.
            segments: Which of two texts each piece is from, `(batch, seq)`, if a row has two.

        Raises:
            TypeError: The part says more than one tensor of a batch.
        """
        if self.part.is_whole:
            states = _one_tensor(self._model.backbone(ids, mask, segments))
            self.dtype = states.dtype
            return states
        found: list[Tensor] = []

        def note(module: nn.Module, given: Any, output: Any) -> None:
            layout = LAYOUT.get()
            self._in_tuple = isinstance(output, tuple)
            states = _one_tensor(output)
            found.append(states if layout is None else layout.unpack(states.squeeze(0)))

        handle = self._layers[self.part.layers - 1].register_forward_hook(note)
        try:
            with (
                # A compiled layer would keep the hook that is on it now, or not see it.
                uncompiled(self._layers[: self.part.layers]),
                _passing(self._layers[self.part.layers :], self._pass),
            ):
                self._model.backbone(ids, mask, segments)
        finally:
            handle.remove()
        self.dtype = found[0].dtype
        return found[0]

    @contextmanager
    def given(self, states: Tensor) -> Iterator[None]:
        """Inside, the backbone takes these states for those of its frozen layers.

        Args:
            states: `(batch, seq, hidden)`; what stands in padding is of no account.
        """
        if self.part.is_whole:
            with _passing([self._model.backbone], lambda *given: states):
                yield
            return
        lower = self._layers[: self.part.layers]

        def replace(hidden: Tensor, *more: Any, **named: Any) -> Any:
            layout = LAYOUT.get()
            known = states if layout is None else layout.pack(states).unsqueeze(0)
            return (known,) if self._in_tuple else known

        with _passing(lower[:-1], self._pass), _passing(lower[-1:], replace):
            yield

    def _pass(self, hidden: Tensor, *more: Any, **named: Any) -> Any:
        return (hidden,) if self._in_tuple else hidden

    def objection(self, ids: Tensor, mask: Tensor) -> str | None:
        """Why the states of this backbone cannot be kept; None if they can.

        Computes a small batch with and without them. What a trained parameter has a hand in, or
        what is drawn at random, or what the upper layers need besides the states, is found so.

        Args:
            ids: Word pieces of a few texts, `(batch, seq)`.
            mask: 1 for a piece, 0 for padding, `(batch, seq)`.
        """
        model = self._model
        was_training = model.training
        try:
            model.train()
            with torch.random.fork_rng(devices=[]), torch.enable_grad():
                states = self.compute(ids, mask)
            if states.requires_grad:
                return "something that is trained has a hand in its states"
            model.eval()
            with torch.no_grad():
                again, whole = self.compute(ids, mask), model.backbone(ids, mask)
                if not _alike(states, again, mask):
                    return "its states differ from time to time"
                if not self.part.is_whole:
                    with self.given(again):
                        if not _alike(model.backbone(ids, mask), whole, mask):
                            return "its upper layers need more than the states of the lower ones"
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            return f"its layers are not made for it ({str(error).splitlines()[0]})"
        finally:
            model.train(was_training)
        return None


@contextmanager
def _passing(layers: list[nn.Module], forward: Any) -> Iterator[None]:
    """Inside, these layers do `forward` instead of their own work."""
    for layer in layers:
        layer.forward = forward
    try:
        with uncompiled(layers):
            yield
    finally:
        for layer in layers:
            del layer.forward  # the class's own shows again


def _one_tensor(output: Any) -> Tensor:
    if isinstance(output, tuple) and all(other is None for other in output[1:]):
        output = output[0]
    if not isinstance(output, Tensor):
        raise TypeError(f"a {type(output).__name__} where one tensor is expected")
    return output


def _alike(one: Tensor, other: Tensor, mask: Tensor) -> bool:
    # bfloat16 has 8 bits; its sums differ more with their order.
    close = 5e-2 if torch.is_autocast_enabled(mask.device.type) else CLOSE
    one, other = one[mask.bool()].float(), other[mask.bool()].float()
    return bool((one - other).abs().max() <= close * other.abs().max())
