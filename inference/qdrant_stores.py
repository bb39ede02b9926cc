"""Vectors in Qdrant, for a knowledge base that one process cannot or should not hold.

One collection a version; several instances of the service share it, and what one has embedded the
others find there. A question has a time limit, and after a failure the store is left alone for a
while: fixes are found by words then. Qdrant is told keys, digests and vectors, never a text; it
decides nothing, for every answer is checked against the fixes that are held here.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import structlog
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

from fixstream.inference import metrics
from fixstream.inference.served import Vectors
from fixstream.inference.vectors import VectorStore, VectorStoreUnavailable
from fixstream.runtime.clock import Clock

log = structlog.get_logger(__name__)

T = TypeVar("T")

MAX_CALLS = 4
"""Questions under way at once."""
PAUSE_S = 5.0
"""How long a store is left alone after it failed to answer."""
PAGE = 1_000
_FAILURES = (ApiException, OSError, ValueError, RuntimeError)
"""What the client raises: refused, out of reach, no such collection, closed."""


class QdrantStores:
    """The collections under one prefix."""

    is_remote = True

    def __init__(
        self, client: QdrantClient, clock: Clock, prefix: str = "", limit_s: float = 0.05
    ) -> None:
        """Stores its collaborators.

        Args:
            client: Connected already or not; closed with this.
            clock: For pauses.
            prefix: Of every collection, so that deployments may share a Qdrant.
            limit_s: How long a question may take.
        """
        self._client = client
        self._clock = clock
        self._prefix = prefix
        self._limit_s = limit_s
        self._pool = ThreadPoolExecutor(MAX_CALLS, "qdrant")
        self._quiet_until = -PAUSE_S

    def open(self, name: str, dim: int) -> VectorStore:
        """The store of that name, as it was left, or an empty one. Raises VectorStoreUnavailable.

        Args:
            name: Of the collection, behind the prefix.
            dim: The length of every vector.
        """
        collection = f"{self._prefix}{name}"
        try:
            if not self._client.collection_exists(collection):
                size = models.VectorParams(size=dim, distance=models.Distance.COSINE)
                self._client.create_collection(collection, vectors_config=size)
        except _FAILURES as error:
            raise _unavailable("open", error) from error
        return QdrantStore(self, self._client, collection)

    def close(self) -> None:
        """Ends the connections; collections stay."""
        self._pool.shutdown(cancel_futures=True)
        self._client.close()

    def ask(self, question: Callable[[], T], otherwise: T) -> T:
        """The answer to a question within the time limit, or `otherwise`."""
        if self._clock.monotonic() < self._quiet_until:
            metrics.VECTOR_STORE_FAILED.labels("paused").inc()
            return otherwise
        answer: Future[T] = self._pool.submit(question)
        try:
            return answer.result(self._limit_s)
        except (TimeoutError, *_FAILURES) as error:
            answer.cancel()
            self._quiet_until = self._clock.monotonic() + PAUSE_S
            metrics.VECTOR_STORE_FAILED.labels("search").inc()
            log.warning("no vectors in time", error_class=type(error).__name__, pause_s=PAUSE_S)
            return otherwise


class QdrantStore:
    """One collection."""

    def __init__(self, stores: QdrantStores, client: QdrantClient, collection: str) -> None:
        """Stores where it is."""
        self._stores = stores
        self._client = client
        self._collection = collection
        self._lock = threading.Lock()
        self._leaving: set[str] = set()

    def keys(self) -> list[str]:
        """The keys that are in. Raises VectorStoreUnavailable."""
        found: list[str] = []
        offset = None
        try:
            while True:
                points, offset = self._client.scroll(
                    self._collection, limit=PAGE, offset=offset, with_payload=["key"]
                )
                found += [point.payload["key"] for point in points if point.payload]
                if offset is None:
                    return [key for key in found if key not in self._leaving]
        except _FAILURES as error:
            raise _unavailable("list", error) from error

    def put(self, digests: Mapping[str, str], vectors: Vectors) -> None:
        """Adds or replaces `(N, D)` vectors under N keys. Raises VectorStoreUnavailable."""
        points = [
            models.PointStruct(
                id=_point(key), vector=vector.tolist(), payload={"key": key, "digest": digest}
            )
            for (key, digest), vector in zip(digests.items(), vectors, strict=True)
        ]
        try:
            self._client.upsert(self._collection, points)
        except _FAILURES as error:
            raise _unavailable("put", error) from error
        with self._lock:
            self._leaving.difference_update(digests)

    def held(self, digests: Mapping[str, str]) -> set[str]:
        """Those of the keys that are in, of that very text. Raises VectorStoreUnavailable."""
        try:
            points = self._client.retrieve(self._collection, [_point(key) for key in digests])
        except _FAILURES as error:
            raise _unavailable("look up", error) from error
        known = {point.payload["key"]: point.payload["digest"] for point in points if point.payload}
        return {
            key
            for key, digest in digests.items()
            if known.get(key) == digest and key not in self._leaving
        }

    def remove(self, key: str) -> None:
        """Notes what has to go: whoever removes a fix waits for no other machine."""
        with self._lock:
            self._leaving.add(key)

    def settle(self) -> None:
        """Removes what has to go. Raises VectorStoreUnavailable."""
        with self._lock:
            leaving = set(self._leaving)
        if not leaving:
            return
        try:
            self._client.delete(self._collection, [_point(key) for key in leaving])
        except _FAILURES as error:
            raise _unavailable("remove", error) from error
        with self._lock:
            self._leaving -= leaving

    def similar(self, vector: Vectors, limit: int, keys: Sequence[str]) -> dict[str, float]:
        """Cosine similarity of the `limit` nearest, and of each of the keys that is in."""
        asked = _questions(vector, limit, keys)

        def question() -> dict[str, float]:
            answers = self._client.query_batch_points(self._collection, asked)
            return {
                point.payload["key"]: point.score
                for answer in answers
                for point in answer.points
                if point.payload
            }

        nothing: dict[str, float] = {}
        found = self._stores.ask(question, nothing) if asked else nothing
        return {key: score for key, score in found.items() if key not in self._leaving}

    def drop(self) -> None:
        """Deletes the collection, if it can be reached."""
        try:
            self._client.delete_collection(self._collection)
        except _FAILURES as error:
            metrics.VECTOR_STORE_FAILED.labels("drop").inc()
            log.warning(
                "a collection is left behind",
                collection=self._collection,
                error_class=type(error).__name__,
            )


def _questions(vector: Vectors, limit: int, keys: Sequence[str]) -> list[models.QueryRequest]:
    """One for the nearest, one for the keys: both go in one round trip."""
    asked = []
    wanted = vector.reshape(-1).tolist()
    if limit:
        asked.append(models.QueryRequest(query=wanted, limit=limit, with_payload=["key"]))
    if keys:
        these = models.Filter(must=[models.HasIdCondition(has_id=[_point(key) for key in keys])])
        asked.append(
            models.QueryRequest(query=wanted, filter=these, limit=len(keys), with_payload=["key"])
        )
    return asked


def _point(key: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, key))


def _unavailable(what: str, error: Exception) -> VectorStoreUnavailable:
    metrics.VECTOR_STORE_FAILED.labels(what).inc()
    return VectorStoreUnavailable(f"qdrant did not {what}: {type(error).__name__}")
