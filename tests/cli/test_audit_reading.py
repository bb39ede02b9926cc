"""The audit on a real broker."""

from __future__ import annotations

import pytest

from fixstream.cli.audit.reading import audit_topics
from fixstream.runtime.kafka import make_producer
from fixstream.schemas.topics import ERRORS_DLQ, ERRORS_RAW, ERRORS_TRIAGED, TRAINING_BATCHES
from fixstream.streams.dead_letters import TOPIC_HEADER
from support.kafka import Kafka

DELIVERY_TIMEOUT_S = 30.0


@pytest.mark.kafka
def test_what_is_none_of_ours_is_passed_over_and_counted(kafka_topics: Kafka) -> None:
    settings = kafka_topics.settings
    producer = make_producer(settings)
    for topic in (ERRORS_TRIAGED, TRAINING_BATCHES):
        producer.produce(settings.topic(topic), value=b"junk")
    raw = settings.topic(ERRORS_RAW)
    # A dead letter that claims to be of ours and does not say of which offset.
    producer.produce(settings.topic(ERRORS_DLQ), value=b"junk", headers=[(TOPIC_HEADER, raw)])
    producer.produce(raw, value=b"junk", partition=0)
    assert producer.flush(DELIVERY_TIMEOUT_S) == 0
    report = audit_topics(settings)
    assert report.num_unreadable == 3
    assert report.num_raw == 1
    assert len(report.unaccounted) == 2, "the raw event is still missed: in no batch, not triaged"
