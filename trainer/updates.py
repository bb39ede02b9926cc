"""The topic of model updates: what was published so far, and publishing what comes next.

An update is a function of its checkpoint's manifest. So whoever finds a checkpoint that no update
names, after a crash between the two, publishes the very update that the crash swallowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from confluent_kafka import TopicPartition

from fixstream.runtime.kafka import RecordPublisher, consume_batch, decode_message, make_consumer
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import begin_offsets, end_offsets
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import ArtifactRejected, BrokerUnavailable, DeadLetter
from fixstream.schemas.records import ModelUpdate
from fixstream.schemas.topics import MODEL_UPDATES
from fixstream.trainer.checkpoint import SigningKey, StoredCheckpoint, TrustedKeys

log = structlog.get_logger(__name__)

_READ_TIMEOUT_S = 10.0
_FLUSH_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class UpdateHistory:
    """What stands on the topic about one model."""

    newest: ModelUpdate | None = None
    in_use: ModelUpdate | None = None
    """The newest update that put a checkpoint into use."""

    @property
    def newest_version(self) -> int:
        """0 before the first update."""
        return self.newest.version if self.newest else 0


def update_of(stored: StoredCheckpoint, key: SigningKey) -> ModelUpdate:
    """The signed update about a checkpoint."""
    manifest = stored.manifest
    counts = manifest.counts
    return key.sign_update(
        ModelUpdate(
            model=manifest.model,
            version=manifest.version,
            parent=manifest.parent,
            kind=manifest.kind,
            artifact_uri=stored.name,
            manifest_sha256=stored.manifest_sha256,
            size_bytes=manifest.size_bytes,
            metrics={
                **manifest.metrics,
                "steps": float(counts.steps),
                "examples_trained": float(counts.trained),
                "examples_held_out": float(counts.held_out),
            },
            lineage=manifest.lineage,
            examples_seen=counts.seen,
            created_at=manifest.created_at,
            key_id="",
            signature=b"",
            reason=manifest.reason,
        )
    )


def read_history(
    kafka: KafkaSettings, codec: Codec, model: str, trusted: TrustedKeys
) -> UpdateHistory:
    """Reads the topic from its begin to its present end; updates that nobody trusted signed are
    passed over, for a forged one could push the version on, or order a rollback.

    Raises:
        BrokerUnavailable: the topic could not be read to its end in time.
    """
    topic = kafka.topic(MODEL_UPDATES)
    ends = end_offsets(kafka, [topic])
    begins = begin_offsets(kafka, [topic])
    history = UpdateHistory()
    for (_, partition), end in sorted(ends.items()):
        if end > begins[topic, partition]:
            for update in _read_partition(kafka, codec, (partition, end)):
                history = _added(history, update, model, trusted)
    return history


def publish_update(publisher: RecordPublisher, topic: str, update: ModelUpdate) -> None:
    """Publishes an update and waits until it has arrived.

    Raises:
        RetryLater: it did not arrive in time; sending it again is harmless.
    """
    publisher.publish(topic, update.model, update)
    publisher.flush(_FLUSH_TIMEOUT_S)
    log.info(
        "update published",
        model_version=update.version,
        kind=update.kind.value,
        reason=update.reason,
        examples_seen=update.examples_seen,
    )


def _read_partition(
    kafka: KafkaSettings, codec: Codec, until: tuple[int, int]
) -> Iterator[ModelUpdate]:
    partition, end = until
    topic = kafka.topic(MODEL_UPDATES)
    consumer = make_consumer(kafka, "trainer-updates")
    try:
        consumer.assign([TopicPartition(topic, partition, 0)])
        while True:
            messages = consume_batch(consumer, 500, _READ_TIMEOUT_S)
            if not messages:
                raise BrokerUnavailable(f"{topic} could not be read to its end")
            for message in messages:
                try:
                    yield decode_message(message, codec, ModelUpdate)
                except DeadLetter as error:
                    log.warning("unreadable update", offset=message.offset(), reason=str(error))
            last = messages[-1].offset()
            assert last is not None
            if last + 1 >= end:
                return
    finally:
        consumer.close()


def _added(
    history: UpdateHistory, update: ModelUpdate, model: str, trusted: TrustedKeys
) -> UpdateHistory:
    if update.model != model or update.version <= history.newest_version:
        return history
    try:
        trusted.verify_update(update)
    except ArtifactRejected as error:
        log.warning("update passed over", model_version=update.version, reason=str(error))
        return history
    return UpdateHistory(update, update if update.kind.is_servable else history.in_use)
