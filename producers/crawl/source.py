"""What a source of crawled posts is, what it yields, and what those over HTTP have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

from fixstream.producers.crawl.host_client import HostClient
from fixstream.producers.crawl.posts import Answer, Post, event_of, solution_of
from fixstream.producers.crawl.trail import Trail
from fixstream.runtime.clock import Clock
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent, Solution


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What was found in one step; the trail already counts it as read."""

    events: tuple[ErrorEvent, ...] = ()
    solutions: tuple[Solution, ...] = ()
    tombstones: tuple[str, ...] = ()
    """Ids of solutions whose posts were deleted."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Posts that are not published, by reason; a closed set of words."""

    @property
    def num_posts(self) -> int:
        """How much of a run's quota it uses up."""
        return len(self.events) + len(self.solutions)


class CrawlSource(Protocol):
    """One API, and what is asked of it."""

    @property
    def name(self) -> EventSource:
        """How its events say where they come from."""
        ...

    @property
    def queries(self) -> Sequence[str]:
        """What is asked in each run; each has a trail of its own."""
        ...

    def crawl(self, query: str, trail: Trail) -> AsyncGenerator[Harvest, None]:
        """Yield what is new since the trail, oldest first, moving the trail before each yield.

        Raises:
            RetryLater: The rest has to wait for a later run.
            Stop: This query is not answered; others may be.
        """
        ...


class _Quarantining(Protocol):
    @property
    def quarantine(self) -> timedelta: ...


C = TypeVar("C", bound=_Quarantining)


class HttpSource(Generic[C]):
    """What the sources that ask one host over HTTP are made of."""

    def __init__(self, client: HostClient, config: C, clock: Clock) -> None:
        self._client = client
        self._config = config
        self._clock = clock

    def _event(self, post: Post) -> ErrorEvent:
        now = self._clock.now()
        return event_of(post, retrieved_at=now, quarantine=self._config.quarantine)

    def _solution(self, answer: Answer) -> Solution:
        now = self._clock.now()
        return solution_of(answer, retrieved_at=now, quarantine=self._config.quarantine)
