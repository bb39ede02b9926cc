"""Puts a rebuilt model in the place of the one in use: judged against it, under the lease.

Both are compared on the examples that both have held out. A model that the gate rejects, or that
there is nothing to compare by, is not published. The trainer has to be stopped: it goes on from
the rebuilt model's offsets at its next start, and what it had learnt since is learnt again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fixstream.runtime.topics_admin import begin_offsets, end_offsets
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected
from fixstream.schemas.records import ModelUpdate, OffsetRange
from fixstream.schemas.topics import TRAINING_BATCHES
from fixstream.trainer.checkpoint import (
    FEEDBACK,
    OPTIMIZER,
    REPLAY,
    TOKENIZER,
    WEIGHTS,
    CheckpointStore,
    Content,
    SigningKey,
    StoredCheckpoint,
    checkpoint_name,
    read_tensors,
    read_verified,
    stored_checkpoint,
    version_of,
)
from fixstream.trainer.gate import Answers, ValidationSet, Verdict
from fixstream.trainer.intake import start_offsets
from fixstream.trainer.learner import Learner, LearnerConfig
from fixstream.trainer.lease import TrainerLease
from fixstream.trainer.retraining import member_key
from fixstream.trainer.rollback import Desk, NotPossible, learnt_from_any
from fixstream.trainer.update_log import UpdateLog
from fixstream.trainer.updates import UpdateHistory, update_of

FEWEST_IN_COMMON = 8
_VALIDATION = "validation."


@dataclass(frozen=True, slots=True)
class Comparison:
    """The gate's word about a rebuilt model."""

    verdict: Verdict
    answers: Answers
    champion: Answers
    """The champion's answers to the same members; NaN where it has none."""
    num_common: int
    """Examples that both have held out and answered."""


def champion_of(desk: Desk, history: UpdateHistory) -> StoredCheckpoint:
    """The verified checkpoint of the model in use.

    Raises:
        NotPossible: nothing was promoted yet, or its checkpoint is gone.
        ArtifactRejected: it does not verify.
    """
    in_use = history.in_use
    if in_use is None:
        raise NotPossible("no model was promoted yet, so there is nothing to rebuild")
    if in_use.artifact_uri not in desk.store.names():
        raise NotPossible(f"the checkpoint of the model in use is not in {desk.store.place}")
    return stored_checkpoint(desk.store, in_use.artifact_uri, desk.trusted)


def validation_of(store: CheckpointStore, stored: StoredCheckpoint) -> ValidationSet:
    """What a model has held out, with its own answers to that; raises ArtifactRejected."""
    tensors = read_tensors(store, stored, REPLAY)
    found = ValidationSet(0, 0.0)
    try:
        found.load_state_tensors(
            {
                name.removeprefix(_VALIDATION): tensor
                for name, tensor in tensors.items()
                if name.startswith(_VALIDATION)
            }
        )
    except (KeyError, ValueError) as error:
        raise ArtifactRejected(f"{stored.name}: no validation set: {error}") from error
    return found


def restored(store: CheckpointStore, stored: StoredCheckpoint, config: LearnerConfig) -> Learner:
    """The learner that a checkpoint was made of; raises ArtifactRejected where it does not fit."""
    learner = Learner(config)
    tensors = {file: read_tensors(store, stored, file) for file in (WEIGHTS, OPTIMIZER, REPLAY)}
    learner.restore(tensors, read_verified(store, stored, TOKENIZER))
    return learner


def compare(rebuilt: Learner, champion: ValidationSet) -> Comparison:
    """Judges a rebuilt model against the champion, on what both have held out."""
    rows = {member_key(member): row for row, member in enumerate(champion.members)}
    answers = rebuilt.answers()
    before = Answers(np.full_like(answers.hits, np.nan), np.full_like(answers.losses, np.nan))
    for place, member in enumerate(rebuilt.validation.members):
        row = rows.get(member_key(member))
        if row is not None:
            before.hits[place] = champion.champion.hits[row]
            before.losses[place] = champion.champion.losses[row]
    rebuilt.validation.crown(before)
    both = ~np.isnan(before.hits) & ~np.isnan(answers.hits)
    return Comparison(rebuilt.judge(answers), answers, before, int(both.any(axis=1).sum()))


def succeed(
    desk: Desk,
    key: SigningKey,
    place: tuple[CheckpointStore, StoredCheckpoint],
    config: LearnerConfig,
    lease_wait_s: float,
) -> tuple[ModelUpdate, Comparison]:
    """Publishes a rebuilt model as the next promoted version.

    Args:
        desk: the model, its store and its topic.
        key: signs the checkpoint and the update.
        place: where the rebuilt model lies.
        config: the trainer's, which has to take the model up.
        lease_wait_s: how long to wait for the lease.

    Raises:
        NotPossible: the gate rejects it, or the history has gone over it.
        Misconfigured, LeaseRefused: a trainer is at work.
        OffsetGap: the trainer could not go on from it: what followed is no longer kept.
        CheckpointNotWritten: the store refused; nothing was published.
        RetryLater: the update may not stand in the topic yet; the trainer's next start brings it.
    """
    store, stored = place
    with (
        desk.store.exclusively() as holder,
        TrainerLease(desk.kafka, desk.model, lease_wait_s, holder),
    ):
        updates = UpdateLog(desk.kafka, desk.codec, desk.model, desk.clock)
        updates.take_over()
        history = desk.history()
        _check_still_allowed(stored, history.blocked)
        _check_still_kept(desk, stored)
        learner = restored(store, stored, config)
        champion = validation_of(desk.store, champion_of(desk, history))
        comparison = compare(learner, champion)
        _check_verdict(comparison)
        newest = max([history.newest_version, *map(version_of, desk.store.names())])
        version = newest + 1
        manifest = replace(
            stored.manifest,
            version=version,
            parent=None,  # It descends from nothing: all that came before is abandoned.
            champion=version,
            kind=UpdateKind.PROMOTED,
            created_at=desk.clock.now(),
            metrics={**stored.manifest.metrics, **comparison.verdict.metrics},
        )
        content = learner.snapshot(comparison.answers)
        texts = {name: text for name, text in content.texts.items() if name != FEEDBACK}
        written = desk.store.write(manifest, Content(content.tensors, texts), key)
        update = update_of(written, key)
        updates.publish(update)
    return update, comparison


def rebuilt_in(store: CheckpointStore, desk: Desk) -> StoredCheckpoint | None:
    """The rebuilt model that lies complete in a folder, if any; raises ArtifactRejected."""
    name = checkpoint_name(1)
    return stored_checkpoint(store, name, desk.trusted) if name in store.names() else None


def _check_verdict(comparison: Comparison) -> None:
    if comparison.num_common < FEWEST_IN_COMMON:
        raise NotPossible(
            f"only {comparison.num_common} held-out examples in common with the model in use: "
            "too few to say that it is no worse"
        )
    if comparison.verdict.kind is not UpdateKind.PROMOTED:
        raise NotPossible(f"the gate rejects it: {comparison.verdict.reason}")


def _check_still_allowed(stored: StoredCheckpoint, blocked: tuple[OffsetRange, ...]) -> None:
    guilty = learnt_from_any(stored.manifest.lineage, blocked)
    if guilty is not None:
        raise NotPossible(
            f"{guilty.topic} [{guilty.partition}] {guilty.first_offset} to "
            f"{guilty.next_offset - 1} was blocked since, and it has learnt from that: rebuild it"
        )


def _check_still_kept(desk: Desk, stored: StoredCheckpoint) -> None:
    topic = desk.kafka.topic(TRAINING_BATCHES)
    wanted = {(one.topic, one.partition): one.next_offset for one in stored.manifest.batch_offsets}
    begins, ends = begin_offsets(desk.kafka, [topic]), end_offsets(desk.kafka, [topic])
    start_offsets(wanted, begins, ends, accept_gaps=False)
