"""Crawling without Kafka: what was found, in memory, for a notebook or a first look.

It looks back as far as the settings say and keeps no cursor, so each call finds the same again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fixstream.producers.crawl.crawler import CrawlReport
from fixstream.producers.crawl.delivery import Delivery, Topics
from fixstream.producers.crawl.service import open_crawler
from fixstream.producers.crawl.settings import CrawlSettings
from fixstream.runtime.settings import load_settings
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent, Record, Solution
from fixstream.triage.scrub import Scrubber


@dataclass(slots=True)
class Collected:
    """What a crawl found, scrubbed as it would be published; a `CrawlPublisher`."""

    events: list[ErrorEvent] = field(default_factory=list)
    solutions: list[Solution] = field(default_factory=list)
    tombstones: list[str] = field(default_factory=list)
    """Ids of solutions whose posts were deleted."""
    report: CrawlReport = field(default_factory=CrawlReport)

    def publish(self, topic: str, key: str, record: Record) -> None:
        """Keep a record."""
        if isinstance(record, ErrorEvent):
            self.events.append(record)
        elif isinstance(record, Solution):
            self.solutions.append(record)

    def publish_bytes(self, topic: str, key: str, value: bytes | None) -> None:
        """Keep a tombstone."""
        self.tombstones.append(key)

    def flush(self, timeout_s: float) -> None:
        """Everything is kept already."""


async def collect(sources: Sequence[str], settings: CrawlSettings | None = None) -> Collected:
    """One run over the sources.

    Raises:
        ValueError: A source is none of stackoverflow, github, hackernews and reddit.
        Misconfigured: Reddit lacks credentials, or a setting is wrong.
    """
    names = [EventSource(source) for source in dict.fromkeys(sources)]
    collected = Collected()
    delivery = Delivery(collected, Topics("events", "solutions"), Scrubber())
    with tempfile.TemporaryDirectory() as folder:
        chosen = settings or load_settings(CrawlSettings)
        chosen = chosen.model_copy(update={"data_folder": Path(folder)})
        async with open_crawler(names, chosen, delivery) as crawler:
            collected.report = await crawler.crawl_once()
    return collected
