"""What an operator may say about a model: go back to a version; do not learn from a range.

Both are signed updates like the trainer's own, appended after taking the log over, so a trainer
that runs hears of them at once and one that is down at its next start. What is checked here is
that the statement can be acted upon; acting is the trainer's and the inference service's part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from fixstream.runtime.clock import Clock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected, RetryLater, Stop
from fixstream.schemas.records import ModelUpdate, OffsetRange
from fixstream.schemas.topics import ERRORS_RAW, FEEDBACK, TRAINING_BATCHES
from fixstream.trainer.checkpoint import (
    CheckpointStore,
    SigningKey,
    StoredCheckpoint,
    TrustedKeys,
    checkpoint_name,
    read_artifact,
    stored_checkpoint,
)
from fixstream.trainer.manifest import Manifest
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.update_log import Superseded, UpdateLog
from fixstream.trainer.updates import UpdateHistory, read_history, statement_about

_MAX_ATTEMPTS = 5
_RETRY_S = 0.5


class NotPossible(Stop):
    """The history or the store does not allow what was asked for; the message says why."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What is needed to speak about one model."""

    kafka: KafkaSettings
    codec: Codec
    model: str
    store: CheckpointStore
    trusted: TrustedKeys
    clock: Clock

    def history(self) -> UpdateHistory:
        """What stands in the topic; raises BrokerUnavailable."""
        return read_history(self.kafka, self.codec, self.model, self.trusted)


def verify_checkpoint(store: CheckpointStore, name: str, trusted: TrustedKeys) -> Manifest:
    """Checks signature, hashes, shapes and a prediction of one checkpoint.

    Raises:
        ArtifactRejected: with what is wrong.
    """
    stored = stored_checkpoint(store, name, trusted)
    TrainedModel.from_artifact(read_artifact(store, stored))
    return stored.manifest


def roll_back(
    desk: Desk, key: SigningKey, version: int, reason: str, *, relearn: bool = False
) -> ModelUpdate:
    """Puts the checkpoint of an older promoted version into use again.

    Args:
        desk: the model, its store and its topic.
        key: signs the update.
        version: which one.
        reason: why, for those who read it later.
        relearn: whether the trainer may learn again from what came after that version. The same
            events would make the same model again, so by default they are blocked.

    Raises:
        NotPossible: it was never promoted, or its folder is gone.
        ArtifactRejected: the checkpoint does not verify.
        RetryLater: Kafka did not answer.
    """

    def statement(history: UpdateHistory) -> ModelUpdate:
        stored = promoted(desk.store, desk.trusted, history, version)
        blocked = history.blocked if relearn else blocked_after(history, version)
        return rolled_back(stored, history, blocked, reason, desk.clock)

    return _append(desk, key, statement)


def block_range(desk: Desk, key: SigningKey, blocked: OffsetRange, reason: str) -> ModelUpdate:
    """Says that a range may not be learnt from, from now on; the model in use stays.

    Raises:
        NotPossible: the range is empty, nobody learns from that topic, or nothing was promoted yet.
        RetryLater: Kafka did not answer.
    """
    if not 0 <= blocked.first_offset < blocked.next_offset:
        raise NotPossible("the range is empty: NEXT has to be above FIRST")

    def statement(history: UpdateHistory) -> ModelUpdate:
        _check_topic(desk.kafka, history, blocked.topic)
        in_use = history.in_use
        if in_use is None:
            raise NotPossible("no model was promoted yet, so there is nothing to speak about")
        return replace(
            in_use,
            version=history.newest_version + 1,
            parent=history.newest_version,
            kind=UpdateKind.BLOCKED,
            reason=reason,
            created_at=desk.clock.now(),
            lineage=(),
            blocked=merged((*history.blocked, blocked)),
        )

    return _append(desk, key, statement)


def _check_topic(kafka: KafkaSettings, history: UpdateHistory, topic: str) -> None:
    """A misspelt name would be signed, stand there for ever, and block nothing."""
    names = [kafka.topic(one) for one in (ERRORS_RAW, TRAINING_BATCHES, FEEDBACK)]
    origins = {each.topic for one in history.updates for each in one.lineage}
    if topic not in origins.union(names):
        raise NotPossible(f"nothing is learnt from {topic!r}; name one of {', '.join(names)}")


def learnt_from(history: UpdateHistory, wanted: OffsetRange) -> list[ModelUpdate]:
    """The updates in force that have learnt from a part of a range, oldest first."""
    in_force = history.in_force()
    return [
        one
        for one in history.updates
        if one.version in in_force
        and one.kind in (UpdateKind.PROMOTED, UpdateKind.REJECTED)
        and any(_overlap(each, wanted) for each in one.lineage)
    ]


def learnt_from_any(
    lineage: Iterable[OffsetRange], ranges: Iterable[OffsetRange]
) -> OffsetRange | None:
    """The first of some ranges that a lineage has learnt from a part of."""
    learnt = tuple(lineage)
    return next((one for one in ranges if any(_overlap(each, one) for each in learnt)), None)


def newest_before(history: UpdateHistory, version: int) -> int | None:
    """The newest version below this one that was promoted and is in force."""
    in_force = history.in_force()
    return next(
        (
            one.version
            for one in reversed(history.updates)
            if one.kind is UpdateKind.PROMOTED and one.version < version and one.version in in_force
        ),
        None,
    )


def rolled_back(
    stored: StoredCheckpoint,
    history: UpdateHistory,
    blocked: tuple[OffsetRange, ...],
    reason: str,
    clock: Clock,
) -> ModelUpdate:
    """The update, not signed yet, that goes back to a checkpoint."""
    newest = history.newest_version
    manifest = replace(
        stored.manifest,
        version=newest + 1,
        parent=stored.manifest.version,
        kind=UpdateKind.ROLLED_BACK,
        reason=reason,
        created_at=clock.now(),
        lineage=(),
    )
    about = replace(stored, manifest=manifest)
    return replace(statement_about(about), blocked=blocked)


def merged(ranges: Iterable[OffsetRange]) -> tuple[OffsetRange, ...]:
    """The same offsets in as few ranges as possible, in order."""
    found: list[OffsetRange] = []
    for one in sorted(ranges, key=lambda r: (r.topic, r.partition, r.first_offset)):
        last = found[-1] if found else None
        if last and _touch(last, one):
            found[-1] = replace(last, next_offset=max(last.next_offset, one.next_offset))
        else:
            found.append(one)
    return tuple(found)


def promoted(
    store: CheckpointStore, trusted: TrustedKeys, history: UpdateHistory, version: int
) -> StoredCheckpoint:
    """The verified checkpoint of a promoted version.

    Raises:
        NotPossible: it was never promoted, or its folder is gone.
        ArtifactRejected: it does not verify.
    """
    update = history.of_version(version)
    if update is None or update.kind is not UpdateKind.PROMOTED:
        is_what = f"is {update.kind.value}" if update else "does not exist"
        raise NotPossible(f"version {version} {is_what}: only a promoted one can be gone back to")
    name = checkpoint_name(version)
    if name not in store.names():
        raise NotPossible(f"the checkpoint of version {version} is not kept any more")
    verify_checkpoint(store, name, trusted)
    stored = stored_checkpoint(store, name, trusted)
    if stored.manifest_sha256 != update.manifest_sha256:
        raise ArtifactRejected(f"{name} is not the one that was promoted")
    return stored


def blocked_after(history: UpdateHistory, version: int) -> tuple[OffsetRange, ...]:
    """What is blocked once more, and all that was learnt from since a version."""
    in_force = history.in_force()
    learnt_since = [
        each
        for one in history.updates
        if one.version > version and one.version in in_force
        for each in one.lineage
    ]
    return merged((*history.blocked, *learnt_since))


def _append(
    desk: Desk, key: SigningKey, statement: Callable[[UpdateHistory], ModelUpdate]
) -> ModelUpdate:
    updates = UpdateLog(desk.kafka, desk.codec, desk.model, desk.clock)
    statement(desk.history())  # What cannot be done is not worth shutting a trainer out for.
    for _ in range(_MAX_ATTEMPTS):
        updates.take_over()
        update = key.sign_update(statement(desk.history()))
        try:
            _publish(updates, update)
        except Superseded:
            continue  # A trainer took the log back in between: look again.
        return update
    raise RetryLater("other writers were always quicker; try again")


def _publish(updates: UpdateLog, update: ModelUpdate) -> None:
    for attempt in range(_MAX_ATTEMPTS):
        try:
            updates.publish(update)
        except RetryLater:
            if attempt == _MAX_ATTEMPTS - 1:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _overlap(one: OffsetRange, other: OffsetRange) -> bool:
    return (
        (one.topic, one.partition) == (other.topic, other.partition)
        and one.first_offset < other.next_offset
        and other.first_offset < one.next_offset
    )


def _touch(one: OffsetRange, other: OffsetRange) -> bool:
    same = (one.topic, one.partition) == (other.topic, other.partition)
    return same and other.first_offset <= one.next_offset
