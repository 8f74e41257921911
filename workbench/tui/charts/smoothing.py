"""Exponential smoothing of a curve.

Left out: weighting by the distance in x; every value counts as one step, as in TensorBoard.
"""

import math

import numpy as np

from workbench.tui.charts.series import FloatArray

LARGEST_GROWTH = 1e150
"""Bound of `weight ** -n` inside a block: far from overflow once values are scaled to 1."""


def smooth(values: FloatArray, weight: float) -> FloatArray:
    """Smooth a curve by a debiased exponential moving average.

    Debiased means that the first values are not pulled towards zero: a constant curve stays
    constant. Values that are not finite stay as they are and leave no trace in what follows.

    Args:
        values: The curve, `(points,)`.
        weight: What the past counts for, from 0 (no smoothing) up to, not including, 1.

    Returns:
        The smoothed curve, `(points,)`.

    Raises:
        ValueError: `weight` is outside its range.

    Source: Kingma and Ba 2015, Adam, section 3, for the correction of the bias.
    """
    if not 0.0 <= weight < 1.0:
        raise ValueError(f"The smoothing weight is {weight}; it must be at least 0 and below 1.")
    is_finite = np.isfinite(values)
    known = values if is_finite.all() else values[is_finite]
    largest = float(np.abs(known).max(initial=0.0))
    if weight == 0.0 or largest == 0.0:
        return values.copy()
    sums = _decayed_sums(known / largest, weight)
    averages: FloatArray = sums * (1.0 - weight)
    # From here on the correction is below the precision of a float.
    biased = min(known.size, math.ceil(-40 / math.log(weight)))
    averages[:biased] /= -np.expm1(np.arange(1, biased + 1) * math.log(weight))
    # Rounding may leave [-1, 1] by a hair: enough to overflow the largest float.
    averages = np.clip(averages, -1.0, 1.0) * largest
    if known is values:
        return averages
    smoothed = values.copy()
    smoothed[is_finite] = averages
    return smoothed


def _decayed_sums(values: FloatArray, weight: float) -> FloatArray:
    """Return `sum(weight ** (t - i) * values[i] for i <= t)` for every t.

    A running sum of `values / weight ** i` does it without a Python loop over the points, but
    overflows; so it runs in blocks, and one loop over the blocks carries the sum across.
    """
    block = min(values.size, max(1, int(math.log(LARGEST_GROWTH) / -math.log(weight))))
    blocks = -(-values.size // block)
    padded = np.zeros(blocks * block)
    padded[: values.size] = values
    decay = weight ** np.arange(block)
    sums = np.cumsum(padded.reshape(blocks, block) / decay, axis=1) * decay
    carried = np.zeros(blocks)
    carry, block_decay = 0.0, weight**block
    for index, last in enumerate(sums[:-1, -1].tolist(), start=1):
        carry = carry * block_decay + last
        carried[index] = carry
    sums += carried[:, None] * (decay * weight)
    flat: FloatArray = sums.ravel()[: values.size]
    return flat
