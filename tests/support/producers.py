"""Doubles of confluent-kafka's producer, each with one fault; what is asked of them is real."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from fixstream.schemas.codec import decode
from fixstream.schemas.records import ErrorEvent


@dataclass(frozen=True, slots=True)
class SomeRequest:
    """A request in flight, as a middleware describes it."""

    headers: tuple[tuple[bytes, bytes], ...] = ()
    path: str = "/orders"
    body: None = None
    reported: list[Exception] = field(default_factory=list)

    def attributes(self) -> dict[str, str]:
        """Where it goes."""
        return {"url.path": self.path}

    def report(self, error: Exception) -> None:
        """Remember the error."""
        self.reported.append(error)


@dataclass(frozen=True, slots=True)
class FakeKafkaError:
    """What a delivery report says instead of None."""

    reason: str

    def name(self) -> str:
        """The error's name, as librdkafka spells it."""
        return self.reason


@dataclass(frozen=True, slots=True)
class Produced:
    """One message that was handed over."""

    topic: str
    key: bytes
    value: bytes
    headers: dict[str, Any]

    @property
    def event(self) -> ErrorEvent:
        """The decoded value."""
        return decode(self.value, ErrorEvent)


class AcceptingProducer:
    """Delivers everything with the next poll."""

    def __init__(self) -> None:
        self.produced: list[Produced] = []
        self._reports: list[Any] = []
        self._has_reports = threading.Event()

    def produce(
        self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Any
    ) -> None:
        """Take the message."""
        self.produced.append(Produced(topic, key, value, dict(headers)))
        self._reports.append(on_delivery)
        self._has_reports.set()

    def poll(self, timeout: float) -> int:
        """Report deliveries."""
        if not self._has_reports.wait(timeout):
            return 0
        self._has_reports.clear()
        reports, self._reports = self._reports, []
        for report in reports:
            report(self.outcome(), None)
        return len(reports)

    def outcome(self) -> FakeKafkaError | None:
        """What each delivery report says."""
        return None

    def purge(self, in_queue: bool = True, in_flight: bool = True) -> None:
        """Nothing is ever kept back."""


class FailingProducer(AcceptingProducer):
    """Takes messages; no broker ever acknowledges one, until it is mended."""

    is_mended = False

    def outcome(self) -> FakeKafkaError | None:
        """A timeout."""
        return None if self.is_mended else FakeKafkaError("_MSG_TIMED_OUT")


class RefusingProducer(AcceptingProducer):
    """Its own queue is always full."""

    def produce(
        self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Any
    ) -> None:
        """Take nothing."""
        raise BufferError("Local: Queue full")


class BrokenProducer(AcceptingProducer):
    """Fails in a way that nobody foresaw."""

    def produce(
        self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Any
    ) -> None:
        """Break."""
        raise ZeroDivisionError


class StuckProducer(AcceptingProducer):
    """Takes messages and never reports on them, until they are purged."""

    def __init__(self) -> None:
        super().__init__()
        self._stuck: list[Any] = []

    def poll(self, timeout: float) -> int:
        """Report only what was purged."""
        threading.Event().wait(timeout)
        return 0

    def produce(
        self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Any
    ) -> None:
        """Take the message."""
        super().produce(topic, value, key, headers=headers, on_delivery=on_delivery)
        self._stuck.append(on_delivery)

    def purge(self, in_queue: bool = True, in_flight: bool = True) -> None:
        """Report everything as purged."""
        stuck, self._stuck = self._stuck, []
        for report in stuck:
            report(FakeKafkaError("_PURGE_QUEUE"), None)
