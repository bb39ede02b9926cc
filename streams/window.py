"""Batch windows: one contiguous range of one partition, closed from memory into one batch.

Every offset of the range ends as an example, as an occurrence collapsed into one, as a dead letter
counted beside them, or as an offset that held no record. The window decides what belongs together
and when it is full; it does no I/O, reads no clock and never forgets an offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from fixstream.schemas.enums import ClosedBy
from fixstream.schemas.ids import batch_id
from fixstream.schemas.making import maker
from fixstream.schemas.records import OffsetRange, TrainingBatch, TrainingExample
from fixstream.streams.fairness import Share, fair_weights
from fixstream.streams.quarantine import Quarantine, is_marked, quarantine_of, solution_of
from fixstream.triage.triage import Triage

_training_example = maker(TrainingExample)

_EXAMPLE_OVERHEAD_BYTES = 512
"""Ids, labels, type and language of one example, generously."""


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """When a window is full."""

    max_examples: int = 32
    max_bytes: int = 384 * 1024
    """Of the examples' texts in UTF-8, and a little for each example."""
    max_age_s: float = 2.0
    max_offsets: int = 4096
    crawled_quota: float = 0.25


class Added(Enum):
    """What became of an event in its window."""

    EXAMPLE = "example"
    COLLAPSED = "collapsed"
    """Its group has an example here already, which now stands for one more event."""
    REPEATED = "repeated"
    """The very same event id again; counted with the collapsed ones."""


@dataclass(slots=True)
class _Entry:
    triage: Triage
    offset: int
    occurrences: int = 1
    solution_id: str | None = None

    def join(self, triage: Triage) -> None:
        """Stands for one more event of its group."""
        self.occurrences += 1
        if self.solution_id is None:
            self.solution_id = solution_of(triage.event)
        if self.yields_to(triage):
            self.triage = triage

    def yields_to(self, triage: Triage) -> bool:
        """Whether the example should be made of this event instead."""
        # A text in quarantine must not keep the errors of our own services from training.
        return is_marked(self.triage.event) and not is_marked(triage.event)


class BatchWindow:
    """The open window of one partition. Offsets come in order and without gaps."""

    def __init__(self, topic: str, partition: int, first_offset: int, limits: WindowLimits) -> None:
        """An empty window that starts at `first_offset`; its age counts from its first event."""
        self.topic = topic
        self.partition = partition
        self.first_offset = first_offset
        self.next_offset = first_offset
        self._limits = limits
        self._opened_at_s: float | None = None
        self._num_bytes = 0
        self._num_collapsed = 0
        self._num_dead_lettered = 0
        self._by_fingerprint: dict[str, _Entry] = {}
        self._by_event_id: dict[str, _Entry] = {}

    def __len__(self) -> int:
        """Offsets that the window covers so far."""
        return self.next_offset - self.first_offset

    @property
    def num_examples(self) -> int:
        """Examples that a batch of this window would have now."""
        return len(self._by_fingerprint)

    def holds(self, event_id: str) -> bool:
        """Whether this event is in the window already."""
        return event_id in self._by_event_id

    def has_room_for(self, triage: Triage) -> bool:
        """Whether the window may take this event and stay below its limit in bytes.

        An empty window takes anything: what is too large for a batch of its own does not even fit
        a triaged error, and was set aside before.
        """
        if not self._by_fingerprint:
            return True
        known = self._by_fingerprint.get(triage.fingerprint)
        if known is not None and not known.yields_to(triage):
            return True
        return self._num_bytes + _num_bytes(triage) <= self._limits.max_bytes

    def add(self, offset: int, triage: Triage, now_s: float) -> Added:
        """Takes one event.

        Args:
            offset: Must be `next_offset`.
            triage: The judged event.
            now_s: Monotonic time.
        """
        self._cover(offset, now_s)
        event_id = triage.event.event_id
        if (repeated := self._by_event_id.get(event_id)) is not None:
            return self._collapse(repeated, triage, Added.REPEATED)
        if (known := self._by_fingerprint.get(triage.fingerprint)) is not None:
            self._by_event_id[event_id] = known
            return self._collapse(known, triage, Added.COLLAPSED)
        entry = _Entry(triage, offset, solution_id=solution_of(triage.event))
        self._by_event_id[event_id] = entry
        self._by_fingerprint[triage.fingerprint] = entry
        self._num_bytes += _num_bytes(triage)
        return Added.EXAMPLE

    def dead_letter(self, offset: int, now_s: float) -> None:
        """Counts an offset whose record went to the dead letters. `offset` as in `add`."""
        self._cover(offset, now_s)
        self._num_dead_lettered += 1

    def full(self, now_s: float) -> ClosedBy | None:
        """Why the window should close at this monotonic time, if it should."""
        if self.num_examples >= self._limits.max_examples or len(self) >= self._limits.max_offsets:
            return ClosedBy.SIZE
        if self._num_bytes >= self._limits.max_bytes:
            return ClosedBy.BYTES
        if self._opened_at_s is not None and now_s - self._opened_at_s >= self._limits.max_age_s:
            return ClosedBy.AGE
        return None

    def close(
        self, closed_by: ClosedBy, created_at: datetime, triage_version: str
    ) -> TrainingBatch:
        """The batch over the whole range; the window must not be used any more."""
        origin = OffsetRange(self.topic, self.partition, self.first_offset, self.next_offset)
        entries = list(self._by_fingerprint.values())
        held = [quarantine_of(entry.triage.event, created_at) for entry in entries]
        weights = iter(
            fair_weights(
                [
                    Share(entry.triage.event.service, entry.triage.event.source)
                    for entry, quarantine in zip(entries, held, strict=True)
                    if quarantine is None
                ],
                self._limits.crawled_quota,
            )
        )
        return TrainingBatch(
            batch_id=batch_id(origin, triage_version),
            origin=origin,
            closed_by=closed_by,
            created_at=created_at,
            examples=tuple(
                _example(entry, quarantine, next(weights) if quarantine is None else 0.0)
                for entry, quarantine in zip(entries, held, strict=True)
            ),
            num_collapsed=self._num_collapsed,
            num_dead_lettered=self._num_dead_lettered,
        )

    def _cover(self, offset: int, now_s: float) -> None:
        assert offset == self.next_offset, "a window has no gaps"
        self.next_offset = offset + 1
        if self._opened_at_s is None:
            self._opened_at_s = now_s

    def _collapse(self, entry: _Entry, triage: Triage, how: Added) -> Added:
        if entry.yields_to(triage):
            self._num_bytes += _num_bytes(triage)
        entry.join(triage)
        self._num_collapsed += 1
        return how


def _num_bytes(triage: Triage) -> int:
    event = triage.event
    return _EXAMPLE_OVERHEAD_BYTES + _utf8(event.message) + _utf8(event.stack_trace or "")


def _utf8(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _example(entry: _Entry, quarantine: Quarantine | None, weight: float) -> TrainingExample:
    event = entry.triage.event
    return _training_example(
        event.event_id,
        entry.triage.fingerprint,
        event.error_type,
        event.message,
        event.stack_trace,
        event.language,
        entry.triage.labels,
        weight,
        entry.occurrences,
        entry.solution_id,
        entry.offset,
        event.service,
        str(event.source),
        quarantine.until if quarantine is not None else None,
    )
