"""Which examples make up the next batch: seeded, and a pure function of seed and position.

Nothing is remembered from batch to batch, so a run that resumes needs to know only where it was.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.data.columns import Repeated
from workbench.shares import ShareRule, Shares, exposures, planned_shares, task_overlap

WINDOW_BATCHES = 8
"""Batches whose texts are sorted by length together. Measured: 1.46 times the speed of unsorted
batches; membership still changes every epoch, since the window itself is shuffled."""

Indices = NDArray[np.int64]


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Batches that one pass takes; the last may be smaller, none is dropped."""
    return -(-examples // batch_size)


def epoch_batches(
    lengths: Indices, *, batch_size: int, seed: int, epoch: int, buckets: bool
) -> list[Indices]:
    """The batches of one pass over the examples.

    Args:
        lengths: Pieces of each example, `(examples,)`.
        batch_size: Examples per batch.
        seed: Seed of the run.
        epoch: The pass, from 0; each has another order.
        buckets: Whether to put texts of like length together, inside shuffled windows.

    Returns:
        Indices of the examples of each batch; every example occurs exactly once.
    """
    random = np.random.default_rng([seed, epoch])
    return _cut_and_shuffle(
        random.permutation(len(lengths)), lengths, random, batch_size=batch_size, buckets=buckets
    )


class SamplingPlan:
    """All batches of a run.

    Guarantees that an epoch's batches depend on nothing but what the plan was made from and the
    number of the epoch, and that a task's texts come in passes: none a second time before each
    has come once.
    """

    def __init__(
        self,
        lengths: Indices,
        labelled_by: Sequence[frozenset[str]],
        *,
        tasks: Sequence[str],
        rule: ShareRule,
        batch_size: int,
        epochs: int,
        seed: int,
        buckets: bool = True,
        one_task: bool = False,
        epoch: str = "all",
        examples: int | None = None,
        updates: int | None = None,
        token_budget: int = 0,
    ) -> None:
        """Plan the batches.

        Args:
            lengths: Pieces of each example, `(examples,)`.
            labelled_by: The tasks that label each example.
            tasks: Those that are trained, in order; none is drawn for the others.
            rule: How the draws are divided.
            batch_size: Examples per batch.
            epochs: Of the whole run.
            seed: Of the run.
            buckets: Whether to put texts of like length together, inside shuffled windows.
            one_task: Whether a batch's texts are all drawn for one task.
            epoch: all, smallest or largest: how long an epoch is.
            examples: Texts of an epoch, whatever `epoch` says.
            updates: Batches of an epoch, whatever `epoch` says.
            token_budget: Pieces in a batch, padding included, in place of `batch_size`; 0 = off.
        """
        self._lengths = lengths
        self._rule = rule
        self._batch_size, self._epochs, self._seed = batch_size, epochs, seed
        self._buckets, self._one_task, self._budget = buckets, one_task, token_budget
        self._labelled_by = Repeated.of(labelled_by)
        self._labels = {
            task: np.array([task in found for found in self._labelled_by.values], np.bool_)
            for task in tasks
        }
        """By task, which of the sets of tasks it is in."""
        codes = self._labelled_by.codes
        self._members = {task: np.flatnonzero(own[codes]) for task, own in self._labels.items()}
        self._sizes = {task: len(members) for task, members in self._members.items()}
        # Where no task has both texts and a share, there is nobody to draw for.
        has_shares = any(planned_shares(rule, self._sizes, 0.5).values())
        self._is_natural = rule.strategy == "natural" or not has_shares
        self.examples_per_epoch = examples or (
            updates * batch_size if updates else self._natural_length(epoch)
        )
        self._built: tuple[int, list[Indices]] | None = None
        self._counted: dict[int, int] = {}
        self._passes: dict[tuple[int, ...], tuple[int, Indices]] = {}
        """The last pass that was made of each row of passes, with its number."""

    @cached_property
    def total_steps(self) -> int:
        """Updates of the whole run."""
        return sum(self.updates(epoch) for epoch in range(self._epochs))

    @property
    def follows_a_rule(self) -> bool:
        """Whether texts are drawn for tasks, not taken as they come."""
        return not self._is_natural

    @property
    def is_without_effect(self) -> bool:
        """Whether it is all the same for which task a text is drawn: all label all of them."""
        return len(self._members) > 1 and all(
            share == 1.0 for shares in self._overlap.values() for share in shares.values()
        )

    def updates(self, epoch: int) -> int:
        """How many batches an epoch has."""
        if self._is_natural and not self._one_task and not self._budget:
            return steps_per_epoch(self.examples_per_epoch, self._batch_size)
        if epoch not in self._counted:
            self._counted[epoch] = self._count(epoch)
        return self._counted[epoch]

    def position(self, step: int) -> tuple[int, int]:
        """The epoch that comes after `step` updates, and how many of its batches are done."""
        epoch = 0
        while epoch < self._epochs and step >= self.updates(epoch):
            step -= self.updates(epoch)
            epoch += 1
        return epoch, step

    def batches(self, epoch: int) -> list[Indices]:
        """Indices of the examples of each batch of an epoch, in order."""
        if self._built is None or self._built[0] != epoch:
            made = self._natural_batches(epoch) if self._is_natural else self._drawn_batches(epoch)
            self._built = (epoch, made)
        return self._built[1]

    def planned(self, progress: float) -> Shares:
        """What part of all labelled texts each task is to get at a moment of the run, 0 to 1."""
        if self._is_natural:
            total = sum(self._sizes.values())
            return {task: size / total if total else 0.0 for task, size in self._sizes.items()}
        return exposures(planned_shares(self._rule, self._sizes, progress), self._overlap)

    def drawn(self, indices: Sequence[int]) -> Shares:
        """What part of the labelled texts among these examples each trained task has."""
        sets = np.bincount(
            self._labelled_by.codes[np.asarray(indices, np.int64)],
            minlength=len(self._labelled_by.values),
        )
        counts = {task: int(sets[own].sum()) for task, own in self._labels.items()}
        total = sum(counts.values())
        return {task: count / total if total else 0.0 for task, count in counts.items()}

    @cached_property
    def _overlap(self) -> dict[str, Shares]:
        values, counts = self._labelled_by.values, self._labelled_by.counts.tolist()
        return task_overlap(zip(values, counts, strict=True), list(self._members))

    def _natural_length(self, epoch: str) -> int:
        if epoch == "all" or self._is_natural:
            return len(self._lengths)
        # Of shares that change in the course of the run those of its middle count.
        shares = planned_shares(self._rule, self._sizes, 0.5)
        needed = [self._sizes[task] / share for task, share in shares.items() if share > 0]
        return max(1, round(min(needed) if epoch == "smallest" else max(needed)))

    def _count(self, epoch: int) -> int:
        """How many batches an epoch has, without making them unless lengths decide."""
        if self._budget:
            return len(self.batches(epoch))
        if self._is_natural:
            of_each = np.bincount(self._homes[self._order(epoch)]).tolist()
            return sum(steps_per_epoch(texts, self._batch_size) for texts in of_each)
        return sum(
            sum(steps_per_epoch(texts, self._batch_size) for texts in quota.values())
            if self._one_task
            else steps_per_epoch(sum(quota.values()), self._batch_size)
            for quota in self._quotas(epoch)
        )

    # --- Every text as it comes ---

    def _natural_batches(self, epoch: int) -> list[Indices]:
        texts = len(self._lengths)
        if self.examples_per_epoch == texts and not self._one_task and not self._budget:
            return epoch_batches(
                self._lengths,
                batch_size=self._batch_size,
                seed=self._seed,
                epoch=epoch,
                buckets=self._buckets,
            )
        random = np.random.default_rng([self._seed, epoch, 1])
        order = self._order(epoch)
        groups = self._by_home(order) if self._one_task else [order]
        batches = [
            batch
            for group in groups
            for batch in _cut_and_shuffle(
                group,
                self._lengths,
                random,
                batch_size=self._batch_size,
                buckets=self._buckets,
                budget=self._budget,
            )
        ]
        return _shuffled(batches, random) if self._one_task else batches

    def _order(self, epoch: int) -> Indices:
        """The texts of an epoch at random."""
        begin, count = epoch * self.examples_per_epoch, self.examples_per_epoch
        return self._stream(len(self._lengths), (self._seed,), begin, count)

    def _by_home(self, order: Indices) -> list[Indices]:
        """The texts by the task that they belong to."""
        homes = self._homes[order]
        found = (order[homes == number] for number in range(len(self._members) + 1))
        return [group for group in found if len(group)]

    @cached_property
    def _homes(self) -> Indices:
        """Which task each text belongs to, from the one with the fewest: of several the first."""
        rarest = sorted(self._members, key=lambda task: self._sizes[task])
        place = {task: number for number, task in enumerate(rarest)}
        homes_of_sets = np.array(
            [
                min((place[task] for task in found if task in place), default=len(place))
                for found in self._labelled_by.values
            ],
            dtype=np.int64,
        )
        return homes_of_sets[self._labelled_by.codes]

    # --- Drawn for tasks ---

    def _drawn_batches(self, epoch: int) -> list[Indices]:
        random = np.random.default_rng([self._seed, epoch, 2])
        taken = self._taken_before(epoch)
        batches: list[Indices] = []
        for quota in self._quotas(epoch):
            drawn = {}
            for task, count in quota.items():
                key = (self._seed, zlib.crc32(task.encode()))
                places = self._stream(self._sizes[task], key, taken[task], count)
                taken[task] += count
                texts = self._members[task][places]
                if self._buckets:
                    texts = texts[np.argsort(self._lengths[texts], kind="stable")]
                drawn[task] = texts
            made = self._batches_of_window(drawn)
            batches += made if self._rule.strategy == "round_robin" else _shuffled(made, random)
        return batches

    def _batches_of_window(self, drawn: Mapping[str, Indices]) -> list[Indices]:
        if not self._one_task:
            return self._cut(_interleave(list(drawn.values())))
        by_task = [self._cut(texts) for texts in drawn.values()]
        # In turn, which only round_robin keeps: the others are shuffled.
        longest = max(map(len, by_task), default=0)
        return [own[turn] for turn in range(longest) for own in by_task if turn < len(own)]

    def _cut(self, texts: Indices) -> list[Indices]:
        return _cut(texts, self._lengths, batch_size=self._batch_size, budget=self._budget)

    def _taken_before(self, epoch: int) -> dict[str, int]:
        """How many texts each task has drawn in all epochs before this one."""
        taken = dict.fromkeys(self._members, 0)
        for earlier in range(epoch):
            for task, count in self._totals(earlier).items():
                taken[task] += count
        return taken

    def _stream(self, size: int, key: tuple[int, ...], begin: int, count: int) -> Indices:
        """A stretch of the endless row of shuffled passes over `size` things."""
        parts = []
        while count > 0:
            number, at = divmod(begin, size)
            if self._passes.get(key, (-1,))[0] != number:
                # The order of `epoch_batches` where the key is the seed alone.
                order = np.random.default_rng([*key, number]).permutation(size)
                self._passes[key] = (number, order)
            part = self._passes[key][1][at : at + count]
            parts.append(part)
            begin, count = begin + len(part), count - len(part)
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def _totals(self, epoch: int) -> dict[str, int]:
        if epoch not in self._epoch_totals:
            totals = dict.fromkeys(self._members, 0)
            for quota in self._quotas(epoch):
                for task, count in quota.items():
                    totals[task] += count
            self._epoch_totals[epoch] = totals
        return self._epoch_totals[epoch]

    @cached_property
    def _epoch_totals(self) -> dict[int, dict[str, int]]:
        return {}

    def _quotas(self, epoch: int) -> Iterator[dict[str, int]]:
        """How many texts each task draws in each window; what is rounded off is made up later."""
        # Whole batches are shared out where each belongs to one task.
        unit = self._batch_size if self._one_task and not self._budget else 1
        units = steps_per_epoch(self.examples_per_epoch, unit)
        window = self._window_texts // unit
        if self._rule.strategy == "round_robin" and self._one_task:
            window = max(1, sum(size > 0 for size in self._sizes.values()))
        owed = dict.fromkeys(self._members, 0.0)
        for begin in range(0, units, window):
            count = min(window, units - begin)
            progress = (epoch + (begin + count / 2) / units) / self._epochs
            shares = planned_shares(self._rule, self._sizes, progress)
            for task, share in shares.items():
                owed[task] += share * count
            given = _whole_numbers({t: owed[t] for t, share in shares.items() if share > 0}, count)
            for task, number in given.items():
                owed[task] -= number
            yield {task: number * unit for task, number in given.items() if number}

    @property
    def _window_texts(self) -> int:
        if not self._budget:
            return self._batch_size * WINDOW_BATCHES
        return max(1, int(WINDOW_BATCHES * self._budget / max(1.0, self._lengths.mean())))


def _whole_numbers(owed: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole numbers near to what is owed that sum to `total`."""
    given = {task: max(0, int(np.floor(value + 1e-9))) for task, value in owed.items()}
    while (left := total - sum(given.values())) != 0:
        if left > 0:
            task = max(owed, key=lambda name: owed[name] - given[name])
        else:
            there = [name for name in owed if given[name] > 0]
            task = min(there, key=lambda name: owed[name] - given[name])
        given[task] += 1 if left > 0 else -1
    return given


def _interleave(groups: Sequence[Indices]) -> Indices:
    """All texts in one row such that each stretch of it has the groups' proportions."""
    places = [(np.arange(len(group)) + 0.5) / len(group) for group in groups if len(group)]
    texts = [group for group in groups if len(group)]
    order = np.argsort(np.concatenate(places), kind="stable")
    return np.concatenate(texts)[order]


def _cut_and_shuffle(
    order: Indices,
    lengths: Indices,
    random: np.random.Generator,
    *,
    batch_size: int,
    buckets: bool,
    budget: int = 0,
) -> list[Indices]:
    """Batches of texts in a random order; with buckets sorted by length in windows of them."""
    if not buckets:
        return _cut(order, lengths, batch_size=batch_size, budget=budget)
    window = batch_size * WINDOW_BATCHES
    if budget:
        window = max(1, int(WINDOW_BATCHES * budget / max(1.0, lengths.mean())))
    batches = []
    for begin in range(0, len(order), window):
        inside = order[begin : begin + window]
        inside = inside[np.argsort(lengths[inside], kind="stable")]
        batches += _cut(inside, lengths, batch_size=batch_size, budget=budget)
    return _shuffled(batches, random)


def _cut(texts: Indices, lengths: Indices, *, batch_size: int, budget: int) -> list[Indices]:
    """Consecutive batches: of `batch_size` texts, or of as many as the budget has room for."""
    if not budget:
        return [texts[at : at + batch_size] for at in range(0, len(texts), batch_size)]
    batches, begin, longest = [], 0, 0
    for end, length in enumerate(lengths[texts].tolist()):
        if end > begin and max(longest, length) * (end - begin + 1) > budget:
            batches.append(texts[begin:end])
            begin, longest = end, 0
        longest = max(longest, length)
    return [*batches, texts[begin:]] if len(texts) else batches


def _shuffled(batches: list[Indices], random: np.random.Generator) -> list[Indices]:
    return [batches[number] for number in random.permutation(len(batches))]
