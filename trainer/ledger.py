"""Which examples were seen: no example twice, none left out in silence.

The ledger takes batches as they come from the training topic and hands out their examples in
order. Its position (where to go on reading, and from which origin offset on examples count) always
speaks of what was handed out and settled, never of what still waits; written into a checkpoint's
manifest it makes training exactly-once. It reads no Kafka and encodes no texts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fixstream.schemas.errors import OffsetGap
from fixstream.schemas.records import OffsetRange, TrainingBatch, TrainingExample
from fixstream.trainer.manifest import PartitionOffset

Partition = tuple[str, int]
"""Topic and number."""


@dataclass(frozen=True, slots=True)
class WaitingExample:
    """An example that is not settled yet, with both of its coordinates."""

    example: TrainingExample
    source: Partition
    """Partition of the training batches it came on."""
    source_offset: int
    origin: Partition
    origin_offset: int
    batch_created_at: datetime
    """The stream's own clock."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a resumed trainer goes on."""

    batch_offsets: tuple[PartitionOffset, ...]
    origin_offsets: tuple[PartitionOffset, ...]


class Ledger:
    """Order, overlap and gaps of the examples of all partitions."""

    def __init__(
        self,
        position: Position | None = None,
        *,
        accept_gaps: bool = False,
        blocked: Iterable[OffsetRange] = (),
    ) -> None:
        start = position or Position((), ())
        self.blocked = tuple(blocked)
        self.accepts_gaps = accept_gaps
        self._next_batch = {(o.topic, o.partition): o.next_offset for o in start.batch_offsets}
        self._next_origin = {(o.topic, o.partition): o.next_offset for o in start.origin_offsets}
        self._lineage_start = dict(self._next_origin)
        self._waiting: deque[WaitingExample] = deque()
        self.num_skipped = 0
        self.num_blocked = 0

    @property
    def num_waiting(self) -> int:
        """Examples that were read but not handed out."""
        return len(self._waiting)

    def accept(self, batch: TrainingBatch, source: Partition, source_offset: int) -> None:
        """Takes in a batch; its examples wait until they are handed out.

        Args:
            batch: as it was read.
            source: partition of the training topic.
            source_offset: its offset there.

        Raises:
            OffsetGap: events between the last batch of this origin and this one never came.
        """
        origin = (batch.origin.topic, batch.origin.partition)
        expected = self._next_origin.get(origin)
        if expected is None:
            expected = self._lineage_start[origin] = batch.origin.first_offset
        if batch.origin.first_offset > expected:
            self._gap(batch, expected)
        for example, offset in _in_order(batch):
            if offset < expected:
                self.num_skipped += 1
            elif self._is_blocked(origin, offset) or self._is_blocked(source, source_offset):
                self.num_blocked += 1
            else:
                self._waiting.append(
                    WaitingExample(example, source, source_offset, origin, offset, batch.created_at)
                )
        self._next_origin[origin] = max(expected, batch.origin.next_offset)
        self.pass_over(source, source_offset)

    def pass_over(self, source: Partition, source_offset: int) -> None:
        """Notes that a message of the training topic needs no more reading."""
        self._next_batch[source] = source_offset + 1

    def take(self, count: int) -> list[WaitingExample]:
        """Hands out the next examples, at most `count`; the caller settles them in this order."""
        return [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]

    def give_back(self, examples: Sequence[WaitingExample]) -> None:
        """Puts examples that were handed out, but not settled, back in their old order."""
        self._waiting.extendleft(reversed(examples))

    def position(self) -> Position:
        """Where to go on if everything that was handed out is settled, and nothing else."""
        batches, origins = dict(self._next_batch), dict(self._next_origin)
        # In reverse, so that the first waiting example of each partition has the last word.
        for waiting in reversed(self._waiting):
            batches[waiting.source] = waiting.source_offset
            origins[waiting.origin] = waiting.origin_offset
        return Position(_offsets(batches), _offsets(origins))

    def lineage(self) -> tuple[OffsetRange, ...]:
        """Origin ranges learnt from since `start_lineage`, without blocked and empty ones."""
        return tuple(
            kept
            for offset in self.position().origin_offsets
            if (first := self._lineage_start.get((offset.topic, offset.partition), 0))
            < offset.next_offset
            for kept in without(
                OffsetRange(offset.topic, offset.partition, first, offset.next_offset),
                self.blocked,
            )
        )

    def start_lineage(self, position: Position) -> None:
        """The next lineage begins where this position ends."""
        self._lineage_start = {
            (offset.topic, offset.partition): offset.next_offset
            for offset in position.origin_offsets
        }

    def _is_blocked(self, partition: Partition, offset: int) -> bool:
        return any(
            (one.topic, one.partition) == partition and one.first_offset <= offset < one.next_offset
            for one in self.blocked
        )

    def _gap(self, batch: TrainingBatch, expected: int) -> None:
        if self.accepts_gaps:
            return
        origin = batch.origin
        raise OffsetGap(
            f"{origin.topic} [{origin.partition}]: expected a batch from offset {expected}, got "
            f"one from {origin.first_offset}; {origin.first_offset - expected} events never came. "
            "To go on without them, start once with FIXSTREAM_TRAINER_ACCEPT_GAPS=true"
        )


def without(whole: OffsetRange, taken: Iterable[OffsetRange]) -> list[OffsetRange]:
    """What is left of a range once others are taken out, in order."""
    left = [whole]
    for one in taken:
        if (one.topic, one.partition) == (whole.topic, whole.partition):
            pieces = [
                piece
                for each in left
                for piece in (
                    replace(each, next_offset=min(each.next_offset, one.first_offset)),
                    replace(each, first_offset=max(each.first_offset, one.next_offset)),
                )
            ]
            left = [piece for piece in pieces if piece.first_offset < piece.next_offset]
    return left


def _in_order(batch: TrainingBatch) -> list[tuple[TrainingExample, int]]:
    """Examples with their origin offsets, ascending; a missing offset is made up by its place."""
    pairs = [
        (example, example.origin_offset)
        if example.origin_offset >= 0
        else (example, batch.origin.first_offset + place)
        for place, example in enumerate(batch.examples)
    ]
    return sorted(pairs, key=lambda pair: pair[1])


def _offsets(offsets: dict[Partition, int]) -> tuple[PartitionOffset, ...]:
    return tuple(
        PartitionOffset(topic, partition, offset)
        for (topic, partition), offset in sorted(offsets.items())
    )
