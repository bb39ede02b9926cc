"""From a distribution to an answer: the class that raises the macro-F1 of all answers most.

F1 of a class is 2 hits / (truths + answers). Answering a class of probability p adds p hits and one
answer, so its F1 moves by (2 p - F1) / (truths + answers): an answer pays from half of the F1 that
the class has reached, the known optimum (Lipton et al., "Optimal Thresholding of Classifiers to
Maximize F1 Measure", 2014), and pays most where a class is rare. What the classes have reached is
counted as the stream goes by, half by what was the truth and half by what was expected, which
wavers less. A class that nobody has ever named is never answered. The module learns no model.

Shape legend: B texts, K classes of one head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.wide import Floats

_KEEP = 0.999
"""A label counts half after some 700 others."""
_EXPECTED = 0.5
_PATIENCE = 2.0
"""As if each class had occurred so often more: the first few must not decide alone."""


class Board:
    """Fading hits, truths and answers by class, and how often each class was ever named."""

    NUM_TALLIES = 4

    def __init__(self, tallies: Floats) -> None:
        """Takes over [4, K]: hits, truths, answers, and labels ever."""
        self.tallies = tallies

    @property
    def num_told(self) -> float:
        """How many labels people have given."""
        return float(self.named.sum())

    @property
    def named(self) -> Floats:
        """[K] how often people have named each class."""
        named: Floats = self.tallies[3]
        return named

    def choices(self, probabilities: Floats) -> NDArray[np.int64]:
        """[B] the answers for [B, K]; at least one class must have been named."""
        hits, truths, answers, named = self.tallies
        weights = truths + answers
        reached = 2.0 * hits / np.maximum(weights, 1e-6)
        gains = (2.0 * probabilities - reached) / (weights + _PATIENCE)
        return np.asarray(np.where(named > 0, gains, -np.inf).argmax(axis=-1), np.int64)

    def add(self, probabilities: Floats, answer: int, truth: int) -> None:
        """Counts one answer with its distribution [K], once its truth is known."""
        counts = self.tallies
        counts[:3] *= _KEEP
        counts[0, answer] += _EXPECTED * probabilities[answer]
        counts[0, answer] += (1.0 - _EXPECTED) * float(answer == truth)
        counts[1] += _EXPECTED * probabilities
        counts[1, truth] += 1.0 - _EXPECTED
        counts[2, answer] += 1.0
        counts[3, truth] += 1.0
