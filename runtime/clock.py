"""Time as a collaborator: what reads a clock takes one, so that a test can set it.

Wall-clock times stamp records; durations and deadlines are measured on the monotonic clock only.
This module never sleeps.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """The wall-clock time, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        return time.monotonic()


class SettableClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Starts at `now`, with the monotonic clock at zero.

        Raises:
            ValueError: `now` has no time zone.
        """
        self._now = _in_utc(now)
        self._monotonic_s = 0.0

    def now(self) -> datetime:
        """The wall-clock time that was set."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that `advance` has added up to."""
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Moves both clocks forward.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("a monotonic clock does not go back")
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds

    def set(self, now: datetime) -> None:
        """Moves the wall clock alone, as an operator or NTP does, backwards too.

        Raises:
            ValueError: `now` has no time zone.
        """
        self._now = _in_utc(now)


def _in_utc(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("the time has no time zone")
    return when.astimezone(UTC)
