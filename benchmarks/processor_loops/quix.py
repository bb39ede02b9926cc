"""The processor's pure functions in Quix Streams, as its users write it: a yardstick.

Runs in an environment of its own (`quixstreams` beside the project's light dependencies); its
checkpoints give at-least-once, as ours do.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from typing import Any

from quixstreams import Application
from quixstreams.context import message_context

from fixstream.runtime.clock import SystemClock
from fixstream.schemas.codec import Codec
from fixstream.schemas.headers import message_headers
from fixstream.schemas.records import TriagedError
from fixstream.schemas.topics import GROUP_STATE_RETENTION
from fixstream.streams.dead_letters import DeadLetterRecord, RawMessage
from fixstream.streams.groups import Groups
from fixstream.streams.lane import ClosedWindow, Lane
from fixstream.streams.processor import EventProcessor
from fixstream.streams.window import WindowLimits
from fixstream.triage.triage import Triager

CLOCK, CODEC = SystemClock(), Codec()


@dataclass
class Collected:
    """A sink that keeps what one event led to."""

    out: list[dict[str, Any]] = field(default_factory=list)

    def triaged(self, record: TriagedError) -> None:
        """Keeps a judged event."""
        headers = message_headers(record, ce_source="quix", now=record.triaged_at)
        self._keep("triaged", record.fingerprint, CODEC.encode(record), headers)

    def dead_letter(self, record: DeadLetterRecord) -> None:
        """Keeps a dead letter."""
        self._keep("dead", "", record.raw.value or b"", record.headers())

    def closed(self, window: ClosedWindow) -> None:
        """Keeps a batch and its groups."""
        for state in window.groups:
            self._keep("groups", state.fingerprint, state.encode(), [])
        batch = window.batch
        headers = message_headers(batch, ce_source="quix", now=batch.created_at)
        self._keep("batches", batch.origin.topic, CODEC.encode(batch), headers)

    def _keep(self, kind: str, key: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        self.out.append({"kind": kind, "key": key.encode(), "value": value, "headers": headers})


def main() -> None:
    """Processes the raw topic until it is told to stop."""
    prefix = os.environ["FIXSTREAM_TOPIC_PREFIX"]
    app = Application(
        broker_address=os.environ["FIXSTREAM_BOOTSTRAP_SERVERS"],
        consumer_group=f"{prefix}quix",
        auto_offset_reset="earliest",
        auto_create_topics=False,
        producer_extra_config={"enable.idempotence": True, "acks": "all", "linger.ms": 20},
        loglevel="WARNING",
        state_dir=tempfile.mkdtemp(),
    )

    def topic(suffix: str) -> Any:
        return app.topic(
            prefix + suffix,
            key_serializer="bytes",
            value_serializer="bytes",
            key_deserializer="bytes",
            value_deserializer="bytes",
        )

    processor = EventProcessor(
        Triager(num_kept=4096), CODEC, max_event_bytes=1_000_000, max_attempts=3, num_kept=4096
    )
    raw_name = f"{prefix}errors.raw.v1"
    groups = Groups(100_000, GROUP_STATE_RETENTION)
    lane = Lane((raw_name, 0, 0), processor.process, groups, WindowLimits(), CLOCK)

    def process(value: bytes, key: Any, timestamp: int, headers: Any) -> list[dict[str, Any]]:
        context = message_context()
        sink = Collected()
        raw = RawMessage(
            raw_name, context.partition, context.offset, key, value, headers or (), timestamp
        )
        lane.take(raw, sink)
        return sink.out

    results = app.dataframe(topic("errors.raw.v1")).apply(process, metadata=True, expand=True)
    for kind, suffix in (
        ("triaged", "errors.triaged.v1"),
        ("dead", "errors.dlq.v1"),
        ("groups", "groups.v1"),
        ("batches", "training.batches.v1"),
    ):
        branch = results.filter(lambda out, kind=kind: out["kind"] == kind)
        branch = branch.set_headers(lambda out, *_: out["headers"])
        branch.apply(lambda out: out["value"]).to_topic(topic(suffix), key=lambda value: value[:8])
    app.run()  # Whoever measures ends it: a count would count results, not events.


if __name__ == "__main__":
    main()
