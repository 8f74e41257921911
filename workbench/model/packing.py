"""A batch without its padding: only real pieces go through embeddings, linear layers and norms.

Texts of a batch differ in length, and padding costs as much as text. Here the real pieces of all
texts follow one another as a single row; only inside attention, where pieces of one text must meet,
they are laid out by text again. Equal to the padded computation up to the rounding of sums.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

CLOSE = 1e-5
"""How far packed results may lie from padded ones, as a share of the largest value."""
LONGEST_TRIAL = 1100
"""Where more pieces see each other, trying it out would hold up the start."""


class _Gather(torch.autograd.Function):
    """Takes rows of which each is wanted once, or not at all; so its gradient is a gather, too.

    What stands in padding gets a gradient of 0: nobody may look at it.
    """

    @staticmethod
    def forward(
        context: Any, rows: Tensor, wanted: Tensor, back: Tensor, is_real: Tensor | None
    ) -> Tensor:
        context.save_for_backward(back, is_real)
        return rows.index_select(0, wanted)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        back, is_real = context.saved_tensors
        found = gradient.contiguous().index_select(0, back)
        if is_real is not None:
            found.mul_(is_real)
        return found, None, None, None


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the real pieces of a batch are, padded and packed."""

    mask: Tensor
    """1 for a piece, 0 for padding, `(batch, seq)`."""

    @cached_property
    def packed(self) -> Tensor:
        """Place of each real piece in the padded batch, `(pieces,)`."""
        return self.mask.flatten().nonzero().squeeze(1)

    @cached_property
    def padded(self) -> Tensor:
        """Number of the piece in each place of the batch, some real one in padding, `(places,)`."""
        return (self.mask.flatten().cumsum(0) - 1).clamp_(min=0)

    @cached_property
    def positions(self) -> Tensor:
        """Place of each real piece in its text, `(pieces,)`."""
        return (self.mask.cumsum(1) - 1).flatten()[self.packed]

    @cached_property
    def is_ragged(self) -> bool:
        """Whether there is any padding."""
        return len(self.packed) < self.mask.numel()

    @cached_property
    def unseen(self) -> Tensor:
        """True for padding, `(batch, 1, 1, seq)`."""
        return (self.mask == 0)[:, None, None, :]

    def pack(self, values: Tensor) -> Tensor:
        """The real pieces out of `(batch, seq, width)`, as `(pieces, width)`."""
        return values.flatten(0, 1).index_select(0, self.packed)

    def unpack(self, values: Tensor) -> Tensor:
        """Pieces `(pieces, width)` as `(batch, seq, width)`; any values stand in padding."""
        found = _Gather.apply(values, self.padded, self.packed, None)  # type: ignore[no-untyped-call]
        return found.view(*self.mask.shape, -1)  # type: ignore[no-any-return]

    def by_head(self, values: Tensor) -> Tensor:
        """Pieces `(1, heads, pieces, size)` as `(batch, heads, seq, size)`."""
        rows = values.transpose(1, 2).reshape(-1, values.shape[-1])  # (pieces * heads, size)
        places, back, _ = self._heads(values.shape[1])
        found = _Gather.apply(rows, places, back, None)  # type: ignore[no-untyped-call]
        return found.view(len(self.mask), values.shape[1], -1, values.shape[-1])  # type: ignore[no-any-return]

    def by_piece(self, values: Tensor) -> Tensor:
        """`(batch, heads, seq, size)` as pieces `(1, pieces, heads, size)`."""
        heads, size = values.shape[1], values.shape[-1]
        places, back, is_real = self._heads(heads)
        rows = values.reshape(-1, size)
        real = is_real.to(values.dtype) if self.is_ragged else None
        found = _Gather.apply(rows, back, places, real)  # type: ignore[no-untyped-call]
        return found.view(1, -1, heads, size)  # type: ignore[no-any-return]

    def _heads(self, heads: int) -> tuple[Tensor, Tensor, Tensor]:
        """Places by head of the packed rows, their way back, and which of them are real."""
        known: dict[int, tuple[Tensor, Tensor, Tensor]] = self.__dict__.setdefault("_known", {})
        if heads not in known:
            batch, seq = self.mask.shape
            head = torch.arange(heads, device=self.mask.device)
            places = self.padded.view(batch, 1, seq) * heads + head[None, :, None]
            text = self.packed.div(seq, rounding_mode="floor")
            back = (text[:, None] * heads + head) * seq + (self.packed % seq)[:, None]
            real = self.mask[:, None, :].expand(batch, heads, seq).reshape(-1, 1)
            known[heads] = places.flatten(), back.flatten(), real
        return known[heads]


LAYOUT: ContextVar[Layout | None] = ContextVar("layout", default=None)
"""Of the batch that is packed at the moment, for the attention inside the encoder."""


class Packing:
    """Runs an encoder on packed batches."""

    def __init__(self, first_position: int, *, has_token_types: bool) -> None:
        self._first_position = first_position
        self._has_token_types = has_token_types

    def __call__(
        self, encoder: Any, ids: Tensor, mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """The last layer, `(batch, seq, hidden)`, with any values in padding.

        Args:
            encoder: A `transformers` encoder with our attention.
            ids: Word pieces, `(batch, seq)`.
            mask: 1 for a piece, 0 for padding, `(batch, seq)`.
            token_type_ids: Which of two texts each piece is from, `(batch, seq)`; None if no row
                has two, or the encoder does not ask.
        """
        layout = Layout(mask)
        pieces = ids.flatten()[layout.packed].unsqueeze(0)  # (1, pieces)
        given = {"position_ids": (layout.positions + self._first_position).unsqueeze(0)}
        if self._has_token_types:
            given["token_type_ids"] = (
                torch.zeros_like(pieces)
                if token_type_ids is None
                else token_type_ids.flatten()[layout.packed].unsqueeze(0)
            )
        token = LAYOUT.set(layout)
        try:
            hidden: Tensor = encoder(input_ids=pieces, **given).last_hidden_state
        finally:
            LAYOUT.reset(token)
        return layout.unpack(hidden.squeeze(0))


def find_packing(encoder: Any, *, pad_id: int) -> Packing | None:
    """How an encoder takes packed batches; None where it does not, or gives other results.

    A few short texts are computed packed and padded, then one that is longer than a piece sees in
    it. An architecture that needs more than positions and attention to tell the texts apart, or
    looks around a piece in another way, is found so, without a list of names.

    Args:
        encoder: With our attention; its mode is left as it was.
        pad_id: The piece that padding is made of.
    """
    accepted = _accepted(encoder)
    if "position_ids" not in accepted:
        return None
    batches = [_batch(encoder, (5, 9, 2), pad_id)]
    if (far := _far(encoder.config)) is not None:
        if far > LONGEST_TRIAL:
            return None
        batches.append(_batch(encoder, (far,), pad_id))
    first_positions = [0]
    if (padding := getattr(encoder.config, "pad_token_id", None)) is not None:
        first_positions.append(padding + 1)  # RoBERTa's way of counting
    was_training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            expected = [
                encoder(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()]
                for ids, mask in batches
            ]
            for first in first_positions:
                packing = Packing(first, has_token_types="token_type_ids" in accepted)
                if all(
                    _are_close(packing(encoder, ids, mask)[mask.bool()], vectors)
                    for (ids, mask), vectors in zip(batches, expected, strict=True)
                ):
                    return packing
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
        return None
    finally:
        encoder.train(was_training)
    return None


def _batch(encoder: Any, lengths: Sequence[int], pad_id: int) -> tuple[Tensor, Tensor]:
    """Pieces of texts of these lengths, and their mask."""
    device = next(encoder.parameters()).device
    size = encoder.get_input_embeddings().num_embeddings
    some = [number for number in range(min(size, 1000)) if number != pad_id]
    ids = torch.full((len(lengths), max(lengths)), pad_id, device=device)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        pieces = [some[place % len(some)] for place in range(row + 1, row + 1 + length)]
        ids[row, :length] = torch.tensor(pieces, device=device)
        mask[row, :length] = 1
    return ids, mask


def _far(config: Any) -> int | None:
    """A length of text whose ends are out of each other's sight; None if there is none."""
    window = getattr(config, "sliding_window", None) or getattr(config, "local_attention", None)
    if not isinstance(window, int):
        return None
    far, longest = window + 2, getattr(config, "max_position_embeddings", None)
    return far if longest is None or far <= longest else None


def _are_close(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() <= CLOSE * expected.abs().max())


def _accepted(encoder: Any) -> set[str]:
    """What `forward` can be given, by the encoder itself or by its embeddings."""
    names = set(inspect.signature(encoder.forward).parameters)
    if names & {"kwargs"} and hasattr(encoder, "embeddings"):  # DistilBERT hands them down
        names |= set(inspect.signature(encoder.embeddings.forward).parameters)
    return names
