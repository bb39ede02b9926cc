"""The Bayes path: counts of n-grams by class, nothing else, so a word tells from its first day.

Complement naive Bayes (Rennie et al., "Tackling the Poor Assumptions of Naive Bayes Text
Classifiers", 2003): a class is judged by the words of all the others, which makes it fair to
classes with few examples, where the linear path needs many steps. It knows no texts and no other
path.

Shape legend: N n-grams of one text, W buckets, C classes of all heads side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import COLUMNS, NUM_COLUMNS, Floats, Target

_SMOOTHING = 0.1
_NUM_KINDS = 50_000.0
"""Different n-grams that a stream is taken to have, for the smoothing."""


class BayesPath:
    """Weighted counts of n-grams by class."""

    def __init__(self, state: Mapping[str, NDArray[np.generic]], num_buckets: int) -> None:
        self._grams: Floats = np.ascontiguousarray(state["grams"], dtype=np.float32)  # [W, C]
        self._classes: Floats = np.array(state["classes"], dtype=np.float32)  # [2, C] texts, sums
        if self._grams.shape != (num_buckets, NUM_COLUMNS) or self._classes.shape != (
            2,
            NUM_COLUMNS,
        ):
            raise ValueError(f"counts of n-grams are {self._grams.shape}")

    @classmethod
    def fresh(cls, num_buckets: int) -> BayesPath:
        """A path that has counted nothing."""
        return cls(
            {
                "grams": np.zeros((num_buckets, NUM_COLUMNS), np.float32),
                "classes": np.zeros((2, NUM_COLUMNS), np.float32),
            },
            num_buckets,
        )

    def state(self) -> dict[str, Floats]:
        """The live arrays by name."""
        return {"grams": self._grams, "classes": self._classes}

    def logits(self, texts: Sequence[tuple[NDArray[np.int64], Floats]]) -> dict[str, Floats]:
        """Per head [B, K].

        Args:
            texts: buckets and values of each text; the values' norm is one.
        """
        rows: dict[str, list[Floats]] = {head: [] for head in HEADS}
        for ids, values in texts:
            counts = self._grams[ids]
            for head, columns in COLUMNS.items():
                rows[head].append(self._row(counts[:, columns], values, columns))
        return {head: np.stack(found) for head, found in rows.items()}

    def add(self, ids: NDArray[np.int64], values: Floats, targets: Mapping[str, Target]) -> None:
        """Counts one text."""
        for head, target in targets.items():
            if target.weight > 0.0:
                column = COLUMNS[head].start + target.index
                self._grams[ids, column] += target.weight * values
                self._classes[:, column] += target.weight * np.array((1.0, values.sum()))

    def _row(self, counts: Floats, values: Floats, columns: slice) -> Floats:
        texts, sums = self._classes[:, columns]
        others = counts.sum(axis=1, keepdims=True) - counts
        of_others = sums.sum() - sums
        told = np.log(of_others + _SMOOTHING * _NUM_KINDS) - np.log(others + _SMOOTHING)
        told -= told.mean(axis=1, keepdims=True)
        return np.asarray(values @ told + np.log(texts + 1.0), np.float32)
