"""A curve in one row of characters, for a line of a table."""

import numpy as np

from workbench.tui.charts.series import FloatArray

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-~=+*#"


def sparkline(values: FloatArray, width: int, *, is_ascii: bool = False) -> str:
    """Sketch a curve in at most `width` characters, oldest value first.

    A character shows the mean of its share of the values: a sketch of the course, in which a
    single spike is not meant to be seen. A share without any finite value is a cross.

    Args:
        values: The curve, `(points,)`.
        width: Cells available; fewer are used when there are fewer values.
        is_ascii: Whether to do without block characters.

    Returns:
        The characters, each one cell wide; empty without values.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0 or width <= 0:
        return ""
    is_finite = np.isfinite(values)
    largest = float(np.abs(values[is_finite]).max(initial=0.0)) or 1.0
    starts = np.linspace(0, values.size, min(width, values.size), endpoint=False).astype(np.intp)
    sums = np.add.reduceat(np.where(is_finite, values, 0.0) / largest, starts)
    counts = np.add.reduceat(is_finite.astype(np.intp), starts)
    means = sums / np.maximum(counts, 1)
    shown = means[counts > 0]
    low, span = float(shown.min(initial=np.inf)), float(np.ptp(shown)) if shown.size else 0.0
    # A constant sits in the middle: neither good nor bad.
    heights = (means - low) / span if span > 1e-12 else np.full(means.size, 0.5)
    levels = np.clip(heights * len(BLOCKS), 0, len(BLOCKS) - 1).astype(np.intp)
    blocks, cross = (ASCII_BLOCKS, "x") if is_ascii else (BLOCKS, "×")
    pairs = zip(levels.tolist(), counts.tolist(), strict=True)
    return "".join(blocks[level] if count else cross for level, count in pairs)
