"""A tiny trainer on a real broker: its settings, what to feed it, what it has written."""

from __future__ import annotations

from pathlib import Path

from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.schemas.codec import Codec
from fixstream.schemas.records import TrainingBatch
from fixstream.schemas.topics import TRAINING_BATCHES
from fixstream.trainer.checkpoint import (
    FolderCheckpointStore,
    Manifest,
    TrustedKeys,
    stored_checkpoint,
)
from fixstream.trainer.service import LearningSettings, TrainerSettings
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
    """The manifest of the newest checkpoint, verified."""
    store = FolderCheckpointStore(folder)
    names = store.names()
    if not names:
        return None
    return stored_checkpoint(store, names[-1], TrustedKeys.load(folder / "keys")).manifest
