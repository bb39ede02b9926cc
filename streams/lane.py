"""One partition's lane: records go in by offset, and come out judged, grouped and batched.

The pure heart of the processor: it decides what is published and up to where that is safe to
commit. It does no I/O; whatever runs it delivers what it hands to the sink, in that order, before
the range of a closed window is committed. A lane that is dropped loses nothing: its open window
was never committed, so the partition's next owner reads those offsets again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fixstream.runtime.clock import Clock
from fixstream.schemas.enums import ClosedBy
from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.making import maker
from fixstream.schemas.records import CauseEdge, Origin, TrainingBatch, TriagedError
from fixstream.streams.cause_evidence import Place
from fixstream.streams.dead_letters import DeadLetterRecord, RawMessage, dead_letter
from fixstream.streams.groups import Groups, GroupState, Sighting
from fixstream.streams.knowledge import Knowledge
from fixstream.streams.processor import Process, Triaged
from fixstream.streams.window import BatchWindow, WindowLimits
from fixstream.triage.triage import TRIAGE_VERSION, Triage

_triaged_error = maker(TriagedError)
_origin = maker(Origin)


@dataclass(frozen=True, slots=True)
class ClosedWindow:
    """What a window leaves behind: its batch, and the groups and causes that it touched."""

    batch: TrainingBatch
    groups: tuple[GroupState, ...]
    edges: tuple[CauseEdge, ...] = ()


class LaneSink(Protocol):
    """Where a lane's results go."""

    def triaged(self, record: TriagedError) -> None:
        """Takes a judged event, at once. Raises DeadLetter if it cannot be encoded."""

    def dead_letter(self, record: DeadLetterRecord) -> None:
        """Takes a message that was set aside."""

    def closed(self, window: ClosedWindow) -> None:
        """Takes a closed window; when all so far is delivered, its range may be committed."""


class Lane:
    """One partition in the hands of this worker, from `next_offset` on."""

    def __init__(
        self,
        origin: tuple[str, int, int],
        process: Process,
        groups: Groups,
        limits: WindowLimits,
        clock: Clock,
        knowledge: Knowledge | None = None,
    ) -> None:
        """Starts with an empty window.

        Args:
            origin: Topic, partition and the first offset that was not committed yet.
            process: Judges one message; must not raise.
            groups: The partition's groups, read back already.
            limits: When a window closes.
            clock: Stamps records and measures ages.
            knowledge: What the worker knows beyond this partition; None knows nothing.
        """
        self.topic, self.partition, first_offset = origin
        self._process = process
        self._groups = groups
        self._limits = limits
        self._clock = clock
        self._knowledge = knowledge or Knowledge()
        self._window = BatchWindow(self.topic, self.partition, first_offset, limits)

    @property
    def next_offset(self) -> int:
        """The offset that the lane expects next."""
        return self._window.next_offset

    @property
    def num_open(self) -> int:
        """Offsets in the open window."""
        return len(self._window)

    @property
    def num_groups(self) -> int:
        """Groups that are remembered."""
        return len(self._groups)

    def take(self, raw: RawMessage, sink: LaneSink) -> None:
        """Takes the next record. One that was taken before is passed over.

        Raises:
            ValueError: The record is not the next one; the caller has to find out why.
            RetryLater: Something we need does not answer; call again with the same record.
        """
        if raw.offset < self.next_offset:
            return
        if raw.offset > self.next_offset:
            raise ValueError(f"expected offset {self.next_offset}, got {raw.offset}")
        outcome = self._process(raw)
        if isinstance(outcome, Triaged):
            self._take_triaged(raw, self._knowledge.labelled(outcome.triage), sink)
        else:
            self._set_aside(outcome, sink)
        self.close_if_full(sink)

    def close_if_full(self, sink: LaneSink) -> None:
        """Closes the window if it is full or old enough; call it from time to time."""
        reason = self._window.full(self._clock.monotonic())
        if reason is not None:
            self.close(reason, sink)

    def close(self, reason: ClosedBy, sink: LaneSink) -> None:
        """Closes the window now, unless it is empty, and opens the next one behind it."""
        window = self._window
        if not len(window):
            return
        batch = window.close(reason, self._clock.now(), TRIAGE_VERSION)
        # If the sink refuses for the moment, the window is still the open one.
        evidence = self._knowledge.evidence
        edges = evidence.changed(self.partition)
        sink.closed(ClosedWindow(batch, self._groups.changed(), edges))
        self._groups.written()
        evidence.written(self.partition)
        self._window = BatchWindow(self.topic, self.partition, window.next_offset, self._limits)

    def pass_over(self, next_offset: int, sink: LaneSink) -> None:
        """Goes on at `next_offset`, because the records before it are gone for good.

        The window closes first: its range ends where the gap begins, so that the gap shows.
        """
        self.close(ClosedBy.AGE, sink)
        self._window = BatchWindow(self.topic, self.partition, next_offset, self._limits)

    def _take_triaged(self, raw: RawMessage, triage: Triage, sink: LaneSink) -> None:
        if not self._window.has_room_for(triage):
            self.close(ClosedBy.BYTES, sink)
        try:
            sink.triaged(self._triaged_error(raw, triage, self._sighting(raw, triage)))
        except DeadLetter as error:
            letter = dead_letter(raw, error, attempts=1, version=TRIAGE_VERSION)
            return self._set_aside(letter, sink)
        self._window.add(raw.offset, triage, self._clock.monotonic())
        return None

    def _sighting(self, raw: RawMessage, triage: Triage) -> Sighting:
        if self._window.holds(triage.event.event_id):
            return self._groups.look(triage.fingerprint)
        return self._groups.see(triage.fingerprint, raw.offset, self._clock.now())

    def _triaged_error(self, raw: RawMessage, triage: Triage, sighting: Sighting) -> TriagedError:
        # By position: every event passes here, and naming the fields doubles the time.
        return _triaged_error(
            triage.event,
            triage.fingerprint,
            triage.title,
            triage.labels.domain,
            triage.labels.severity,
            triage.labels.category,
            sighting.is_new_group,
            sighting.occurrences,
            _origin(raw.topic, raw.partition, raw.offset),
            self._clock.now(),
            TRIAGE_VERSION,
            self._knowledge.cause_of(triage, Place(raw.partition, raw.offset)),
            triage.own_fingerprint,
        )

    def _set_aside(self, letter: DeadLetterRecord, sink: LaneSink) -> None:
        sink.dead_letter(letter)
        self._window.dead_letter(letter.raw.offset, self._clock.monotonic())
