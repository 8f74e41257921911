"""Which examples of train are used, which are kept for dev, and which texts are in both.

All is a function of the seed and the text, not of the file's order or of the other tasks: tasks
that label the same texts draw the same ones, so that none trains on what another is judged by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.data.columns import Numbers, Repeated
from workbench.data.text_keys import number_alike, text_keys


def draw(texts: Sequence[str], count: int, seed: int) -> NDArray[np.int64]:
    """At most `count` of the examples at random.

    Returns:
        Their numbers, ascending.
    """
    return np.sort(_in_order_of_lots(texts, np.arange(len(texts)), seed, "draw")[:count])


def draw_of_each(
    texts: Sequence[str], labels: Sequence[str], count: int, seed: int
) -> NDArray[np.int64]:
    """At most `count` of the examples of each label at random; what is drawn of one label does not
    depend on the others.

    Args:
        texts: Of all examples.
        labels: One for each.
        count: How many of each label.
        seed: Of the run.

    Returns:
        Their numbers, ascending.
    """
    order = _in_order_of_lots(texts, np.arange(len(texts)), seed, "draw")
    groups = _groups(order, Repeated.of(labels).codes)
    return np.sort(np.concatenate([order[:0], *(group[:count] for group in groups.values())]))


def hold_out(
    texts: Sequence[str], share: float, seed: int, labels: Sequence[str] | None = None
) -> NDArray[np.bool_]:
    """Which examples are kept for dev.

    Args:
        texts: Of all examples; equal ones are kept together.
        share: Of the different texts, between 0 and 1.
        seed: Of the run.
        labels: One for each example, to draw from each label alike. A label that only one text
            has stays in train.

    Returns:
        True for those that are kept, `(examples,)`.
    """
    if not len(texts):
        return np.zeros(0, np.bool_)
    encoded = (text.encode("utf-8", "surrogatepass") for text in texts)
    numbers, firsts = number_alike(text_keys(encoded))
    label_of = Repeated.of([""] * len(firsts) if labels is None else labels)
    codes = label_of.codes if labels is None else label_of.codes[firsts]
    # As numbers of the different texts, whose first examples are ascending.
    order = np.searchsorted(firsts, _in_order_of_lots(texts, firsts, seed, "dev"))
    groups = {label_of.values[code]: own for code, own in _groups(order, codes).items()}
    # Each label's part rounded down; what is then left goes where most was cut.
    wanted = {label: share * len(group) for label, group in groups.items()}
    counts = {label: int(number) for label, number in wanted.items()}
    left = round(share * len(firsts)) - sum(counts.values())
    for label in sorted(groups, key=lambda label: (counts[label] - wanted[label], label))[:left]:
        counts[label] += 1
    is_held = np.zeros(len(firsts), np.bool_)
    for label, group in groups.items():
        is_held[group[: min(counts[label], len(group) - 1)]] = True
    return is_held[numbers]


@dataclass(frozen=True)
class Known:
    """What texts are known by when splits are compared: without white space and case."""

    whole: NDArray[np.uint64]
    """Of each example: its text, or its first two in either order."""
    each: NDArray[np.uint64]
    """Of every text by itself: one that is read as part of a pair has been seen as well."""
    is_pairs: bool
    """Whether an example has more texts than one."""


def known_texts(bare: NDArray[np.uint64], first: Numbers, counts: Numbers) -> Known:
    """What some examples are known by.

    Args:
        bare: `bare_keys` of all texts.
        first: Number of the first text of each example, `(examples,)`.
        counts: Texts of each example.
    """
    one = bare[first]
    other = bare[first + (counts > 1)]
    low, high = np.minimum(one, other), np.maximum(one, other)
    # A pair of equal texts is known like one of them.
    whole = np.where(low == high, low, low * np.uint64(0x9E3779B97F4A7C15) ^ high)
    each = [bare[first[counts > at] + at] for at in range(int(counts.max(initial=0)))]
    is_pairs = len(each) > 1
    return Known(whole, np.unique(np.concatenate([*each, whole[:0]])), is_pairs)


def overlap(train: Mapping[str, Known], dev: Mapping[str, Known]) -> list[str]:
    """What to tell about texts of dev that some task trains on.

    Args:
        train: Texts of each task's train.
        dev: Texts of each task's dev.

    Returns:
        A sentence for each task's dev, in their order. Texts are compared without white space
        and case, pairs as a whole and in either order: that one text of a pair occurs in
        another pair is common and tells no label.
    """
    said = []
    for task, given in dev.items():
        shared = {
            source: np.isin(given.whole, known.whole) | np.isin(given.whole, known.each)
            for source, known in train.items()
        }
        sources = [source for source, found in shared.items() if found.any()]
        if sources:
            both = int(np.logical_or.reduce([shared[source] for source in sources]).sum())
            what = "pair(s)" if given.is_pairs else "text(s)"
            said.append(
                f"{task}/dev: {both} of {len(given.whole)} {what} are in train, too (of "
                f"{', '.join(sources)}): the shared backbone has seen them, so dev looks better "
                f"than new texts will."
            )
    return said


def bare_keys(texts: Iterable[str]) -> NDArray[np.uint64]:
    """What texts are known by without white space and case: 64 bits of a hash, `(texts,)`."""
    return np.frombuffer(
        b"".join(
            hashlib.blake2b(
                "".join(text.split()).casefold().encode("utf-8", "surrogatepass"), digest_size=8
            ).digest()
            for text in texts
        ),
        np.uint64,
    )


def _in_order_of_lots(
    texts: Sequence[str], numbers: NDArray[np.int64], seed: int, purpose: str
) -> NDArray[np.int64]:
    """Some examples in an order that is a function of seed and text."""
    lots = b"".join(_lot(texts[number], seed, purpose) for number in numbers.tolist())
    return numbers[np.argsort(np.frombuffer(lots, "S32"), kind="stable")]


def _groups(order: NDArray[np.int64], codes: Numbers) -> dict[int, NDArray[np.int64]]:
    """The things of each code, in their order."""
    by_code = order[np.argsort(codes[order], kind="stable")]
    found, begins = np.unique(codes[by_code], return_index=True)
    return dict(zip(found.tolist(), np.split(by_code, begins[1:]), strict=True))


def _lot(text: str, seed: int, purpose: str) -> bytes:
    return hashlib.sha256(f"{seed}/{purpose}/{text}".encode()).digest()
