"""The worker: the lanes of the partitions that this process owns, from bundle to settled offset.

Opens a lane when the first bundle of a partition comes, feeds it, closes windows that grew old, and
hands partitions over. Knows nothing of Faust: whatever consumes calls `take`, and hears through
`Ownership` what is settled. A single event loop runs all of it; between two awaits a lane is always
whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog

from fixstream.runtime.clock import Clock
from fixstream.runtime.tracing import is_tracing, span
from fixstream.schemas.enums import ClosedBy
from fixstream.schemas.errors import BrokerUnavailable, OffsetGap, RetryLater
from fixstream.schemas.making import maker
from fixstream.schemas.records import OffsetRange
from fixstream.schemas.topics import GROUP_STATE_RETENTION
from fixstream.streams.dead_letters import RawMessage
from fixstream.streams.groups import Groups
from fixstream.streams.hearing import Hearing
from fixstream.streams.lane import Lane
from fixstream.streams.metrics import StreamsMetrics
from fixstream.streams.opening import Opening
from fixstream.streams.outbox import LaneOutbox, Outbox
from fixstream.streams.processor import Process
from fixstream.streams.settings import StreamsSettings
from fixstream.streams.spans import event_span
from fixstream.streams.window import WindowLimits

log = structlog.get_logger(__name__)

_RECORDS_BETWEEN_PAUSES = 16
"""Other tasks get the loop after this many records; delivery reports are taken in then."""
_PAUSE_S = 0.005
_RETRY_PAUSE_S = 0.5


class Ownership(Protocol):
    """What knows which partitions are ours, and commits."""

    def is_current(self, generation: int | None) -> bool:
        """Whether messages of this generation of the group are still ours to process."""

    def settle(self, partition: int, next_offset: int) -> None:
        """Takes note that everything before `next_offset` may be committed."""


class Opener(Protocol):
    """What opens partitions; `opening.PartitionOpener` is the real one. All calls block."""

    def open(self, partition: int) -> Opening:
        """Where to begin, and the groups."""

    def first_kept_offset(self, partition: int) -> int:
        """The earliest offset that the raw topic still holds."""

    def has_records(self, partition: int, first_offset: int, next_offset: int) -> bool:
        """Whether the raw topic holds any record in this range of offsets."""


@dataclass(slots=True)
class _Owned:
    lane: Lane
    outbox: LaneOutbox
    start: int
    generation: int | None


class Worker:
    """Processes bundles of raw records."""

    def __init__(
        self,
        settings: StreamsSettings,
        process: Process,
        opener: Opener,
        outbox: Outbox,
        clock: Clock,
        metrics: StreamsMetrics,
    ) -> None:
        """Stores the collaborators; `ownership` has to be set before the first bundle."""
        self._settings = settings
        self._process = process
        self._opener = opener
        self._outbox = outbox
        self._clock = clock
        self._metrics = metrics
        self._owned: dict[int, _Owned] = {}
        self._released: set[tuple[int, int | None]] = set()
        self._is_stopping = False
        self.ownership: Ownership | None = None
        self.hearing = Hearing()
        """What it hears from others: nothing, unless a better one is set before the start."""

    async def take(self, partition: int, generation: int | None, records: Sequence[Any]) -> None:
        """Processes consecutive records of one partition.

        Args:
            partition: Of the raw topic.
            generation: Of the consumer group, when the records were fetched.
            records: As aiokafka gives them.

        Raises:
            OffsetGap: Records were skipped on their way to us; only a restart reads them again.
            BrokerUnavailable: Kafka does not answer, or a delivery failed for good.
        """
        owned = await self._open(partition, generation)
        if owned is None:
            return
        with span("bundle", partition=partition, events=len(records)):
            await self._take_all(owned, generation, records)

    async def _take_all(
        self, owned: _Owned, generation: int | None, records: Sequence[Any]
    ) -> None:
        started_s = self._clock.monotonic()
        for start in range(0, len(records), _RECORDS_BETWEEN_PAUSES):
            for record in records[start : start + _RECORDS_BETWEEN_PAUSES]:
                if not await self._take_one(owned, generation, _raw(record)):
                    return
            self._exchange()
            await self._pause()
            if not self._may_go_on(owned, generation):
                return
        spent_s = self._clock.monotonic() - started_s
        self._metrics.events.inc(len(records))
        self._metrics.processing_seconds.observe(spent_s / max(1, len(records)))
        self._note_age(owned.lane.partition, records[-1])

    def close_aged(self) -> None:
        """Closes windows that grew old and takes in delivery reports; call it often.

        Raises:
            BrokerUnavailable: A delivery failed for good.
        """
        for owned in self._owned.values():
            try:
                owned.lane.close_if_full(owned.outbox)
            except RetryLater:  # The window stays open; the next call tries again.
                log.warning("window could not be closed yet", partition=owned.lane.partition)
        self._exchange()
        self._outbox.poll()
        self._raise_failure()

    def positions(self) -> dict[int, int]:
        """The next offset to process, for each partition that is ours."""
        return {partition: owned.lane.next_offset for partition, owned in self._owned.items()}

    def start_offsets(self) -> dict[int, int]:
        """Where each partition that is ours stood when it was opened."""
        return {partition: owned.start for partition, owned in self._owned.items()}

    def num_groups(self) -> int:
        """Groups that are remembered, over all partitions."""
        return sum(owned.lane.num_groups for owned in self._owned.values())

    async def release(self, partitions: set[int], generation: int | None, timeout_s: float) -> None:
        """Gives partitions up: no more records are taken, open windows are delivered if possible.

        What is not delivered within `timeout_s` is dropped; the next owner reads it again.
        """
        self._released.update((partition, generation) for partition in partitions)
        leaving = [self._owned.pop(p) for p in partitions if p in self._owned]
        deadline_s = self._clock.monotonic() + timeout_s
        for owned in leaving:
            try:
                owned.lane.close(ClosedBy.AGE, owned.outbox)
            except RetryLater:
                log.warning("window given up open", partition=owned.lane.partition)
        try:
            while any(owned.outbox.num_sealed for owned in leaving):
                if self._clock.monotonic() >= deadline_s or self._outbox.failure is not None:
                    log.warning("partitions given up before everything was delivered")
                    break
                self._outbox.poll()
                await asyncio.sleep(_PAUSE_S)
        finally:
            for owned in leaving:
                owned.outbox.abandon()
                self.hearing.knowledge.evidence.release(owned.lane.partition)
                self._metrics.forget(owned.lane.partition)

    async def drain(self, generation: int | None, timeout_s: float) -> None:
        """Stops taking records for good and delivers all open windows, as `release` does."""
        self._is_stopping = True
        await self.release(set(self._owned), generation, timeout_s)

    async def _open(self, partition: int, generation: int | None) -> _Owned | None:
        assert self.ownership is not None
        if not self._is_ours(partition, generation):
            return None
        owned = self._owned.get(partition)
        if owned is not None and owned.generation == generation:
            return owned
        if owned is not None:
            # It was taken from us and given back unheard: somebody else may have gone on with it.
            self._owned.pop(partition).outbox.abandon()
        opening = await asyncio.to_thread(self._opener.open, partition)
        if not self._is_ours(partition, generation):
            return None
        # Generations only grow, so what was released before this one cannot come back.
        self._released = {entry for entry in self._released if entry[1] == generation}
        owned = self._owned[partition] = self._new_lane(partition, generation, opening)
        log.info(
            "partition opened",
            partition=partition,
            offset=opening.first_offset,
            groups=len(opening.states),
        )
        return owned

    def _new_lane(self, partition: int, generation: int | None, opening: Opening) -> _Owned:
        settings = self._settings
        groups = Groups(settings.max_groups, GROUP_STATE_RETENTION)
        groups.restore(opening.states)
        limits = WindowLimits(
            max_examples=settings.window_size,
            max_bytes=settings.window_max_bytes,
            max_age_s=settings.window_max_age_s,
            max_offsets=settings.window_max_offsets,
            crawled_quota=settings.crawled_quota,
        )
        origin = (self._outbox.raw_topic, partition, opening.first_offset)
        knowledge = self.hearing.knowledge
        knowledge.evidence.adopt(partition, opening.edges)
        lane = Lane(origin, self._process, groups, limits, self._clock, knowledge)
        outbox = self._outbox.lane(partial(self._on_settled, partition))
        return _Owned(lane, outbox, opening.first_offset, generation)

    async def _take_one(self, owned: _Owned, generation: int | None, raw: RawMessage) -> bool:
        """Whether to go on with the next record."""
        if raw.offset > owned.lane.next_offset:
            await self._bridge(owned, raw.offset)
        while True:
            try:
                if is_tracing():
                    with event_span(raw):
                        owned.lane.take(raw, owned.outbox)
                else:
                    owned.lane.take(raw, owned.outbox)
            except BrokerUnavailable:
                raise
            except RetryLater as error:
                log.warning("waiting", reason=str(error), partition=raw.partition)
                await asyncio.sleep(_RETRY_PAUSE_S)
                if not self._may_go_on(owned, generation):
                    return False
            else:
                return True

    def _exchange(self) -> None:
        """Takes in what other workers and people say, and tells what others may want to know."""
        self.hearing.listen()
        told = self.hearing.untold()
        if told is not None:
            self._outbox.tell(told)

    async def _pause(self) -> None:
        """Takes in delivery reports, and waits while too much is under way."""
        self._outbox.poll()
        await asyncio.sleep(0)
        while self._outbox.is_full and self._outbox.failure is None:
            await asyncio.sleep(_PAUSE_S)
            self._outbox.poll()
        self._raise_failure()

    async def _bridge(self, owned: _Owned, offset: int) -> None:
        """Finds out why the record at `offset` is not the next one, and closes the gap."""
        lane = owned.lane
        kept = await asyncio.to_thread(self._opener.first_kept_offset, lane.partition)
        if kept > lane.next_offset:
            gone = min(kept, offset)
            num_missing = gone - lane.next_offset
            log.error("events expired unread", partition=lane.partition, missing=num_missing)
            self._metrics.missing.inc(num_missing)
            lane.pass_over(gone, owned.outbox)
        first_offset = lane.next_offset
        if first_offset >= offset:
            return
        if await asyncio.to_thread(self._opener.has_records, lane.partition, first_offset, offset):
            raise OffsetGap(
                f"partition {lane.partition}: records {first_offset} to {offset - 1} were skipped"
                " on the way in; a restart reads them again"
            )
        for empty in range(first_offset, offset):
            # A transaction's marker, or compacted away: nothing was there, and the books say so.
            lane.take(RawMessage(lane.topic, lane.partition, empty, None, None), owned.outbox)

    def _is_ours(self, partition: int, generation: int | None) -> bool:
        assert self.ownership is not None
        return (
            not self._is_stopping
            and self.ownership.is_current(generation)
            and (partition, generation) not in self._released
        )

    def _may_go_on(self, owned: _Owned, generation: int | None) -> bool:
        partition = owned.lane.partition
        return self._owned.get(partition) is owned and self._is_ours(partition, generation)

    def _on_settled(self, partition: int, settled: OffsetRange) -> None:
        assert self.ownership is not None
        self.ownership.settle(partition, settled.next_offset)
        self._metrics.committed.labels(str(partition)).set(settled.next_offset)

    def _note_age(self, partition: int, record: Any) -> None:
        if record.timestamp is not None:
            age_s = self._clock.now().timestamp() - record.timestamp / 1000
            self._metrics.lag_seconds.labels(str(partition)).set(max(0.0, age_s))

    def _raise_failure(self) -> None:
        if self._outbox.failure is not None:
            raise self._outbox.failure


_raw_message = maker(RawMessage)


def _raw(record: Any) -> RawMessage:
    return _raw_message(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        record.headers,
        record.timestamp,
    )
