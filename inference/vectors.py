"""Where the vectors of fixes are held: what a store has to do, and the one in this process.

A store holds the vectors of one version of what made them, for those of different versions are
never compared. It knows keys and digests of texts, never the texts.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from usearch.index import Index

from fixstream.inference.served import Vectors
from fixstream.schemas.errors import RetryLater


class VectorStoreUnavailable(RetryLater):
    """A store did not take or tell in time what it was asked to."""


class VectorStore(Protocol):
    """The vectors of one version. One writer; searches from any thread."""

    def keys(self) -> list[str]:
        """The keys that are in. Raises VectorStoreUnavailable."""

    def put(self, digests: Mapping[str, str], vectors: Vectors) -> None:
        """Adds or replaces `(N, D)` vectors under N keys. Raises VectorStoreUnavailable.

        Args:
            digests: By key, of the texts that the vectors were made of.
            vectors: In the order of the keys.
        """

    def held(self, digests: Mapping[str, str]) -> set[str]:
        """Those of the keys that are in, of that very text. Raises VectorStoreUnavailable."""

    def remove(self, key: str) -> None:
        """Removes a vector, if it is there; it may happen at the next `settle` only."""

    def settle(self) -> None:
        """Carries out what waits to be removed. Raises VectorStoreUnavailable."""

    def similar(self, vector: Vectors, limit: int, keys: Sequence[str]) -> dict[str, float]:
        """Cosine similarity of the `limit` nearest, and of each of the keys that is in.

        Empty where the store does not answer: words find fixes without it.
        """

    def drop(self) -> None:
        """Gives up all that it holds; it is not used afterwards."""


class VectorStores(Protocol):
    """Where stores are made."""

    is_remote: bool
    """Whether a search waits for another machine."""

    def open(self, name: str, dim: int) -> VectorStore:
        """The store of that name, as it was left, or an empty one. Raises VectorStoreUnavailable.

        Args:
            name: Letters, digits and dashes; another one for each version.
            dim: D, the length of every vector.
        """

    def close(self) -> None:
        """Ends what it has open; stores that outlive the process stay."""


class MemoryStores:
    """Stores in this process: every one is new, and gone with it."""

    is_remote = False

    def open(self, name: str, dim: int) -> VectorStore:
        """An empty store."""
        return MemoryStore(dim)

    def close(self) -> None:
        """Nothing is open."""


class MemoryStore:
    """Nearest fixes by cosine similarity, by usearch."""

    def __init__(self, dim: int) -> None:
        """Starts empty; `dim` is the length of every vector."""
        self._index = Index(ndim=dim, metric="cos", dtype="f32")
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._keys: dict[int, str] = {}
        self._digests: dict[str, str] = {}
        self._next = 0

    def keys(self) -> list[str]:
        """The keys that are in."""
        with self._lock:
            return list(self._numbers)

    def put(self, digests: Mapping[str, str], vectors: Vectors) -> None:
        """Adds or replaces `(N, D)` vectors under N keys."""
        with self._lock:
            for key in digests:
                self._drop(key)
            numbers = np.arange(self._next, self._next + len(digests), dtype=np.uint64)
            self._next += len(digests)
            self._index.add(numbers, vectors)
            for key, number in zip(digests, numbers.tolist(), strict=True):
                self._numbers[key] = number
                self._keys[number] = key
            self._digests.update(digests)

    def held(self, digests: Mapping[str, str]) -> set[str]:
        """Those of the keys that are in, of that very text."""
        with self._lock:
            return {key for key, digest in digests.items() if self._digests.get(key) == digest}

    def remove(self, key: str) -> None:
        """Removes a vector, if it is there."""
        with self._lock:
            self._drop(key)

    def settle(self) -> None:
        """Nothing waits."""

    def similar(self, vector: Vectors, limit: int, keys: Sequence[str]) -> dict[str, float]:
        """Cosine similarity of the `limit` nearest, and of each of the keys that is in."""
        with self._lock:
            found = self._nearest(vector, min(limit, len(self._numbers)))
            held = [key for key in keys if key in self._numbers and key not in found]
            if held:
                found.update(self._similarities(held, vector))
        return found

    def drop(self) -> None:
        """The vectors go with the last search that uses them."""

    def _nearest(self, vector: Vectors, limit: int) -> dict[str, float]:
        if not limit:
            return {}
        found = self._index.search(vector, limit)
        pairs = zip(found.keys.tolist(), found.distances.tolist(), strict=True)
        return {
            self._keys[number]: 1.0 - float(distance)
            for number, distance in pairs
            if number in self._keys
        }

    def _similarities(self, keys: Sequence[str], vector: Vectors) -> dict[str, float]:
        numbers = np.array([self._numbers[key] for key in keys], np.uint64)
        stored = np.asarray(self._index.get(numbers), np.float32).reshape(len(keys), -1)
        norms = np.linalg.norm(stored, axis=1) * float(np.linalg.norm(vector))
        cosines = stored @ vector.reshape(-1) / np.maximum(norms, 1e-12)
        return dict(zip(keys, cosines.tolist(), strict=True))

    def _drop(self, key: str) -> None:
        number = self._numbers.pop(key, None)
        if number is not None:
            self._index.remove(number)
            del self._keys[number]
            self._digests.pop(key, None)
