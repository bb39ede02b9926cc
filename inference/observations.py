"""What the service has seen go by, for the live page and `/stats`: bounded, and no more than that.

Counts are of what this instance read, since it started; the groups' own counts come from the
processor, which remembers them across restarts. Nothing here is estimated.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from fixstream.schemas.records import SuggestedFix, TriagedError

V = TypeVar("V")

MAX_GROUPS = 5_000
MAX_SUGGESTIONS = 50
MAX_EVENTS = 100_000


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """One group as it was last seen."""

    fingerprint: str
    title: str
    service: str
    domain: str
    severity: str
    category: str
    occurrences: int
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class SuggestionSeen:
    """One suggestion that was made, with the title of its error."""

    title: str
    suggestion: SuggestedFix


class Observations:
    """The last groups, suggestions and event ids. Safe to use from several threads."""

    def __init__(self) -> None:
        """Starts with none."""
        self._lock = threading.Lock()
        self._groups: OrderedDict[str, GroupSeen] = OrderedDict()
        self._suggestions: deque[SuggestionSeen] = deque(maxlen=MAX_SUGGESTIONS)
        self._fingerprints: OrderedDict[str, str] = OrderedDict()
        self._group_counts: dict[str, dict[int, int]] = {}
        self.num_triaged = 0
        self.num_suggestions = 0
        self.num_with_fix = 0

    def triaged(self, records: Iterable[TriagedError]) -> None:
        """Notes triaged errors."""
        with self._lock:
            for record in records:
                self.num_triaged += 1
                fingerprint, event = record.fingerprint, record.event
                before = self._groups.pop(fingerprint, None)
                self._groups[fingerprint] = GroupSeen(
                    fingerprint=fingerprint,
                    title=record.title,
                    service=event.service,
                    domain=record.domain.value,
                    severity=record.severity.value,
                    category=record.category.value,
                    occurrences=max(record.occurrences, before.occurrences if before else 0),
                    last_seen=event.occurred_at,
                )
                self._fingerprints[event.event_id] = fingerprint
            _shrink(self._groups, MAX_GROUPS)
            _shrink(self._fingerprints, MAX_EVENTS)

    def group_counted(self, fingerprint: str, partition: int, occurrences: int) -> None:
        """Notes how often the processor has seen a group, as one partition tells it."""
        with self._lock:
            self._group_counts.setdefault(fingerprint, {})[partition] = occurrences

    def group_forgotten(self, fingerprint: str, partition: int) -> None:
        """Notes that the processor has forgotten a group of one partition."""
        with self._lock:
            counts = self._group_counts.get(fingerprint, {})
            counts.pop(partition, None)
            if not counts:
                self._group_counts.pop(fingerprint, None)

    @property
    def num_groups(self) -> int:
        """The groups that the processor remembers."""
        return len(self._group_counts)

    def suggested(self, title: str, suggestion: SuggestedFix) -> None:
        """Notes a suggestion that was delivered."""
        with self._lock:
            self.num_suggestions += 1
            self.num_with_fix += bool(suggestion.fixes)
            if suggestion.fixes:
                self._suggestions.append(SuggestionSeen(title, suggestion))

    def fingerprint_of(self, event_id: str) -> str | None:
        """The group of an event that was seen a while ago at most."""
        return self._fingerprints.get(event_id)

    def groups(self, limit: int) -> list[GroupSeen]:
        """The groups seen last, newest first."""
        with self._lock:
            return list(reversed(self._groups.values()))[:limit]

    def suggestions(self, limit: int) -> list[SuggestionSeen]:
        """The last suggestions that held a fix, newest first."""
        with self._lock:
            return list(reversed(self._suggestions))[:limit]


def _shrink(entries: OrderedDict[str, V], limit: int) -> None:
    while len(entries) > limit:
        entries.popitem(last=False)
