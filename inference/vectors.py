"""The embeddings of the fixes under one version of what made them, held by usearch."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from usearch.index import Index

from fixstream.inference.served import Vectors


class VectorIndex:
    """Nearest fixes by cosine similarity, for one version."""

    def __init__(self, version: int, dim: int) -> None:
        """Starts empty; `dim` is the length of every vector."""
        self.version = version
        self._index = Index(ndim=dim, metric="cos", dtype="f32")
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._keys: dict[int, str] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def keys(self) -> list[str]:
        """The keys that are in."""
        with self._lock:
            return list(self._numbers)

    def put(self, keys: list[str], vectors: Vectors) -> None:
        """Adds or replaces `(N, D)` vectors under N keys."""
        with self._lock:
            for key in keys:
                self._drop(key)
            numbers = np.arange(self._next, self._next + len(keys), dtype=np.uint64)
            self._next += len(keys)
            self._index.add(numbers, vectors)
            for key, number in zip(keys, numbers.tolist(), strict=True):
                self._numbers[key] = number
                self._keys[number] = key

    def remove(self, key: str) -> None:
        """Removes a vector, if it is there."""
        with self._lock:
            self._drop(key)

    def search(self, vector: Vectors, limit: int) -> list[tuple[str, float]]:
        """The nearest keys with their cosine similarity, best first."""
        with self._lock:
            if not self._numbers:
                return []
            found = self._index.search(vector, min(limit, len(self._numbers)))
            pairs = zip(found.keys.tolist(), found.distances.tolist(), strict=True)
            return [
                (self._keys[number], 1.0 - float(distance))
                for number, distance in pairs
                if number in self._keys
            ]

    def similarities(self, keys: Sequence[str], vector: Vectors) -> dict[str, float]:
        """Cosine similarity of each fix that is in."""
        with self._lock:
            held = [key for key in keys if key in self._numbers]
            if not held:
                return {}
            numbers = np.array([self._numbers[key] for key in held], np.uint64)
            stored = np.asarray(self._index.get(numbers), np.float32).reshape(len(held), -1)
        norms = np.linalg.norm(stored, axis=1) * float(np.linalg.norm(vector))
        cosines = stored @ vector.reshape(-1) / np.maximum(norms, 1e-12)
        return dict(zip(held, cosines.tolist(), strict=True))

    def _drop(self, key: str) -> None:
        number = self._numbers.pop(key, None)
        if number is not None:
            self._index.remove(number)
            del self._keys[number]
