"""Asks a host until it answers: over failures and pauses, as often as is allowed and no longer.

It knows nothing of HTTP. Asyncio and blocking clients bring the one attempt that is made again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from fixstream.producers.crawl.failures import HostBusy, HostFailed
from fixstream.producers.crawl.metrics import REQUESTS
from fixstream.producers.crawl.pacing import CircuitBreaker, Pauses, Timing, full_jitter

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Attempts:
    """For one host; it may be used from several tasks of one loop."""

    def __init__(self, host: str, pauses: Pauses, timing: Timing, max_attempts: int) -> None:
        self._host = host
        self._pauses = pauses
        self._timing = timing
        self._max_attempts = max_attempts
        self._breaker = CircuitBreaker(host, timing.clock)

    async def answer(self, method: str, attempt: Callable[[], Awaitable[T | None]]) -> T:
        """What an attempt returns; None stands for a pause that was noted.

        Raises:
            HostBusy: The host wants to be left alone for longer than a run waits.
            HostFailed: It failed as often as is tried.
        """
        failure: HostFailed | None = None
        for number in range(self._max_attempts):
            if failure is not None:
                await self._timing.sleep(full_jitter(number - 1, self._timing.random()))
            failure = None
            await self._pauses.wait(method)
            self._breaker.check()
            try:
                answer = await attempt()
            except HostFailed as problem:
                self._breaker.note_failure()
                REQUESTS.labels(self._host, "failed").inc()
                log.warning("host failed", host=self._host, reason=str(problem), attempt=number + 1)
                failure = problem
                continue
            self._breaker.note_success()
            REQUESTS.labels(self._host, "limited" if answer is None else "answered").inc()
            if answer is not None:
                return answer
        if failure is not None:
            raise failure
        await self._pauses.wait(method)
        raise HostBusy(self._host, self._timing.clock.now(), "its limit was met again and again")
