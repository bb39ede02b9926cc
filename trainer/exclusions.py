"""What a retraining leaves out: single examples, single labels, or whole stretches of time.

It counts what it leaves out, and what it could not judge. It reads no topic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, Labels, OffsetRange, TrainingBatch, TrainingExample


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Nothing is left out by default."""

    sources: frozenset[str] = frozenset()
    """Doors through which events came in."""
    services: frozenset[str] = frozenset()
    label_sources: frozenset[LabelSource] = frozenset()
    """Their labels do not count; an example whose labels are all from them is left out."""
    since: datetime | None = None
    """Batches that were closed before are left out."""
    until: datetime | None = None
    """Batches that were closed at this time or later are left out."""

    def described(self) -> str:
        """In words, for the update's reason."""
        parts = [
            *(f"source={one}" for one in sorted(self.sources)),
            *(f"service={one}" for one in sorted(self.services)),
            *(f"label-source={one.value}" for one in sorted(self.label_sources)),
        ]
        words = f"retrained without {', '.join(parts)}" if parts else "retrained"
        if self.since is not None:
            words += f", from batches since {self.since.isoformat()}"
        if self.until is not None:
            words += f", from batches until {self.until.isoformat()}"
        return words


@dataclass(slots=True)
class Sieve:
    """Takes the excluded out of batches, whose ranges stay as they are."""

    exclusions: Exclusions
    num_kept: int = 0
    num_left_out: int = 0
    num_unknown: int = 0
    """Kept, though nobody knows their source or service: batches of the first version."""
    left_out: list[OffsetRange] = field(default_factory=list)
    """Ranges of which nothing was kept."""

    def sifted(self, batch: TrainingBatch) -> TrainingBatch:
        """The batch with what may be learnt from."""
        kept = tuple(self._kept(batch))
        self.num_kept += len(kept)
        self.num_left_out += len(batch.examples) - len(kept)
        if batch.examples and not kept:
            self.left_out.append(batch.origin)
        return replace(batch, examples=kept)

    def _kept(self, batch: TrainingBatch) -> Iterator[TrainingExample]:
        asked = self.exclusions
        if asked.since is not None and batch.created_at < asked.since:
            return
        if asked.until is not None and batch.created_at >= asked.until:
            return
        for place, example in enumerate(batch.examples):
            if example.source in asked.sources or example.service in asked.services:
                continue
            labels = self._labels(example.labels)
            if labels is None:
                continue
            self.num_unknown += self._is_unknown(example)
            # Without the others its place would not say any more which offset it has.
            offset = example.origin_offset
            known = offset if offset >= 0 else batch.origin.first_offset + place
            yield replace(example, labels=labels, origin_offset=known)

    def _labels(self, labels: Labels) -> Labels | None:
        """With those of excluded sources made worthless; None if nothing would be left."""
        if not self.exclusions.label_sources:
            return labels
        found = Labels(
            domain=self._label(labels.domain),
            severity=self._label(labels.severity),
            category=self._label(labels.category),
        )
        is_any_left = any(
            one.source not in self.exclusions.label_sources
            for one in (labels.domain, labels.severity, labels.category)
        )
        return found if is_any_left else None

    def _label(self, label: Label) -> Label:
        is_excluded = label.source in self.exclusions.label_sources
        return replace(label, confidence=0.0) if is_excluded else label

    def _is_unknown(self, example: TrainingExample) -> bool:
        asked = self.exclusions
        return bool(
            (asked.sources and example.source is None)
            or (asked.services and example.service is None)
        )
