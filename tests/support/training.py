"""Tiny learners, and training examples and batches to feed them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fixstream.schemas.enums import ClosedBy, LabelSource
from fixstream.schemas.ids import batch_id
from fixstream.schemas.records import (
    Label,
    Labels,
    OffsetRange,
    TrainingBatch,
    TrainingExample,
)
from fixstream.trainer.features import TokenizerConfig
from fixstream.trainer.learner import LearnerConfig
from fixstream.trainer.network import ModelConfig
from fixstream.trainer.optimizer import OptimizerConfig

TINY_MODEL = ModelConfig(
    vocab_size=1000,
    embedding_dim=16,
    hidden_dim=32,
    num_heads=2,
    num_layers=2,
    max_sequence_length=64,
    solution_dim=8,
    wide_buckets=256,
    memory_places=16,
)
TINY_LEARNER = LearnerConfig(
    model=TINY_MODEL,
    tokenizer=TokenizerConfig(vocab_size=1000, max_tokens=64),
    optimizer=OptimizerConfig(warmup_steps=5, peak_rate=0.01),
    batch_size=8,
    replay_capacity=32,
    max_training_tokens=32,
    validation_size=16,
    held_out_share=0.1,
)
TINY_ENVIRONMENT = {
    "VOCAB_SIZE": "1000",
    "EMBEDDING_DIM": "16",
    "HIDDEN_DIM": "32",
    "NUM_HEADS": "2",
    "NUM_LAYERS": "2",
    "MAX_SEQUENCE_LENGTH": "64",
    "LEARNING_BATCH_SIZE": "8",
}
"""A trainer of the same size as a process; its wide path keeps its full size."""

RAW_TOPIC = "errors.raw.v1"
START = datetime(2026, 1, 1, tzinfo=UTC)
_KINDS = (
    ("ConnectionError", "connection refused by {}", "connection", "network", "high"),
    ("TimeoutError", "timed out after {} ms", "timeout", "network", "medium"),
    ("PermissionError", "access denied for role {}", "authorization", "security", "critical"),
    ("KeyError", "missing key item{}", "programming", "general", "low"),
)


def training_example(number: int, *, source: LabelSource = LabelSource.RULE) -> TrainingExample:
    """Example number `number` of an endless stream of four kinds of error."""
    error_type, message, category, domain, severity = _KINDS[number % len(_KINDS)]
    return TrainingExample(
        event_id=f"event-{number}",
        fingerprint=f"group-{number % 12}",
        error_type=error_type,
        message=message.format(number % 7),
        stack_trace='Traceback:\n  File "shop/cart.py", line 7, in add' if number % 3 else None,
        labels=Labels(
            domain=Label(domain, source, 0.9),
            severity=Label(severity, source, 0.9),
            category=Label(category, source, 0.9),
        ),
        solution_id=f"fix-{number % 5}" if number % 2 else None,
        origin_offset=number,
    )


def training_batch(
    first_offset: int,
    next_offset: int,
    *,
    partition: int = 0,
    missing: Sequence[int] = (),
    topic: str = RAW_TOPIC,
) -> TrainingBatch:
    """The batch over a range; offsets in `missing` were dead-lettered."""
    origin = OffsetRange(topic, partition, first_offset, next_offset)
    return TrainingBatch(
        batch_id=batch_id(origin, "test"),
        origin=origin,
        closed_by=ClosedBy.SIZE,
        created_at=START,
        examples=tuple(
            training_example(offset)
            for offset in range(first_offset, next_offset)
            if offset not in missing
        ),
        num_dead_lettered=len(missing),
    )
