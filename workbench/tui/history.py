"""What the screen of a live run remembers: curves that grow by what is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from workbench.store.records import Curve, SeriesKey


class CurveHistory:
    """Curves by key; guarantees ascending steps, each once."""

    def __init__(self) -> None:
        self._curves: dict[SeriesKey, Curve] = {}

    def cursor(self) -> dict[SeriesKey, int]:
        """Last step of each curve, to read on from."""
        return {key: int(curve.steps[-1]) for key, curve in self._curves.items()}

    def add(self, news: Mapping[SeriesKey, Curve]) -> set[SeriesKey]:
        """Append points that came later.

        Returns:
            The curves that changed.
        """
        changed = set()
        for key, curve in news.items():
            old = self._curves.get(key)
            if old is not None:
                is_new = curve.steps > old.steps[-1]
                curve = Curve(
                    np.concatenate([old.steps, curve.steps[is_new]]),
                    np.concatenate([old.values, curve.values[is_new]]),
                )
                if curve.steps.size == old.steps.size:
                    continue
            if curve.steps.size:
                self._curves[key] = curve
                changed.add(key)
        return changed

    def get(self, key: SeriesKey) -> Curve | None:
        """The curve of that key, if it has a point."""
        return self._curves.get(key)

    def __iter__(self) -> Iterator[SeriesKey]:
        """Curves that have a point, in the order in which they came."""
        return iter(self._curves)
