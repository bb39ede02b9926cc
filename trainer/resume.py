"""Where a starting trainer goes on: which checkpoint, which version, what is left to publish.

- The newest checkpoint that verifies is taken up. One that does not is passed over with a warning;
  the older one's manifest has the offsets that belong to its weights, so nothing is trained twice.
- What a rollback went back to before is abandoned: it is never taken up again.
- A checkpoint whose version another update has taken (an operator's, while it was written) counts
  for nothing, and is deleted.
- A checkpoint above the newest update was stored, but its update was swallowed by a crash: it is
  published now, as it would have been then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected
from fixstream.trainer.candidate import WARM_START, Start
from fixstream.trainer.checkpoint import (
    FEEDBACK,
    OPTIMIZER,
    REPLAY,
    TOKENIZER,
    WEIGHTS,
    CheckpointStore,
    StoredCheckpoint,
    TrustedKeys,
    read_tensors,
    read_verified,
    stored_checkpoint,
    version_of,
)
from fixstream.trainer.gate import Cost
from fixstream.trainer.learner import Learner
from fixstream.trainer.ledger import Position
from fixstream.trainer.updates import UpdateHistory

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Resumption:
    """What to do at the start."""

    checkpoint: StoredCheckpoint | None
    """What was taken up, if anything."""
    unpublished: StoredCheckpoint | None
    """What has to be published first."""
    position: Position
    start: Start
    feedback_json: bytes | None = None
    """What had become of the feedback."""


def resume(
    store: CheckpointStore, trusted: TrustedKeys, history: UpdateHistory, learner: Learner
) -> Resumption:
    """Finds the checkpoint to go on from and restores the learner from it.

    Raises:
        ArtifactRejected: checkpoints are there but none can be used; starting from nothing would
            silently forget everything, so a person has to decide.
    """
    names = _genuine(store, trusted, history)
    newest_version = max([history.newest_version, *(version_of(name) for name in names)])
    checkpoint = _restored(_candidates(names, history), store, trusted, learner)
    if checkpoint is None:
        if names:
            raise ArtifactRejected(
                "no checkpoint can be used; to begin anew, move the checkpoint folder away"
            )
        return Resumption(None, None, Position((), ()), Start(next_version=newest_version + 1))
    manifest = checkpoint.manifest
    is_unpublished = manifest.version > history.newest_version
    log.info("checkpoint taken up", model_version=manifest.version, step=manifest.counts.steps)
    return Resumption(
        checkpoint,
        checkpoint if is_unpublished else None,
        Position(manifest.batch_offsets, manifest.origin_offsets),
        _start(newest_version, checkpoint, history),
        read_verified(store, checkpoint, FEEDBACK) if FEEDBACK in manifest.files else None,
    )


def _start(newest_version: int, checkpoint: StoredCheckpoint, history: UpdateHistory) -> Start:
    manifest = checkpoint.manifest
    in_force = history.in_force()
    promotions = tuple(
        one.version
        for one in history.updates
        if one.kind is UpdateKind.PROMOTED and one.version in in_force
    )
    return Start(
        newest_version + 1,
        manifest.version,
        manifest.champion,
        manifest.counts,
        in_force,
        promotions,
        Cost.of(manifest.metrics, "champion_cost"),
        manifest.versions.get(WARM_START),
    )


def _candidates(names: Sequence[str], history: UpdateHistory) -> list[str]:
    """Names in the order in which they are to be tried."""
    in_force = history.in_force()
    return [
        name
        for name in sorted(names, reverse=True)
        if version_of(name) in in_force or history.of_version(version_of(name)) is None
    ]


def _genuine(store: CheckpointStore, trusted: TrustedKeys, history: UpdateHistory) -> list[str]:
    """The store's checkpoints, but for those whose version belongs to another update."""
    names = store.names()
    void = [name for name in names if _is_void(store, trusted, history, name)]
    if void:
        log.warning("checkpoints whose version was taken are deleted", checkpoints=void)
        store.delete(void)
    return [name for name in names if name not in void]


def _is_void(
    store: CheckpointStore, trusted: TrustedKeys, history: UpdateHistory, name: str
) -> bool:
    update = history.of_version(version_of(name))
    if update is None:
        return False
    try:
        return stored_checkpoint(store, name, trusted).manifest_sha256 != update.manifest_sha256
    except ArtifactRejected:
        return False  # It will be passed over, with the reason, when its turn comes.


def _restored(
    names: Sequence[str], store: CheckpointStore, trusted: TrustedKeys, learner: Learner
) -> StoredCheckpoint | None:
    for name in names:
        try:
            checkpoint = stored_checkpoint(store, name, trusted)
            tensors = {
                file: read_tensors(store, checkpoint, file) for file in (WEIGHTS, OPTIMIZER, REPLAY)
            }
            learner.restore(tensors, read_verified(store, checkpoint, TOKENIZER))
        except ArtifactRejected as error:
            log.warning("checkpoint passed over", checkpoint=name, reason=str(error))
        else:
            return checkpoint
    return None
