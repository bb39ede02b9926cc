"""Which group brings which about, added up over the partitions that counted it.

Holds the edges of `causes.v1` and answers for one group: what it comes from, what it brings about,
and the likeliest way back to its origin. It claims nothing by itself and reads no topic.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fixstream.schemas.records import CauseEdge

MAX_EDGES = 50_000
MAX_CHAIN = 6
"""Steps back to an origin: a longer chain tells nobody more."""


@dataclass(frozen=True, slots=True)
class CauseLink:
    """One pair of groups, counted over all partitions."""

    cause: str
    effect: str
    cause_service: str
    effect_service: str
    count: int
    """How often the cause's errors brought the effect's about."""
    last_seen_at: datetime


class CauseGraph:
    """The edges so far. Safe to use from several threads."""

    def __init__(self, max_edges: int = MAX_EDGES) -> None:
        """Starts with none."""
        self._lock = threading.Lock()
        self._max_edges = max_edges
        self._edges: OrderedDict[str, CauseEdge] = OrderedDict()
        self._by_effect: defaultdict[str, set[str]] = defaultdict(set)
        self._by_cause: defaultdict[str, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._edges)

    def put(self, key: str, edge: CauseEdge) -> None:
        """Takes what one partition counts; `key` names pair and partition."""
        with self._lock:
            self._forget(key)
            if edge.count <= 0:
                return  # Evidence only: nobody claims it yet.
            self._edges[key] = edge
            self._by_effect[edge.effect].add(key)
            self._by_cause[edge.cause].add(key)
            if len(self._edges) > self._max_edges:
                self._forget(next(iter(self._edges)))

    def remove(self, key: str) -> None:
        """Forgets what one partition counted."""
        with self._lock:
            self._forget(key)

    def causes_of(self, fingerprint: str) -> list[CauseLink]:
        """What brings this group about, the most frequent first."""
        with self._lock:
            return _added_up(self._edges[key] for key in self._by_effect.get(fingerprint, ()))

    def effects_of(self, fingerprint: str) -> list[CauseLink]:
        """What this group brings about, the most frequent first."""
        with self._lock:
            return _added_up(self._edges[key] for key in self._by_cause.get(fingerprint, ()))

    def chain_to(self, fingerprint: str) -> list[CauseLink]:
        """The likeliest way from an origin to this group, the origin's link first."""
        links: list[CauseLink] = []
        seen, here = {fingerprint}, fingerprint
        while len(links) < MAX_CHAIN:
            above = [one for one in self.causes_of(here) if one.cause not in seen]
            if not above:
                break
            links.append(above[0])
            here = above[0].cause
            seen.add(here)
        return links[::-1]

    def _forget(self, key: str) -> None:
        edge = self._edges.pop(key, None)
        if edge is None:
            return
        for index, name in ((self._by_effect, edge.effect), (self._by_cause, edge.cause)):
            index[name].discard(key)
            if not index[name]:
                del index[name]


def _added_up(edges: Iterable[CauseEdge]) -> list[CauseLink]:
    pairs: defaultdict[tuple[str, str], list[CauseEdge]] = defaultdict(list)
    for edge in edges:
        pairs[edge.cause, edge.effect].append(edge)
    links = [
        CauseLink(
            cause,
            effect,
            newest.cause_service,
            newest.effect_service,
            sum(one.count for one in counted),
            newest.last_seen_at,
        )
        for (cause, effect), counted in pairs.items()
        for newest in (max(counted, key=lambda one: one.last_seen_at),)
    ]
    return sorted(links, key=lambda one: (-one.count, one.cause, one.effect))
