"""Where a starting trainer goes on: which checkpoint, which version, what is left to publish.

- The newest checkpoint that verifies is taken up. One that does not is passed over with a warning;
  the older one's manifest has the offsets that belong to its weights, so nothing is trained twice.
- A rollback that was published after the newest checkpoint wins: its artifact is taken up.
- A checkpoint above the newest update was stored, but its update was swallowed by a crash: it is
  published now, as it would have been then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected
from fixstream.trainer.checkpoint import (
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
from fixstream.trainer.learner import Learner
from fixstream.trainer.ledger import Position
from fixstream.trainer.training import Start
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


def resume(
    store: CheckpointStore, trusted: TrustedKeys, history: UpdateHistory, learner: Learner
) -> Resumption:
    """Finds the checkpoint to go on from and restores the learner from it.

    Raises:
        ArtifactRejected: checkpoints are there but none can be used; starting from nothing would
            silently forget everything, so a person has to decide.
    """
    names = store.names()
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
        Start(newest_version + 1, manifest.version, manifest.champion, manifest.counts),
    )


def _candidates(names: Sequence[str], history: UpdateHistory) -> list[str]:
    """Names in the order in which they are to be tried."""
    newest_first = sorted(names, reverse=True)
    update = history.in_use
    is_rolled_back = update is not None and update.kind is UpdateKind.ROLLED_BACK
    if update is None or not is_rolled_back:
        return newest_first
    if names and version_of(newest_first[0]) > update.version:
        return newest_first
    target = [name for name in newest_first if name == update.artifact_uri]
    # What is newer than the target is what the rollback wants to get rid of.
    older = [name for name in newest_first if name < update.artifact_uri]
    return [*target, *older]


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
