"""ADWIN: a window that keeps what is like the present and drops what is not.

Bifet and Gavaldà, "Learning from Time-Changing Data with Adaptive Windowing", 2007: the window is
cut wherever two parts of it have means that differ by more than chance allows (their bound with the
variance). It is stored as a few sums of ever longer stretches, so a million values need some
hundred numbers. One window may watch several values at once; it is cut where any of them changes.
It knows no clock and no randomness, and decides nothing.

Shape legend: D values watched together, L levels of stretches of 2**level values, P places a level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_PLACES = 5
_LEVELS = 20
"""Longest window: 5 x (2**20 - 1) values; older ones are forgotten."""
_EVERY = 32
"""Values between two looks for a cut."""
_FEWEST = 5
"""No part of a cut is shorter."""
_GRACE = 10

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Change:
    """What a cut has found: the means before and after, of the value that changed most."""

    value: int
    before: float
    after: float


class Adwin:
    """One window over values in [0, 1]."""

    def __init__(self, num_values: int = 1, delta: float = 0.002) -> None:
        """A window that has seen nothing.

        Args:
            num_values: D.
            delta: probability of a cut where nothing has changed; shared by the values.
        """
        self._delta = delta / num_values
        self._sums: list[list[Doubles]] = [[]]  # per level, oldest first, [2, D] sum and variance
        self._total: Doubles = np.zeros((2, num_values))
        self._width = 0
        self._ticks = 0
        self.num_detections = 0

    @property
    def width(self) -> int:
        """Values in the window."""
        return self._width

    @property
    def mean(self) -> Doubles:
        """[D] of the window; zeros while it is empty."""
        return np.asarray(self._total[0] / max(self._width, 1))

    @property
    def num_stretches(self) -> int:
        """How many sums are stored."""
        return sum(len(level) for level in self._sums)

    def add(self, values: Doubles) -> Change | None:
        """Takes one value of each kind, [D]; tells of a change once it is beyond chance."""
        self._ticks += 1
        self._insert(np.clip(values, 0.0, 1.0))
        if self._ticks % _EVERY or self._width <= _GRACE:
            return None
        return self._shrink()

    def state_tensors(self) -> dict[str, Tensor]:
        """Everything as tensors."""
        num_values = self._total.shape[1]
        stretches = [one for level in self._sums for one in level]
        sums = np.stack(stretches) if stretches else np.zeros((0, 2, num_values))
        return {
            "sums": torch.from_numpy(sums),
            "levels": torch.tensor([len(level) for level in self._sums]),
            "total": torch.from_numpy(self._total.copy()),
            "counts": torch.tensor([self._width, self._ticks, self.num_detections]),
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The reverse of `state_tensors`; raises ValueError where it does not fit."""
        total = np.array(tensors["total"].numpy())
        if total.shape != self._total.shape:
            raise ValueError("the window watches other values")
        stretches = iter(np.array(tensors["sums"].numpy()))
        self._sums = [[next(stretches) for _ in range(n)] for n in tensors["levels"].tolist()]
        self._total = total
        self._width, self._ticks, self.num_detections = tensors["counts"].tolist()

    def _insert(self, values: Doubles) -> None:
        if self._width:
            gap = values - self.mean
            self._total[1] += self._width * gap * gap / (self._width + 1)
        self._width += 1
        self._total[0] += values
        self._sums[0].append(np.stack((values, np.zeros_like(values))))
        self._compress()

    def _compress(self) -> None:
        """Two stretches of a full level become one of the next."""
        level = 0
        while len(self._sums[level]) > _PLACES:
            if level + 1 == len(self._sums):
                if level + 1 == _LEVELS:
                    self._drop_oldest()
                    return
                self._sums.append([])
            first, second = self._sums[level].pop(0), self._sums[level].pop(0)
            size = 2**level
            joined = first + second
            gap = (first[0] - second[0]) / size
            joined[1] += size * gap * gap / 2
            self._sums[level + 1].append(joined)
            level += 1

    def _shrink(self) -> Change | None:
        found: Change | None = None
        while self._width > _GRACE and (change := self._difference()) is not None:
            found = found or change
            self._drop_oldest()
        self.num_detections += found is not None
        return found

    def _difference(self) -> Change | None:
        """The first cut, from the oldest on, whose parts differ beyond chance."""
        log_term = math.log(2.0 * math.log(self._width) / self._delta)
        spread = self._total[1] / self._width
        older, num_older = np.zeros(self._total.shape[1]), 0
        for level in range(len(self._sums) - 1, -1, -1):
            for stretch in self._sums[level]:
                older = older + stretch[0]
                num_older += 2**level
                num_newer = self._width - num_older
                if num_newer < _FEWEST:
                    return None
                if num_older < _FEWEST:
                    continue
                means = older / num_older, (self._total[0] - older) / num_newer
                over = np.abs(means[0] - means[1]) - _allowed(
                    num_older, num_newer, spread, log_term
                )
                most = int(over.argmax())
                if over[most] > 0.0:
                    return Change(most, float(means[0][most]), float(means[1][most]))
        return None

    def _drop_oldest(self) -> None:
        while not self._sums[-1]:
            self._sums.pop()
        level = len(self._sums) - 1
        size = 2**level
        oldest = self._sums[level].pop(0)
        self._width -= size
        self._total[0] -= oldest[0]
        gap = oldest[0] / size - self.mean
        lost = oldest[1] + size * self._width * gap * gap / (size + self._width)
        self._total[1] = np.maximum(self._total[1] - lost, 0.0)
        if not self._sums[level] and level:
            self._sums.pop()


def _allowed(num_older: int, num_newer: int, spread: Doubles, log_term: float) -> Doubles:
    """[D] by how much means may differ by chance; equation 3.2 of the paper, with the variance."""
    inverse = 1.0 / (num_older - _FEWEST + 1) + 1.0 / (num_newer - _FEWEST + 1)
    return np.asarray(np.sqrt(2.0 * inverse * spread * log_term) + 2.0 / 3.0 * inverse * log_term)
