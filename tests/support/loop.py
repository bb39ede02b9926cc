"""What end-to-end tests do to a running deployment: raise errors, ask, wait, account."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from confluent_kafka import Consumer

from fixstream.cli.audit.ledger import AuditReport
from fixstream.cli.audit.reading import audit_topics
from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.topics import ERRORS_RAW
from support.deadlines import eventually

KINDS = (
    ("ConnectionRefusedError", "[Errno 111] Connection refused by payments-{n}.example.org:443"),
    ("sqlite3.OperationalError", "database is locked while writing order {n}"),
    ("KeyError", "'sku-{n}'"),
    ("jwt.exceptions.ExpiredSignatureError", "Signature has expired for session {n}"),
    ("json.decoder.JSONDecodeError", "Expecting value: line 1 column {n} (char {n})"),
    ("TimeoutError", "no answer from the stock service within {n} ms"),
)


def some_event(number: int, service: str = "shop") -> ErrorEvent:
    """An error of one of a few kinds; its id says its number."""
    error_type, message = KINDS[number % len(KINDS)]
    return ErrorEvent(
        event_id=f"e2e-{number}-{uuid.uuid4().hex[:8]}",
        occurred_at=datetime.now(UTC),
        service=f"{service}-{number % 7}",
        environment="test",
        source=EventSource.REST,
        error_type=error_type,
        message=message.format(n=number),
    )


def publish_events(kafka: KafkaSettings, first: int, count: int) -> None:
    """Publishes numbered events and returns when the broker has them all."""
    publisher = RecordPublisher(make_producer(kafka), Codec(), ce_source="test")
    for number in range(first, first + count):
        event = some_event(number)
        publisher.publish(kafka.topic(ERRORS_RAW), event.service, event)
    publisher.flush(30.0)


def audit_when_quiet(kafka: KafkaSettings, timeout_s: float = 90.0) -> AuditReport:
    """The audit's report once every event is accounted for and has its suggestion.

    Raises:
        AssertionError: something was still missing at the deadline; it says what.
    """

    def report() -> AuditReport:
        found = audit_topics(kafka)
        assert found.is_clean, found.unaccounted
        assert found.num_suggested == found.num_triaged, found
        return found

    return eventually(report, timeout_s)


@contextmanager
def plain_consumer(kafka: KafkaSettings, topic: str) -> Iterator[Consumer]:
    """A consumer as the README shows it: confluent-kafka alone, nothing of ours."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": f"subscriber-{uuid.uuid4().hex}",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    try:
        yield consumer
    finally:
        consumer.close()


@dataclass
class Clients:
    """Clients that ask `/predict` as fast as they get answers."""

    url: str
    num_clients: int
    failures: list[str] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)
    num_answers: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Lets them ask while the block runs."""
        threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(self.num_clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask(self, client_number: int) -> None:
        with httpx.Client(timeout=30.0) as client:
            number = 0
            while not self._stop.is_set():
                number += 1
                self._ask_once(client, f"client {client_number} cannot connect, try {number}")

    def _ask_once(self, client: httpx.Client, message: str) -> None:
        try:
            response = client.post(self.url, json={"error_message": message})
        except httpx.HTTPError as error:
            outcome, version = repr(error), -1
        else:
            is_good = response.status_code == httpx.codes.OK
            outcome = "" if is_good else f"{response.status_code} {response.text[:200]}"
            version = int(response.json()["model_version"]) if is_good else -1
        with self._lock:
            if outcome:
                self.failures.append(outcome)
            else:
                self.num_answers += 1
                self.versions.add(version)
