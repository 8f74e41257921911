"""Which examples of train are used, which are kept for dev, and which texts are in both.

All is a function of the seed and the text, not of the file's order or of the other tasks: tasks
that label the same texts draw the same ones, so that none trains on what another is judged by.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

Texts = str | tuple[str, ...]
"""A text, or several that belong together."""


def draw(texts: Sequence[str], count: int, seed: int) -> list[int]:
    """At most `count` of the examples at random.

    Returns:
        Their numbers, ascending.
    """
    order = sorted(
        range(len(texts)), key=lambda number: (_lot(texts[number], seed, "draw"), number)
    )
    return sorted(order[:count])


def draw_of_each(texts: Sequence[str], labels: Sequence[str], count: int, seed: int) -> list[int]:
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
    groups: dict[str, list[int]] = defaultdict(list)
    for number, label in enumerate(labels):
        groups[label].append(number)
    return sorted(
        group[place]
        for group in groups.values()
        for place in draw([texts[number] for number in group], count, seed)
    )


def hold_out(
    texts: Sequence[str], share: float, seed: int, labels: Sequence[str] | None = None
) -> set[str]:
    """The texts that are kept for dev.

    Args:
        texts: Of all examples; equal ones are kept together.
        share: Of the different texts, between 0 and 1.
        seed: Of the run.
        labels: One for each example, to draw from each label alike. A label that only one text
            has stays in train.
    """
    label_of: dict[str, str] = {}
    for number, text in enumerate(texts):
        label_of.setdefault(text, labels[number] if labels is not None else "")
    groups: dict[str, list[str]] = defaultdict(list)
    for text, label in label_of.items():
        groups[label].append(text)
    # Each label's part rounded down; what is then left goes where most was cut.
    wanted = {label: share * len(group) for label, group in groups.items()}
    counts = {label: int(number) for label, number in wanted.items()}
    left = round(share * len(label_of)) - sum(counts.values())
    for label in sorted(groups, key=lambda label: (counts[label] - wanted[label], label))[:left]:
        counts[label] += 1
    return {
        text
        for label, group in groups.items()
        for text in sorted(group, key=lambda text: _lot(text, seed, "dev"))[
            : min(counts[label], len(group) - 1)
        ]
    }


def overlap(train: Mapping[str, Iterable[Texts]], dev: Mapping[str, Iterable[Texts]]) -> list[str]:
    """What to tell about texts of dev that some task trains on.

    Args:
        train: Texts of each task's train; of pairs both.
        dev: Texts of each task's dev.

    Returns:
        A sentence for each task's dev, in their order. Texts are compared without white space
        and case, pairs as a whole and in either order: that one text of a pair occurs in
        another pair is common and tells no label.
    """
    trained = {
        task: {whole for texts in given for whole in (_bare(texts), *_each(texts))}
        for task, given in train.items()
    }
    said = []
    for task, given in dev.items():
        bare = [_bare(texts) for texts in given]
        sources = {
            source: shared
            for source, known in trained.items()
            if (shared := sum(texts in known for texts in bare))
        }
        if sources:
            both = sum(any(texts in trained[source] for source in sources) for texts in bare)
            what = "pair(s)" if any(len(texts) > 1 for texts in bare) else "text(s)"
            said.append(
                f"{task}/dev: {both} of {len(bare)} {what} are in train, too (of "
                f"{', '.join(sources)}): the shared backbone has seen them, so dev looks better "
                f"than new texts will."
            )
    return said


def _lot(text: str, seed: int, purpose: str) -> bytes:
    return hashlib.sha256(f"{seed}/{purpose}/{text}".encode()).digest()


def _bare(texts: Texts) -> frozenset[str]:
    """A text, or the first two of several, as they are compared."""
    given = (texts,) if isinstance(texts, str) else texts[:2]
    return frozenset("".join(text.split()).casefold() for text in given)


def _each(texts: Texts) -> list[frozenset[str]]:
    """Every text by itself: one that is read as part of a pair has been seen as well."""
    return [] if isinstance(texts, str) else [_bare(text) for text in texts]
