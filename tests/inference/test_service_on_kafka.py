"""The whole service on a real broker: topics in, suggestions and REST out."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Message
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fixstream.inference.service import run
from fixstream.inference.settings import InferenceSettings
from fixstream.inference.starter import starter_solutions
from fixstream.runtime.kafka import (
    RecordPublisher,
    consume_batch,
    decode_message,
    headers_of,
    make_consumer,
    make_producer,
)
from fixstream.runtime.stopping import StopSignal
from fixstream.runtime.topics_admin import apply_topics
from fixstream.runtime.tracing import configure_tracing
from fixstream.schemas import topics
from fixstream.schemas.codec import Codec
from fixstream.schemas.ids import suggestion_id
from fixstream.schemas.records import ErrorEvent, SuggestedFix
from support.deadlines import eventually
from support.inference import Publisher, solution, triaged
from support.kafka import Kafka

pytestmark = pytest.mark.kafka
PREFIX = "/api/v1/learning"
SECRET = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def ours(kafka: Kafka) -> Kafka:
    apply_topics(kafka.settings)
    return kafka


@contextmanager
def running(kafka: Kafka, folder: Path, **fields: Any) -> Iterator[httpx.Client]:
    """The service in a thread, ready, with a client for it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = InferenceSettings(port=port, checkpoint_dir=str(folder), num_threads=1, **fields)
    stop = StopSignal()
    thread = threading.Thread(target=run, args=(settings, kafka.settings, stop))
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            eventually(lambda: _status(client, "/readyz") == 200, 30)
            yield client
    finally:
        stop.set()
        thread.join()


def _status(client: httpx.Client, path: str) -> int:
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return 0


def publisher_on(kafka: Kafka) -> RecordPublisher:
    return RecordPublisher(make_producer(kafka.settings), Codec(), ce_source="test")


class Subscriber:
    """Reads a topic from its beginning."""

    def __init__(self, kafka: Kafka, topic: topics.Topic) -> None:
        self._consumer = make_consumer(kafka.settings, f"subscriber-{uuid.uuid4().hex}")
        self._consumer.subscribe([kafka.settings.topic(topic)])
        self.messages: list[Message] = []

    def until(self, count: int) -> list[Message]:
        def enough() -> bool:
            self.messages += consume_batch(self._consumer, 100, 0.1)
            return len(self.messages) >= count

        eventually(enough, 30)
        return self.messages

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def subscribed(kafka: Kafka, topic: topics.Topic) -> Iterator[Subscriber]:
    subscriber = Subscriber(kafka, topic)
    try:
        yield subscriber
    finally:
        subscriber.close()


def test_a_triaged_error_becomes_a_suggestion_once(ours: Kafka, tmp_path: Path) -> None:
    send = publisher_on(ours)
    triaged_topic = ours.settings.topic(topics.ERRORS_TRIAGED)
    errors = [replace(triaged(f"e{number}"), occurrences=number + 1) for number in range(40)]
    with running(ours, tmp_path) as client, subscribed(ours, topics.FIXES_SUGGESTED) as suggested:
        eventually(lambda: client.get("/readyz").json()["solutions"] == len(starter_solutions()))
        for error in errors:
            send.publish(triaged_topic, error.fingerprint, error)
        send.flush(10)
        messages = suggested.until(len(errors))
        stats = eventually(lambda: _caught_up(client), 20)
        assert stats is not None
        live = client.get("/live").json()
    suggestions = [decode_message(message, Codec(), SuggestedFix) for message in messages]
    assert [one.event_id for one in suggestions] == [one.event.event_id for one in errors]
    first = suggestions[0]
    assert first.suggestion_id == suggestion_id("e0", 0)
    assert first.fixes[0].solution_id == "starter-sqlite-database-is-locked"
    assert messages[0].key() == errors[0].fingerprint.encode()
    headers = headers_of(messages[0])
    assert (headers["service"], headers["severity"]) == (b"shop", b"medium")
    assert stats["triaged"] == stats["suggestions"] == len(errors)
    assert live["groups"][0]["occurrences"] == len(errors)
    assert live["suggestions"][0]["fixes"][0]["license"] == "Apache-2.0"

    # A second start goes on after the commit: nothing is answered twice, nothing left out.
    with running(ours, tmp_path), subscribed(ours, topics.FIXES_SUGGESTED) as suggested:
        send.publish(triaged_topic, errors[0].fingerprint, triaged("after"))
        send.flush(10)
        ids = [
            decode_message(message, Codec(), SuggestedFix).event_id
            for message in suggested.until(len(errors) + 1)
        ]
    assert ids == [*(one.event.event_id for one in errors), "after"]


def _caught_up(client: httpx.Client) -> dict[str, Any] | None:
    stats: dict[str, Any] = client.get(f"{PREFIX}/stats").json()
    return stats if stats["lag"]["suggestions"] == 0 and stats["triaged"] else None


def test_trace_and_correlation_id_of_an_error_go_on_with_its_suggestion(
    ours: Kafka, tmp_path: Path
) -> None:
    send = publisher_on(ours)
    traced = triaged("traced")
    event = replace(
        traced.event, trace_id="4" * 32, span_id="5" * 16, correlation_id="basket \u2014 7"
    )
    triaged_topic = ours.settings.topic(topics.ERRORS_TRIAGED)
    send.publish(triaged_topic, "k", replace(traced, event=event))
    send.publish(triaged_topic, "k", triaged("plain"))
    send.flush(10)
    exporter = InMemorySpanExporter()
    with subscribed(ours, topics.FIXES_SUGGESTED) as suggested:
        with running(ours, tmp_path):
            untraced = [headers_of(message) for message in suggested.until(2)]
        # The span ends after its suggestion can be read: the service has to end before the tracing.
        with configure_tracing("inference", exporter), running(ours, tmp_path):
            send.publish(triaged_topic, "k", replace(traced, event=replace(event, event_id="e3")))
            send.flush(10)
            with_span = headers_of(suggested.until(3)[2])
    theirs = f"00-{'4' * 32}-{'5' * 16}-01".encode()
    assert untraced[0]["traceparent"] == theirs
    assert untraced[0]["correlation_id"] == "basket \u2014 7".encode()
    assert not {"traceparent", "correlation_id"} & set(untraced[1])
    (suggest,) = (one for one in exporter.get_finished_spans() if one.name == "suggest")
    assert suggest.context is not None
    assert suggest.parent is not None
    assert (suggest.context.trace_id, suggest.parent.span_id) == (
        int("4" * 32, 16),
        int("5" * 16, 16),
    )
    assert with_span["traceparent"].split(b"-")[2].decode() == f"{suggest.context.span_id:016x}"
    assert with_span["correlation_id"] == untraced[0]["correlation_id"]


def garbage() -> list[tuple[str | None, bytes | None]]:
    """Keys and values that no topic should hold: nonsense, cut and foreign records, 1 MB ones."""
    whole = Codec().encode(triaged("cut"))
    large = Codec().encode(triaged("large", "refused " * 55_000))
    assert len(large) > 850_000
    return [
        ("k", b"\x00garbage"),
        ("k", b""),
        ("k", whole[: len(whole) // 2]),
        ("k", b"\xc3\x01" + bytes(8) + b"no such schema"),
        ("k", b"\x00\x00\x00\x00\x07confluent, and no registry"),
        ("k", b"[" * 100_000),
        ("k", bytes(1_000_000)),
        (None, Codec().encode(solution("keyless", "a fix without a key"))),
        ("tombstone of nothing", None),
        ("large", large),
    ]


def test_garbage_and_huge_records_change_nothing_else(ours: Kafka, tmp_path: Path) -> None:
    send = publisher_on(ours)
    name = ours.settings.topic
    trainer = Publisher(tmp_path)
    send.publish(name(topics.MODEL_UPDATES), "errors", trainer.promote(1))
    send.publish(name(topics.SOLUTIONS), "tea", solution("tea", "ledger refused the snapshot"))
    send.publish(name(topics.ERRORS_TRIAGED), "k", triaged("before"))
    for topic in (
        topics.ERRORS_TRIAGED,
        topics.SOLUTIONS,
        topics.FEEDBACK,
        topics.MODEL_UPDATES,
        topics.GROUPS,
    ):
        for key, value in garbage():
            # The broker itself keeps what has no key out of compacted topics.
            if key or topic not in {topics.SOLUTIONS, topics.GROUPS}:
                send.publish_bytes(name(topic), key, value)
    # It stands in the same partition as the large one, which is a good record, only a big one.
    send.publish(name(topics.ERRORS_TRIAGED), "large", triaged("good", "ledger refused"))
    send.publish(name(topics.ERRORS_TRIAGED), "k", triaged("after"))
    send.flush(10)
    with (
        running(ours, tmp_path, load_starter=False) as client,
        subscribed(ours, topics.FIXES_SUGGESTED) as suggested,
    ):
        suggestions = [
            decode_message(message, Codec(), SuggestedFix) for message in suggested.until(4)
        ]
        eventually(lambda: client.get("/readyz").json()["model_version"] == 1)
        ready = client.get("/readyz").json()
        fixes = client.get(
            f"{PREFIX}/suggest-fix", params={"error_message": "ledger refused the snapshot"}
        ).json()["fixes"]
        stats = client.get(f"{PREFIX}/stats").json()
    assert {one.event_id for one in suggestions} == {"before", "large", "good", "after"}
    assert ready["last_refused_update"]["reason"] == "undecodable"
    assert (ready["model"], ready["solutions"], ready["responder"]) == ("serving", 1, "running")
    assert [one["version"] for one in stats["promotion_history"]] == [1]
    assert [fix["solution_id"] for fix in fixes] == ["tea"]
    assert stats["feedback"]["success_rate"] is None


def test_a_promotion_is_served_and_a_spoilt_one_is_not(ours: Kafka, tmp_path: Path) -> None:
    trainer = Publisher(tmp_path)
    send = publisher_on(ours)
    updates = ours.settings.topic(topics.MODEL_UPDATES)
    send.publish(updates, "errors", trainer.promote(1))
    send.flush(10)
    with running(ours, tmp_path) as client:
        eventually(lambda: client.get("/readyz").json()["model_version"] == 1)
        spoilt = trainer.promote(2)
        weights = tmp_path / "checkpoint-00000002" / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1])
        send.publish(updates, "errors", spoilt)
        send.flush(10)
        eventually(lambda: client.get("/readyz").json()["model"] == "behind")
        ready = client.get("/readyz").json()
        assert ready["model_version"] == 1
        assert ready["last_refused_update"]["reason"] == "hash"
        send.publish(updates, "errors", trainer.promote(3))
        send.flush(10)
        body = {"error_message": "connection refused by the ledger"}
        eventually(lambda: client.post(f"{PREFIX}/predict", json=body).json()["model_version"] == 3)
        stats = client.get(f"{PREFIX}/stats").json()
    assert [one["version"] for one in stats["promotion_history"]] == [3, 2, 1]
    assert [one["reason"] for one in stats["refused_updates"]] == ["hash"]
    assert stats["model"]["reloads"] == 1


def test_the_marks_of_transactions_hold_nothing_up(ours: Kafka, tmp_path: Path) -> None:
    """The trainer writes updates in transactions: their marks are offsets without a record."""
    trainer = Publisher(tmp_path)
    producer = make_producer(ours.settings, transactional_id=f"{ours.prefix}model-errors")
    send = RecordPublisher(producer, Codec(), ce_source="test")
    updates = ours.settings.topic(topics.MODEL_UPDATES)
    producer.init_transactions(30)

    def transaction(version: int, *, is_kept: bool) -> None:
        producer.begin_transaction()
        send.publish(updates, "errors", trainer.promote(version))
        send.flush(10)
        if is_kept:
            producer.commit_transaction(10)
        else:
            producer.abort_transaction(10)

    transaction(1, is_kept=True)
    transaction(2, is_kept=False)
    with running(ours, tmp_path) as client:
        # It is ready although the last offsets are marks, and knows nothing of what was undone.
        eventually(lambda: client.get("/readyz").json()["model_version"] == 1)
        ready = client.get("/readyz").json()
        assert (ready["model"], ready["last_refused_update"]) == ("serving", None)
        transaction(3, is_kept=True)
        eventually(lambda: client.get("/readyz").json()["model_version"] == 3)
        stats = client.get(f"{PREFIX}/stats").json()
    assert [one["version"] for one in stats["promotion_history"]] == [3, 1]


def test_fixes_come_and_go_with_the_topic(ours: Kafka, tmp_path: Path) -> None:
    send = publisher_on(ours)
    name = ours.settings.topic(topics.SOLUTIONS)
    title = "Quota of the espresso machine exceeded"
    query = {"error_message": title}
    with running(ours, tmp_path, load_starter=False) as client:

        def fixes() -> list[dict[str, Any]]:
            answer = client.get(f"{PREFIX}/suggest-fix", params=query).json()
            found: list[dict[str, Any]] = answer["fixes"]
            return found

        assert fixes() == []
        send.publish(name, "tea", solution("tea", title, f"Drink tea. Not {SECRET}."))
        send.flush(10)
        (fix,) = eventually(fixes)
        assert SECRET not in fix["text"]
        send.publish_bytes(name, "tea", None)
        send.flush(10)
        eventually(lambda: fixes() == [])
    # From the topic alone: a fresh start knows the fix is gone.
    with running(ours, tmp_path, load_starter=False) as client:
        ready = client.get("/readyz").json()
        assert (ready["solutions"], ready["knowledge"], ready["knowledge_left"]) == (0, "ready", 0)


def test_reports_and_feedback_reach_their_topics(ours: Kafka, tmp_path: Path) -> None:
    with running(ours, tmp_path) as client, subscribed(ours, topics.ERRORS_RAW) as raw:
        report = {"error_type": "E", "message": f"refused with {SECRET}", "service": "shop"}
        answer = client.post(f"{PREFIX}/errors", json={"errors": [report] * 5})
        assert answer.status_code == 202
        messages = raw.until(5)
        events = [decode_message(message, Codec(), ErrorEvent) for message in messages]
        assert {one.event_id for one in events} == set(answer.json()["event_ids"])
        assert all(message.key() == b"shop" for message in messages)
        assert all(SECRET not in one.message for one in events)
        eventually(lambda: client.get(f"{PREFIX}/stats").json()["events"] == 5)

        body = {"error_message": "database is locked"}
        asked = client.post(f"{PREFIX}/predict", json=body).json()
        told = {
            "error_id": asked["error_id"],
            "solution_id": asked["fixes"][0]["solution_id"],
            "solution_worked": True,
        }
        assert client.post(f"{PREFIX}/feedback", json=told).status_code == 202

        def judged() -> bool:
            fix = client.post(f"{PREFIX}/predict", json=body).json()["fixes"][0]
            return "worked for this group" in fix["matched_on"]

        eventually(judged)
    # Feedback is kept for ever: a fresh start has it again.
    with running(ours, tmp_path) as client:
        eventually(lambda: client.get(f"{PREFIX}/stats").json()["feedback"]["success_rate"] == 1)
