"""`TechnicalDataCrawler`: asks its sources, delivers what they yield, and then moves the cursors.

In this order, so that a crash between two steps repeats (under the same ids) and never skips. One
query that fails leaves the others alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from fixstream.producers.crawl.daemon_calls import in_daemon_thread
from fixstream.producers.crawl.delivery import AuthorQuota, Delivery, Published
from fixstream.producers.crawl.metrics import FAILED_QUERIES
from fixstream.producers.crawl.source import CrawlSource, Harvest
from fixstream.producers.crawl.store import CursorStore
from fixstream.producers.crawl.trail import Trail
from fixstream.runtime.clock import Clock, SystemClock
from fixstream.schemas.errors import FixstreamError

if TYPE_CHECKING:
    from fixstream.producers.crawl.collecting import Collected
    from fixstream.producers.crawl.settings import CrawlSettings

log = structlog.get_logger(__name__)

_AUTHORS = "_authors"
_PUBLISHED = "_published"
_KINDS = ("event", "solution", "tombstone")
LAST_DELIVERY_S = 5.0
"""How long a stop waits for Kafka to take what was found."""


@dataclass(frozen=True, slots=True)
class CrawlConfig:
    """How often, how far back, and how much."""

    interval_s: float = 3600.0
    lookback: timedelta = timedelta(days=7)
    max_posts_per_run: int = 500
    max_posts_per_author: int = 20
    """Records a day."""
    delivery_size: int = 50
    """Posts after which delivery is waited for and the cursor saved."""


@dataclass(slots=True)
class CrawlReport:
    """What one run did."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """By source: numbers of event, solution, tombstone, and of what was skipped by reason."""
    failures: list[str] = field(default_factory=list)
    """One line for each query that could not be finished."""

    def num(self, kind: str) -> int:
        """A number over all sources."""
        return sum(counts[kind] for counts in self.counts.values())

    def left_out(self, source: str) -> dict[str, int]:
        """What a source had and was not published, by reason, most first."""
        counts = self.counts.get(source, Counter[str]())
        return {word: n for word, n in counts.most_common() if n and word not in _KINDS}

    @property
    def num_skipped(self) -> int:
        """Posts that were read and not published."""
        return sum(counts.total() for counts in self.counts.values()) - sum(map(self.num, _KINDS))


class TechnicalDataCrawler:
    """Crawls several sources at once, the queries of each one after the other."""

    def __init__(
        self,
        sources: Sequence[CrawlSource],
        delivery: Delivery,
        store: CursorStore,
        config: CrawlConfig | None = None,
        *,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sources = sources
        self._delivery = delivery
        self._store = store
        self._config = config or CrawlConfig()
        self._clock = clock or SystemClock()
        self._sleep = sleep

    @classmethod
    async def collect(cls, *sources: str, settings: CrawlSettings | None = None) -> Collected:
        """Crawl once without Kafka and without cursors; settings come from the environment.

        Raises:
            ValueError: A source is none of stackoverflow, github, hackernews and reddit.
            Misconfigured: Reddit lacks credentials, or a setting is wrong.
        """
        # Here, for what puts a crawler together imports this module.
        from fixstream.producers.crawl.collecting import collect

        return await collect(sources, settings)

    async def crawl_once(self) -> CrawlReport:
        """One run over all sources; what could not be finished is in the report's failures."""
        report = CrawlReport()
        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                tasks.create_task(self._crawl_source(source, report))
        log.info(
            "crawled",
            num_failures=len(report.failures),
            num_skipped=report.num_skipped,
            **{f"num_{kind}s": report.num(kind) for kind in _KINDS},
        )
        return report

    async def run(self, on_report: Callable[[CrawlReport], None] = lambda report: None) -> None:
        """Crawl every `interval_s` until cancelled."""
        while True:
            began_s = self._clock.monotonic()
            on_report(await self.crawl_once())
            left_s = self._config.interval_s - (self._clock.monotonic() - began_s)
            await self._sleep(max(left_s, 0.0))

    async def _crawl_source(self, source: CrawlSource, report: CrawlReport) -> None:
        counts = report.counts.setdefault(source.name.value, Counter())
        run = _SourceRun(source, counts, self._config.max_posts_per_run)
        for query in source.queries:
            if run.posts_left <= 0:
                log.info("quota of this run used up", source=source.name.value, next_query=query)
                return
            failure = await self._failure_of(run, query)
            if failure is not None:
                report.failures.append(f"{source.name} {query}: {failure}")

    async def _failure_of(self, run: _SourceRun, query: str) -> str | None:
        source = run.source.name.value
        try:
            await self._crawl_query(run, query)
        except FixstreamError as error:
            log.warning("query not finished", source=source, query=query, reason=str(error))
            FAILED_QUERIES.labels(source, type(error).__name__).inc()
            return str(error)
        except Exception as error:
            # A fault of ours, in one query: the others go on, and the cursor stands before it.
            log.exception("query failed", source=source, query=query)
            FAILED_QUERIES.labels(source, "fault").inc()
            return f"{type(error).__name__}, a fault of fixstream's; the log has its trace"
        return None

    async def _crawl_query(self, run: _SourceRun, query: str) -> None:
        source = run.source.name.value
        since = int((self._clock.now() - self._config.lookback).timestamp())
        trail = Trail.from_state(self._store.load(source, query), since=since)
        pending: list[Harvest] = []
        ended: Exception | asyncio.CancelledError | None = None
        async with aclosing(run.source.crawl(query, trail)) as harvests:
            while run.posts_left > 0 and ended is None:
                try:
                    pending.append(await anext(harvests))
                except StopAsyncIteration:
                    break
                except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 -- raised below
                    # What was found before is whole, and the trail counts it as read.
                    ended = error
                    continue
                run.posts_left -= pending[-1].num_posts
                if sum(one.num_posts for one in pending) >= self._config.delivery_size:
                    await self._deliver(run, query, pending, trail)
                    pending = []
        if isinstance(ended, asyncio.CancelledError):
            await self._deliver_last(run, query, pending, trail)
        else:
            await self._deliver(run, query, pending, trail)
        if ended is not None:
            raise ended

    async def _deliver_last(
        self, run: _SourceRun, query: str, harvests: list[Harvest], trail: Trail
    ) -> None:
        """On the way out: what does not arrive soon is found again by the next process."""
        try:
            async with asyncio.timeout(LAST_DELIVERY_S):
                await self._deliver(run, query, harvests, trail)
        except (FixstreamError, TimeoutError) as error:
            source, reason = run.source.name.value, type(error).__name__
            log.warning("not delivered before the end", source=source, query=query, reason=reason)

    async def _deliver(
        self, run: _SourceRun, query: str, harvests: list[Harvest], trail: Trail
    ) -> None:
        """Publish, and then move the cursor; a stop in between waits for it a little."""
        task = asyncio.ensure_future(self._delivered(run, query, harvests, trail))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task}, timeout=LAST_DELIVERY_S)
            task.cancel()
            raise

    async def _delivered(
        self, run: _SourceRun, query: str, harvests: list[Harvest], trail: Trail
    ) -> None:
        source = run.source.name.value
        saved = self._store.load(source, _AUTHORS)
        quota = AuthorQuota(self._config.max_posts_per_author, self._clock, saved)
        published = Published(self._store.load(source, _PUBLISHED))
        if harvests:
            deliver = partial(self._delivery.deliver, source, harvests, quota, published)
            run.counts += await in_daemon_thread(deliver)
            self._store.save(source, _AUTHORS, quota.to_state())
            self._store.save(source, _PUBLISHED, published.to_state())
        self._store.save(source, query, trail.to_state())


@dataclass(slots=True)
class _SourceRun:
    source: CrawlSource
    counts: Counter[str]
    posts_left: int
