"""Zooming and panning: which range of x is seen next."""

View = tuple[float, float]

LARGEST_ZOOM = 1e6
"""How often the whole range may hold the view: beyond, places differ by rounding only."""


def zoom(view: View | None, whole: View, factor: float, cursor: float | None) -> View | None:
    """Make the range narrower or wider, within the data.

    Args:
        view: The present range, or None for all.
        whole: First and last x of the data.
        factor: What the width is multiplied by.
        cursor: A place that stays where it is on the screen, or None for the middle.

    Returns:
        The new range, or None if it would show all.
    """
    low, high = view or whole
    full = whole[1] - whole[0]
    width = max((high - low) * factor, full / LARGEST_ZOOM)
    if width >= full:
        return None
    middle = (low + high) / 2 if cursor is None or not low <= cursor <= high else cursor
    share = (middle - low) / (high - low)
    start = min(max(middle - share * width, whole[0]), whole[1] - width)
    return start, start + width


def pan(view: View, whole: View, share: float) -> View:
    """Move the range by a share of its width, up to the ends of the data."""
    low, high = view
    distance = share * (high - low)
    distance = max(min(distance, max(whole[1] - high, 0.0)), min(whole[0] - low, 0.0))
    return low + distance, high + distance


def reach(view: View, x: float) -> View:
    """Move the range just so far that it holds a place."""
    low, high = view
    distance = max(x - high, 0.0) + min(x - low, 0.0)
    return low + distance, high + distance
