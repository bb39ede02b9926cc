"""The groups of the last hours: their newest event, and how many came in each minute and hour.

For the page. Bounded in groups, in hours and in the length of texts; what is held is scrubbed. Most
records are only counted: a record is read when its group is new, has not been read for a while, or
is looked at. It reads no topic and knows nothing of fixes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.records import TriagedError
from fixstream.triage.scrub import Scrubber

MAX_GROUPS = 2_000
MAX_WAITING_BYTES = 16_384
"""A larger record is not kept to be read later: all groups together must not fill the memory."""
MAX_MESSAGE_CHARS = 4_000
TRACE_HEAD_CHARS = 4_000
TRACE_TAIL_CHARS = 8_000
NUM_MINUTES = 60
NUM_HOURS = 24
READ_AGAIN_AFTER = timedelta(minutes=10)
READ_WHEN_SHOWN_AFTER = timedelta(seconds=5)

Read = Callable[[], TriagedError]
"""Gives a record that has arrived, fit to be shown; raises DeadLetter if it is none."""


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """A group as it stands now. Times are those of arrival."""

    record: TriagedError
    """Its newest event that was read: scrubbed, and cut to what a page holds."""
    num_seen: int
    first_seen: datetime
    last_seen: datetime
    minutes: tuple[int, ...]
    """Events in each of the last 60 minutes, oldest first; the last one is not over yet."""
    hours: tuple[int, ...]
    """The same for the last 24 hours."""


@dataclass(slots=True)
class _Group:
    record: TriagedError
    read_at: datetime
    first_seen: datetime
    last_seen: datetime
    waiting: Read | None = None
    num_seen: int = 0
    minutes: dict[int, int] = field(default_factory=dict)
    hours: dict[int, int] = field(default_factory=dict)


class GroupHistory:
    """The groups, the ones seen last kept. Safe to use from several threads."""

    def __init__(self, max_groups: int = MAX_GROUPS) -> None:
        """Starts with none."""
        self._lock = threading.Lock()
        self._max_groups = max_groups
        self._groups: OrderedDict[str, _Group] = OrderedDict()

    def __len__(self) -> int:
        return len(self._groups)

    def __contains__(self, fingerprint: object) -> bool:
        return fingerprint in self._groups

    def saw(
        self, fingerprint: str, at: datetime, read: Read, num_bytes: int = 0
    ) -> TriagedError | None:
        """Counts an event of a group.

        Args:
            fingerprint: The group's.
            at: When the event arrived.
            read: Called now or later, or never.
            num_bytes: What `read` holds on to.

        Returns:
            The event, if its group is new here.

        Raises:
            DeadLetter: It had to be read, and cannot be.
        """
        with self._lock:
            group = self._groups.get(fingerprint)
            is_new = group is None
            if group is None:
                group = _Group(read(), at, at, at)
                self._groups[fingerprint] = group
            elif num_bytes <= MAX_WAITING_BYTES:
                group.waiting = read
            self._groups.move_to_end(fingerprint)
            _count(group, at)
            _read_waiting(group, READ_AGAIN_AFTER)
            if len(self._groups) > self._max_groups:
                self._groups.popitem(last=False)
            return group.record if is_new else None

    def groups(self, now: datetime, wanted: Callable[[TriagedError], bool]) -> list[str]:
        """The fingerprints of the groups whose event is wanted, those seen last first."""
        oldest = now - timedelta(hours=NUM_HOURS)
        with self._lock:
            found = [
                (group.last_seen, fingerprint)
                for fingerprint, group in self._groups.items()
                if group.last_seen >= oldest and wanted(group.record)
            ]
        return [fingerprint for _, fingerprint in sorted(found, reverse=True)]

    def records(self) -> list[TriagedError]:
        """One event of each group."""
        with self._lock:
            return [group.record for group in self._groups.values()]

    def seen(
        self, fingerprint: str, now: datetime, max_age: timedelta = READ_WHEN_SHOWN_AFTER
    ) -> GroupSeen | None:
        """A group as it stands now; None if it is not known here.

        Args:
            fingerprint: The group's.
            now: Where minutes and hours end.
            max_age: How much older than the newest event the one that is shown may be.
        """
        with self._lock:
            group = self._groups.get(fingerprint)
            if group is None:
                return None
            _read_waiting(group, max_age)
            return GroupSeen(
                group.record,
                group.num_seen,
                group.first_seen,
                group.last_seen,
                _series(group.minutes, _minute(now), NUM_MINUTES),
                _series(group.hours, _hour(now), NUM_HOURS),
            )


def fit_to_show(record: TriagedError, scrubber: Scrubber) -> TriagedError:
    """The record scrubbed once more, cut to what a page holds, without its attributes."""
    event = record.event
    cut = replace(
        event,
        message=_head(event.message, MAX_MESSAGE_CHARS),
        stack_trace=_middle_cut(event.stack_trace) if event.stack_trace else None,
        attributes={},
        provenance=None,
    )
    clean = scrubber.scrub_event(cut)
    return replace(record, event=clean, title=scrubber.scrub(record.title[:MAX_MESSAGE_CHARS]))


def _head(text: str, limit: int) -> str:
    left_out = len(text) - limit
    return text if left_out <= 0 else f"{text[:limit]}\n… {left_out:,} characters left out"


def _middle_cut(trace: str) -> str:
    left_out = len(trace) - TRACE_HEAD_CHARS - TRACE_TAIL_CHARS
    if left_out <= 0:
        return trace
    head, tail = trace[:TRACE_HEAD_CHARS], trace[-TRACE_TAIL_CHARS:]
    return f"{head}\n… {left_out:,} characters left out …\n{tail}"


def _read_waiting(group: _Group, max_age: timedelta) -> None:
    if group.waiting is None or group.last_seen - group.read_at < max_age:
        return
    read, group.waiting = group.waiting, None
    try:
        group.record = read()
    except DeadLetter:  # Told by whoever answers this record; the group keeps its last good one.
        return
    group.read_at = group.last_seen


def _count(group: _Group, at: datetime) -> None:
    group.num_seen += 1
    group.first_seen = min(group.first_seen, at)
    group.last_seen = max(group.last_seen, at)
    for counts, number, size in (
        (group.minutes, _minute(at), NUM_MINUTES),
        (group.hours, _hour(at), NUM_HOURS),
    ):
        counts[number] = counts.get(number, 0) + 1
        if len(counts) > 2 * size:
            newest = max(counts)
            for old in [one for one in counts if one <= newest - size]:
                del counts[old]


def _series(counts: dict[int, int], last: int, size: int) -> tuple[int, ...]:
    return tuple(counts.get(number, 0) for number in range(last - size + 1, last + 1))


def _minute(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() // 60)


def _hour(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() // 3600)
