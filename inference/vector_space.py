"""The vectors of one kind of embedding: those in use, and those being filled beside them.

Vectors of different versions are never compared. A new version is filled in the background and
taken into use in one step; until then the old one answers. It embeds nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fixstream.inference.served import Vectors
from fixstream.inference.vectors import VectorIndex


class VectorSpace:
    """One writer; searches from any thread."""

    def __init__(self) -> None:
        """Starts without vectors."""
        self._used: VectorIndex | None = None
        self._filling: VectorIndex | None = None

    @property
    def version(self) -> int:
        """Whose vectors are in use; 0 without any."""
        used = self._used
        return used.version if used else 0

    def begin(self, version: int, dim: int) -> None:
        """Starts a new index beside the one in use."""
        self._filling = VectorIndex(version, dim)

    def add(self, version: int, keys: Sequence[str], vectors: Vectors) -> bool:
        """Adds `(N, D)` vectors; False if this version is neither in use nor being filled."""
        for index in (self._filling, self._used):
            if index is not None and index.version == version:
                index.put(list(keys), vectors)
                return True
        return False

    def use(self, version: int, is_held: Callable[[str], bool]) -> bool:
        """Takes the filled index into use; False if another one is being filled by now.

        Args:
            version: Which one.
            is_held: Whether a key is still wanted; the others are removed.
        """
        filling = self._filling
        if filling is None or filling.version != version:
            return False
        for key in filling.keys():  # noqa: SIM118 - an index is no mapping
            if not is_held(key):
                filling.remove(key)
        self._used, self._filling = filling, None
        return True

    def remove(self, key: str) -> None:
        """Removes a vector from both."""
        for index in (self._used, self._filling):
            if index is not None:
                index.remove(key)

    def nearest(self, vector: Vectors | None, limit: int) -> list[str]:
        """The keys of the nearest vectors, best first; none without a vector to compare with."""
        used = self._used
        if used is None or vector is None:
            return []
        return [key for key, _ in used.search(vector, limit)]

    def similarities(self, keys: Sequence[str], vector: Vectors | None) -> dict[str, float]:
        """Cosine similarity of each of the keys that has a vector."""
        used = self._used
        if used is None or vector is None:
            return {}
        return used.similarities(keys, vector)
