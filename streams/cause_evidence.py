"""How often one group followed another, and whether that is more than coincidence.

Each partition counts the effects that it holds; what other partitions counted is added up here.
Two independent groups are as often after each other as before, so the pairs in the one order are
held against those in the other, which shared bursts and busy hours raise alike. Holds numbers
only, bounded by number of pairs; reads no clock and no topic.
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from fixstream.schemas.records import CauseEdge, Occurrence

Pair = tuple[str, str]
"""Fingerprints of cause and effect."""

FALSE_CLAIMS = 0.01
"""Chance that any claim at all is made on streams that have nothing to do with each other."""
_MIN_PAIRS = 32
"""The threshold is never set for fewer pairs than this, however few were seen so far."""


class Place(NamedTuple):
    """Where an event of our own stands in the raw topic."""

    partition: int
    offset: int


class Tally(NamedTuple):
    """The counts of one pair, over all partitions."""

    claimed: int
    nearby: int


_NOTHING = Tally(0, 0)


class CauseEvidence:
    """The edges that this worker counts, and those that it heard of."""

    def __init__(self, max_pairs: int) -> None:
        """No evidence yet; of more than `max_pairs` the least recently counted go."""
        self._max_pairs = max_pairs
        self._edges: OrderedDict[Pair, dict[int, CauseEdge]] = OrderedDict()
        self._causes: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._counted: dict[int, dict[Pair, int]] = {}
        self._changed: defaultdict[int, set[Pair]] = defaultdict(set)

    def __len__(self) -> int:
        """Pairs of which something is known."""
        return len(self._edges)

    def adopt(self, partition: int, edges: Iterable[CauseEdge]) -> None:
        """Goes on counting for a partition that is ours now, from what its last owner wrote.

        Of more than the pairs that are kept, those whose effects stand last in the partition count:
        only what a crash repeats has to be known as counted.
        """
        edges = sorted(edges, key=lambda edge: edge.last_offset)[-self._max_pairs :]
        self._counted[partition] = {(e.cause, e.effect): e.last_offset for e in edges}
        for edge in edges:
            self._put(partition, edge)

    def release(self, partition: int) -> None:
        """Counts no more for a partition; what was not written is its next owner's to count."""
        self._counted.pop(partition, None)
        self._changed.pop(partition, None)

    def hear(self, partition: int, edge: CauseEdge) -> None:
        """Takes what another worker counted; of partitions that are ours we know better."""
        if partition not in self._counted:
            self._put(partition, edge)

    def add(
        self, cause: Occurrence, effect: Occurrence, place: Place, *, count: int, nearby: int
    ) -> None:
        """Counts one more effect, unless it was counted before a crash."""
        pair = (cause.fingerprint, effect.fingerprint)
        counted = self._counted.get(place.partition)
        if counted is None or place.offset <= counted.get(pair, -1):
            return
        old = self._edges.get(pair, {}).get(place.partition)
        if old is None:
            edge = CauseEdge(
                cause=cause.fingerprint,
                effect=effect.fingerprint,
                cause_service=cause.service,
                effect_service=effect.service,
                count=count,
                num_nearby=nearby,
                last_seen_at=effect.occurred_at,
                last_offset=place.offset,
            )
        else:
            edge = replace(
                old,
                cause_service=cause.service,
                effect_service=effect.service,
                count=old.count + count,
                num_nearby=old.num_nearby + nearby,
                last_seen_at=max(old.last_seen_at, effect.occurred_at),
                last_offset=max(old.last_offset, place.offset),
            )
        self._put(place.partition, edge)
        self._changed[place.partition].add(pair)

    def tally(self, cause: str, effect: str) -> Tally:
        """The counts of one pair, over all partitions."""
        edges = self._edges.get((cause, effect))
        if edges is None:
            return _NOTHING
        return Tally(
            sum(edge.count for edge in edges.values()),
            sum(edge.num_nearby for edge in edges.values()),
        )

    def causes_of(self, effect: str) -> Mapping[str, float] | None:
        """The groups that bring this one about, beyond coincidence, with `confidence`."""
        return self._causes.get(effect)

    def confidence(self, cause: str, effect: str) -> float:
        """How likely an effect that follows this cause has it for a cause; 0 on coincidence.

        As often as the two come in the wrong order, they also come in the right one by chance; the
        rest of the right ones is taken for cause and effect, a little less while they are few.
        """
        after, before = self.tally(cause, effect).nearby, self.tally(effect, cause).nearby
        if not exceeds_chance(after, before, max(_MIN_PAIRS, len(self._edges))):
            return 0.0
        return (after - before) / (after + 2)

    def changed(self, partition: int) -> tuple[CauseEdge, ...]:
        """The edges of a partition that have to be written before its next commit."""
        pairs = self._changed.get(partition, ())
        found = (self._edges.get(pair, {}).get(partition) for pair in pairs)
        return tuple(edge for edge in found if edge is not None)

    def written(self, partition: int) -> None:
        """Notes that what `changed` gave is on its way."""
        self._changed.pop(partition, None)

    def _put(self, partition: int, edge: CauseEdge) -> None:
        pair = (edge.cause, edge.effect)
        edges = self._edges.setdefault(pair, {})
        old = edges.get(partition)
        edges[partition] = edge
        self._edges.move_to_end(pair)
        if edge.num_nearby != (old.num_nearby if old is not None else 0):
            # Judged here, once a count, so that no event has to wait for it.
            self._judge(edge.cause, edge.effect)
            self._judge(edge.effect, edge.cause)
        while len(self._edges) > self._max_pairs:
            (cause, effect), _ = self._edges.popitem(last=False)
            self._judge(cause, effect)

    def _judge(self, cause: str, effect: str) -> None:
        confidence = self.confidence(cause, effect)
        if confidence > 0:
            self._causes[effect][cause] = confidence
        elif effect in self._causes:
            self._causes[effect].pop(cause, None)
            if not self._causes[effect]:
                del self._causes[effect]


def exceeds_chance(after: int, before: int, num_pairs: int) -> bool:
    """Whether `after` against `before` is more than two unrelated groups would show.

    A sign test that may be asked after every count: the likelihood of "more often after", averaged
    over all shares, against that of "as often after as before" is a martingale under chance, so it
    ever exceeds a bound with no more than one in bound probability (Ville's inequality). The bound
    is shared out among all pairs.
    """
    if after <= before:
        return False
    log_ratio = (
        (after + before) * math.log(2)
        + math.lgamma(after + 1)
        + math.lgamma(before + 1)
        - math.lgamma(after + before + 2)
    )
    return log_ratio >= math.log(num_pairs / FALSE_CLAIMS)
