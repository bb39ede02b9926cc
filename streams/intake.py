"""Faust's consumer, taught to hand over records in bundles and to commit what was settled.

Stock Faust wraps each record in four futures and keeps lists of acknowledged offsets; the first
costs more than all our work on an event, and the second can commit past an unacknowledged offset
(it lets the first offset after the committed one be missing). Here one Faust message carries up to
`take_size` records of one partition, and the offset to commit is the one that the outbox settled:
nothing else ever moves it. Group membership, rebalances, fetching, seeking and flow control stay
Faust's. Uses private names of faust-streaming, which is pinned exactly for that reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, ClassVar

import faust
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP
from faust.types.transports import SchedulingStrategyT
from faust.types.tuples import ConsumerMessage

BeforeRevoked = Callable[[set[TP]], Awaitable[None]]


class BundleScheduler(SchedulingStrategyT):
    """Orders fetched records: bundles of `take_size`, the partitions in turn."""

    take_size: ClassVar[int] = 256

    def __init__(self) -> None:
        """Faust makes one for each consumer."""

    def iterate(self, records: Mapping[TP, list[Any]]) -> Iterator[tuple[TP, list[Any]]]:
        """The bundles, in which all records are of one partition and in order."""
        start = 0
        remaining = {tp: batch for tp, batch in records.items() if batch}
        while remaining:
            for tp, batch in remaining.items():
                yield tp, batch[start : start + self.take_size]
            start += self.take_size
            remaining = {tp: batch for tp, batch in remaining.items() if len(batch) > start}


class BundleSchema(faust.Schema[Any, Any]):
    """Hands bundles on as they are: nothing is decoded here, so nothing can be lost to decoding."""

    def compile(self, app: Any, **kwargs: Any) -> Callable[..., Awaitable[Any]]:
        """The function that makes an event of a message."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, None, message)

        return decode


class SettledConsumer(Consumer):
    """A consumer that commits exactly the offsets that it is told are settled."""

    mundane_level = "debug"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Made by Faust."""
        super().__init__(*args, **kwargs)
        self._settled: dict[TP, int] = {}
        self.before_revoked: BeforeRevoked | None = None
        """Called before partitions are handed over, to get open windows delivered."""

    def settle(self, tp: TP, next_offset: int) -> None:
        """Notes that everything of this partition before `next_offset` may be committed."""
        self._settled[tp] = next_offset

    def settled(self) -> Mapping[TP, int]:
        """What may be committed, or is."""
        return self._settled

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Settles and commits what it can, then forgets the partitions."""
        if self.before_revoked is not None:
            await self.before_revoked(revoked)
            await self.commit()
        for tp in revoked:
            self._settled.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: a full stream queue already blocks the fetcher; pausing would cost a second."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, as above."""

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        last = record[-1]
        return ConsumerMessage(
            last.topic,
            last.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            None,
            None,
            record,
            None,
            serialized_key_size=0,
            serialized_value_size=0,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: the lanes notice gaps themselves, and settled offsets need no gap list."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (
            tp for tp in list(self._settled) if topics is None or tp in topics or tp[0] in topics
        )

    def _new_offset(self, tp: TP) -> int | None:
        return self._settled.get(tp)


class SettledTransport(Transport):
    """Faust's aiokafka transport with the consumer above."""

    Consumer: ClassVar[type] = SettledConsumer
