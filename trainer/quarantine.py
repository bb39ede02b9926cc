"""Texts in quarantine: kept as ids and numbers, and handed out once when their time is over.

The processor sends a crawled text with the weight 0 and the end of its quarantine, and never sends
it again. The clock here is the stream's own, the time at which batches were closed, so that a
resumed run releases the same texts at the same step. No text is kept, only what a learner reads.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import torch
from torch import Tensor

from fixstream.schemas.records import OffsetRange
from fixstream.trainer.examples import LearningExample, from_tensors, stable_hash, to_tensors

CAPACITY = 4096
_LONGEST = timedelta(days=400)
"""A quarantine that would last longer has no end: it is a mistake, or somebody's joke."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Coordinate:
    """An offset of a partition; the topic by its hash."""

    topic: int
    partition: int
    offset: int

    @classmethod
    def of(cls, partition: tuple[str, int], offset: int) -> Coordinate:
        """The coordinate by the topic's name."""
        return cls(stable_hash(partition[0]), partition[1], offset)

    def is_in(self, ranges: Iterable[OffsetRange]) -> bool:
        """Whether it lies in one of the ranges."""
        return any(
            (stable_hash(one.topic), one.partition) == (self.topic, self.partition)
            and one.first_offset <= self.offset < one.next_offset
            for one in ranges
        )


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Ordered by the end of the quarantine, then by arrival."""

    until_us: int
    number: int


@dataclass(frozen=True, slots=True)
class _Held:
    example: LearningExample
    coordinates: Sequence[Coordinate]


class Quarantine:
    """At most `capacity` examples that may not be learnt from yet."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._now_us = 0
        self._num_ever = 0
        self._held: dict[_Place, _Held] = {}
        self._order: list[_Place] = []  # a heap

    def __len__(self) -> int:
        return len(self._held)

    def advance(self, now: datetime) -> None:
        """Moves the stream's clock on; it never goes back."""
        self._now_us = max(self._now_us, _microseconds(now))

    def is_over(self, until: datetime) -> bool:
        """Whether a quarantine that ends then is over by the stream's clock."""
        return _microseconds(until) <= self._now_us

    def hold(
        self, example: LearningExample, coordinates: Sequence[Coordinate], until: datetime
    ) -> int:
        """Keeps an example until the clock has passed `until`.

        Args:
            example: with the weights that it is to be learnt with.
            coordinates: where it came from: of the error, and of the batch.
            until: the end of its quarantine.

        Returns:
            How many examples, this one or another, will never be learnt from for it: 1 if there was
            no place (the one whose end is farthest goes) or if the time is out of all reason.
        """
        until_us = _microseconds(until)
        if until_us - self._now_us > _LONGEST // _MICROSECOND or self._capacity == 0:
            return 1
        self._num_ever += 1
        place = _Place(until_us, self._num_ever)
        self._held[place] = _Held(example, tuple(coordinates))
        heapq.heappush(self._order, place)
        if len(self._held) <= self._capacity:
            return 0
        last = max(self._order)
        del self._held[last]
        self._order.remove(last)
        heapq.heapify(self._order)
        return 1

    def release(
        self, count: int, blocked: Sequence[OffsetRange] = ()
    ) -> tuple[list[LearningExample], int]:
        """Hands out examples whose time is over, at most `count`, those that ended first first.

        Args:
            count: how many at most.
            blocked: ranges that nothing may be learnt from any more.

        Returns:
            The examples, and how many were dropped since they lie in a blocked range.
        """
        found: list[LearningExample] = []
        num_blocked = 0
        while len(found) < count and self._order and self._order[0].until_us <= self._now_us:
            held = self._held.pop(heapq.heappop(self._order))
            if any(coordinate.is_in(blocked) for coordinate in held.coordinates):
                num_blocked += 1
            else:
                found.append(held.example)
        return found, num_blocked

    def copied(self) -> Quarantine:
        """A copy that later holds and releases leave alone; the examples are shared."""
        copied = Quarantine(self._capacity)
        copied._now_us, copied._num_ever = self._now_us, self._num_ever
        copied._held, copied._order = dict(self._held), list(self._order)
        return copied

    def state_tensors(self) -> dict[str, Tensor]:
        """Everything as tensors, in the order of release."""
        places = sorted(self._order)
        rows = [
            (
                (place.until_us, place.number, 0),
                *((one.topic, one.partition, one.offset) for one in self._held[place].coordinates),
            )
            for place in places
        ]
        return {
            **to_tensors([self._held[place].example for place in places]),
            "places": torch.tensor(rows, dtype=torch.int64).view(-1, 3, 3),
            "clock": torch.tensor([self._now_us, self._num_ever]),
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The reverse of `state_tensors`; what has no place any more is forgotten."""
        examples = from_tensors(tensors)
        self._now_us, self._num_ever = tensors["clock"].tolist()
        self._held = {}
        for row, example in zip(tensors["places"].tolist(), examples, strict=True):
            if len(self._held) < self._capacity:
                (until_us, number, _), *coordinates = row
                found = tuple(Coordinate(*one) for one in coordinates)
                self._held[_Place(until_us, number)] = _Held(example, found)
        self._order = sorted(self._held)  # Sorted is a heap.


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND
