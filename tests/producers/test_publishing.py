"""Sending files: everything arrives or is told, at the rate that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.producers.json_lines import BadLine
from fixstream.producers.publishing import (
    Pace,
    Progress,
    Route,
    emit,
    import_solutions,
    publish_all,
)
from fixstream.producers.subscription import FixFilter, subscribe, subscribe_async
from fixstream.runtime.kafka import (
    RecordPublisher,
    consume_batch,
    decode_message,
    make_consumer,
    make_producer,
)
from fixstream.runtime.topics_admin import apply_topics
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import Domain, LabelSource, Severity
from fixstream.schemas.errors import RetryLater, TooLarge
from fixstream.schemas.records import (
    ErrorEvent,
    Label,
    Record,
    Solution,
    SuggestedFix,
)
from fixstream.schemas.topics import ERRORS_RAW, FIXES_SUGGESTED, SOLUTIONS, Topic
from support.deadlines import eventually
from support.events import make_event
from support.history_lines import FULL, SPARSE, write
from support.kafka import Kafka


class RememberingPublisher:
    """Keeps what it is given; too large is what says so."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Record]] = []
        self.is_flushed = False

    def publish(self, topic: str, key: str, record: Record) -> None:
        if isinstance(record, ErrorEvent) and record.message == "too large":
            raise TooLarge("record is over the limit")
        self.sent.append((topic, key, record))

    def flush(self, timeout_s: float) -> None:
        self.is_flushed = True


class UndeliveringPublisher(RememberingPublisher):
    """Takes everything and delivers nothing."""

    def flush(self, timeout_s: float) -> None:
        raise RetryLater("3 messages not delivered")


class Clockwork:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_everything_is_sent_skipped_or_told() -> None:
    publisher, told = RememberingPublisher(), list[Progress]()
    bad = BadLine(Path("f"), 2, "not JSON")
    records: list[ErrorEvent | BadLine] = [
        make_event("one"),
        bad,
        make_event("too large"),
        make_event("two"),
    ]
    route = Route[ErrorEvent](publisher, "raw", lambda event: event.service)

    progress = publish_all(records, route, Pace(None), told.append)

    assert progress == Progress(num_sent=2, num_skipped=2)
    assert told == [progress]
    assert [(topic, key) for topic, key, _ in publisher.sent] == [("raw", "shop")] * 2
    assert publisher.is_flushed


def test_what_kafka_did_not_take_is_an_error() -> None:
    route = Route[ErrorEvent](UndeliveringPublisher(), "raw", lambda event: event.service)

    with pytest.raises(RetryLater):
        publish_all([make_event()], route, Pace(None), lambda progress: None)


@given(rate=st.floats(0.1, 10_000), num_turns=st.integers(2, 200))
def test_a_pace_is_kept_on_average(rate: float, num_turns: int) -> None:
    clock = Clockwork()
    pace = Pace(rate, monotonic=clock.monotonic, sleep=clock.sleep)
    for _ in range(num_turns):
        pace.wait()

    assert clock.now_s == pytest.approx((num_turns - 1) / rate)


def test_after_a_pause_at_most_a_second_is_caught_up_with() -> None:
    clock = Clockwork()
    pace = Pace(10, monotonic=clock.monotonic, sleep=clock.sleep)
    pace.wait()
    clock.sleep(3600)
    for _ in range(100):
        pace.wait()

    assert clock.now_s >= 3600 + 8.8


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        Pace(0)


def label(value: str) -> Label:
    return Label(value, LabelSource.RULE, 1.0)


def suggestion(service: str, severity: Severity, domain: Domain = Domain.CLOUD) -> SuggestedFix:
    return SuggestedFix(
        suggestion_id=f"{service}-{severity}-{domain}",
        event_id="e",
        fingerprint="f",
        service=service,
        environment="test",
        model_version=1,
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        domain=label(domain),
        severity=label(severity),
        category=label("quota"),
        fixes=(),
    )


@pytest.mark.parametrize(
    ("wanted", "is_accepted"),
    [
        (FixFilter(), True),
        (FixFilter(service="shop"), True),
        (FixFilter(service="other"), False),
        (FixFilter(severity_at_least=Severity.HIGH), True),
        (FixFilter(severity_at_least=Severity.CRITICAL), False),
        (FixFilter(domain=Domain.NETWORK), False),
        (FixFilter(service="shop", severity_at_least=Severity.LOW, domain=Domain.CLOUD), True),
    ],
)
def test_headers_decide_what_is_wanted(wanted: FixFilter, is_accepted: bool) -> None:
    headers = {"service": b"shop", "severity": b"high", "domain": b"cloud"}

    assert wanted.accepts(headers) is is_accepted
    assert wanted.accepts({}), "a message without headers has to be looked at"
    assert FixFilter(severity_at_least=Severity.LOW).accepts({"severity": b"galactic"})


def read_all(kafka: Kafka, topic: Topic, at_least: int) -> list[tuple[bytes, Record]]:
    consumer = make_consumer(kafka.settings, "reader")
    consumer.subscribe([kafka.settings.topic(topic)])
    found = list[tuple[bytes, Record]]()
    record_type = topic.record
    assert record_type is not None

    def enough() -> bool:
        for message in consume_batch(consumer, 100, 0.2):
            found.append((message.key() or b"", decode_message(message, Codec(), record_type)))
        return len(found) >= at_least

    try:
        eventually(enough, 20.0)
    finally:
        consumer.close()
    return found


@pytest.mark.kafka
def test_a_history_file_reaches_the_topic_scrubbed(kafka: Kafka, tmp_path: Path) -> None:
    apply_topics(kafka.settings)
    secret = "AKIA" + "Q" * 12 + "ZXYW"
    leaky = {**SPARSE, "message": f"denied for {secret}", "event_id": "shop-3"}
    path = write(tmp_path / "history.jsonl.gz", FULL, "{", leaky)

    assert emit(path, 1000.0, settings=kafka.settings) == Progress(2, 1)
    found = read_all(kafka, ERRORS_RAW, 2)
    assert [key for key, _ in found] == [b"shop", b"shop"]
    assert secret not in repr(found)
    assert "denied for" in repr(found)


@pytest.mark.kafka
def test_solutions_reach_their_topic_under_their_ids(kafka: Kafka, tmp_path: Path) -> None:
    apply_topics(kafka.settings)
    path = write(tmp_path / "fixes.jsonl", {"title": "t", "text": "x", "solution_id": "s1"})

    assert import_solutions(path, settings=kafka.settings) == Progress(1, 0)
    ((key, solution),) = read_all(kafka, SOLUTIONS, 1)
    assert key == b"s1"
    assert isinstance(solution, Solution)


@pytest.fixture
def suggestions(kafka: Kafka) -> Kafka:
    apply_topics(kafka.settings)
    publisher = RecordPublisher(make_producer(kafka.settings), Codec(), ce_source="test")
    topic = kafka.settings.topic(FIXES_SUGGESTED)
    for service in ("shop", "bank"):
        for severity in Severity:
            publisher.publish(topic, "f", suggestion(service, severity))
    publisher.flush(20.0)
    return kafka


@pytest.mark.kafka
def test_a_subscriber_gets_what_it_wants_and_goes_on_where_it_was(suggestions: Kafka) -> None:
    def first(num_fixes: int) -> list[str]:
        fixes = subscribe(
            suggestions.settings,
            from_beginning=True,
            service="shop",
            severity_at_least=Severity.HIGH,
        )
        found = [next(fixes).suggestion_id for _ in range(num_fixes)]
        fixes.close()
        return found

    assert first(2) == ["shop-high-cloud", "shop-critical-cloud"]
    # The one that was not followed by another request counts as unhandled.
    assert first(2) == ["shop-critical-cloud", "shop-emergency-cloud"]


@pytest.mark.kafka
async def test_an_asynchronous_subscriber_is_let_go(suggestions: Kafka) -> None:
    found = []
    fixes = subscribe_async(suggestions.settings, from_beginning=True, service="bank")
    async for fix in fixes:
        found.append(fix.suggestion_id)
        if len(found) == 5:
            break
    await fixes.aclose()

    assert len(found) == 5


def test_subscribe_is_the_function_whatever_was_imported_before() -> None:
    import fixstream.producers
    import fixstream.producers.subscription

    assert fixstream.producers.subscribe is fixstream.producers.subscription.subscribe
