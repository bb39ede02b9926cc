"""Percentiles of a few thousand durations; exact, for the numbers are few."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of `values` in their own unit; None when there are none.

    Args:
        values: the observations, in any order.
        share: which percentile, 0 < share <= 1 (0.99 for the 99th).
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share}")
    if not values:
        return None
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]
