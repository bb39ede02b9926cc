"""The processor's pure functions in a bare confluent-kafka loop, without Faust: a yardstick.

It has no rebalancing, no back-pressure and no health; it shows what the work itself costs.
"""

from __future__ import annotations

import sys
from contextlib import closing

from confluent_kafka import TopicPartition

from fixstream.runtime.clock import SystemClock
from fixstream.runtime.kafka import consume_batch, headers_of, make_consumer, make_producer
from fixstream.runtime.settings import KafkaSettings, load_settings
from fixstream.schemas.codec import Codec
from fixstream.schemas.records import OffsetRange
from fixstream.schemas.topics import ERRORS_RAW, GROUP_STATE_RETENTION
from fixstream.streams.dead_letters import RawMessage
from fixstream.streams.groups import Groups
from fixstream.streams.lane import Lane
from fixstream.streams.metrics import StreamsMetrics
from fixstream.streams.outbox import Outbox, OutboxLimits
from fixstream.streams.processor import EventProcessor
from fixstream.streams.settings import StreamsSettings
from fixstream.streams.window import WindowLimits
from fixstream.triage.triage import Triager


def main(num_events: int) -> None:
    """Processes partition 0 of the raw topic up to `num_events`, then flushes and ends."""
    kafka = load_settings(KafkaSettings)
    clock, codec = SystemClock(), Codec()
    processor = EventProcessor(
        Triager(num_kept=4096), codec, max_event_bytes=1_000_000, max_attempts=3, num_kept=4096
    )
    producer = make_producer(kafka, linger_ms=StreamsSettings().linger_ms)
    outbox = Outbox(producer, codec, kafka, clock, OutboxLimits(), StreamsMetrics())
    lane = Lane(
        (kafka.topic(ERRORS_RAW), 0, 0),
        processor.process,
        Groups(100_000, GROUP_STATE_RETENTION),
        WindowLimits(),
        clock,
    )
    with closing(make_consumer(kafka, "bare")) as consumer:

        def settled(range_: OffsetRange) -> None:
            position = TopicPartition(range_.topic, range_.partition, range_.next_offset)
            consumer.commit(offsets=[position], asynchronous=True)

        sink = outbox.lane(settled)
        consumer.assign([TopicPartition(kafka.topic(ERRORS_RAW), 0, 0)])
        while lane.next_offset < num_events:
            for message in consume_batch(consumer, 256, 0.1):
                raw = RawMessage(
                    message.topic() or "",
                    message.partition() or 0,
                    message.offset() or 0,
                    message.key(),
                    message.value(),
                    tuple(headers_of(message).items()),
                )
                lane.take(raw, sink)
            lane.close_if_full(sink)
            outbox.poll()
        producer.flush(30)


if __name__ == "__main__":
    main(int(sys.argv[1]))
