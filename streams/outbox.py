"""The outbox: what the lanes publish, and up to where all of it has arrived.

Each lane's messages belong to the shipment of its open window. A shipment is sealed by its batch;
when the last of its delivery reports is in, and those of all shipments before it, the range is
settled and may be committed. Runs in the event loop's thread and never blocks it: delivery reports
come in through `poll`, which whoever runs the loop calls often. Does not retry: librdkafka does,
and what it gives up is final here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException

from fixstream.runtime.clock import Clock
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.tracing import is_tracing, trace_headers
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import BrokerUnavailable, RetryLater, TooLarge
from fixstream.schemas.headers import message_headers
from fixstream.schemas.ids import cause_key
from fixstream.schemas.records import Occurrences, OffsetRange, TriagedError
from fixstream.schemas.topics import (
    CAUSES,
    ERRORS_DLQ,
    ERRORS_RAW,
    ERRORS_TRIAGED,
    GROUPS,
    OCCURRENCES,
    TRAINING_BATCHES,
)
from fixstream.streams.dead_letters import DeadLetterRecord
from fixstream.streams.lane import ClosedWindow
from fixstream.streams.metrics import StreamsMetrics
from fixstream.streams.spans import batch_span, handed_on

log = structlog.get_logger(__name__)

CE_SOURCE = "fixstream/streams"
_QUEUE_FULL_PAUSE_S = 0.05

OnDelivery = Callable[[KafkaError | None, object], None]
Settled = Callable[[OffsetRange], None]


class MessageProducer(Protocol):
    """The part of a confluent-kafka producer that the outbox uses."""

    @property
    def produce(self) -> Callable[..., None]:
        """What queues one message."""

    def poll(self, timeout: float) -> int:
        """Calls back for delivery reports that came in."""

    def __len__(self) -> int:
        """Messages that wait for their reports."""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How much may be under way before intake should pause."""

    max_messages: int = 20_000
    max_bytes: int = 32 * 1024 * 1024


class Outgoing(NamedTuple):
    """One message on its way."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int = -1
    """-1 lets the key decide."""


@dataclass(slots=True)
class Shipment:
    """The messages of one window."""

    num_waiting: int = 0
    num_bytes: int = 0
    range: OffsetRange | None = None
    """Set when the window closed."""

    @property
    def has_arrived(self) -> bool:
        """Whether the window is closed and everything of it delivered."""
        return self.range is not None and self.num_waiting == 0


class Outbox:
    """Publishes for all lanes of this process."""

    def __init__(
        self,
        producer: MessageProducer,
        codec: Codec,
        kafka: KafkaSettings,
        clock: Clock,
        limits: OutboxLimits,
        metrics: StreamsMetrics,
    ) -> None:
        """Stores the collaborators; sends nothing."""
        self._producer = producer
        self._codec = codec
        self._clock = clock
        self._limits = limits
        self._metrics = metrics
        self._triaged = kafka.topic(ERRORS_TRIAGED)
        self._batches = kafka.topic(TRAINING_BATCHES)
        self._dead = kafka.topic(ERRORS_DLQ)
        self._groups = kafka.topic(GROUPS)
        self._causes = kafka.topic(CAUSES)
        self._occurrences = kafka.topic(OCCURRENCES)
        self._num_bytes = 0
        self.raw_topic = kafka.topic(ERRORS_RAW)
        self.failure: BrokerUnavailable | None = None
        """Why the outbox gave up; nothing is settled any more once it is set."""

    @property
    def num_waiting(self) -> int:
        """Messages that wait for their delivery reports."""
        return len(self._producer)

    @property
    def is_full(self) -> bool:
        """Whether intake should pause."""
        return (
            self._num_bytes > self._limits.max_bytes or self.num_waiting > self._limits.max_messages
        )

    def poll(self) -> None:
        """Takes in delivery reports."""
        self._producer.poll(0)

    def lane(self, settled: Settled) -> LaneOutbox:
        """The outbox of one lane; `settled` hears of each range whose messages all arrived."""
        return LaneOutbox(self, settled)

    def send_triaged(self, record: TriagedError, shipment: Shipment, arrived: OnDelivery) -> None:
        """Publishes a judged event. Raises DeadLetter if it does not encode, or is too large."""
        headers = self._headers(record, record.triaged_at)
        if is_tracing():
            headers = handed_on(headers)
        key, value = record.fingerprint.encode(), self._codec.encode(record)
        self._send(Outgoing(self._triaged, key, value, headers), shipment, arrived)

    def send_window(self, window: ClosedWindow, shipment: Shipment, arrived: OnDelivery) -> None:
        """Publishes a batch, and the groups and causes that it touched."""
        batch = window.batch
        partition = batch.origin.partition
        # Encoded before anything is sent: if that fails for the moment, nothing is half done.
        value = self._codec.encode(batch)
        for state in window.groups:
            key = state.fingerprint.encode()
            outgoing = Outgoing(self._groups, key, state.encode(), partition=partition)
            self._send(outgoing, shipment, arrived)
        for edge in window.edges:
            key = cause_key(edge.cause, edge.effect, partition).encode()
            edge_value = self._codec.encode(edge)
            self._send(
                Outgoing(self._causes, key, edge_value, partition=partition), shipment, arrived
            )
        key = f"{batch.origin.topic}-{partition}".encode()
        headers = self._headers(batch, batch.created_at)
        with batch_span(batch):
            headers += trace_headers()
        self._send(Outgoing(self._batches, key, value, headers), shipment, arrived)
        self._metrics.batches.labels(batch.closed_by).inc()
        self._metrics.collapsed.inc(batch.num_collapsed)

    def tell(self, told: Occurrences) -> None:
        """Tells other workers what may be cause or effect of theirs; nobody waits for it."""
        try:
            self._producer.produce(
                self._occurrences, key=told.worker.encode(), value=self._codec.encode(told)
            )
        except (BufferError, KafkaException, RetryLater) as error:
            # Nothing is lost but the chance to name a cause in another partition.
            log.warning("occurrences not told", num=len(told.occurrences), reason=str(error))

    def send_dead_letter(
        self, record: DeadLetterRecord, shipment: Shipment, arrived: OnDelivery
    ) -> None:
        """Publishes a dead letter; if it is too large even for that, its headers alone."""

        def on_delivery(error: KafkaError | None, message: object) -> None:
            if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                self._send_dead(record.without_value(), shipment, arrived)
                arrived(None, message)  # After the replacement, so that the shipment stays open.
            else:
                arrived(error, message)

        try:
            self._send_dead(record, shipment, on_delivery)
        except TooLarge:
            self._send_dead(record.without_value(), shipment, arrived)
        self._metrics.dead_letters.labels(record.error_class).inc()

    def _send_dead(self, record: DeadLetterRecord, shipment: Shipment, arrived: OnDelivery) -> None:
        raw = record.raw
        outgoing = Outgoing(self._dead, raw.key, raw.value, record.headers())
        self._send(outgoing, shipment, arrived)

    def arrived(self, shipment: Shipment, error: KafkaError | None) -> None:
        """Notes one delivery report."""
        if error is not None and self.failure is None:
            log.error("delivery failed", error=error.str())
            self.failure = BrokerUnavailable(f"a message could not be delivered: {error.str()}")
        shipment.num_waiting -= 1
        if shipment.num_waiting == 0:
            self._num_bytes -= shipment.num_bytes
            shipment.num_bytes = 0

    def _send(self, outgoing: Outgoing, shipment: Shipment, on_delivery: OnDelivery) -> None:
        while True:
            try:
                self._producer.produce(
                    outgoing.topic,
                    key=outgoing.key,
                    value=outgoing.value,
                    headers=outgoing.headers or None,
                    partition=outgoing.partition,
                    on_delivery=on_delivery,
                )
                break
            except BufferError:
                # Intake pauses long before the queue is full, so this is rare and short.
                self._producer.poll(_QUEUE_FULL_PAUSE_S)
            except KafkaException as error:
                raise _refused(error) from error
        size = len(outgoing.value) if outgoing.value is not None else 0
        shipment.num_waiting += 1
        shipment.num_bytes += size
        self._num_bytes += size

    def _headers(self, record: Any, now: datetime) -> list[tuple[str, bytes]]:
        return message_headers(record, ce_source=CE_SOURCE, now=now)


class LaneOutbox:
    """One lane's part of the outbox; the `LaneSink` that it publishes through."""

    def __init__(self, outbox: Outbox, settled: Settled) -> None:
        """Starts with an empty shipment."""
        self._outbox = outbox
        self._settled = settled
        self._sealed: deque[Shipment] = deque()
        self._open = Shipment()
        self._is_abandoned = False
        self._arrived = self._reporting_to(self._open)

    @property
    def num_sealed(self) -> int:
        """Closed windows that have not arrived yet."""
        return len(self._sealed)

    def abandon(self) -> None:
        """Reports nothing settled any more: the partition is somebody else's now."""
        self._is_abandoned = True

    def triaged(self, record: TriagedError) -> None:
        """Publishes a judged event. Raises DeadLetter if it cannot be encoded."""
        self._outbox.send_triaged(record, self._open, self._arrived)

    def dead_letter(self, record: DeadLetterRecord) -> None:
        """Publishes a dead letter."""
        self._outbox.send_dead_letter(record, self._open, self._arrived)

    def closed(self, window: ClosedWindow) -> None:
        """Publishes a batch and seals the shipment."""
        self._outbox.send_window(window, self._open, self._arrived)
        self._open.range = window.batch.origin
        self._sealed.append(self._open)
        self._open = Shipment()
        self._arrived = self._reporting_to(self._open)

    def _reporting_to(self, shipment: Shipment) -> OnDelivery:
        return partial(self._on_delivery, shipment)

    def _on_delivery(self, shipment: Shipment, error: KafkaError | None, message: object) -> None:
        self._outbox.arrived(shipment, error)
        # In order only: a commit covers everything before it.
        while self._sealed and self._sealed[0].has_arrived and self._outbox.failure is None:
            range_ = self._sealed.popleft().range
            assert range_ is not None
            if not self._is_abandoned:
                self._settled(range_)


def _refused(error: KafkaException) -> Exception:
    reason = error.args[0]
    if reason.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return TooLarge("the message is over the producer's limit")
    return BrokerUnavailable(f"the producer refused a message: {reason.str()}")
