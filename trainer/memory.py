"""The memory path: an error is labelled like the most similar ones of the recent past.

Nearest neighbours by the cosine of TF-IDF weighted n-grams. One example of a new kind of error is
enough for it, where the linear path and the network need many. It remembers the last few thousand
examples and forgets the oldest; it knows no texts and no other path.

Shape legend: M places, G n-grams kept of one text (those that weigh most), K classes of a head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import Floats, Target

NUM_GRAMS = 96
_NUM_NEIGHBOURS = 10
_SHARPNESS = 8.0
"""A neighbour counts exp(sharpness x cosine): e^8 for the same text, 1 for a strange one."""
_DOUBT = 0.3
"""Spread over all classes, so that without a similar neighbour nothing is certain."""


class Memory:
    """A ring of the last M examples, found by their n-grams."""

    def __init__(self, state: Mapping[str, NDArray[np.generic]], num_buckets: int) -> None:
        self._ids = np.array(state["ids"], dtype=np.int32)  # [M, G] buckets
        self._values = np.array(state["values"], dtype=np.float32)  # [M, G] 0 where there is none
        self._classes = np.array(state["classes"], dtype=np.int32)  # [M, heads]
        self._weights = np.array(state["weights"], dtype=np.float32)  # [M, heads]
        self._num_seen = np.array(state["num_seen"], dtype=np.int64)  # [1]
        self._num_buckets = num_buckets
        num_places = self._ids.shape[0]
        if (
            self._ids.shape != self._values.shape
            or self._classes.shape != (num_places, len(HEADS))
            or self._weights.shape != self._classes.shape
            or (self._ids.size and not 0 <= self._ids.min() <= self._ids.max() < num_buckets)
        ):
            raise ValueError("the memory's arrays do not fit together")

    @classmethod
    def fresh(cls, num_places: int, num_buckets: int) -> Memory:
        """A memory of nothing."""
        return cls(
            {
                "ids": np.zeros((num_places, NUM_GRAMS), np.int32),
                "values": np.zeros((num_places, NUM_GRAMS), np.float32),
                "classes": np.zeros((num_places, len(HEADS)), np.int32),
                "weights": np.zeros((num_places, len(HEADS)), np.float32),
                "num_seen": np.zeros(1, np.int64),
            },
            num_buckets,
        )

    @property
    def num_places(self) -> int:
        """How many examples it can hold, M."""
        return int(self._ids.shape[0])

    def state(self) -> dict[str, NDArray[np.generic]]:
        """The live arrays by name."""
        return {
            "ids": self._ids,
            "values": self._values,
            "classes": self._classes,
            "weights": self._weights,
            "num_seen": self._num_seen,
        }

    def logits(self, texts: Sequence[tuple[NDArray[np.int64], Floats]]) -> dict[str, Floats]:
        """Per head [B, K]: log shares of the neighbours' votes.

        Args:
            texts: buckets and values of each text; the values' norm is one.
        """
        rows: dict[str, list[Floats]] = {head: [] for head in HEADS}
        dense = np.zeros(self._num_buckets, np.float32)
        for ids, values in texts:
            dense[ids] = values
            places, cosines = self._neighbours(dense)
            dense[ids] = 0.0
            for column, head in enumerate(HEADS):
                rows[head].append(self._votes(column, len(HEADS[head]), places, cosines))
        return {head: np.stack(votes) for head, votes in rows.items()}

    def add(self, ids: NDArray[np.int64], values: Floats, targets: Mapping[str, Target]) -> None:
        """Remembers one example in the place of the oldest; one without labels only crowds."""
        if self.num_places == 0 or not any(target.weight > 0.0 for target in targets.values()):
            return
        place = int(self._num_seen[0]) % self.num_places
        self._num_seen[0] += 1
        heaviest = np.sort(np.argsort(-values, kind="stable")[:NUM_GRAMS])
        self._ids[place], self._values[place] = 0, 0.0
        self._ids[place, : len(heaviest)] = ids[heaviest]
        self._values[place, : len(heaviest)] = values[heaviest]
        for column, head in enumerate(HEADS):
            self._classes[place, column] = targets[head].index
            self._weights[place, column] = targets[head].weight

    def _neighbours(self, dense: Floats) -> tuple[NDArray[np.int64], Floats]:
        held = min(int(self._num_seen[0]), self.num_places)
        cosines = np.einsum("mg,mg->m", dense.take(self._ids[:held]), self._values[:held])
        if held > _NUM_NEIGHBOURS:
            # Stable, so that equal cosines are broken the same way on every machine.
            places = np.argsort(-cosines, kind="stable")[:_NUM_NEIGHBOURS]
        else:
            places = np.arange(held)
        return places, cosines[places]

    def _votes(
        self, column: int, num_classes: int, places: NDArray[np.int64], cosines: Floats
    ) -> Floats:
        shares = np.full(num_classes, _DOUBT / num_classes)
        votes = np.exp(_SHARPNESS * cosines) * np.minimum(self._weights[places, column], 1.0)
        np.add.at(shares, self._classes[places, column], votes)
        return np.asarray(np.log(shares / shares.sum()), np.float32)
