"""The embedded broker, for real: start, stop, crash, restart, and what goes wrong at the start."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient

from fixstream.runtime.broker import EmbeddedBroker
from support.kafka import Kafka

pytestmark = pytest.mark.kafka


def test_shared_broker_answers(kafka: Kafka) -> None:
    client = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    assert client.list_topics(timeout=10).brokers


def test_broker_comes_back_on_the_same_port_after_a_crash(broker: EmbeddedBroker) -> None:
    before = broker.bootstrap_servers
    broker.kill()
    assert not broker.is_running()
    broker.restart()
    assert broker.bootstrap_servers == before
    assert broker.is_running()
