"""`fixstream crawl`: puts a crawler together from the settings and runs it once or hourly."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Protocol

import aiohttp
import structlog

from fixstream.producers.capture import sdk_name
from fixstream.producers.crawl.crawler import CrawlConfig, CrawlReport, TechnicalDataCrawler
from fixstream.producers.crawl.delivery import CrawlPublisher, Delivery, Topics
from fixstream.producers.crawl.github import GitHubConfig, GitHubSource
from fixstream.producers.crawl.github_limits import github_limits
from fixstream.producers.crawl.hackernews import HackerNewsConfig, HackerNewsSource
from fixstream.producers.crawl.host_client import HostClient, HttpConfig, Judge, no_limits
from fixstream.producers.crawl.pacing import Pauses, Timing
from fixstream.producers.crawl.reddit import RedditConfig, RedditSource
from fixstream.producers.crawl.reddit_client import RedditAccess, RedditClient
from fixstream.producers.crawl.settings import CrawlSettings
from fixstream.producers.crawl.source import CrawlSource
from fixstream.producers.crawl.stackoverflow import StackExchangeConfig, StackExchangeSource
from fixstream.producers.crawl.stackoverflow_limits import StackExchangeLimits
from fixstream.producers.crawl.store import FolderStore
from fixstream.runtime.metrics import serve_metrics
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import Misconfigured
from fixstream.schemas.topics import ERRORS_RAW, SOLUTIONS
from fixstream.triage.scrub import Scrubber

log = structlog.get_logger(__name__)

Crawl = Callable[[], Coroutine[None, None, None]]

_PAUSES = "_pauses"
_STOP_POLL_S = 0.2
_PUBLIC_ORIGINS = {EventSource.GITHUB: "https://api.github.com"}
"""Of hosts that redirect to themselves by name, as GitHub does when a repository was renamed."""
ALL_SOURCES = (
    EventSource.STACKOVERFLOW,
    EventSource.GITHUB,
    EventSource.HACKERNEWS,
    EventSource.REDDIT,
)


class Stopping(Protocol):
    """`runtime.stopping.StopSignal` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the sources are made with."""

    settings: CrawlSettings
    store: FolderStore
    session: aiohttp.ClientSession
    timing: Timing

    @property
    def quarantine(self) -> timedelta:
        """How long a text waits before it may train."""
        return timedelta(hours=self.settings.quarantine_hours)

    def http(self) -> HttpConfig:
        """Limits of requests, with who we are."""
        settings = self.settings
        return HttpConfig(
            user_agent=user_agent(settings.contact),
            connect_timeout_s=settings.connect_timeout_s,
            read_timeout_s=settings.read_timeout_s,
            total_timeout_s=settings.total_timeout_s,
            max_body_bytes=settings.max_body_bytes,
            max_attempts=settings.max_attempts,
        )

    def pauses(self, source: EventSource) -> Pauses:
        """Pauses that outlive the process."""
        return Pauses(
            source.value,
            self.timing,
            self.settings.max_wait_s,
            self.store.load(source.value, _PAUSES),
            partial(self.store.save, source.value, _PAUSES),
        )

    def client(self, source: EventSource, base_url: str, judge: Judge = no_limits) -> HostClient:
        """A client of one host."""
        config = dataclasses.replace(self.http(), public_origin=_PUBLIC_ORIGINS.get(source, ""))
        return HostClient(
            self.session,
            base_url,
            config,
            pauses=self.pauses(source),
            timing=self.timing,
            judge=judge,
        )


def user_agent(contact: str) -> str:
    """Name and version, and whom to ask."""
    name = sdk_name().replace("fixstream-python", "fixstream-crawler")
    return f"{name} ({contact})" if contact else f"{name} (self-hosted error learning)"


def _stackoverflow(shop: Workshop, cleanup: AsyncExitStack) -> CrawlSource:
    settings = shop.settings
    judge = StackExchangeLimits(settings.stackoverflow_quota_floor)
    client = shop.client(EventSource.STACKOVERFLOW, settings.stackoverflow_base_url, judge)
    key = settings.stackoverflow_key
    config = StackExchangeConfig(
        site=settings.stackoverflow_site,
        tags=settings.stackoverflow_tags,
        key=key.get_secret_value() if key else None,
        min_score=settings.stackoverflow_min_score,
        max_answers=settings.stackoverflow_max_answers,
        max_pages=settings.max_pages,
        quarantine=shop.quarantine,
    )
    return StackExchangeSource(client, config, shop.timing.clock)


def _github(shop: Workshop, cleanup: AsyncExitStack) -> CrawlSource:
    settings = shop.settings
    token = settings.github_token
    config = GitHubConfig(
        repositories=settings.github_repositories,
        token=token.get_secret_value() if token else None,
        max_pages=settings.max_pages,
        quarantine=shop.quarantine,
    )
    client = shop.client(EventSource.GITHUB, settings.github_base_url, github_limits)
    return GitHubSource(client, config, shop.timing.clock)


def _hackernews(shop: Workshop, cleanup: AsyncExitStack) -> CrawlSource:
    settings = shop.settings
    client = shop.client(EventSource.HACKERNEWS, settings.hackernews_base_url)
    config = HackerNewsConfig(settings.hackernews_max_stories, shop.quarantine)
    return HackerNewsSource(client, config, shop.timing.clock)


def _reddit(shop: Workshop, cleanup: AsyncExitStack) -> CrawlSource:
    settings = shop.settings
    if settings.reddit_client_id is None or settings.reddit_client_secret is None:
        raise Misconfigured(
            "Reddit is off until FIXSTREAM_CRAWL_REDDIT_CLIENT_ID and"
            " FIXSTREAM_CRAWL_REDDIT_CLIENT_SECRET are those of your own Reddit app"
        )
    access = RedditAccess(
        client_id=settings.reddit_client_id,
        client_secret=settings.reddit_client_secret.get_secret_value(),
        oauth_url=settings.reddit_oauth_url,
        base_url=settings.reddit_base_url,
        http=shop.http(),
        use_proxy_environment=settings.use_proxy_environment,
    )
    client = RedditClient(access, shop.timing.clock)
    cleanup.callback(client.close)
    config = RedditConfig(
        subreddits=settings.reddit_subreddits,
        min_score=settings.reddit_min_score,
        max_attempts=settings.max_attempts,
        quarantine=shop.quarantine,
    )
    return RedditSource(client, config, shop.pauses(EventSource.REDDIT), shop.timing)


_MAKERS: dict[EventSource, Callable[[Workshop, AsyncExitStack], CrawlSource]] = {
    EventSource.STACKOVERFLOW: _stackoverflow,
    EventSource.GITHUB: _github,
    EventSource.HACKERNEWS: _hackernews,
    EventSource.REDDIT: _reddit,
}


@asynccontextmanager
async def open_crawler(
    names: Sequence[EventSource],
    settings: CrawlSettings,
    delivery: Delivery,
    timing: Timing | None = None,
) -> AsyncIterator[TechnicalDataCrawler]:
    """A crawler of these sources, until the block ends.

    Raises:
        Misconfigured: Another process crawls with the same folder, a cursor cannot be read, or
            Reddit lacks credentials.
    """
    timing = timing or Timing()
    store = FolderStore(settings.data_folder)
    async with AsyncExitStack() as cleanup:
        for name in names:
            cleanup.enter_context(store.held(name.value))
        session = await cleanup.enter_async_context(
            aiohttp.ClientSession(
                trust_env=settings.use_proxy_environment, cookie_jar=aiohttp.DummyCookieJar()
            )
        )
        shop = Workshop(settings, store, session, timing)
        sources = [_MAKERS[name](shop, cleanup) for name in names]
        config = CrawlConfig(
            interval_s=settings.interval_s,
            lookback=timedelta(days=settings.lookback_days),
            max_posts_per_run=settings.max_posts_per_run,
            max_posts_per_author=settings.max_posts_per_author,
        )
        yield TechnicalDataCrawler(
            sources, delivery, store, config, clock=timing.clock, sleep=timing.sleep
        )


def run(
    names: Sequence[EventSource],
    settings: CrawlSettings,
    kafka: KafkaSettings,
    stopping: Stopping,
    *,
    once: bool,
    on_report: Callable[[CrawlReport], None] = lambda report: None,
) -> None:
    """Crawl once, or hourly until stopped.

    Raises:
        Misconfigured: As `open_crawler`.
    """
    publisher = _publisher(kafka)
    topics = Topics(kafka.topic(ERRORS_RAW), kafka.topic(SOLUTIONS))
    delivery = Delivery(publisher, topics, Scrubber())
    with ExitStack() as stack:
        port = settings.metrics_port
        stack.enter_context(nullcontext() if port is None or once else serve_metrics(port))

        async def crawl() -> None:
            async with open_crawler(names, settings, delivery) as crawler:
                if once:
                    on_report(await crawler.crawl_once())
                else:
                    await crawler.run(on_report)

        asyncio.run(_until_stopped(crawl, stopping))


async def _until_stopped(
    crawl: Callable[[], Coroutine[None, None, None]], stopping: Stopping
) -> None:
    """Cancelled in the middle, a crawl leaves its cursor before what was not delivered."""
    task = asyncio.create_task(crawl())
    while not task.done() and not stopping.is_set():
        await asyncio.wait({task}, timeout=_STOP_POLL_S)
    if task.done():
        await task
        return
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error


def _publisher(kafka: KafkaSettings) -> CrawlPublisher:
    from fixstream.runtime.kafka import RecordPublisher, make_producer
    from fixstream.runtime.registry import make_codec

    return RecordPublisher(
        make_producer(kafka), make_codec(kafka), ce_source="fixstream/producers/crawl"
    )
