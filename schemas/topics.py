"""The topic table: names, keys, records and retention, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from fixstream.schemas.records import (
    CauseEdge,
    ErrorEvent,
    FixFeedback,
    GroupLabels,
    ModelUpdate,
    Occurrences,
    Record,
    Solution,
    SuggestedFix,
    TrainingBatch,
    TriagedError,
)

DEFAULT_PREFIX = "fixstream."
GROUP_STATE_RETENTION = timedelta(days=30)
"""A group that was not seen for this long is new again."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `record` is None where values are no Avro (dead letters, states of groups)."""

    suffix: str
    key: str
    record: type[Record] | None
    retention: timedelta | None = None
    """None keeps for ever."""
    is_compacted: bool = False
    is_single_partition: bool = False
    """For topics whose total order matters more than their throughput."""
    config: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Further topic options of Kafka."""

    def name(self, prefix: str = DEFAULT_PREFIX) -> str:
        """The full topic name under a prefix."""
        return prefix + self.suffix


ERRORS_RAW = Topic("errors.raw.v1", "service", ErrorEvent, timedelta(days=7))
ERRORS_TRIAGED = Topic("errors.triaged.v1", "fingerprint", TriagedError, timedelta(days=7))
ERRORS_DLQ = Topic("errors.dlq.v1", "as the original", None, timedelta(days=14))
TRAINING_BATCHES = Topic(
    "training.batches.v1", "origin topic and partition", TrainingBatch, timedelta(days=30)
)
MODEL_UPDATES = Topic("model.updates.v1", "model name", ModelUpdate, is_single_partition=True)
FIXES_SUGGESTED = Topic("fixes.suggested.v1", "fingerprint", SuggestedFix, timedelta(days=7))
FEEDBACK = Topic("feedback.v1", "event id", FixFeedback)
SOLUTIONS = Topic("solutions.v1", "solution id", Solution, is_compacted=True)
GROUPS = Topic(
    "groups.v1",
    "fingerprint",
    None,
    GROUP_STATE_RETENTION,
    is_compacted=True,
    # Compaction keeps the newest state of a group, deletion forgets groups that went quiet.
    config={"cleanup.policy": "compact,delete"},
)
"""What the processor remembers of each group, one partition for each partition of the raw topic."""
LABELS = Topic("labels.v1", "fingerprint", GroupLabels, is_compacted=True)
"""What people and feedback say about groups; a tombstone takes it back."""
CAUSES = Topic(
    "causes.v1",
    "cause>effect@partition",
    CauseEdge,
    GROUP_STATE_RETENTION,
    is_compacted=True,
    config={"cleanup.policy": "compact,delete"},
)
"""Which group brings which about; each edge stands in the partition of the raw events counted."""
OCCURRENCES = Topic("occurrences.v1", "worker", Occurrences, timedelta(hours=1))
"""What processors tell each other, because cause and effect are in different partitions."""

ALL_TOPICS = (
    ERRORS_RAW,
    ERRORS_TRIAGED,
    ERRORS_DLQ,
    TRAINING_BATCHES,
    MODEL_UPDATES,
    FIXES_SUGGESTED,
    FEEDBACK,
    SOLUTIONS,
    GROUPS,
    LABELS,
    CAUSES,
    OCCURRENCES,
)
