"""When the next request may go out: jittered retries, a circuit breaker, and pauses hosts ask for.

Nothing here talks to a host. Clock, sleep and randomness come from the caller.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from fixstream.producers.crawl.failures import HostBusy
from fixstream.runtime.clock import Clock, SystemClock

log = structlog.get_logger(__name__)

MAX_PAUSE = timedelta(hours=25)
"""No pause is longer, whatever a host says: the longest honest one is a day's quota."""
WHOLE_HOST = ""
"""The key of a pause that is for everything that a host offers."""

_FIRST_RETRY_S = 1.0
_LAST_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Timing:
    """The collaborators that have to do with time."""

    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    """From 0 to 1, as `random.random`."""


def full_jitter(attempt: int, random_share: float) -> float:
    """Seconds before retry `attempt` (0 is the first): anything up to a bound that doubles.

    Spreading over the whole range keeps many clients of one host from coming back together.
    """
    return random_share * min(_LAST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(attempt, 30))


class CircuitBreaker:
    """Leaves a host alone after failures in a row; one request then tries whether it is back."""

    def __init__(
        self, host: str, clock: Clock, *, max_failures: int = 6, open_s: float = 300.0
    ) -> None:
        self._host = host
        self._clock = clock
        self._max_failures = max_failures
        self._open_s = open_s
        self._num_failures = 0
        self._closed_at_s = 0.0

    def check(self) -> None:
        """Return when a request may go out.

        Raises:
            HostBusy: The host failed too often just now.
        """
        left_s = self._closed_at_s - self._clock.monotonic()
        if self._num_failures >= self._max_failures and left_s > 0:
            until = self._clock.now() + timedelta(seconds=left_s)
            raise HostBusy(self._host, until, f"{self._num_failures} failures in a row")

    def note_failure(self) -> None:
        """A request failed for a passing reason."""
        self._num_failures += 1
        self._closed_at_s = self._clock.monotonic() + self._open_s

    def note_success(self) -> None:
        """The host answered, if only to refuse."""
        self._num_failures = 0


class Pauses:
    """Until when which of a host's methods is left alone, kept across restarts.

    Args:
        host: For messages.
        timing: Clock and sleep.
        max_wait_s: Pauses up to this are sat out, longer ones end the run.
        saved: What `save` was given by an earlier process.
        save: Keeps the pauses; called with each new one.
    """

    def __init__(
        self,
        host: str,
        timing: Timing,
        max_wait_s: float,
        saved: Mapping[str, object] | None = None,
        save: Callable[[dict[str, float]], None] = lambda pauses: None,
    ) -> None:
        self._host = host
        self._timing = timing
        self._max_wait_s = max_wait_s
        self._save = save
        self._until = {
            key: float(until)
            for key, until in (saved or {}).items()
            if isinstance(until, int | float)
        }

    def note(self, key: str, until: datetime) -> None:
        """Leave `key` alone until then; a pause is never shortened."""
        latest = (self._timing.clock.now() + MAX_PAUSE).timestamp()
        new = max(min(until.timestamp(), latest), self._until.get(key, 0.0))
        if new != self._until.get(key):
            self._until[key] = new
            now_s = self._timing.clock.now().timestamp()
            self._save({key: end for key, end in self._until.items() if end > now_s})

    async def wait(self, key: str, reason: str = "it asked for a pause") -> None:
        """Return when neither `key` nor the whole host is paused.

        Raises:
            HostBusy: That is too far off.
        """
        left_s = max(self._left_s(key), self._left_s(WHOLE_HOST))
        if left_s <= 0:
            return
        if left_s > self._max_wait_s:
            until = self._timing.clock.now() + timedelta(seconds=left_s)
            raise HostBusy(self._host, until.astimezone(UTC), reason)
        log.info("waiting as the host asked", host=self._host, method=key, seconds=round(left_s, 1))
        await self._timing.sleep(left_s)

    def _left_s(self, key: str) -> float:
        left_s = self._until.get(key, 0.0) - self._timing.clock.now().timestamp()
        # More than was ever noted: the clock went back. That pause is over, as far as one can tell.
        return 0.0 if left_s > MAX_PAUSE.total_seconds() else left_s
