"""Scrub, encode and hand one event to librdkafka. Runs on the worker's thread only.

Nothing leaves unscrubbed: an event whose scrubbing fails is dropped and counted, never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fixstream.producers import host_log
from fixstream.producers.drops import DropReason
from fixstream.runtime.clock import Clock
from fixstream.schemas.errors import InvalidRecord, RetryLater, TooLarge
from fixstream.schemas.headers import message_headers
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.validation import validate

UNDELIVERED = "kafka does not take error events; they are counted and dropped"

Delivered = Callable[[Any, Any], None]
"""confluent-kafka's delivery report: `(KafkaError or None, Message)`."""


class ProducerClient(Protocol):
    """The part of `confluent_kafka.Producer` that is used here."""

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes,
        *,
        headers: list[tuple[str, str | bytes | None]],
        on_delivery: Delivered,
    ) -> None:
        """Queue one message; raises BufferError when librdkafka's queue is full."""
        ...

    def poll(self, timeout: float) -> int:
        """Serve delivery reports, waiting up to `timeout` seconds for the first."""
        ...

    def purge(self, in_queue: bool = True, in_flight: bool = True) -> None:
        """Fail everything that is queued or in flight."""
        ...


@dataclass(frozen=True, slots=True)
class Packing:
    """How an event becomes a message."""

    topic: str
    scrub: Callable[[ErrorEvent], ErrorEvent]
    encode: Callable[[ErrorEvent], bytes]
    max_message_bytes: int
    clock: Clock


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message, ready for the producer."""

    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


def pack(event: ErrorEvent, packing: Packing) -> Parcel | DropReason:
    """Scrub and encode; a `DropReason` instead of the parcel says why this event cannot go."""
    try:
        clean = packing.scrub(event)
        validate(clean)
        value = packing.encode(clean)
        headers = message_headers(clean, ce_source=clean.service, now=packing.clock.now())
    except TooLarge:
        return DropReason.TOO_LARGE
    except InvalidRecord:
        return DropReason.INVALID
    except RetryLater as error:
        # The Schema Registry does not answer.
        host_log.warn_once(UNDELIVERED, error=type(error).__name__)
        return DropReason.SEND_FAILED
    except Exception as error:  # noqa: BLE001 -- loop edge: the worker survives, the event is counted
        host_log.swallowed("scrubbing and encoding", error)
        return DropReason.FAILED
    if len(value) > packing.max_message_bytes:
        return DropReason.TOO_LARGE
    return Parcel(clean.service.encode(), value, headers)


def hand_over(
    producer: ProducerClient, topic: str, parcel: Parcel, on_delivery: Delivered
) -> DropReason | None:
    """Give the parcel to librdkafka; the reason when it does not even queue it."""
    try:
        producer.produce(
            topic, parcel.value, parcel.key, headers=[*parcel.headers], on_delivery=on_delivery
        )
    except BufferError:
        return DropReason.QUEUE_FULL
    except Exception as error:  # noqa: BLE001 -- loop edge: KafkaException and what comes with it
        host_log.warn_once(UNDELIVERED, error=type(error).__name__)
        return DropReason.SEND_FAILED
    return None
