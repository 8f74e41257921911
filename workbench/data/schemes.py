"""How tags write spans: BIO, BIOES and the older IOB1; what each allows, and one as another.

Spans are read strictly: one that does not begin, or in BIOES does not end, is none. Where words
beside it are not annotated a span may be open at that side, and the reading says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

UNANNOTATED = "?"
"""Stands for the tag of a word that nobody has tagged."""

Scheme = Literal["plain", "iob1", "bio", "bioes"]
"""IOB1 writes B- only where a span touches one of its own type; it is read, never written."""

_TAG = re.compile(r"O|[BIES]-.+")


def scheme_of_names(names: Iterable[str]) -> Scheme:
    """What a set of tags is: BIOES if any begins with E- or S-, plain if any is no tag of spans."""
    tags = set(names) - {"O", UNANNOTATED}
    if not tags or not all(_TAG.fullmatch(tag) for tag in tags):
        return "plain"
    return "bioes" if any(tag[0] in "ES" for tag in tags) else "bio"


def is_iob1(sentences: Iterable[Sequence[str]]) -> bool:
    """Whether tags that look like BIO by their names are IOB1.

    They are if some span begins with I- and every B- follows a span of its own type.
    """
    begins_inside = False
    for tags in sentences:
        for before, tag in zip(("O", *tags), tags, strict=False):
            if tag in ("O", UNANNOTATED) or before == UNANNOTATED:
                continue
            follows = before != "O" and before[2:] == tag[2:]
            if tag[0] == "B" and not follows:
                return False
            begins_inside |= not follows
    return begins_inside


@dataclass(frozen=True)
class Chain:
    """Words that belong to one span."""

    begin: int
    end: int
    """Word after the last."""
    kind: str
    is_begun: bool
    """Whether the first word is the span's first; else the one before is not annotated."""
    is_ended: bool | None
    """Whether the last word is the span's last; None if the next is not annotated, so that it
    may go on or not."""


def chains(tags: Sequence[str], scheme: Scheme) -> list[Chain]:
    """The spans of a sentence in BIO or BIOES tags, the open ones among them, in order."""
    found: list[Chain] = []
    at = 0
    while at < len(tags):
        tag = tags[at]
        if tag in ("O", UNANNOTATED):
            at += 1
            continue
        begin, mark, kind = at, tag[0], tag[2:]
        at += 1
        if mark in "IE" and (begin == 0 or tags[begin - 1] != UNANNOTATED):
            continue
        is_ended: bool | None = mark in "ES"
        if not is_ended:
            while at < len(tags) and tags[at] == f"I-{kind}":
                at += 1
            following = tags[at] if at < len(tags) else "O"
            if scheme == "bio":
                is_ended = None if following == UNANNOTATED else True
            elif following == f"E-{kind}":
                at, is_ended = at + 1, True
            elif following != UNANNOTATED:
                continue
        found.append(Chain(begin, at, kind, mark in "BS", is_ended))
    return found


def spans(tags: Sequence[str], scheme: Scheme = "bio") -> list[tuple[int, int, str]]:
    """Spans of BIO or BIOES tags, strictly; those that are open at a side are left out.

    Returns:
        `(first word, word after the last, type)` of each span, in order.
    """
    return [
        (chain.begin, chain.end, chain.kind)
        for chain in chains(tags, scheme)
        if chain.is_begun and chain.is_ended
    ]


def convert(tags: Sequence[str], source: Scheme, target: Scheme) -> tuple[tuple[str, ...], int]:
    """Write the spans of one scheme in another.

    Args:
        tags: Of one sentence, `UNANNOTATED` among them where nobody tagged a word.
        source: IOB1, BIO or BIOES.
        target: BIO or BIOES.

    Returns:
        The tags, and how many words had a tag that belongs to no span and are now `O`. A word
        whose tag depends on a word that is not annotated becomes unannotated itself.
    """
    if source == "iob1":
        tags, source = _from_iob1(tags), "bio"
    written = [tag if tag == UNANNOTATED else "O" for tag in tags]
    for chain in chains(tags, source):
        for at in range(chain.begin, chain.end):
            begins = at == chain.begin and chain.is_begun
            mark = "B" if begins else "I"
            if target == "bioes" and at == chain.end - 1:
                if chain.is_ended is None:
                    written[at] = UNANNOTATED
                    continue
                if chain.is_ended:
                    mark = "S" if begins else "E"
            written[at] = f"{mark}-{chain.kind}"
    strays = sum(old != "O" and new == "O" for old, new in zip(tags, written, strict=True))
    return tuple(written), strays


def _from_iob1(tags: Sequence[str]) -> list[str]:
    written = []
    for before, tag in zip(("O", *tags), tags, strict=False):
        if tag[0] == "I" and before == UNANNOTATED:
            written.append(UNANNOTATED)  # it may begin a span or go on with one
        elif tag[0] == "I" and before[2:] != tag[2:]:
            written.append(f"B-{tag[2:]}")
        else:
            written.append(tag)
    return written


@dataclass(frozen=True)
class TransitionRules:
    """Which tags may follow each other. True where it is allowed."""

    start: NDArray[np.bool_]
    """At the first word, `(tags,)`."""
    pairs: NDArray[np.bool_]
    """From a word to the next, `(tags, tags)`."""
    end: NDArray[np.bool_]
    """At the last word, `(tags,)`."""


def transition_rules(names: Sequence[str]) -> TransitionRules:
    """The rules of BIO or BIOES tags; plain tags have none, so all is allowed."""
    scheme = scheme_of_names(names)

    def allowed(before: str, tag: str) -> bool:
        goes_on = tag[0] in ("I" if scheme == "bio" else "IE") and tag != "O"
        if scheme == "plain":
            return True
        if scheme == "bio":
            return not goes_on or (before != "O" and before[2:] == tag[2:])
        if before[0] in "BI":
            return goes_on and before[2:] == tag[2:]
        return not goes_on

    return TransitionRules(
        start=np.array([allowed("O", name) for name in names]),
        pairs=np.array([[allowed(before, name) for name in names] for before in names]),
        end=np.array([allowed(name, "O") for name in names]),
    )


def judged_tags(
    tags: Sequence[str], guesses: Sequence[str], scheme: Scheme
) -> tuple[list[str], list[str]]:
    """Both without what nobody can judge: spans that touch words that are not annotated."""
    if UNANNOTATED not in tags:
        return list(tags), list(guesses)
    unknown = {at for at, tag in enumerate(tags) if tag == UNANNOTATED}
    for chain in chains(tags, scheme):
        if not (chain.is_begun and chain.is_ended):
            unknown.update(range(chain.begin, chain.end))
    right = ["O" if at in unknown else tag for at, tag in enumerate(tags)]
    guess = list(guesses)
    for begin, end, _ in spans(guesses, scheme):
        if unknown & set(range(begin, end)):
            guess[begin:end] = ["O"] * (end - begin)
    return right, guess
