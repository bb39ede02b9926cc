"""The topic of model updates, as it reads: what was published, what is in use, what is blocked.

An update is a function of its checkpoint's manifest. So whoever finds a checkpoint that no update
names, after a crash between the two, publishes the very update that the crash swallowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import structlog
from confluent_kafka import Message, TopicPartition

from fixstream.runtime.kafka import decode_message
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import begin_offsets, end_offsets
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected, DeadLetter
from fixstream.schemas.records import ModelUpdate, OffsetRange
from fixstream.schemas.topics import MODEL_UPDATES
from fixstream.trainer.checkpoint import SigningKey, StoredCheckpoint, TrustedKeys, version_of
from fixstream.trainer.topic_range import chunks_between

log = structlog.get_logger(__name__)

_PARTITION = 0
_BLOCKING = (UpdateKind.ROLLED_BACK, UpdateKind.BLOCKED)


@dataclass(frozen=True, slots=True)
class UpdateHistory:
    """What stands on the topic about one model: the genuine updates, versions growing."""

    updates: tuple[ModelUpdate, ...] = ()

    @property
    def newest(self) -> ModelUpdate | None:
        """The last one."""
        return self.updates[-1] if self.updates else None

    @property
    def newest_version(self) -> int:
        """0 before the first update."""
        return self.updates[-1].version if self.updates else 0

    @property
    def in_use(self) -> ModelUpdate | None:
        """The newest update that put a checkpoint into use."""
        return next((one for one in reversed(self.updates) if one.kind.is_servable), None)

    @property
    def blocked(self) -> tuple[OffsetRange, ...]:
        """The ranges that may not be learnt from."""
        newest = next((one for one in reversed(self.updates) if one.kind in _BLOCKING), None)
        return newest.blocked if newest else ()

    def of_version(self, version: int) -> ModelUpdate | None:
        """The update with this version."""
        return next((one for one in self.updates if one.version == version), None)

    def in_force(self) -> frozenset[int]:
        """The versions that the newest one descends from, itself included.

        A rollback descends from the checkpoint that it goes back to: what lies between the two is
        abandoned, unless a later one goes back to that.
        """
        by_version = {one.version: one for one in self.updates}
        found: set[int] = set()
        version: int | None = self.newest_version
        while version is not None and version in by_version:
            found.add(version)
            update = by_version[version]
            is_rollback = update.kind is UpdateKind.ROLLED_BACK
            version = version_of(update.artifact_uri) if is_rollback else update.parent
        return frozenset(found)

    def with_update(self, update: ModelUpdate, model: str, trusted: TrustedKeys) -> UpdateHistory:
        """The history with one more update, if it is a genuine one about this model.

        One that nobody trusted signed is passed over, for a forged one could push the version on,
        or order a rollback.
        """
        if update.model != model or update.version <= self.newest_version:
            return self
        try:
            trusted.verify_update(update)
            if update.kind is UpdateKind.ROLLED_BACK:
                version_of(update.artifact_uri)
        except (ArtifactRejected, ValueError) as error:
            log.warning("update passed over", model_version=update.version, reason=str(error))
            return self
        return replace(self, updates=(*self.updates, update))


def update_of(stored: StoredCheckpoint, key: SigningKey) -> ModelUpdate:
    """The signed update about a checkpoint."""
    return key.sign_update(statement_about(stored))


def statement_about(stored: StoredCheckpoint) -> ModelUpdate:
    """The update about a checkpoint, not signed yet."""
    manifest = stored.manifest
    counts = manifest.counts
    return ModelUpdate(
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


def read_history(
    kafka: KafkaSettings, codec: Codec, model: str, trusted: TrustedKeys
) -> UpdateHistory:
    """Reads the topic from its begin to its present end.

    Raises:
        BrokerUnavailable: the topic could not be read to its end in time.
    """
    topic = kafka.topic(MODEL_UPDATES)
    end = end_offsets(kafka, [topic])[topic, _PARTITION]
    begin = begin_offsets(kafka, [topic])[topic, _PARTITION]
    history = UpdateHistory()
    place = TopicPartition(topic, _PARTITION, begin)
    for chunk in chunks_between(kafka, "trainer-updates", place, end):
        for update in updates_in(chunk, codec):
            history = history.with_update(update, model, trusted)
    return history


def updates_in(messages: list[Message], codec: Codec) -> Iterator[ModelUpdate]:
    """The updates that messages hold; what is none is passed over with a warning."""
    for message in messages:
        try:
            yield decode_message(message, codec, ModelUpdate)
        except DeadLetter as error:
            log.warning("unreadable update", offset=message.offset(), reason=str(error))
