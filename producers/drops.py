"""Counting what does not reach Kafka, and why. It stores no event and decides no drop."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from fixstream.producers.metrics import DROPPED


class DropReason(StrEnum):
    """Why an event was given up."""

    QUEUE_FULL = "queue_full"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    INVALID = "invalid"
    SEND_FAILED = "send_failed"
    CLOSED = "closed"
    SPILL_FULL = "spill_full"
    SPILL_FAILED = "spill_failed"
    FAILED = "failed"
    SAMPLED_OUT = "sampled_out"
    IGNORED = "ignored"
    BEFORE_SEND = "before_send"


WANTED: Final = frozenset({DropReason.SAMPLED_OUT, DropReason.IGNORED, DropReason.BEFORE_SEND})
"""Drops that the host asked for: counted like all others, but no loss that is worth a report."""

_METRICS: Final = {reason: DROPPED.labels(reason=reason.value) for reason in DropReason}
"""Made beforehand: a storm counts drops on the host's request path."""


@dataclass(frozen=True, slots=True)
class SinkCounts:
    """What became of the events: accepted = delivered + waiting + the drops after acceptance."""

    accepted: int
    delivered: int
    dropped: Mapping[DropReason, int] = field(default_factory=dict)


class DropCounts:
    """Counts by reason, thread-safe, and the share of them that no report has told yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total: Counter[DropReason] = Counter()
        self._unreported: Counter[DropReason] = Counter()

    def add(self, reason: DropReason, num_events: int = 1) -> None:
        """Count `num_events` that were given up for `reason`; zero counts nothing."""
        if num_events == 0:
            return
        with self._lock:
            self._total[reason] += num_events
            if reason not in WANTED:
                self._unreported[reason] += num_events
        _METRICS[reason].inc(num_events)

    def total(self) -> Mapping[DropReason, int]:
        """Everything counted so far, reasons that never occurred left out."""
        with self._lock:
            return dict(self._total)

    def take_unreported(self) -> Mapping[DropReason, int]:
        """The losses since the last call; the caller has to report them, or give them back."""
        with self._lock:
            taken = dict(self._unreported)
            self._unreported.clear()
            return taken

    def give_back(self, taken: Mapping[DropReason, int]) -> None:
        """Undo `take_unreported`: the report did not get through."""
        with self._lock:
            self._unreported.update(taken)

    def renew_after_fork(self) -> None:
        """Forget the parent's losses, which the parent reports, and its possibly held lock."""
        self._lock = threading.Lock()
        self._total = Counter()
        self._unreported = Counter()
