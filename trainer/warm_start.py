"""Warm starts: models that were learnt elsewhere, for a trainer that has no checkpoint yet.

Pre-training and federations write them; they look like checkpoints without offsets, optimizer and
replay, are signed like checkpoints, and are verified before a weight of theirs is used. Where a
trainer has a checkpoint of its own, a warm start is not looked at.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import structlog
import torch

from fixstream.runtime.clock import Clock
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected, Misconfigured
from fixstream.trainer.checkpoint import (
    TOKENIZER,
    WEIGHTS,
    Content,
    Counts,
    FolderCheckpointStore,
    Manifest,
    SigningKey,
    StoredCheckpoint,
    TrustedKeys,
    read_artifact,
    stored_checkpoint,
    version_of,
)
from fixstream.trainer.learner import Learner
from fixstream.trainer.resume import Resumption

log = structlog.get_logger(__name__)

MODEL = "warm-start"
KEYS = "keys"


def write_warm_start(folder: Path, learner: Learner, reason: str, clock: Clock) -> StoredCheckpoint:
    """Writes the learner's model as the folder's newest warm start.

    Args:
        folder: made if it is not there; a signing key is made in it at the first time.
        learner: whose model it is.
        reason: what it was learnt from, in a few words.
        clock: stamps it.

    Raises:
        CheckpointNotWritten: the disk refused.
        Misconfigured: the key in the folder cannot be used.
    """
    store = FolderCheckpointStore(folder)
    names = store.names()
    manifest = Manifest(
        model=MODEL,
        version=version_of(names[-1]) + 1 if names else 1,
        parent=None,
        champion=None,
        kind=UpdateKind.PROMOTED,
        reason=reason,
        created_at=clock.now(),
        config=learner.config.model,
        seed=learner.config.seed,
        counts=Counts(),
        batch_offsets=(),
        origin_offsets=(),
        lineage=(),
        metrics={},
        versions={"torch": torch.__version__},
    )
    content = Content({WEIGHTS: learner.model.tensors()}, {TOKENIZER: learner.tokenizer.to_json()})
    key = SigningKey.load_or_create(folder / KEYS / "signing.pem")
    return store.write(manifest, content, key)


def take_warm_start(learner: Learner, folder: Path, trusted: TrustedKeys) -> StoredCheckpoint:
    """Puts the newest warm start of a folder in the place of the learner's fresh model.

    Raises:
        Misconfigured: there is none, or it may not be used; the message says why.
    """
    store = FolderCheckpointStore(folder)
    names = store.names()
    if not names:
        raise Misconfigured(f"there is no warm start in {folder}")
    try:
        stored = stored_checkpoint(store, names[-1], trusted)
        learner.start_from(read_artifact(store, stored))
    except ArtifactRejected as error:
        raise Misconfigured(f"the warm start {folder / names[-1]} is refused: {error}") from None
    return stored


def begun_warm(resumption: Resumption, learner: Learner, folder: Path | None) -> Resumption:
    """Lets a trainer without a checkpoint of its own begin with the folder's newest warm start.

    Args:
        resumption: what was found; with a checkpoint, the warm start is not looked at.
        learner: gets the warm start's model.
        folder: with the warm starts and, under `keys`, whom to trust; None: nothing changes.

    Returns:
        The resumption, which now tells what it began with, for the manifests.

    Raises:
        Misconfigured: there is none, or it may not be used; the message says why.
    """
    if folder is None or resumption.checkpoint is not None:
        return resumption
    stored = take_warm_start(learner, folder, TrustedKeys.load(folder / KEYS))
    manifest = stored.manifest
    log.info("warm start taken", warm_start=manifest.version, reason=manifest.reason)
    told = f"{manifest.version} of {folder.name}, sha256 {stored.manifest_sha256[:16]}"
    start = replace(resumption.start, warm_start=f"{told}: {manifest.reason}")
    return replace(resumption, start=start)
