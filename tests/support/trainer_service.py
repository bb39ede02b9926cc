"""A tiny trainer on a real broker: its settings, what to feed it, what it has written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fixstream.runtime.clock import SystemClock
from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.runtime.stopping import StopSignal
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import ArtifactRejected, FixstreamError
from fixstream.schemas.records import TrainingBatch
from fixstream.schemas.topics import TRAINING_BATCHES
from fixstream.trainer.checkpoint import (
    CheckpointStore,
    FolderCheckpointStore,
    Manifest,
    TrustedKeys,
    stored_checkpoint,
)
from fixstream.trainer.rollback import Desk
from fixstream.trainer.service import LearningSettings, TrainerSettings, run
from support.kafka import Kafka
from support.training import training_batch

SETTINGS = TrainerSettings(
    metrics_port=0,
    checkpoint_every_steps=3,
    checkpoint_interval_s=0.5,
    step_wait_s=0.05,
    niceness=0,
    num_threads=1,
    wide_buckets=1024,
)


def learning(folder: Path) -> LearningSettings:
    """Tiny sizes, with the checkpoints in this folder."""
    return LearningSettings(
        checkpoint_dir=str(folder),
        vocab_size=1000,
        embedding_dim=16,
        hidden_dim=32,
        num_heads=2,
        num_layers=2,
        max_sequence_length=64,
        learning_batch_size=8,
    )


def send(kafka: Kafka, *batches: TrainingBatch) -> None:
    """Puts batches onto the training topic."""
    publisher = RecordPublisher(make_producer(kafka.settings), Codec(), ce_source="test")
    for batch in batches:
        key = f"{batch.origin.topic}-{batch.origin.partition}"
        publisher.publish(kafka.settings.topic(TRAINING_BATCHES), key, batch)
    publisher.flush(10.0)


def send_range(kafka: Kafka, first: int, next_: int) -> None:
    """One batch over a range of raw errors."""
    send(kafka, training_batch(first, next_))


def newest_manifest(folder: Path) -> Manifest | None:
    """The manifest of the newest checkpoint in a folder with its keys, verified."""
    return newest_in(FolderCheckpointStore(folder), folder / "keys")


def newest_in(store: CheckpointStore, keys: Path) -> Manifest | None:
    """The manifest of a store's newest checkpoint, verified."""
    while names := store.names():
        trusted = TrustedKeys.load(keys)
        try:
            return stored_checkpoint(store, names[-1], trusted).manifest
        except ArtifactRejected:
            # One that nobody was told of is taken away when its trainer is superseded.
            if names[-1] in store.names():
                raise
    return None


@contextmanager
def running_trainer(
    kafka: Kafka, places: LearningSettings, **changes: Any
) -> Iterator[list[BaseException]]:
    """A trainer in a thread of this process; stops in order at the end of the block.

    Args:
        kafka: The test's broker and topics.
        places: The specification's settings, with where its checkpoints lie.
        changes: Settings that differ from `SETTINGS`.

    Yields:
        What it failed with, once it has.
    """
    stop = StopSignal()
    failures: list[BaseException] = []

    def target() -> None:
        try:
            run(SETTINGS.model_copy(update=changes), kafka.settings, places, stop)
        except FixstreamError as error:
            failures.append(error)

    thread = threading.Thread(target=target, name="trainer-under-test")
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join(60.0)
        assert not thread.is_alive()


def desk(kafka: Kafka, folder: Path) -> Desk:
    """Where an operator looks at the models of such a trainer."""
    return Desk(
        kafka.settings,
        Codec(),
        "error-learning",
        FolderCheckpointStore(folder),
        TrustedKeys.load(folder / "keys"),
        SystemClock(),
    )
