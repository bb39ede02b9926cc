"""Pure bookkeeping of offsets: which raw events reached which end.

The ledger is fed with coordinates only, never with payloads, so that it stays small: one bit an
event and end. It decides nothing; `report()` states what is covered and what is not.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from fixstream.schemas.records import OffsetRange, TrainingBatch


@dataclass(frozen=True, slots=True)
class PartitionSpan:
    """The offsets that one raw partition holds now: from `first` up to, not including, `next`."""

    partition: int
    first: int
    next: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What became of every event of `errors.raw`, in counts of events unless said otherwise."""

    num_raw: int
    num_triaged: int
    num_dead_lettered: int
    num_batched: int
    num_collapsed: int
    num_batches: int
    num_suggested: int
    num_repeated: int
    """Records that came more than once (after a crash); harmless, for ids recognise them."""
    num_unreadable: int = 0
    """Messages on our own topics that are none of ours; no event hides in them."""
    unaccounted: tuple[str, ...] = ()
    """One line for each fault; empty when every event is accounted for."""

    @property
    def is_clean(self) -> bool:
        """Whether every event is accounted for."""
        return not self.unaccounted


@dataclass
class _Marks:
    """A growing bitmap over the offsets of one partition, counting second marks."""

    first: int
    seen: bytearray = field(default_factory=bytearray)
    num_repeated: int = 0

    def mark(self, offset: int) -> None:
        index = offset - self.first
        if index < 0:
            return  # Before the audited span: retention took the raw event since.
        if index >= len(self.seen):
            self.seen.extend(bytes(index + 1 - len(self.seen)))
        self.num_repeated += self.seen[index]
        self.seen[index] = 1

    def has(self, offset: int) -> bool:
        index = offset - self.first
        return index < len(self.seen) and bool(self.seen[index])


@dataclass(frozen=True, slots=True)
class _Taken:
    """A batch of which the examples from the offset `reached` on count."""

    batch: TrainingBatch
    reached: int

    @property
    def num_examples(self) -> int:
        return sum(e.origin_offset >= self.reached for e in self.batch.examples)


class Ledger:
    """Collects the ends of raw events and says which events have none."""

    def __init__(self, spans: list[PartitionSpan]) -> None:
        """Opens the ledger over the raw partitions' present offsets."""
        self._spans = {span.partition: span for span in spans}
        self._triaged = {s.partition: _Marks(s.first) for s in spans}
        self._dead = {s.partition: _Marks(s.first) for s in spans}
        self._ranges: dict[int, dict[tuple[int, int], TrainingBatch]] = defaultdict(dict)
        self._suggested: set[str] = set()
        self._num_repeated_batches = 0
        self._num_unreadable = 0

    def add_triaged(self, partition: int, offset: int) -> None:
        """Notes that the event at these raw coordinates was triaged."""
        self._triaged[partition].mark(offset)

    def add_dead_letter(self, partition: int, offset: int) -> None:
        """Notes that the event at these raw coordinates is in the dead-letter topic."""
        self._dead[partition].mark(offset)

    def add_batch(self, batch: TrainingBatch) -> None:
        """Notes a batch; only its range and counts are used."""
        origin = batch.origin
        ranges = self._ranges[origin.partition]
        key = (origin.first_offset, origin.next_offset)
        self._num_repeated_batches += key in ranges
        ranges[key] = batch

    def add_suggestion(self, event_id: str) -> None:
        """Notes that a suggestion for this event was published."""
        self._suggested.add(event_id)

    def add_unreadable(self) -> None:
        """Notes a message that is none of ours."""
        self._num_unreadable += 1

    def report(self) -> AuditReport:
        """Balances the books."""
        faults: list[str] = []
        chosen = [taken for span in self._spans.values() for taken in self._cover(span, faults)]
        for span in self._spans.values():
            self._check_ends(span, faults)
        return AuditReport(
            num_raw=sum(s.next - s.first for s in self._spans.values()),
            num_triaged=sum(sum(m.seen) for m in self._triaged.values()),
            num_dead_lettered=sum(sum(m.seen) for m in self._dead.values()),
            num_batched=sum(taken.num_examples for taken in chosen),
            num_collapsed=sum(taken.batch.num_collapsed for taken in chosen),
            num_batches=len(chosen),
            num_suggested=len(self._suggested),
            num_repeated=self._num_repeated(),
            num_unreadable=self._num_unreadable,
            unaccounted=tuple(faults),
        )

    def _num_repeated(self) -> int:
        marks = [*self._triaged.values(), *self._dead.values()]
        return self._num_repeated_batches + sum(m.num_repeated for m in marks)

    def _cover(self, span: PartitionSpan, faults: list[str]) -> list[_Taken]:
        """Walks the batches in order of their ranges, as the trainer does; notes gaps.

        After a crash ranges overlap: what lies before the offset that was reached is skipped.
        """
        reached = span.first
        chosen: list[_Taken] = []
        for (first, after), batch in sorted(self._ranges[span.partition].items()):
            if after <= reached:
                continue
            if first > reached:
                faults.append(_gap("in no batch", span.partition, reached, first))
            faults.extend(_imbalance(batch))
            chosen.append(_Taken(batch, reached))
            reached = after
        if reached < span.next:
            faults.append(_gap("in no batch", span.partition, reached, span.next))
        return chosen

    def _check_ends(self, span: PartitionSpan, faults: list[str]) -> None:
        triaged, dead = self._triaged[span.partition], self._dead[span.partition]
        lost = [
            offset
            for offset in range(span.first, span.next)
            if not (triaged.has(offset) or dead.has(offset))
        ]
        if lost:
            shown = ", ".join(map(str, lost[:5])) + (" …" if len(lost) > 5 else "")
            faults.append(
                f"partition {span.partition}: {len(lost)} neither triaged nor dead-lettered"
                f" (offsets {shown})"
            )


def _gap(what: str, partition: int, first: int, after: int) -> str:
    return f"partition {partition}: {after - first} events {what} (offsets {first} to {after - 1})"


def _imbalance(batch: TrainingBatch) -> list[str]:
    origin: OffsetRange = batch.origin
    covered = len(batch.examples) + batch.num_collapsed + batch.num_dead_lettered
    num_offsets = origin.next_offset - origin.first_offset
    if covered == num_offsets:
        return []
    fault = (
        f"partition {origin.partition}: the batch over offsets {origin.first_offset} to"
        f" {origin.next_offset - 1} accounts for {covered} of {num_offsets} events"
    )
    return [fault]
