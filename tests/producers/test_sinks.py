"""What every sink promises: the same cases for the one in memory and the one on Kafka."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from fixstream.producers.drops import DropReason, SinkCounts
from fixstream.producers.sinks import EventSink, KafkaSink, KafkaSinkConfig, MemorySink
from fixstream.runtime.kafka import consume_batch, decode_message, make_consumer
from fixstream.runtime.topics_admin import apply_topics
from fixstream.schemas.codec import Codec
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.topics import ERRORS_RAW
from support.deadlines import eventually
from support.events import make_event
from support.kafka import Kafka


class CountingSink(EventSink, Protocol):
    """Both sinks tell what became of the events."""

    def counts(self) -> SinkCounts:
        """The counts so far."""
        ...


class SinkConformance:
    """Subclasses give `sink`, with room for 1,000 events, and `received`."""

    @pytest.fixture
    def sink(self) -> CountingSink | Iterator[CountingSink]:
        raise NotImplementedError

    @pytest.fixture
    def received(self) -> Callable[[int], list[ErrorEvent]]:
        """Gives the events that arrived, at least so many of them."""
        raise NotImplementedError

    def test_what_is_emitted_arrives_in_order(
        self, sink: CountingSink, received: Callable[[int], list[ErrorEvent]]
    ) -> None:
        events = [make_event(f"number {number}") for number in range(20)]

        assert all(sink.emit(event) for event in events)
        assert sink.flush(20.0)

        assert [event.event_id for event in received(20)] == [event.event_id for event in events]
        assert sink.counts() == SinkCounts(20, 20, {})

    def test_a_flush_of_nothing_returns_at_once(self, sink: CountingSink) -> None:
        assert sink.flush(0.0)

    def test_a_closed_sink_refuses_and_counts(self, sink: CountingSink) -> None:
        sink.close()
        sink.close()

        assert not sink.emit(make_event())
        assert sink.counts().dropped == {DropReason.CLOSED: 1}

    def test_what_was_emitted_before_closing_arrives(
        self, sink: CountingSink, received: Callable[[int], list[ErrorEvent]]
    ) -> None:
        sink.emit(make_event("last words"))
        sink.close()

        assert [event.message for event in received(1)] == ["last words"]

    def test_drops_of_others_are_counted(self, sink: CountingSink) -> None:
        sink.note_drop(DropReason.RATE_LIMITED, 3)
        sink.note_drop(DropReason.RATE_LIMITED)

        assert sink.counts().dropped == {DropReason.RATE_LIMITED: 4}

    def test_many_threads_lose_nothing(
        self, sink: CountingSink, received: Callable[[int], list[ErrorEvent]]
    ) -> None:
        def emit() -> None:
            for number in range(50):
                assert sink.emit(make_event(str(number)))

        threads = [threading.Thread(target=emit) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sink.flush(20.0)
        assert len({event.event_id for event in received(400)}) == 400


class TestMemorySink(SinkConformance):
    @pytest.fixture
    def sink(self) -> MemorySink:
        return MemorySink(max_events=1000)

    @pytest.fixture
    def received(self, sink: MemorySink) -> Callable[[int], list[ErrorEvent]]:
        return lambda at_least: list(sink.events)

    def test_it_is_bounded(self) -> None:
        sink = MemorySink(max_events=2)

        assert [sink.emit(make_event()) for _ in range(4)] == [True, True, False, False]
        assert sink.counts().dropped == {DropReason.QUEUE_FULL: 2}


@pytest.mark.kafka
class TestKafkaSink(SinkConformance):
    @pytest.fixture
    def sink(self, kafka: Kafka) -> Iterator[KafkaSink]:
        apply_topics(kafka.settings)
        sink = KafkaSink(kafka.settings, KafkaSinkConfig(max_events=1000, close_timeout_s=10.0))
        yield sink
        sink.close()

    @pytest.fixture
    def received(self, kafka: Kafka) -> Callable[[int], list[ErrorEvent]]:
        def read(at_least: int) -> list[ErrorEvent]:
            consumer = make_consumer(kafka.settings, "sink-test")
            consumer.subscribe([kafka.settings.topic(ERRORS_RAW)])
            codec, events = Codec(), list[ErrorEvent]()

            def enough() -> bool:
                for message in consume_batch(consumer, 500, 0.2):
                    assert message.key() == b"shop"
                    events.append(decode_message(message, codec, ErrorEvent))
                return len(events) >= at_least

            try:
                eventually(enough, 20.0)
            finally:
                consumer.close()
            return events

        return read

    def test_the_message_is_scrubbed_and_has_headers(
        self, sink: KafkaSink, kafka: Kafka, received: Callable[[int], list[ErrorEvent]]
    ) -> None:
        secret = "AKIA" + "Z" * 12 + "WXYZ"
        sink.emit(make_event(f"denied for {secret}", attributes={"key": secret}))
        assert sink.flush(20.0)
        event = received(1)[0]

        assert secret not in repr(event)
        assert event.scrubber
