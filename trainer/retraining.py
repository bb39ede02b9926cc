"""Builds a model anew from the batches that are still kept, without what shall be left out.

It runs beside a trainer and touches nothing of its: it only reads, and writes to a folder of its
own. Training is the trainer's own loop, on a clock that stands still, so that one seed gives one
model. What the champion has held out is held out here as well, for the gate to compare them on.
It publishes nothing.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from confluent_kafka import TopicPartition

from fixstream.runtime.clock import SettableClock
from fixstream.runtime.kafka import decode_message
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import begin_offsets, end_offsets
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import DeadLetter, OffsetGap
from fixstream.schemas.records import OffsetRange, TrainingBatch
from fixstream.schemas.topics import TRAINING_BATCHES
from fixstream.trainer.checkpoint import (
    CheckpointNotWritten,
    Content,
    FolderCheckpointStore,
    Manifest,
    SigningKey,
    StoredCheckpoint,
)
from fixstream.trainer.examples import LearningExample
from fixstream.trainer.exclusions import Exclusions, Sieve
from fixstream.trainer.gate import ValidationSet
from fixstream.trainer.learner import Learner, LearnerConfig
from fixstream.trainer.ledger import Ledger, Partition, WaitingExample, without
from fixstream.trainer.recorder import CheckpointRecorder
from fixstream.trainer.rollback import NotPossible
from fixstream.trainer.topic_range import chunks_between
from fixstream.trainer.training import LoopConfig, TrainingLoop

log = structlog.get_logger(__name__)

_WRITE_TIMEOUT_S = 3600.0
_CHUNK = 16

MemberKey = tuple[int, tuple[int, ...]]
OnProgress = Callable[[int, int], None]
"""Gets how many messages were read, and of how many."""


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """A batch as it lies in the topic."""

    batch: TrainingBatch
    source: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class KeptRange:
    """What the topic of batches holds: for each partition its first offset, and the end."""

    begins: dict[Partition, int]
    ends: dict[Partition, int]

    @property
    def num_messages(self) -> int:
        """All partitions together."""
        return sum(self.ends[one] - begin for one, begin in self.begins.items())


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built."""

    learner: LearnerConfig
    loop: LoopConfig
    exclusions: Exclusions
    blocked: tuple[OffsetRange, ...]
    lineage: tuple[OffsetRange, ...]
    """What the model in use has learnt from: without `since`, all of it has to be kept still."""
    held_out: Sequence[LearningExample]
    """The champion's validation set."""
    started_at: datetime
    accept_gaps: bool = False
    begin_with: Callable[[Learner], object] = lambda learner: None
    """What the trainer itself would do with a fresh learner: take a warm start."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it."""

    stored: StoredCheckpoint
    num_kept: int
    num_left_out: int
    num_unknown: int


def member_key(example: LearningExample) -> MemberKey:
    """By which an example is known again in another model's validation set."""
    return example.group, example.encoded.token_ids


class SharedValidationSet(ValidationSet):
    """A validation set that has places reserved for what another model has held out."""

    def __init__(
        self, size: int, held_out_share: float, reserved: Iterable[LearningExample]
    ) -> None:
        super().__init__(size, held_out_share)
        self._places = size
        self._reserved = Counter(member_key(one) for one in reserved)

    def wants(self, example: LearningExample, event_id: str, source: str = "") -> bool:
        """What is reserved, always; anything else while it takes nobody's place."""
        if self._reserved[member_key(example)] > 0:
            return True
        if len(self.members) + self._reserved.total() >= self._places:
            return False
        return super().wants(example, event_id, source)

    def add(self, example: LearningExample, source: str = "") -> None:
        """Holds an example out."""
        self._reserved -= Counter([member_key(example)])
        super().add(example, source)


def kept_range(kafka: KafkaSettings) -> KeptRange:
    """What there is to read at this moment."""
    topic = kafka.topic(TRAINING_BATCHES)
    return KeptRange(begin_offsets(kafka, [topic]), end_offsets(kafka, [topic]))


def kept_batches(kafka: KafkaSettings, codec: Codec, kept: KeptRange) -> Iterator[KeptBatch]:
    """The batches of all partitions, oldest first, always in the same order.

    Raises:
        BrokerUnavailable: Kafka did not answer in time.
        OffsetGap: retention was quicker than this reader.
    """
    # Each partition by a consumer of its own: how a shared one mixes them is chance.
    partitions = [
        _partition(kafka, codec, one, begin, kept.ends[one])
        for one, begin in sorted(kept.begins.items())
    ]
    return heapq.merge(*partitions, key=lambda found: (found.batch.created_at, found.source))


def rebuild(
    order: Order,
    kept: KeptRange,
    batches: Iterable[KeptBatch],
    place: tuple[FolderCheckpointStore, SigningKey],
    on_progress: OnProgress = lambda done, of: None,
) -> Rebuilt:
    """Learns the batches and writes the model into a folder of its own.

    Args:
        order: what is to be built.
        kept: what there is.
        batches: as `kept_batches` gives them.
        place: the folder, and the key that signs what is written there.
        on_progress: told after each batch.

    Raises:
        OffsetGap: what was asked for is no longer kept, or a batch never came.
        NotPossible: nothing is left to learn from.
        CheckpointNotWritten: the disk refused.
    """
    sieve = Sieve(order.exclusions)
    store = _DescribedStore(place[0], sieve)
    with ExitStack() as stack:
        recorder = CheckpointRecorder(store, place[1], lambda _: None, num_kept=1)
        stack.callback(recorder.close)
        _Rebuilding(order, sieve, recorder).learn(kept, batches, on_progress)
    if store.stored is None:
        raise CheckpointNotWritten(f"the model could not be written to {place[0].place}")
    return Rebuilt(store.stored, sieve.num_kept, sieve.num_left_out, sieve.num_unknown)


class _Rebuilding:
    """One run over the batches."""

    def __init__(self, order: Order, sieve: Sieve, recorder: CheckpointRecorder) -> None:
        self._order = order
        self._sieve = sieve
        self._clock = SettableClock(order.started_at)
        config = order.learner
        learner = Learner(config)
        order.begin_with(learner)
        learner.validation = SharedValidationSet(
            config.validation_size, config.held_out_share, order.held_out
        )
        self._ledger = Ledger(accept_gaps=order.accept_gaps, blocked=order.blocked)
        pace = replace(
            order.loop, checkpoint_every_steps=sys.maxsize, checkpoint_interval_s=math.inf
        )
        self._loop = TrainingLoop(
            learner, self._ledger, recorder, self._set_aside, self._clock, pace
        )
        self._wait_s = order.loop.step_wait_s
        self._first: dict[Partition, int] = {}

    def learn(self, kept: KeptRange, batches: Iterable[KeptBatch], on_progress: OnProgress) -> None:
        self._check_something_is_kept(kept)
        total, met = kept.num_messages, set[Partition]()
        for number, found in enumerate(batches, start=1):
            if found.source not in met:
                met.add(found.source)
                self._check_time(kept, found)
            self._check_lineage(found.batch.origin)
            self._ledger.accept(self._sieve.sifted(found.batch), found.source, found.offset)
            while self._loop.advance():
                pass
            on_progress(number, total)
        self._check_all_met()
        while self._ledger.num_waiting:
            self._clock.advance(self._wait_s)
            self._loop.advance()
        if self._loop.counts.trained == 0:
            raise NotPossible("nothing is left to learn from")
        self._loop.finish(_WRITE_TIMEOUT_S)

    def _check_something_is_kept(self, kept: KeptRange) -> None:
        for partition, begin in kept.begins.items():
            if begin == kept.ends[partition] > 0 and not self._order.accept_gaps:
                raise _not_kept(f"nothing of {partition[0]} [{partition[1]}] is kept any more")

    def _check_time(self, kept: KeptRange, found: KeptBatch) -> None:
        """Whether what was deleted lies before the time that was asked for."""
        since = self._order.exclusions.since
        if since is None or self._order.accept_gaps or kept.begins[found.source] == 0:
            return
        oldest = found.batch.created_at
        if oldest > since:
            raise _not_kept(
                f"{found.source[0]} [{found.source[1]}]: batches before {oldest.isoformat()} are "
                f"no longer kept, and those since {since.isoformat()} were asked for"
            )

    def _check_lineage(self, origin: OffsetRange) -> None:
        """Whether what the model in use began with is there."""
        partition = (origin.topic, origin.partition)
        if partition in self._first:
            return
        self._first[partition] = origin.first_offset
        began = self._began().get(partition, origin.first_offset)
        if began < origin.first_offset:
            raise _not_kept(
                f"{origin.topic} [{origin.partition}]: offsets {began} to "
                f"{origin.first_offset - 1}, which the model in use has learnt from, are no "
                "longer kept; say with --since from when on"
            )

    def _check_all_met(self) -> None:
        lost = sorted(set(self._began()) - set(self._first))
        if lost:
            raise _not_kept(f"nothing of {lost[0][0]} [{lost[0][1]}] is kept any more")

    def _began(self) -> dict[Partition, int]:
        """First offsets that have to be there; none where a time was asked for."""
        if self._order.accept_gaps or self._order.exclusions.since is not None:
            return {}
        found: dict[Partition, int] = {}
        for one in self._order.lineage:
            key = (one.topic, one.partition)
            found[key] = min(one.first_offset, found.get(key, one.first_offset))
        return found

    @staticmethod
    def _set_aside(examples: Sequence[WaitingExample], reason: str) -> None:
        # They are counted. The dead-letter topic has them from the first time.
        log.warning("examples passed over", num_examples=len(examples), reason=reason)


class _DescribedStore(FolderCheckpointStore):
    """Adds to the manifest what the loop cannot know."""

    def __init__(self, inner: FolderCheckpointStore, sieve: Sieve) -> None:
        super().__init__(inner.root)
        self._sieve = sieve
        self.stored: StoredCheckpoint | None = None

    def write(self, manifest: Manifest, content: Content, key: SigningKey) -> StoredCheckpoint:
        sieve = self._sieve
        lineage = (part for one in manifest.lineage for part in without(one, sieve.left_out))
        told = replace(
            manifest,
            reason=sieve.exclusions.described(),
            lineage=tuple(lineage),
            metrics={**manifest.metrics, "retraining.examples_left_out": float(sieve.num_left_out)},
            feedback_offsets=(),
        )
        self.stored = super().write(told, content, key)
        return self.stored


def _partition(
    kafka: KafkaSettings, codec: Codec, partition: Partition, begin: int, end: int
) -> Iterator[KeptBatch]:
    place = TopicPartition(*partition, begin)
    for chunk in chunks_between(kafka, "trainer-retraining", place, end, _CHUNK):
        for message in chunk:
            try:
                batch = decode_message(message, codec, TrainingBatch)
            except DeadLetter as error:
                # If it was a batch after all, its range will be missed as a gap.
                log.warning("unreadable batch", offset=message.offset(), reason=str(error))
                continue
            yield KeptBatch(batch, partition, message.offset() or 0)


def _not_kept(what: str) -> OffsetGap:
    return OffsetGap(f"{what}. To go on with what there is, set FIXSTREAM_TRAINER_ACCEPT_GAPS=true")
