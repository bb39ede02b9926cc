"""What the service has seen go by, for the live page and `/stats`: bounded, and no more than that.

Groups and causes are read from the topics again at every start; how often a group was seen the
processor tells, which remembers it. Other counts are of what this instance did since it started.
Nothing here is estimated.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from fixstream.inference.cause_graph import CauseGraph
from fixstream.inference.group_history import GroupHistory
from fixstream.schemas.records import SuggestedFix, TriagedError

V = TypeVar("V")

MAX_SUGGESTIONS = 50
MAX_EVENTS = 100_000


@dataclass(frozen=True, slots=True)
class SuggestionSeen:
    """One suggestion that was made, with the title of its error."""

    title: str
    suggestion: SuggestedFix


class Observations:
    """The last groups, causes, suggestions and event ids. Safe to use from several threads."""

    def __init__(self) -> None:
        """Starts with none."""
        self.history = GroupHistory()
        self.causes = CauseGraph()
        self._lock = threading.Lock()
        self._suggestions: deque[SuggestionSeen] = deque(maxlen=MAX_SUGGESTIONS)
        self._fingerprints: OrderedDict[str, str] = OrderedDict()
        self._group_counts: dict[str, dict[int, int]] = {}
        self.num_triaged = 0
        self.num_suggestions = 0
        self.num_with_fix = 0

    def triaged(self, records: Iterable[TriagedError]) -> None:
        """Notes which group each error belongs to, for feedback on it."""
        with self._lock:
            for record in records:
                self.num_triaged += 1
                self._fingerprints[record.event.event_id] = record.fingerprint
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

    def occurrences_of(self, fingerprint: str) -> int:
        """How often the processor has seen a group, over all partitions; 0 if it does not say."""
        with self._lock:
            return sum(self._group_counts.get(fingerprint, {}).values())

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

    def suggestions(self, limit: int) -> list[SuggestionSeen]:
        """The last suggestions that held a fix, newest first."""
        with self._lock:
            return list(reversed(self._suggestions))[:limit]


def _shrink(entries: OrderedDict[str, V], limit: int) -> None:
    while len(entries) > limit:
        entries.popitem(last=False)
