"""Receiving this service's suggestions inside a host: quietly, from now on, for itself alone."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from contextlib import closing

from confluent_kafka import Consumer

from fixstream.producers.advisor import Advisor
from fixstream.producers.kafka_sink import ignore_client_error, silent_logger
from fixstream.producers.subscription import FixFilter, follow
from fixstream.producers.suggestions import SuggestionCache
from fixstream.runtime.clock import SystemClock
from fixstream.runtime.registry import make_codec
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.records import SuggestedFix
from fixstream.schemas.topics import FIXES_SUGGESTED


def make_advisor(settings: KafkaSettings, service: str) -> Advisor:
    """An advisor that hears what is suggested to `service`; it connects when it is started."""
    clock = SystemClock()

    def listen(on_suggestion: Callable[[SuggestedFix], None], stopping: threading.Event) -> None:
        consumer = _quiet_consumer(settings)
        with closing(consumer):
            consumer.subscribe([settings.topic(FIXES_SUGGESTED)])
            wanted = FixFilter(service=service)
            for suggestion in follow(consumer, make_codec(settings), wanted, stopping):
                on_suggestion(suggestion)

    return Advisor(SuggestionCache(clock), listen, clock)


def _quiet_consumer(settings: KafkaSettings) -> Consumer:
    # A group of its own: each process wants all suggestions, and none is remembered.
    return Consumer(
        {
            **settings.client_config(),
            "client.id": "fixstream-producers",
            "group.id": f"{settings.topic_prefix}advice-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "latest",
            "topic.metadata.refresh.interval.ms": 10_000,
            "reconnect.backoff.ms": 100,
            "reconnect.backoff.max.ms": 5_000,
            "queued.max.messages.kbytes": 4_096,
            "log.connection.close": False,
            "error_cb": ignore_client_error,
        },
        # Without a logger librdkafka writes to the host's standard error.
        logger=silent_logger(),
    )
