"""Sends what comes in by REST to Kafka, and answers for each record whether it arrived.

"Accepted" means that the brokers have acknowledged the record, nothing less: a caller who is told
202 need not send again. It validates and scrubs nothing; the routes do that before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from fixstream.runtime.background import BackgroundThread
from fixstream.runtime.clock import Clock
from fixstream.runtime.tracing import trace_headers
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import BrokerUnavailable
from fixstream.schemas.headers import Headers, message_headers
from fixstream.schemas.records import Record

log = structlog.get_logger(__name__)

CE_SOURCE = "fixstream/inference"
POLL_S = 0.05
CLOSE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record on its way to a topic."""

    topic: str
    key: str
    record: Record
    extra_headers: tuple[tuple[str, bytes], ...] = ()


class Intake(Protocol):
    """What takes records from the routes."""

    async def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Returns once all have arrived.

        Raises:
            BrokerUnavailable: Not all did; sending them again may double some.
            InvalidRecord, TooLarge: A record cannot be sent; none was.
        """


class KafkaIntake(BackgroundThread):
    """An intake on a Kafka producer, with a thread that serves its delivery reports."""

    def __init__(
        self, producer: Producer, codec: Codec, clock: Clock, timeout_s: float = 10.0
    ) -> None:
        """Stores its collaborators; the producer is this object's alone.

        Args:
            producer: From `runtime.kafka.make_producer`.
            codec: Encodes the values.
            clock: Stamps the headers.
            timeout_s: How long a delivery may take before the caller is told to come again.
        """
        super().__init__("intake")
        self._producer = producer
        self._codec = codec
        self._clock = clock
        self._timeout_s = timeout_s

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        num_left = self._producer.flush(CLOSE_TIMEOUT_S)
        if num_left:
            log.warning("records not delivered at close", num_records=num_left)

    async def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Returns once all have arrived; see `Intake.send`."""
        # Encoded first, so that one bad record refuses all before any has been sent.
        values = [self._codec.encode(one.record) for one in outgoing]
        arrivals = [self._produce(*pair) for pair in zip(outgoing, values, strict=True)]
        try:
            await asyncio.wait_for(asyncio.gather(*arrivals), self._timeout_s)
        except TimeoutError:
            raise BrokerUnavailable(
                f"Kafka has not acknowledged the records within {self._timeout_s} s"
            ) from None

    def _produce(self, outgoing: Outgoing, value: bytes) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        arrival: asyncio.Future[None] = loop.create_future()

        def reported(error: KafkaError | None, _: Message) -> None:
            loop.call_soon_threadsafe(_settle, arrival, error)

        record = outgoing.record
        headers = message_headers(record, ce_source=CE_SOURCE, now=self._clock.now())
        try:
            self._producer.produce(
                outgoing.topic,
                key=outgoing.key,
                value=value,
                headers=list(_joined(headers, outgoing.extra_headers, trace_headers())),
                on_delivery=reported,
            )
        except BufferError:
            raise BrokerUnavailable("too many records wait for Kafka already") from None
        except KafkaException as error:
            raise BrokerUnavailable(f"Kafka refuses the record: {error.args[0].str()}") from None
        return arrival

    def run(self) -> None:
        """Serves delivery reports."""
        while not self.stopping.is_set():
            self._producer.poll(POLL_S)


def _joined(
    headers: Headers, extra: Sequence[tuple[str, bytes]], trace: Sequence[tuple[str, bytes]]
) -> Headers:
    """All headers; the request's own trace stands in place of one that the event came with."""
    names = {name for name, _ in trace}
    return [*(one for one in headers if one[0] not in names), *extra, *trace]


def _settle(arrival: asyncio.Future[None], error: KafkaError | None) -> None:
    if arrival.done():  # The caller has stopped waiting.
        return
    if error is None:
        arrival.set_result(None)
    else:
        arrival.set_exception(BrokerUnavailable(f"not delivered: {error.str()}"))
