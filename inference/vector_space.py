"""The vectors of one kind of embedding: those in use, and those being filled beside them.

Vectors of different versions are never compared. A new version is filled in the background and
taken into use in one step; until then the old one answers. It embeds nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fixstream.inference.served import Vectors
from fixstream.inference.vectors import VectorStore, VectorStores


@dataclass(frozen=True, slots=True)
class _Version:
    number: int
    store: VectorStore


class VectorSpace:
    """One writer; searches from any thread."""

    def __init__(self, name: str, stores: VectorStores) -> None:
        """Starts without vectors; `name` tells its stores from those of other spaces."""
        self._name = name
        self._stores = stores
        self._used: _Version | None = None
        self._filling: _Version | None = None
        self._num_made = 0

    @property
    def version(self) -> int:
        """Whose vectors are in use; 0 without any."""
        used = self._used
        return used.number if used else 0

    @property
    def num_made(self) -> int | None:
        """Vectors made so far for the version that is being filled; None if none is."""
        return None if self._filling is None else self._num_made

    def begin(self, version: int, dim: int, reading: str = "") -> None:
        """Starts to fill vectors beside those in use. Raises VectorStoreUnavailable.

        Args:
            version: Of what makes them, at least 1.
            dim: How long they are.
            reading: Names what makes them beyond this process; default: the version does.
        """
        name = f"{self._name}-{reading or version}"
        self._filling = _Version(version, self._stores.open(name, dim))
        self._num_made = 0

    def add(self, version: int, digests: Mapping[str, str], vectors: Vectors) -> bool:
        """Adds `(N, D)` vectors; False if this version is neither in use nor being filled.

        Args:
            version: Whose vectors they are.
            digests: By key, of the texts that the vectors were made of.
            vectors: In the order of the keys. Raises VectorStoreUnavailable.
        """
        for held in self._versions():
            if held.number == version:
                held.store.put(digests, vectors)
                self._num_made += len(digests)
                return True
        return False

    def held(self, version: int, digests: Mapping[str, str]) -> set[str]:
        """The keys whose vectors are there already. Raises VectorStoreUnavailable."""
        for held in self._versions():
            if held.number == version:
                return held.store.held(digests)
        return set()

    def use(self, version: int, is_held: Callable[[str], bool]) -> bool:
        """Takes the filled vectors into use; False if other ones are being filled by now.

        Args:
            version: Which ones.
            is_held: Whether a key is still wanted; the others are removed.
        """
        filling, used = self._filling, self._used
        if filling is None or filling.number != version:
            return False
        for key in filling.store.keys():  # noqa: SIM118 - a store is no mapping
            if not is_held(key):
                filling.store.remove(key)
        self._used, self._filling = filling, None
        if used is not None:
            used.store.drop()
        return True

    def remove(self, key: str) -> None:
        """Removes a vector from both."""
        for held in self._versions():
            held.store.remove(key)

    def settle(self) -> None:
        """Carries out what waits to be removed. Raises VectorStoreUnavailable."""
        for held in self._versions():
            held.store.settle()

    def similar(self, vector: Vectors | None, limit: int, keys: Iterable[str]) -> dict[str, float]:
        """Cosine similarity of the nearest, and of each of the keys that has a vector.

        Nothing without a vector to compare with, or where the store does not answer.
        """
        used = self._used
        if used is None or vector is None:
            return {}
        return used.store.similar(vector, limit, list(keys))

    def _versions(self) -> Sequence[_Version]:
        return [held for held in (self._filling, self._used) if held is not None]
