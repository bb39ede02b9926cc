"""The Bayes path: counts of n-grams by class, nothing else, so a word tells from its first day.

Naive Bayes, but an n-gram is not believed further than it was counted: the share of each class
among the texts that hold it is drawn towards the class's common share. So a word that was seen once
says little, one that no text of a rare class ever held says little against it, and only counts make
either loud. It knows no texts and no other path.

Shape legend: N n-grams of one text, W buckets, C classes of all heads side by side, K of one head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import COLUMNS, NUM_COLUMNS, Floats, Target

_BACK_OFF = 8.0
"""How many texts the common shares of the classes are worth beside those that hold an n-gram."""
_FIRST = 0.5
"""What each class counts before it was ever seen."""


class BayesPath:
    """Weighted counts of texts by n-gram and class."""

    def __init__(self, state: Mapping[str, NDArray[np.generic]], num_buckets: int) -> None:
        self._grams: Floats = np.ascontiguousarray(state["grams"], dtype=np.float32)  # [W, C]
        # Checkpoints of old hold another row, of sums that nothing reads any more.
        self._classes: Floats = np.array(state["classes"], dtype=np.float32)[:1]  # [1, C] texts
        if self._grams.shape != (num_buckets, NUM_COLUMNS) or self._classes.shape != (
            1,
            NUM_COLUMNS,
        ):
            raise ValueError(f"counts of n-grams are {self._grams.shape}")

    @classmethod
    def fresh(cls, num_buckets: int) -> BayesPath:
        """A path that has counted nothing."""
        return cls(
            {
                "grams": np.zeros((num_buckets, NUM_COLUMNS), np.float32),
                "classes": np.zeros((1, NUM_COLUMNS), np.float32),
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
        common = self._classes[0] + _FIRST
        shares = {head: common[c] / common[c].sum() for head, c in COLUMNS.items()}
        rows: dict[str, list[Floats]] = {head: [] for head in HEADS}
        for ids, values in texts:
            counts = self._grams[ids]
            for head, columns in COLUMNS.items():
                rows[head].append(_row(counts[:, columns], values, shares[head]))
        return {head: np.stack(found) for head, found in rows.items()}

    def add(self, ids: NDArray[np.int64], targets: Mapping[str, Target]) -> None:
        """Counts one text, by its distinct n-grams."""
        for head, target in targets.items():
            if target.weight > 0.0:
                column = COLUMNS[head].start + target.index
                self._grams[ids, column] += target.weight
                self._classes[0, column] += target.weight


def _row(counts: Floats, values: Floats, shares: Floats) -> Floats:
    """[K] from the counts [N, K] of the n-grams of one text."""
    sums = counts.sum(axis=1, keepdims=True) + _BACK_OFF
    told = np.log((counts / shares + _BACK_OFF) / sums)
    return np.asarray(np.log(shares) + values @ told, np.float32)
