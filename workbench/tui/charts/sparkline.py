"""A curve in one row of characters, for a line of a table.

Without numpy: a table of runs is the first thing that is seen, and has no other use for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-~=+*#"


def sparkline(values: Sequence[float], width: int, *, is_ascii: bool = False) -> str:
    """Sketch a curve in at most `width` characters, oldest value first.

    A character shows the mean of its share of the values: a sketch of the course, in which a
    single spike is not meant to be seen. A share without any finite value is a cross.

    Args:
        values: The curve.
        width: Cells available; fewer are used when there are fewer values.
        is_ascii: Whether to do without block characters.

    Returns:
        The characters, each one cell wide; empty without values.
    """
    cells = min(width, len(values))
    if cells <= 0:
        return ""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0) or 1.0
    bounds = [cell * len(values) // cells for cell in range(cells + 1)]
    means = [
        _mean([value / largest for value in values[start:end] if math.isfinite(value)])
        for start, end in pairwise(bounds)
    ]
    shown = [mean for mean in means if mean is not None]
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    blocks, cross = (ASCII_BLOCKS, "x") if is_ascii else (BLOCKS, "×")

    def block(mean: float) -> str:
        # A constant sits in the middle: neither good nor bad.
        height = (mean - low) / (high - low) if high - low > 1e-12 else 0.5
        return blocks[min(int(height * len(blocks)), len(blocks) - 1)]

    return "".join(cross if mean is None else block(mean) for mean in means)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
