"""Features of the frozen part of the backbone, computed once for all epochs and for other runs.

In each epoch a frozen part makes the same of a text, as it runs in evaluation mode. So its states
are computed once, kept in memory or in mapped files, and handed to the backbone in place of its own
work. What thaws in the course of the run makes the part smaller: then the states of the smaller
part take their place, if it will last.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.config.cache import CacheConfig
from workbench.data.batching import Batch, pad, segments_of
from workbench.data.cache_folder import entry_folder, shrink, touch
from workbench.data.piece_column import PieceColumn
from workbench.data.pieces import Pieces
from workbench.data.state_files import TextStates, new_states, open_states, total_bytes
from workbench.data.text_keys import text_keys
from workbench.data.tokenizing import EncodedSplit
from workbench.events import Event, FeaturesReady, PhaseStarted, Warned
from workbench.inference.evaluation import length_sorted_batches
from workbench.model.arithmetic import Arithmetic
from workbench.model.backbone import Backbone
from workbench.model.folder import LoadedModel
from workbench.model.freezing import GradualUnfreezing
from workbench.model.frozen_part import FrozenPart, FrozenStates, fingerprint, frozen_part
from workbench.model.heads import Head, MaskedLmHead
from workbench.paths import cache_folder

FORMAT = "1"
"""Part of every key: another way to compute or lay out states makes the old ones useless."""
MEGABYTE = 1 << 20
SIGN_OF_LIFE_SECONDS = 30.0
_DTYPES: dict[str, np.dtype[np.floating]] = {
    "fp32": np.dtype(np.float32),
    "fp16": np.dtype(np.float16),
}


class FeatureCache:
    """What the frozen part of a run's backbone makes of its texts.

    Guarantees that losses and metrics are those of a run without it, up to the rounding of sums
    in another order; kept as fp16, up to that rounding.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        splits: Sequence[EncodedSplit],
        *,
        settings: CacheConfig,
        arithmetic: Arithmetic,
    ) -> None:
        """Begin with nothing; `follow` fills it.

        Args:
            loaded: The run's model, frozen and on its device.
            splits: With the texts that are to be known.
            settings: What may be kept, and how much of it.
            arithmetic: Device and precision of the run.
        """
        self._loaded = loaded
        self._splits = splits
        self._settings = settings
        self._arithmetic = arithmetic
        self._frozen: FrozenStates | None = None
        self._states: TextStates | None = None
        self._thawed: int | None = None
        self._before: dict[str, Any] = {}
        self._texts: _Texts | None = None

    def follow(
        self, unfreezing: GradualUnfreezing, step: int, steps_per_epoch: int
    ) -> Iterator[Event]:
        """Have the states of what is frozen in the update after `step`.

        Yields:
            What is done, if anything is.
        """
        unfreezing.start_step(step)
        if unfreezing.thawed == self._thawed:
            return
        self._thawed = unfreezing.thawed
        self._frozen = self._states = None
        part = frozen_part(self._loaded.model)
        # A task that mixes layers reads the lower ones, too; a stack's vectors are looked up.
        if self._loaded.model.mixes or type(self._loaded.model.backbone) is not Backbone:
            return
        if any(_changes_texts(head) for head in self._loaded.model.heads.values()):
            # What goes through the backbone is then never a text that is known.
            return
        if self._settings.features and part.is_worth_keeping and any(map(len, self._lengths())):
            passes = unfreezing.steps_as_now(step) / max(1, steps_per_epoch)
            if self._before.get("thawed") == self._thawed:
                # Sums in another order round otherwise: the run goes on as it was.
                if self._before["used"]:
                    yield from self._prepare(part, max(1.0, passes))
            else:
                yield from self._prepare(part, passes)

    def state(self) -> dict[str, Any]:
        """Whether states are in use, and for how long: until another part thaws."""
        if self._thawed is None:
            return self._before
        return {"thawed": self._thawed, "used": self._states is not None}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Use states until another part thaws, or do not, as before."""
        self._before = dict(state)

    def given(self, batch: Batch) -> AbstractContextManager[None]:
        """What the forward pass of a batch runs in: with the states of its texts, if all are known.

        Texts are recognised by their pieces, whatever split they are from.
        """
        if self._frozen is None or self._states is None or self._texts is None:
            return nullcontext()
        numbers = self._texts.numbers(batch)
        if numbers is None:
            return nullcontext()
        rows = torch.from_numpy(self._states.take_padded(numbers))
        return self._frozen.given(rows.to(self._arithmetic.device).to(self._frozen.dtype))

    def _prepare(self, part: FrozenPart, passes: float) -> Iterator[Event]:
        begin = time.perf_counter()
        frozen = FrozenStates(self._loaded.model, part)
        with self._arithmetic.autocast():
            objection = frozen.objection(*self._a_few_texts())
        if objection is not None:
            yield Warned(f"The features of {_words(part)} are not cached: {objection}.")
            return
        self._texts = texts = self._texts or _Texts(self._splits)
        folder = self._folder(part)
        states = open_states(folder, texts.keys, texts.lengths)
        found = len(texts.keys) - len(states.missing)
        size = total_bytes(texts.lengths, self._width, self._dtype.itemsize)
        if len(states.missing):
            if passes < 1:  # more would be computed for the cache than it saves
                return
            yield PhaseStarted("computing features", 600)
            completed = yield from self._complete(frozen, states, folder, size)
            yield PhaseStarted("training", 120)
            if completed is None:
                return
            states = completed
        in_memory = size <= self._settings.memory_megabytes * MEGABYTE
        self._states = states.in_memory() if in_memory else states
        self._frozen = frozen
        yield FeaturesReady(
            part=_words(part),
            texts=len(texts.keys),
            found=found,
            bytes=size,
            place="memory" if in_memory else "disk",
            seconds=time.perf_counter() - begin,
        )

    def _complete(
        self, frozen: FrozenStates, states: TextStates, folder: Path | None, size: int
    ) -> Generator[Event, None, TextStates | None]:
        """Compute what is missing, to the disk if it has room, else to memory."""
        assert self._texts is not None
        missing = states.missing
        lengths = states.lengths[missing]
        needed = total_bytes(lengths, self._width, self._dtype.itemsize)
        most = self._settings.disk_megabytes * MEGABYTE
        why = f"{size / MEGABYTE:.0f} MB are more than cache.disk_megabytes allows"
        if folder is not None and shrink(cache_folder(), most, keep={folder: needed}) <= most:
            try:
                with new_states(
                    folder,
                    self._texts.keys[missing],
                    lengths,
                    width=self._width,
                    dtype=self._dtype,
                ) as rows:
                    yield from self._compute(frozen, missing, rows)
                    return states.with_source(missing, rows)
            except OSError as error:
                why = f"they cannot be written to {folder}: {error.strerror}"
        if size > self._settings.memory_megabytes * MEGABYTE:
            yield Warned(
                f"The features of {_words(frozen.part)} are computed anew in each epoch: {why}, "
                f"and they do not fit into cache.memory_megabytes."
            )
            return None
        rows = np.empty((int(lengths.sum()), self._width), self._dtype)
        yield from self._compute(frozen, missing, rows)
        return states.with_source(missing, rows)

    def _compute(
        self, frozen: FrozenStates, missing: NDArray[np.int64], rows: NDArray[np.floating]
    ) -> Iterator[Event]:
        """Fill `rows` with the states of the missing texts, one text after the other."""
        assert self._texts is not None
        model, device = self._loaded.model, self._arithmetic.device
        lengths = self._texts.lengths[missing]
        starts = np.cumsum(lengths) - lengths
        was_training = model.training
        model.eval()
        said = time.monotonic()
        try:
            for chosen in length_sorted_batches(lengths):
                pieces = [self._texts.pieces(number) for number in missing[chosen]]
                ids, mask = pad([one.ids for one in pieces], self._loaded.tokenizer.pad_id)
                segments = segments_of(pieces, mask)
                with torch.no_grad(), self._arithmetic.autocast():
                    states = frozen.compute(
                        ids.to(device),
                        mask.to(device),
                        None if segments is None else segments.to(device),
                    )
                flat = states.float().cpu()[mask.bool()].numpy()
                at = np.repeat(
                    starts[chosen] - (np.cumsum(lengths[chosen]) - lengths[chosen]), lengths[chosen]
                )
                rows[np.arange(len(flat)) + at] = flat
                if time.monotonic() - said > SIGN_OF_LIFE_SECONDS:
                    said = time.monotonic()
                    yield PhaseStarted("computing features", 600)
        finally:
            model.train(was_training)

    def _folder(self, part: FrozenPart) -> Path | None:
        """The entry of this frozen part in the cache; None where nothing may be kept."""
        if self._settings.disk_megabytes == 0:
            return None
        model = self._loaded.model
        how = f"{self._arithmetic.device.type} {self._arithmetic.precision}"
        asked = (FORMAT, fingerprint(model, part), str(part), how, self._dtype.name)
        key = text_keys(["\n".join(asked).encode()]).tobytes().hex()
        family = type(model.backbone.encoder).__name__
        about = f"{_words(part)} of a {family}, {how}, kept as {self._dtype.name}"
        try:
            folder = entry_folder(cache_folder(), "features", key, about)
        except OSError:
            return None
        touch(folder)
        return folder

    @property
    def _dtype(self) -> np.dtype[np.floating]:
        return _DTYPES[self._settings.features_precision]

    @property
    def _width(self) -> int:
        return self._loaded.model.backbone.hidden_size

    def _lengths(self) -> Iterator[NDArray[np.int64]]:
        return (split.lengths for split in self._splits)

    def _a_few_texts(self) -> tuple[Tensor, Tensor]:
        """Two short texts of unlike length."""
        examples = next(split.examples for split in self._splits if split.examples)
        chosen = [example.rows[0].ids[:64] for example in examples[:16]]
        shortest, longest = min(chosen, key=len), max(chosen, key=len)
        ids, mask = pad([shortest, longest], self._loaded.tokenizer.pad_id)
        return ids.to(self._arithmetic.device), mask.to(self._arithmetic.device)


class _Texts:
    """The different rows of all splits, by their pieces and segments."""

    def __init__(self, splits: Iterable[EncodedSplit]) -> None:
        self._numbers: dict[bytes, int] = {}
        columns = [split.table.used_pieces for split in splits]
        firsts: list[int] = []
        for at, row in enumerate(chain.from_iterable(columns)):
            content = _content(row.ids, row.segments)
            if content not in self._numbers:
                self._numbers[content] = len(firsts)
                firsts.append(at)
        self.keys = text_keys(self._numbers)
        self._pieces = PieceColumn.joined(columns, np.array(firsts, np.int64))
        self.lengths = self._pieces.lengths

    def pieces(self, number: int) -> Pieces:
        """A row by its number, made anew: to have a million takes a gigabyte."""
        return self._pieces.at(number)

    def numbers(self, batch: Batch) -> NDArray[np.int64] | None:
        """Which row each one of a batch is; None if one is not among them."""
        ids, lengths = batch.ids.cpu().numpy(), batch.mask.sum(dim=1).tolist()
        segments = None if batch.segments is None else batch.segments.cpu().numpy()
        found = np.empty(len(ids), np.int64)
        for row, length in enumerate(lengths):
            own = None if segments is None else segments[row, :length]
            found[row] = self._numbers.get(_content(ids[row, :length], own), -1)
        return found if (found >= 0).all() else None


def _changes_texts(head: torch.nn.Module) -> bool:
    """Whether a head hides pieces of its texts, or sends texts of its own along with a batch."""
    return isinstance(head, MaskedLmHead) or (
        isinstance(head, Head) and head.extra_rows() is not None
    )


def _content(ids: NDArray[np.int64], segments: NDArray[np.int64] | None) -> bytes:
    """What a row is recognised by. Segments that are all 0 are those of a single text."""
    pairs = segments.tobytes() if segments is not None and segments.any() else b""
    return ids.tobytes() + pairs


def _words(part: FrozenPart) -> str:
    if part.is_whole:
        return "the backbone"
    return f"the lowest {part.layers} layers" if part.layers > 1 else "the lowest layer"
