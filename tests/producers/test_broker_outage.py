"""The Kafka sink through the death and return of a real broker."""

from __future__ import annotations

import pytest

from fixstream.producers.kafka_sink import KafkaSink, KafkaSinkConfig
from fixstream.runtime.broker import EmbeddedBroker
from fixstream.runtime.kafka import consume_batch, decode_message, make_consumer
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import apply_topics
from fixstream.schemas.codec import Codec
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.topics import ERRORS_RAW
from support.deadlines import eventually
from support.events import make_event


@pytest.mark.kafka
def test_what_is_emitted_while_the_broker_is_dead_arrives_when_it_is_back(
    broker: EmbeddedBroker,
) -> None:
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    apply_topics(settings)
    sink = KafkaSink(settings, KafkaSinkConfig(send_timeout_s=120.0))
    messages = ["before", "during", "after"]

    sink.emit(make_event(messages[0]))
    assert sink.flush(30.0)
    broker.kill()
    assert sink.emit(make_event(messages[1])), "the host is not refused"
    assert not sink.flush(0.5)
    broker.restart()
    sink.emit(make_event(messages[2]))
    assert sink.flush(60.0)
    sink.close()

    assert sink.counts().dropped == {}
    consumer = make_consumer(settings, "outage-test")
    consumer.subscribe([settings.topic(ERRORS_RAW)])
    found: set[str] = set()

    def all_arrived() -> bool:
        for message in consume_batch(consumer, 10, 0.2):
            found.add(decode_message(message, Codec(), ErrorEvent).message)
        return found == set(messages)

    try:
        eventually(all_arrived, 30.0)
    finally:
        consumer.close()
